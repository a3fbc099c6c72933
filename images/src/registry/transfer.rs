//! Manifests and blobs, from a registry and to it.
//!
//! What comes is measured and hashed on the way: the size against the manifest's word and our
//! limit, the digest against what was asked for.

use futures_util::StreamExt;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use reqwest::{Body, Response, StatusCode};
use skep_api::{Bytes, Digest};
use tokio::io::AsyncRead;
use tokio::sync::watch;
use tokio_util::io::ReaderStream;

use super::session::{ReadError, Session, read_bounded};
use crate::ImageError;
use crate::artifact::{ACCEPTED, Blob, MANIFEST_MAX};
use crate::blobs::{Finished, Partial, digest_of};

/// How many bytes of a file are read and sent at once.
const PART_SIZE: usize = 64 << 10;

/// A manifest as it came.
pub(crate) struct FetchedManifest {
    pub(crate) digest: Digest,
    pub(crate) bytes: Vec<u8>,
    /// What the registry says it is.
    pub(crate) media_type: String,
}

impl Session<'_> {
    /// Fetches the manifest of a tag or digest; none if the registry has no such.
    pub(crate) async fn manifest(
        &self,
        name: &str,
        reference: &str,
    ) -> Result<Option<FetchedManifest>, ImageError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let request = self.client.get(url).header(ACCEPT, ACCEPTED.join(", "));
        let response = self.ask(request).await?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(self.refusal("give the manifest", response).await),
        }
        let header = |key: &str| {
            let value = response.headers().get(key)?;
            value.to_str().ok().map(str::to_owned)
        };
        let media_type = header("content-type").unwrap_or_default();
        // By tag the registry's own word is all there is to hold it to; by digest, ours.
        let announced = header("docker-content-digest").and_then(|text| text.parse().ok());
        let expected: Option<Digest> = reference.parse().ok().or(announced);
        let bytes = self.read(name, "manifest", response, MANIFEST_MAX).await?;
        let digest = digest_of(&bytes);
        check_digest(name, "manifest", expected.unwrap_or(digest), digest)?;
        Ok(Some(FetchedManifest { digest, bytes, media_type }))
    }

    /// Fetches a blob that fits in memory.
    pub(crate) async fn small_blob(
        &self,
        name: &str,
        what: &'static str,
        blob: Blob,
        max: Bytes,
    ) -> Result<Vec<u8>, ImageError> {
        if blob.size > max.0 {
            return Err(ImageError::TooLarge { name: name.to_owned(), what, max });
        }
        let response = self.get_blob(blob.digest).await?;
        let bytes = self.read(name, what, response, max).await?;
        check_size(name, what, blob.size, bytes.len() as u64)?;
        check_digest(name, what, blob.digest, digest_of(&bytes))?;
        Ok(bytes)
    }

    /// Fetches a blob into a file that is made for its size; `seen` hears how much has come.
    pub(crate) async fn blob(
        &self,
        name: &str,
        what: &'static str,
        blob: Blob,
        mut partial: Partial,
        seen: &(dyn Fn(u64) + Sync),
    ) -> Result<Finished, ImageError> {
        let mut response = self.get_blob(blob.digest).await?;
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    if partial.write(&chunk).await?.is_err() {
                        return Err(self.more_than_announced(what, blob.size));
                    }
                    seen(partial.written());
                }
                Ok(None) => break,
                Err(error) if error.is_timeout() => return Err(self.unreachable(&error)),
                Err(error) => {
                    tracing::debug!(%error, name, what, "a blob broke off");
                    break;
                }
            }
        }
        check_size(name, what, blob.size, partial.written())?;
        let finished = partial.finish().await?;
        check_digest(name, what, blob.digest, finished.digest)?;
        Ok(finished)
    }

    /// Whether the registry has that blob in this repository.
    pub(crate) async fn has_blob(&self, digest: Digest) -> Result<bool, ImageError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let response = self.ask(self.client.head(url)).await?;
        match response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.refusal("look for a blob", response).await),
        }
    }

    /// Sends a blob; `seen` hears how much has gone.
    pub(crate) async fn upload(
        &self,
        blob: Blob,
        source: impl AsyncRead + Send + 'static,
        seen: &(dyn Fn(u64) + Sync),
    ) -> Result<(), ImageError> {
        let start = self.url("blobs/uploads/")?;
        let response = self.ask(self.client.post(start).header(CONTENT_LENGTH, 0)).await?;
        if response.status() != StatusCode::ACCEPTED {
            return Err(self.refusal("begin an upload", response).await);
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| {
            self.failed("begin an upload", "its answer has no `Location`".to_owned())
        })?;
        let mut url = self.resolve(response.url(), location)?;
        url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());

        let (sent, mut watched) = watch::channel(0_u64);
        let stream = ReaderStream::with_capacity(source, PART_SIZE).inspect(move |part| {
            let length = part.as_ref().map_or(0, |part| part.len() as u64);
            sent.send_modify(|total| *total += length);
        });
        let request = self
            .client
            .put(url)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, blob.size)
            .body(Body::wrap_stream(stream));
        let mut answer = std::pin::pin!(self.send(request));
        let response = loop {
            tokio::select! {
                answer = &mut answer => break answer?,
                Ok(()) = watched.changed() => seen(*watched.borrow_and_update()),
            }
        };
        match response.status() {
            StatusCode::CREATED => Ok(()),
            _ => Err(self.refusal("take the blob", response).await),
        }
    }

    /// Sends a manifest under a tag or its digest.
    pub(crate) async fn put_manifest(
        &self,
        reference: &str,
        media_type: &str,
        bytes: Vec<u8>,
    ) -> Result<(), ImageError> {
        let url = self.url(&format!("manifests/{reference}"))?;
        let request = self.client.put(url).header(CONTENT_TYPE, media_type).body(bytes);
        let response = self.ask(request).await?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(self.refusal("take the manifest", response).await)
    }

    async fn get_blob(&self, digest: Digest) -> Result<Response, ImageError> {
        let url = self.url(&format!("blobs/{digest}"))?;
        let response = self.ask(self.client.get(url)).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            _ => Err(self.refusal("give a blob", response).await),
        }
    }

    async fn read(
        &self,
        name: &str,
        what: &'static str,
        response: Response,
        max: Bytes,
    ) -> Result<Vec<u8>, ImageError> {
        read_bounded(response, max).await.map_err(|error| match error {
            ReadError::TooLarge(max) => ImageError::TooLarge { name: name.to_owned(), what, max },
            ReadError::Broken(_) => self.failed(&format!("give the {what}"), error.to_string()),
        })
    }

    fn more_than_announced(&self, what: &str, size: u64) -> ImageError {
        let reason = format!("it sends more than the {size} bytes that the manifest says");
        self.failed(&format!("give the {what}"), reason)
    }
}

fn check_size(name: &str, what: &'static str, expected: u64, got: u64) -> Result<(), ImageError> {
    if got < expected {
        return Err(ImageError::Truncated { name: name.to_owned(), what, got, expected });
    }
    Ok(())
}

fn check_digest(
    name: &str,
    what: &'static str,
    expected: Digest,
    got: Digest,
) -> Result<(), ImageError> {
    if got != expected {
        return Err(ImageError::DigestMismatch { name: name.to_owned(), what, expected, got });
    }
    Ok(())
}
