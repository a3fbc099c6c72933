//! What the store does with registries: resolve, pull, push.

use std::sync::Arc;
use std::time::Duration;

use skep_api::{Bytes, Digest, ImageInfo, Workload};

use super::local::{Entry, not_runnable};
use super::{ImageStore, Inner, Pins, Resolved, no_such_image, on_files};
use crate::artifact::{
    self, Blob, COMPONENT_MAX, CONFIG_MAX, Layout, MANIFEST_TYPE, read_config, read_manifest,
};
use crate::component::{Findings, check_imports};
use crate::index::{Key, Origin};
use crate::name::ImageName;
use crate::registry::session::{Access, Session};
use crate::registry::transfer::FetchedManifest;
use crate::{Auth, ImageError, Progress, ProgressStep, Transfer};

/// How long one pull or push may take. The largest component needs 0.6 Mbit/s then; a registry
/// that trickles bytes must not hold one of the few pulls for ever.
const TRANSFER_MAX: Duration = Duration::from_secs(3600);

/// What a manifest and its config at a registry say, checked.
struct Offer {
    manifest: FetchedManifest,
    layout: Layout,
    config: Vec<u8>,
    workload: Option<Workload>,
}

impl ImageStore {
    /// Finds what a name stands for, here or at its registry, without fetching the component.
    ///
    /// A name that was loaded here stands for what was loaded. For a name that came from a
    /// registry the registry is asked again, as Docker does at each deploy, and the last answer
    /// counts while it cannot be reached.
    pub async fn resolve(&self, name: &str, auth: &Auth) -> Result<Resolved, ImageError> {
        let name = ImageName::parse(name)?;
        let inner = &self.inner;
        let index = inner.index();
        let local = inner.find_name(&index, &name);
        let known = inner.known_name(&index, &name);
        let pulled = name.digest.is_none()
            && known.is_some_and(|known| {
                index.names.get(&known).is_some_and(|target| target.origin == Origin::Pulled)
            });
        let remote = inner.remote_name(&name);
        match (local, remote) {
            (Some(digest), Some(remote)) if pulled => match inner.look(&remote, auth).await {
                Ok(offer) => Ok(resolved(&remote, offer.manifest.digest, offer.workload)),
                Err(error @ (ImageError::Unreachable { .. } | ImageError::Registry { .. })) => {
                    tracing::warn!(%error, image = %remote, "the image of the last pull is used");
                    Ok(resolved(&remote, digest, index.workload(digest)))
                }
                Err(error) => Err(error),
            },
            (Some(digest), _) => Ok(resolved(&name, digest, index.workload(digest))),
            (None, Some(remote)) => {
                let offer = inner.look(&remote, auth).await?;
                Ok(resolved(&remote, offer.manifest.digest, offer.workload))
            }
            (None, None) => Err(no_such_image(&name.to_string())),
        }
    }

    /// Fetches an image from its registry. One that is here already, by its digest, is not
    /// fetched again.
    pub async fn pull(
        &self,
        name: &str,
        auth: &Auth,
        progress: &dyn Progress,
    ) -> Result<ImageInfo, ImageError> {
        let name = ImageName::parse(name)?;
        let Some(remote) = self.inner.remote_name(&name) else {
            let index = self.inner.index();
            let digest = self.inner.find_name(&index, &name);
            let digest = digest.ok_or_else(|| no_such_image(&name.to_string()))?;
            return self.inner.info(digest);
        };
        if let Some(digest) = name.digest
            && self.inner.index().images.contains_key(&Key(digest))
        {
            return self.inner.name_pulled(&remote, digest).await;
        }
        let _permit = self.inner.pulls.acquire().await;
        let mut pins = Pins::new(&self.inner);
        let pull = Box::pin(self.inner.pull(&remote, auth, progress, &mut pins));
        let pulled = limited(&remote, pull).await;
        self.inner.settle(pins, pulled).await
    }

    /// Sends an image to the registry that its name names. Returns its digest.
    pub async fn push(
        &self,
        name: &str,
        auth: &Auth,
        progress: &dyn Progress,
    ) -> Result<Digest, ImageError> {
        let name = ImageName::parse(name)?;
        let digest = self.inner.find_name(&self.inner.index(), &name);
        let digest = digest.ok_or_else(|| no_such_image(&name.to_string()))?;
        let remote = self.inner.remote_name(&name);
        let remote = remote.ok_or_else(|| ImageError::NoRegistry(name.to_string()))?;
        let push = Box::pin(self.inner.push(&remote, digest, auth, progress));
        limited(&remote, push).await.map(|()| digest)
    }
}

impl Inner {
    /// Looks at an image at its registry: manifest and config, checked; not the component.
    async fn look(&self, name: &ImageName, auth: &Auth) -> Result<Offer, ImageError> {
        let session = Session::open(&self.settings, name, auth, Access::Pull).await?;
        let (manifest, layout) = fetch_manifest(&session, name).await?;
        self.complete(&session, name, manifest, layout).await
    }

    /// Fetches the config of a manifest, and refuses what it already rules out.
    async fn complete(
        &self,
        session: &Session<'_>,
        name: &ImageName,
        manifest: FetchedManifest,
        layout: Layout,
    ) -> Result<Offer, ImageError> {
        let shown = name.to_string();
        if layout.component.size > COMPONENT_MAX.0 {
            return Err(ImageError::TooLarge {
                name: shown,
                what: "component",
                max: COMPONENT_MAX,
            });
        }
        let config = session.small_blob(&shown, "config", layout.config, CONFIG_MAX).await?;
        let workload = read_config(&config, layout.component.digest)
            .and_then(|claims| {
                check_imports(&claims.imports, self.host_offers)?;
                Ok(claims.workload())
            })
            .map_err(|reason| not_runnable(&shown, reason))?;
        Ok(Offer { manifest, layout, config, workload })
    }

    async fn pull(
        self: &Arc<Self>,
        name: &ImageName,
        auth: &Auth,
        progress: &dyn Progress,
        pins: &mut Pins,
    ) -> Result<ImageInfo, ImageError> {
        let session = Session::open(&self.settings, name, auth, Access::Pull).await?;
        let (manifest, layout) = fetch_manifest(&session, name).await?;
        if self.index().images.contains_key(&Key(manifest.digest)) {
            report(progress, layout.component, Transfer::Exists, layout.component.size);
            return self.name_pulled(name, manifest.digest).await;
        }
        let offer = self.complete(&session, name, manifest, layout).await?;
        let flight = self.flight(layout.component.digest);
        let _alone = flight.lock().await;
        pins.add(layout.component.digest);
        let findings = self.fetch_component(&session, name, layout.component, progress).await?;
        let tagged = self.name_to_set(name);
        let entry = Entry {
            manifest: offer.manifest.bytes,
            config: offer.config,
            component: offer.layout.component,
            findings,
        };
        self.enter(entry, tagged, pins).await
    }

    async fn fetch_component(
        self: &Arc<Self>,
        session: &Session<'_>,
        name: &ImageName,
        component: Blob,
        progress: &dyn Progress,
    ) -> Result<Findings, ImageError> {
        let shown = name.to_string();
        if self.blobs.has(&component.digest) {
            report(progress, component, Transfer::Exists, component.size);
            return self.examine(&shown, self.blobs.path(&component.digest)).await;
        }
        let partial = self.blobs.create(Bytes(component.size)).await?;
        let seen = |done| report(progress, component, Transfer::Downloading, done);
        let finished = session.blob(&shown, "component", component, partial, &seen).await?;
        let findings = self.take_component(&shown, finished).await?;
        report(progress, component, Transfer::Downloaded, component.size);
        Ok(findings)
    }

    async fn push(
        self: &Arc<Self>,
        name: &ImageName,
        digest: Digest,
        auth: &Auth,
        progress: &dyn Progress,
    ) -> Result<(), ImageError> {
        let bytes = self.blobs.read(&digest).await?;
        let layout = artifact::read_manifest(&bytes, MANIFEST_TYPE)
            .map_err(|reason| not_runnable(&name.to_string(), reason))?;
        let session = Session::open(&self.settings, name, auth, Access::Push).await?;
        for blob in [layout.config, layout.component] {
            if session.has_blob(blob.digest).await? {
                report(progress, blob, Transfer::Exists, blob.size);
                continue;
            }
            let path = self.blobs.path(&blob.digest);
            let file = tokio::fs::File::open(&path).await.map_err(ImageError::io("read", path))?;
            let seen = |done| report(progress, blob, Transfer::Uploading, done);
            session.upload(blob, file, &seen).await?;
            report(progress, blob, Transfer::Uploaded, blob.size);
        }
        session.put_manifest(&reference(name), MANIFEST_TYPE, bytes).await
    }

    /// Gives an image that is here the name it was just pulled by.
    async fn name_pulled(
        self: &Arc<Self>,
        name: &ImageName,
        digest: Digest,
    ) -> Result<ImageInfo, ImageError> {
        let index = self.index();
        let image = index.images.get(&Key(digest)).cloned();
        let image = image.ok_or_else(|| no_such_image(&name.to_string()))?;
        if let Some((tagged, origin)) = self.name_to_set(name)
            && index
                .names
                .get(&tagged)
                .is_none_or(|target| target.image != Key(digest) || target.origin != origin)
        {
            let shown = name.to_string();
            on_files(self, move |inner| {
                inner.change(|index| {
                    // Somebody may have removed it since, and its blobs with it.
                    if !index.images.contains_key(&Key(digest)) {
                        return Err(no_such_image(&shown));
                    }
                    index.add(digest, image, Some((tagged, origin)))
                })
            })
            .await?;
        }
        self.info(digest)
    }

    /// The name that a pull sets. A tag beside a digest was this image's when it was pinned: it is
    /// shown, where Docker shows `<none>`, unless a user gave that name to something else.
    fn name_to_set(&self, name: &ImageName) -> Option<(String, Origin)> {
        let tagged = name.tagged()?;
        let index = self.index();
        let loaded = index.names.get(&tagged).is_some_and(|target| target.origin == Origin::Loaded);
        (name.digest.is_none() || !loaded).then_some((tagged, Origin::Pulled))
    }
}

async fn fetch_manifest(
    session: &Session<'_>,
    name: &ImageName,
) -> Result<(FetchedManifest, Layout), ImageError> {
    let shown = name.to_string();
    let fetched = session.manifest(&shown, &reference(name)).await?;
    let manifest = fetched.ok_or_else(|| ImageError::NoSuchImage {
        name: shown.clone(),
        asked: Some(session.registry.clone()),
    })?;
    let layout = read_manifest(&manifest.bytes, &manifest.media_type)
        .map_err(|reason| not_runnable(&shown, reason))?;
    Ok((manifest, layout))
}

/// What a registry is asked for: the digest, or else the tag.
fn reference(name: &ImageName) -> String {
    match (&name.digest, &name.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.clone().unwrap_or_default(),
    }
}

fn resolved(name: &ImageName, digest: Digest, workload: Option<Workload>) -> Resolved {
    Resolved { pinned: name.pinned(digest), digest, workload }
}

fn report(progress: &dyn Progress, blob: Blob, transfer: Transfer, done: u64) {
    progress.report(&ProgressStep {
        digest: blob.digest,
        transfer,
        done: Bytes(done),
        total: Bytes(blob.size),
    });
}

async fn limited<T>(
    name: &ImageName,
    work: impl Future<Output = Result<T, ImageError>>,
) -> Result<T, ImageError> {
    tokio::time::timeout(TRANSFER_MAX, work).await.unwrap_or_else(|_| {
        Err(ImageError::Unreachable {
            registry: name.host.clone().unwrap_or_default(),
            reason: format!("not done within {} s", TRANSFER_MAX.as_secs()),
        })
    })
}
