//! What happens in the store without a registry: loading, entering, removing.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use skep_api::{Digest, ImageInfo};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Force, ImageStore, Inner, Pins, Removed, no_such_image, on_files};
use crate::artifact::{self, Blob, COMPONENT_MAX};
use crate::blobs::Finished;
use crate::component::{Findings, Unread, analyse, check_imports};
use crate::index::{Image, Key, Origin};
use crate::name::{ImageName, excerpt};
use crate::{ImageError, NotRunnable};

/// How many bytes of a file that is loaded are read at once.
const READ_SIZE: usize = 64 << 10;

impl ImageStore {
    /// Takes a component from a wasm file under the name `tag`. The same file gives the same
    /// digest in every store.
    pub async fn load(
        &self,
        tag: &str,
        source: impl AsyncRead + Unpin + Send,
    ) -> Result<ImageInfo, ImageError> {
        let name = ImageName::parse(tag)?;
        let Some(tagged) = name.tagged().filter(|_| name.digest.is_none()) else {
            let reason = "an image is loaded under a tag, its digest follows from it".to_owned();
            return Err(ImageError::Name { name: excerpt(tag), reason });
        };
        let mut pins = Pins::new(&self.inner);
        let loaded = self.inner.load(tagged, source, &mut pins).await;
        self.inner.settle(pins, loaded).await
    }

    /// Takes a name away, and the image with its last name. An image that tasks still run is the
    /// caller's to protect.
    pub async fn remove(&self, name: &str, force: Force) -> Result<Removed, ImageError> {
        let name = name.to_owned();
        on_files(&self.inner, move |inner| {
            let removed = inner.forget(&name, force)?;
            inner.sweep()?;
            Ok(removed)
        })
        .await
    }
}

impl Inner {
    /// Ends what brought blobs in: nothing of a failure stays.
    pub(super) async fn settle<T>(
        self: &Arc<Self>,
        pins: Pins,
        outcome: Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        drop(pins);
        if outcome.is_err()
            && let Err(error) = on_files(self, |inner| inner.sweep()).await
        {
            // The first error is the one to show; the next sweep tries again.
            tracing::warn!(%error, "blobs that are not needed could not be removed");
        }
        outcome
    }

    async fn load(
        self: &Arc<Self>,
        tagged: String,
        mut source: impl AsyncRead + Unpin + Send,
        pins: &mut Pins,
    ) -> Result<ImageInfo, ImageError> {
        let mut partial = self.blobs.create(COMPONENT_MAX).await?;
        let mut buffer = vec![0; READ_SIZE];
        loop {
            let read = source.read(&mut buffer).await;
            let read = read.map_err(ImageError::io("read the component for", &tagged))?;
            if read == 0 {
                break;
            }
            if partial.write(&buffer[..read]).await?.is_err() {
                let (name, max) = (tagged, COMPONENT_MAX);
                return Err(ImageError::TooLarge { name, what: "component", max });
            }
        }
        let finished = partial.finish().await?;
        let component = Blob { digest: finished.digest, size: finished.size };
        pins.add(component.digest);
        let findings = self.take_component(&tagged, finished).await?;
        let (manifest, config) = artifact::write(component, &findings);
        let entry = Entry { manifest, config, component, findings };
        self.enter(entry, Some((tagged, Origin::Loaded)), pins).await
    }

    /// Makes a component that arrived visible, if it is one that can run here.
    pub(super) async fn take_component(
        self: &Arc<Self>,
        name: &str,
        finished: Finished,
    ) -> Result<Findings, ImageError> {
        let findings = self.examine(name, finished.path().to_owned()).await?;
        self.blobs.keep(finished).await?;
        Ok(findings)
    }

    /// Finds out what a component is, and refuses what cannot run here.
    pub(super) async fn examine(
        self: &Arc<Self>,
        name: &str,
        path: PathBuf,
    ) -> Result<Findings, ImageError> {
        let analysed = on_files(self, move |_| {
            let mut file = std::fs::File::open(&path).map_err(ImageError::io("read", &path))?;
            match analyse(&mut file) {
                Ok(findings) => Ok(Ok(findings)),
                Err(Unread::Refused(reason)) => Ok(Err(reason)),
                Err(Unread::Io(error)) => Err(ImageError::io("read", path)(error)),
            }
        })
        .await?;
        let findings = analysed.map_err(|reason| not_runnable(name, reason))?;
        check_imports(&findings.imports, self.host_offers)
            .map_err(|reason| not_runnable(name, reason))?;
        Ok(findings)
    }

    /// Enters an image whose component is there already; its other blobs come first, so that the
    /// index never points to what is missing.
    pub(super) async fn enter(
        self: &Arc<Self>,
        entry: Entry,
        name: Option<(String, Origin)>,
        pins: &mut Pins,
    ) -> Result<ImageInfo, ImageError> {
        for bytes in [&entry.config, &entry.manifest] {
            pins.add(crate::blobs::digest_of(bytes));
        }
        let config = self.blobs.put(&entry.config).await?;
        let digest = self.blobs.put(&entry.manifest).await?;
        let image = Image {
            config: Key(config),
            component: Key(entry.component.digest),
            size: entry.component.size,
            kind: entry.findings.kind,
            imports: entry.findings.imports,
            exports: entry.findings.exports,
            created_secs: now_secs(),
        };
        // Told from the index as it was written: another may remove the image right after.
        on_files(self, move |inner| {
            inner.change(|index| {
                index.add(digest, image, name)?;
                index.info(digest).ok_or_else(|| no_such_image(&digest.to_string()))
            })
        })
        .await
    }

    pub(super) fn info(&self, digest: Digest) -> Result<ImageInfo, ImageError> {
        self.index().info(digest).ok_or_else(|| no_such_image(&digest.to_string()))
    }

    fn forget(&self, text: &str, force: Force) -> Result<Removed, ImageError> {
        self.change(|index| {
            let digest = self.find(index, text)?;
            let by_name = ImageName::parse(text)
                .ok()
                .filter(|name| name.digest.is_none())
                .and_then(|name| self.known_name(index, &name));
            let names = index.names_of(digest);
            let untagged = match by_name {
                Some(name) => vec![name],
                None if names.len() > 1 && force == Force::No => {
                    let short = digest.hex().chars().take(12).collect();
                    return Err(ImageError::SeveralNames {
                        digest: short,
                        names: names.join(", "),
                    });
                }
                None => names,
            };
            for name in &untagged {
                index.names.remove(name);
            }
            let last = index.names_of(digest).is_empty();
            if last {
                index.images.remove(&Key(digest));
            }
            Ok(Removed { untagged, deleted: last.then_some(digest) })
        })
    }
}

/// An image that is about to be entered.
pub(super) struct Entry {
    pub(super) manifest: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) component: Blob,
    pub(super) findings: Findings,
}

pub(super) fn not_runnable(name: &str, reason: NotRunnable) -> ImageError {
    ImageError::NotRunnable { name: name.to_owned(), reason }
}

fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
