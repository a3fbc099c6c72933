//! The store that the rest of the node sees.
//!
//! Readers take a snapshot of the index and never wait. Writers queue: each changes a copy, writes
//! it, and then shows it. Blobs that no image needs are swept after every removal and failure;
//! what a pull has fetched but not yet entered is pinned, so that no sweep takes it away.

mod local;
mod remote;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use skep_api::{Digest, ImageInfo, Workload};
use tokio::sync::Semaphore;

use crate::blobs::Blobs;
use crate::index::{Index, Key};
use crate::name::ImageName;
use crate::registry::client::Settings;
use crate::{ImageError, blobs};

/// How many pulls go on at once, as in Docker: more only share the same line, and each may need
/// its component's size on disk.
const PULLS_MAX: usize = 3;

/// How a store behaves.
#[derive(Debug, Clone)]
pub struct ImagesConfig {
    /// Whether the host offers that import, `wasi:http/types@0.2.3`.
    pub host_offers: fn(&str) -> bool,
    /// What goes in front of a name without a host that is not in the store, `ghcr.io/me`.
    pub default_registry: Option<String>,
    /// Registries, `host:port`, that may be spoken to without encryption. Loopback always may.
    pub insecure_registries: Vec<String>,
    /// PEM files with certificate authorities to trust beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// The docker config file with credentials; see [`crate::default_docker_config`].
    pub docker_config: Option<PathBuf>,
}

/// The images of a node. Clones share one store.
#[derive(Clone)]
pub struct ImageStore {
    inner: Arc<Inner>,
}

/// What a name stands for at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The name with its digest, `name:tag@sha256:...`: what a task's spec keeps.
    pub pinned: String,
    /// The digest of the manifest.
    pub digest: Digest,
    /// What it is, as far as its manifest and config tell.
    pub workload: Option<Workload>,
}

/// A component of the local store, ready to be prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalComponent {
    /// The digest of the wasm file.
    pub digest: Digest,
    /// The wasm file.
    pub path: PathBuf,
    /// What is known of its image.
    pub info: ImageInfo,
}

/// Whether `remove` takes an image away that has several names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Refuse.
    No,
    /// Take all its names away.
    Yes,
}

/// What `remove` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The names that are gone.
    pub untagged: Vec<String>,
    /// The image that is gone with its last name.
    pub deleted: Option<Digest>,
}

struct Inner {
    root: PathBuf,
    blobs: Blobs,
    settings: Settings,
    host_offers: fn(&str) -> bool,
    default_registry: Option<String>,
    index: RwLock<Arc<Index>>,
    /// Held while the index is changed and written. Never taken on an async thread.
    writing: Mutex<()>,
    /// Blobs that somebody is bringing in, and how many do.
    pins: Mutex<BTreeMap<Digest, usize>>,
    /// One lock per component that is being fetched: ten tasks of one image fetch it once.
    flights: Mutex<BTreeMap<Digest, Weak<tokio::sync::Mutex<()>>>>,
    pulls: Semaphore,
}

impl ImageStore {
    /// Opens the store under `root`, making it if it is not there. One process at a time: the
    /// caller holds the lock on the data folder.
    pub fn open(root: &Path, config: ImagesConfig) -> Result<Self, ImageError> {
        if let Some(prefix) = &config.default_registry {
            let example = ImageName::parse(&format!("{}/x", prefix.trim_end_matches('/')));
            if example.map_or(true, |name| name.host.is_none()) {
                return Err(ImageError::Setting(format!(
                    "default registry `{prefix}` must begin with a host, like `ghcr.io/me`"
                )));
            }
        }
        let settings = Settings::new(&config)?;
        // The index first: a damaged store is reported before anything in it is touched.
        let mut index = Index::read(root)?;
        let blobs = Blobs::open(root)?;
        forget_incomplete(&mut index, &blobs);
        let store = Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                blobs,
                settings,
                host_offers: config.host_offers,
                default_registry: config.default_registry,
                index: RwLock::new(Arc::new(index)),
                writing: Mutex::new(()),
                pins: Mutex::new(BTreeMap::new()),
                flights: Mutex::new(BTreeMap::new()),
                pulls: Semaphore::new(PULLS_MAX),
            }),
        };
        store.inner.sweep()?;
        Ok(store)
    }

    /// All images, by name; those without a name at the end.
    pub fn list(&self) -> Vec<ImageInfo> {
        let index = self.inner.index();
        let mut all: Vec<ImageInfo> =
            index.images.keys().filter_map(|key| index.info(key.0)).collect();
        all.sort_by(|a, b| {
            (a.tags.is_empty(), &a.tags, a.digest).cmp(&(b.tags.is_empty(), &b.tags, b.digest))
        });
        all
    }

    /// The image of that name, digest or beginning of a digest.
    pub fn inspect(&self, name: &str) -> Result<ImageInfo, ImageError> {
        let index = self.inner.index();
        let digest = self.inner.find(&index, name)?;
        index.info(digest).ok_or_else(|| no_such_image(name))
    }

    /// What an image of the local store is. Asks no registry.
    pub fn workload(&self, name: &str) -> Option<Workload> {
        let index = self.inner.index();
        index.workload(self.inner.find(&index, name).ok()?)
    }

    /// The component of an image of the local store; a pinned name needs no tag to be there.
    pub fn component(&self, name: &str) -> Option<LocalComponent> {
        let index = self.inner.index();
        let digest = self.inner.find(&index, name).ok()?;
        let info = index.info(digest)?;
        let path = self.inner.blobs.path(&info.component);
        Some(LocalComponent { digest: info.component, path, info })
    }
}

impl Inner {
    fn index(&self) -> Arc<Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the index on disk, then in memory. If either `edit` or the disk fails, neither
    /// has changed. Blocks.
    fn change<T>(
        &self,
        edit: impl FnOnce(&mut Index) -> Result<T, ImageError>,
    ) -> Result<T, ImageError> {
        let _writing = lock(&self.writing);
        let mut index = (*self.index()).clone();
        let done = edit(&mut index)?;
        index.write(&self.root)?;
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(index);
        Ok(done)
    }

    /// Removes the blobs that no image needs and nobody is bringing in. Blocks.
    fn sweep(&self) -> Result<(), ImageError> {
        let _writing = lock(&self.writing);
        let index = self.index();
        let pins = lock(&self.pins);
        for digest in self.blobs.all()? {
            if !index.needs(digest) && !pins.contains_key(&digest) {
                self.blobs.remove(&digest)?;
            }
        }
        Ok(())
    }

    /// The image that a user means: by name, by digest, or by the beginning of one.
    fn find(&self, index: &Index, text: &str) -> Result<Digest, ImageError> {
        let parsed = ImageName::parse(text);
        if let Some(digest) = parsed.as_ref().ok().and_then(|name| self.find_name(index, name)) {
            return Ok(digest);
        }
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if (4..=64).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            let mut matching = index.images.keys().filter(|key| key.0.hex().starts_with(hex));
            match (matching.next(), matching.next()) {
                (Some(key), None) => return Ok(key.0),
                (Some(_), Some(_)) => return Err(ImageError::Ambiguous(text.to_owned())),
                (None, _) => {}
            }
        }
        parsed.and_then(|_| Err(no_such_image(text)))
    }

    /// The image of a name, as it is or behind the default registry.
    fn find_name(&self, index: &Index, name: &ImageName) -> Option<Digest> {
        if let Some(digest) = name.digest {
            return index.images.contains_key(&Key(digest)).then_some(digest);
        }
        let tagged = self.known_name(index, name)?;
        index.names.get(&tagged).map(|target| target.image.0)
    }

    /// The name in the index that a user's name means.
    fn known_name(&self, index: &Index, name: &ImageName) -> Option<String> {
        let under_default = || self.remote_name(name)?.tagged();
        [name.tagged(), under_default()]
            .into_iter()
            .flatten()
            .find(|tagged| index.names.contains_key(tagged))
    }

    /// The name with the registry that has it; none if there is none to ask.
    fn remote_name(&self, name: &ImageName) -> Option<ImageName> {
        match (&name.host, &self.default_registry) {
            (Some(_), _) => Some(name.clone()),
            (None, Some(prefix)) => name.under(prefix).ok(),
            (None, None) => None,
        }
    }

    /// The lock under which that component is fetched.
    fn flight(&self, component: Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut flights = lock(&self.flights);
        flights.retain(|_, flight| flight.strong_count() > 0);
        if let Some(flight) = flights.get(&component).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Arc::new(tokio::sync::Mutex::new(()));
        flights.insert(component, Arc::downgrade(&flight));
        flight
    }
}

/// Blobs that are on their way in: no sweep removes them while this lives.
struct Pins {
    inner: Arc<Inner>,
    digests: Vec<Digest>,
}

impl Pins {
    fn new(inner: &Arc<Inner>) -> Self {
        Self { inner: inner.clone(), digests: Vec::new() }
    }

    fn add(&mut self, digest: Digest) {
        *lock(&self.inner.pins).entry(digest).or_default() += 1;
        self.digests.push(digest);
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut pins = lock(&self.inner.pins);
        for digest in &self.digests {
            if let Some(count) = pins.get_mut(digest) {
                *count -= 1;
                if *count == 0 {
                    pins.remove(digest);
                }
            }
        }
    }
}

/// Forgets images whose blobs somebody took away: they are fetched or loaded again then.
fn forget_incomplete(index: &mut Index, blobs: &Blobs) {
    let incomplete: Vec<Key> = index
        .images
        .iter()
        .filter(|(digest, image)| {
            ![digest.0, image.config.0, image.component.0].iter().all(|blob| blobs.has(blob))
        })
        .map(|(digest, _)| *digest)
        .collect();
    for key in incomplete {
        tracing::warn!(image = %key.0, "blobs of an image are missing, it is forgotten");
        index.images.remove(&key);
        index.names.retain(|_, target| target.image != key);
    }
}

fn no_such_image(name: &str) -> ImageError {
    ImageError::NoSuchImage { name: crate::name::excerpt(name), asked: None }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while one of these was held cannot leave half a change: see `change`.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs file work on the store off the async threads.
async fn on_files<T: Send + 'static>(
    inner: &Arc<Inner>,
    work: impl FnOnce(&Arc<Inner>) -> T + Send + 'static,
) -> T {
    let inner = inner.clone();
    blobs::blocking(move || work(&inner)).await
}
