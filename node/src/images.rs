//! Between the image store and those who ask for images: clients, and managers who pin tags.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;

use futures_util::Stream;
use skep_api::{Digest, Error, ImageInfo, Result, SecretBytes, Workload};
use skep_images::{Auth, ImageError, ImageStore, Progress, ProgressStep, Transfer};
use skep_manager::{ResolveImage, ResolvedImage};
use skep_wire::{pb, to_status};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Progress lines that may wait for a slow client; more are dropped, the last line never is.
const PROGRESS_WAITING_MAX: usize = 64;

type ProgressStream =
    Pin<Box<dyn Stream<Item = std::result::Result<pb::ImageProgress, Status>> + Send>>;

/// Credentials as they came with a request.
pub(crate) fn auth(header: Option<Vec<u8>>) -> Result<Auth> {
    let Some(header) = header.filter(|header| !header.is_empty()) else {
        return Ok(Auth::FromConfig);
    };
    let text = String::from_utf8(header).map_err(|_| {
        Error::invalid("the registry credentials cannot be read: they are not base64")
    })?;
    Auth::from_header(&text).map_err(Error::from)
}

/// Whether one of an image's names is, or begins with, one of the references; `*` stands for anything
/// at the end.
pub(crate) fn matches(image: &ImageInfo, references: &[String]) -> bool {
    let hit = |name: &String, reference: &String| match reference.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => {
            name == reference || name.rsplit_once(':').is_some_and(|(bare, _)| bare == reference)
        }
    };
    references.is_empty() || image.tags.iter().any(|name| references.iter().any(|r| hit(name, r)))
}

/// Tells a client how far a transfer has come: a line when a blob's state changes.
pub(crate) struct Reporter {
    sender: mpsc::Sender<std::result::Result<pb::ImageProgress, Status>>,
    told: Mutex<BTreeMap<Digest, Transfer>>,
}

impl Progress for Reporter {
    fn report(&self, step: &ProgressStep) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.get(&step.digest) == Some(&step.transfer) {
            return;
        }
        told.insert(step.digest, step.transfer);
        let word = match step.transfer {
            Transfer::Downloading => "Pulling",
            Transfer::Downloaded => "Pull complete",
            Transfer::Uploading => "Pushing",
            Transfer::Uploaded => "Pushed",
            Transfer::Exists => "Already exists",
        };
        let status = format!("{}: {word} ({})", &step.digest.hex()[..12], step.total);
        let line =
            pb::ImageProgress { status, done: step.done.0, total: step.total.0, image: None };
        // A client that reads too slowly misses a line in between.
        let _ = self.sender.try_send(Ok(line));
    }
}

/// Runs a transfer and streams how far it has come; the last message has the image.
pub(crate) fn with_progress<F, W>(work: W) -> ProgressStream
where
    W: FnOnce(Reporter) -> F + Send + 'static,
    F: Future<Output = std::result::Result<ImageInfo, ImageError>> + Send,
{
    let (sender, receiver) = mpsc::channel(PROGRESS_WAITING_MAX);
    let reporter = Reporter { sender: sender.clone(), told: Mutex::default() };
    tokio::spawn(async move {
        let last = match work(reporter).await {
            Ok(image) => {
                Ok(pb::ImageProgress { image: Some((&image).into()), ..Default::default() })
            }
            Err(error) => Err(to_status(&Error::from(error))),
        };
        // The client may have gone away; the transfer is done all the same.
        let _ = sender.send(last).await;
    });
    Box::pin(ReceiverStream::new(receiver))
}

/// Pins tags for managers, from the node's own store or a registry.
pub(crate) struct Resolver {
    images: ImageStore,
}

impl Resolver {
    pub(crate) fn new(images: ImageStore) -> Self {
        Self { images }
    }
}

#[tonic::async_trait]
impl ResolveImage for Resolver {
    async fn resolve(&self, image: &str, auth: Option<&SecretBytes>) -> Result<ResolvedImage> {
        let auth = self::auth(auth.map(|auth| auth.expose().to_vec()))?;
        let resolved = self.images.resolve(image, &auth).await?;
        Ok(ResolvedImage { pinned: resolved.pinned, workload: resolved.workload })
    }

    fn known(&self, image: &str) -> Option<Workload> {
        self.images.workload(image)
    }
}
