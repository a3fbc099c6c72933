//! Images: a tag is looked up once, when a service is written, so that all tasks of one version of
//! a service run the same component.

use std::collections::BTreeMap;

use skep_api::{ErrorKind, Result, STACK_IMAGE_LABEL, SecretBytes, ServiceSpec, Workload};
use skep_manager_core::{Change, Object, View};

/// Looks up images; the node gives the manager its image store as this.
#[tonic::async_trait]
pub trait ResolveImage: Send + Sync + 'static {
    /// The image with the digest that its tag stands for now. INVALID_ARGUMENT says that it can't
    /// run here; NOT_FOUND and UNAVAILABLE that it was not found or its registry not reached.
    async fn resolve(&self, image: &str, auth: Option<&SecretBytes>) -> Result<ResolvedImage>;

    /// What an image is, if that is known without asking anybody.
    fn known(&self, image: &str) -> Option<Workload>;
}

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The image with its digest, `web:1.0@sha256:...`.
    pub pinned: String,
    /// What it is, as far as its manifest tells: no component is fetched for it.
    pub workload: Option<Workload>,
}

/// What was found out about images in the course of one request, by their pinned names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    workloads: BTreeMap<String, Workload>,
    /// What the user is to know.
    pub(crate) warnings: Vec<String>,
}

impl Found {
    /// Says in the services among the changes what their images are. A service that keeps its image
    /// keeps what is known of it, and nothing is known of an image that nobody could look at.
    pub(crate) fn note(&self, view: &View, images: &dyn ResolveImage, changes: &mut [Change]) {
        for change in changes {
            let (Change::Create(Object::Service(service))
            | Change::Update(Object::Service(service))) = change
            else {
                continue;
            };
            let image = &service.spec.task.component.image;
            let stored = view.service(service.id);
            let same = stored.filter(|stored| stored.spec.task.component.image == *image);
            service.workload = (self.workloads.get(image).cloned())
                .or_else(|| same.and_then(|stored| stored.workload.clone()))
                .or_else(|| images.known(image));
        }
    }
}

/// When a stack's images are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Lookup {
    /// At every deployment.
    #[default]
    Always,
    /// If the compose file names another image than the last time.
    Changed,
    /// Not at all.
    Never,
}

impl Lookup {
    /// The value of `--resolve-image`; nothing is the default.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "" | "always" => Ok(Self::Always),
            "changed" => Ok(Self::Changed),
            "never" => Ok(Self::Never),
            other => Err(skep_api::Error::invalid(format!(
                "Invalid option {other} for flag --resolve-image"
            ))
            .hint("say `always`, `changed` or `never`")),
        }
    }
}

/// Puts the digest behind the image of `spec`, which is to follow `before`. Adds a warning if that
/// was not possible (semantics part 12.7).
pub(crate) async fn pin(
    images: &dyn ResolveImage,
    lookup: Lookup,
    spec: &mut ServiceSpec,
    before: Option<&ServiceSpec>,
    found: &mut Found,
) -> Result<()> {
    let image = spec.task.component.image.clone();
    if let Some(kept) = before.and_then(|before| kept(lookup, spec, before)) {
        spec.task.component.image = kept;
        return Ok(());
    }
    // An image that names nothing is admission's to refuse.
    if lookup == Lookup::Never || image.is_empty() {
        return Ok(());
    }
    let inherited = before.and_then(|before| before.task.component.registry_auth.as_ref());
    let auth = spec.task.component.registry_auth.as_ref().or(inherited);
    match images.resolve(&image, auth).await {
        Ok(resolved) => {
            let ResolvedImage { pinned, workload } = resolved;
            found.workloads.extend(workload.map(|workload| (pinned.clone(), workload)));
            spec.task.component.image = pinned;
        }
        Err(error) => match error.kind {
            ErrorKind::InvalidArgument | ErrorKind::FailedPrecondition => return Err(error),
            _ => {
                tracing::info!(%image, %error, "the image was not looked up");
                found.warnings.push(format!(
                    "image {image} could not be accessed on a registry to record its digest. Each \
                     node will access {image} independently, possibly leading to different nodes \
                     running different versions of the image."
                ));
            }
        },
    }
    Ok(())
}

/// The image of the version before, if it stands for the same.
fn kept(lookup: Lookup, spec: &ServiceSpec, before: &ServiceSpec) -> Option<String> {
    let (image, had) = (&spec.task.component.image, &before.task.component.image);
    let same = match lookup {
        // Sent back with its digest, as everything but a change of the image does.
        Lookup::Always => image.contains('@') && image == had,
        Lookup::Changed | Lookup::Never => {
            let label = |spec: &ServiceSpec| spec.labels.get(STACK_IMAGE_LABEL).cloned();
            let written = label(spec).unwrap_or_else(|| image.clone());
            label(before) == Some(written) || had.split('@').next() == Some(image)
        }
    };
    same.then(|| had.clone())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use skep_api::{Error, Id, Service, TaskSpec, Time, WorkloadKind};
    use skep_manager_core::{Entry, Store};

    use super::*;

    fn workload(kind: WorkloadKind) -> Workload {
        Workload { kind, platform: "wasip2".to_owned() }
    }

    /// A registry that knows `web:1`, refuses `redis`, and counts.
    #[derive(Default)]
    struct Registry(Mutex<Vec<String>>);

    #[tonic::async_trait]
    impl ResolveImage for Registry {
        async fn resolve(&self, image: &str, _: Option<&SecretBytes>) -> Result<ResolvedImage> {
            self.0.lock().expect("not poisoned").push(image.to_owned());
            match image {
                "web:1" => Ok(ResolvedImage {
                    pinned: "web:1@sha256:new".to_owned(),
                    workload: Some(workload(WorkloadKind::Http)),
                }),
                "redis" => Err(Error::invalid("`redis` is a Linux container, not a component")),
                _ => Err(Error::not_found("No such image")),
            }
        }

        fn known(&self, image: &str) -> Option<Workload> {
            (image == "here:1").then(|| workload(WorkloadKind::Command))
        }
    }

    fn spec(image: &str, label: Option<&str>) -> ServiceSpec {
        let mut spec = ServiceSpec { task: TaskSpec::default(), ..ServiceSpec::default() };
        spec.task.component.image = image.to_owned();
        spec.labels.extend(label.map(|l| (STACK_IMAGE_LABEL.to_owned(), l.to_owned())));
        spec
    }

    #[tokio::test]
    async fn a_tag_is_pinned_when_the_lookup_says_so() {
        let old = spec("web:1@sha256:old", Some("web:1"));
        for (lookup, image, label, before, expected, looked) in [
            (Lookup::Always, "web:1", None, None, "web:1@sha256:new", 1),
            (Lookup::Always, "web:1", None, Some(&old), "web:1@sha256:new", 1),
            (Lookup::Always, "web:1@sha256:old", None, Some(&old), "web:1@sha256:old", 0),
            (Lookup::Changed, "web:1", Some("web:1"), Some(&old), "web:1@sha256:old", 0),
            (Lookup::Changed, "web:1", Some("web:1"), None, "web:1@sha256:new", 1),
            (Lookup::Never, "web:1", Some("web:1"), Some(&old), "web:1@sha256:old", 0),
            (Lookup::Never, "web:2", Some("web:2"), Some(&old), "web:2", 0),
            (Lookup::Never, "web:1", None, None, "web:1", 0),
        ] {
            let (registry, mut spec) = (Registry::default(), spec(image, label));
            let mut found = Found::default();
            pin(&registry, lookup, &mut spec, before, &mut found).await.expect("pinned");
            assert_eq!(found.warnings, [""; 0]);
            assert_eq!(spec.task.component.image, expected, "{lookup:?} {image}");
            assert_eq!(
                registry.0.lock().expect("not poisoned").len(),
                looked,
                "{lookup:?} {image}"
            );
        }
    }

    #[tokio::test]
    async fn what_can_not_run_is_refused_and_what_is_not_found_is_a_warning() {
        let registry = Registry::default();
        let (mut container, mut unknown) = (spec("redis", None), spec("gone:1", None));
        let mut found = Found::default();
        let refused = pin(&registry, Lookup::Always, &mut container, None, &mut found).await;
        assert!(refused.is_err());
        pin(&registry, Lookup::Always, &mut unknown, None, &mut found).await.expect("stored");
        assert!(found.warnings.concat().starts_with(
            "image gone:1 could not be accessed on a registry to record its digest. Each node"
        ));
        assert_eq!(unknown.task.component.image, "gone:1");
    }

    #[tokio::test]
    async fn a_service_says_what_its_image_is_as_long_as_that_is_known() {
        let registry = Registry::default();
        let mut stored = Service::new(Id::from_u128(1), spec("web:1@sha256:old", None));
        stored.workload = Some(workload(WorkloadKind::Command));
        let mut store = Store::new();
        let changes = vec![Change::Create(Object::Service(stored.clone()))];
        store.apply(1, &Entry { time: Time::from_secs(1), changes }).expect("applies");
        let view = store.view();
        for (image, kind) in [
            ("web:1", Some(WorkloadKind::Http)),
            ("web:1@sha256:old", Some(WorkloadKind::Command)),
            ("gone:1", None),
            ("here:1", Some(WorkloadKind::Command)),
        ] {
            let (mut found, mut spec) = (Found::default(), spec(image, None));
            let before = Some(&*stored.spec);
            pin(&registry, Lookup::Always, &mut spec, before, &mut found).await.expect("pinned");
            let next = Service { spec: Arc::new(spec), ..stored.clone() };
            let mut changes = vec![Change::Update(Object::Service(next))];
            found.note(&view, &registry, &mut changes);
            let [Change::Update(Object::Service(noted))] = changes.as_slice() else {
                panic!("{image}: {changes:?}")
            };
            assert_eq!(noted.workload.as_ref().map(|workload| workload.kind), kind, "{image}");
        }
    }

    #[test]
    fn an_unknown_lookup_is_named() {
        let error = Lookup::parse("foo").expect_err("refused");
        assert_eq!(error.message, "Invalid option foo for flag --resolve-image");
        assert_eq!(Lookup::parse(""), Ok(Lookup::Always));
    }
}
