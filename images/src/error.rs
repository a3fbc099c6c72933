//! Why an image could not be had, and what to do about it.

use std::path::PathBuf;

use skep_api::{Bytes, Digest, Error, ErrorKind};

/// Why an image could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The text is not a name of an image.
    #[error("invalid reference format: `{name}`: {reason}")]
    Name {
        /// What was given.
        name: String,
        /// The rule it breaks.
        reason: String,
    },
    /// Nobody who was asked has it.
    #[error("No such image: {name}")]
    NoSuchImage {
        /// The name.
        name: String,
        /// The registry that was asked too.
        asked: Option<String>,
    },
    /// It is there, and can never run here.
    #[error("`{name}` {reason}")]
    NotRunnable {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: NotRunnable,
    },
    /// The registry does not answer, or not as a registry.
    #[error("registry `{registry}` cannot be reached: {reason}")]
    Unreachable {
        /// `host:port`.
        registry: String,
        /// What happened.
        reason: String,
    },
    /// The registry wants other credentials, or any.
    #[error("registry `{registry}` denies access to `{repository}`: {reason}")]
    Unauthorised {
        /// `host:port`.
        registry: String,
        /// The repository.
        repository: String,
        /// Whether there were credentials, and what became of them.
        reason: String,
        /// The way out.
        hint: String,
    },
    /// The registry answered with something else than what was asked for.
    #[error("registry `{registry}` failed to {act}: {reason}")]
    Registry {
        /// `host:port`.
        registry: String,
        /// What was asked of it.
        act: String,
        /// What it answered.
        reason: String,
    },
    /// What arrived is not what its digest says.
    #[error("the {what} of `{name}` has the digest {got}, not {expected}")]
    DigestMismatch {
        /// The image.
        name: String,
        /// Which part.
        what: &'static str,
        /// What was asked for.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// The blob ended early.
    #[error("the {what} of `{name}` ended after {got} of {expected} bytes")]
    Truncated {
        /// The image.
        name: String,
        /// Which part.
        what: &'static str,
        /// What came.
        got: u64,
        /// What was announced.
        expected: u64,
    },
    /// It is larger than we take.
    #[error("the {what} of `{name}` is larger than {} bytes", max.0)]
    TooLarge {
        /// The image.
        name: String,
        /// Which part.
        what: &'static str,
        /// The limit.
        max: Bytes,
    },
    /// The credentials themselves cannot be used.
    #[error("{0}")]
    Credentials(String),
    /// A push needs to know where to.
    #[error("`{0}` names no registry to push to")]
    NoRegistry(String),
    /// `remove` without force.
    #[error("conflict: unable to delete {digest} (must be forced): it has the names {names}")]
    SeveralNames {
        /// The beginning of its digest.
        digest: String,
        /// Its names.
        names: String,
    },
    /// The beginning of a digest that several images share.
    #[error("`{0}` is the beginning of several images' digests")]
    Ambiguous(String),
    /// The store holds as much as its index may.
    #[error("the store has {0} images or names already, which is the limit")]
    StoreFull(usize),
    /// The store's own files are not as we left them.
    #[error("the image store's `{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A setting of the store cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The machine said no.
    #[error("cannot {act} `{}`", path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the machine said.
        #[source]
        source: std::io::Error,
    },
}

/// Why something that is there can never run here. Each reads as the end of "`name` ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRunnable {
    /// A container image, or an index of such.
    #[error("is a Linux container, not a component")]
    Container,
    /// An index of several images, for platforms.
    #[error("is an index of images ({0}), not a component")]
    Index(String),
    /// Another kind of artifact.
    #[error("is an artifact of the type `{0}`, not a component")]
    Artifact(String),
    /// Not a manifest at all.
    #[error("has no readable manifest: {0}")]
    Manifest(String),
    /// The layout has exactly one layer.
    #[error("has {0} layers, and a component has exactly one, `application/wasm`")]
    Layers(usize),
    /// The layer is something else.
    #[error("has a layer of the type `{0}`, and a component's is `application/wasm`")]
    LayerType(String),
    /// The config does not fit the layout.
    #[error("has a config that is no component's: {0}")]
    Config(String),
    /// The bytes are not wasm.
    #[error("is not WebAssembly: {0}")]
    NotWasm(String),
    /// A module, without the component model around it.
    #[error("is a core module, not a component")]
    CoreModule,
    /// Wasm that cannot be read.
    #[error("is not a valid component: {0}")]
    Malformed(String),
    /// Nothing to run in it.
    #[error("exports neither `wasi:cli/run@0.2` nor `wasi:http/incoming-handler@0.2` ({0})")]
    NoEntry(String),
    /// It needs what this host does not have.
    #[error("imports {0}, which this host does not offer")]
    Imports(String),
}

impl NotRunnable {
    fn hint(&self) -> &'static str {
        match self {
            Self::Container | Self::Index(_) => {
                "build the program for `wasm32-wasip2` and load it: `skep image load FILE.wasm -t NAME:TAG`"
            }
            Self::CoreModule => {
                "build it for `wasm32-wasip2`, or wrap it with `wasm-tools component new`"
            }
            Self::NoEntry(_) => {
                "a component to run is a `wasi:cli/command` (a program) or a `wasi:http/proxy` (a handler)"
            }
            Self::Imports(_) => "build it against WASI 0.2 alone, or compose in what it imports",
            Self::Artifact(_)
            | Self::Manifest(_)
            | Self::Layers(_)
            | Self::LayerType(_)
            | Self::Config(_) => {
                "push it in the CNCF wasm layout: `skep image load FILE.wasm -t NAME:TAG`, then `skep image push NAME:TAG`"
            }
            Self::NotWasm(_) | Self::Malformed(_) => "give the `.wasm` file of a component",
        }
    }
}

impl ImageError {
    pub(crate) fn io(
        act: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { act, path, source }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Name { .. }
            | Self::NotRunnable { .. }
            | Self::TooLarge { .. }
            | Self::Credentials(_)
            | Self::NoRegistry(_)
            | Self::Ambiguous(_)
            | Self::Setting(_) => ErrorKind::InvalidArgument,
            Self::NoSuchImage { .. } => ErrorKind::NotFound,
            Self::Unauthorised { .. } => ErrorKind::PermissionDenied,
            // The registry is at fault, not the request: another try may succeed.
            Self::Unreachable { .. }
            | Self::Registry { .. }
            | Self::DigestMismatch { .. }
            | Self::Truncated { .. } => ErrorKind::Unavailable,
            Self::SeveralNames { .. } | Self::StoreFull(_) => ErrorKind::FailedPrecondition,
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                ErrorKind::Unavailable
            }
            Self::Damaged { .. } | Self::Io { .. } => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoSuchImage { name, asked: None } => format!(
                "load it with `skep image load FILE.wasm -t {name}`, or name its registry: `HOST/{name}`"
            ),
            Self::NoSuchImage { asked: Some(registry), .. } => {
                format!("registry `{registry}` has no such repository or tag")
            }
            Self::NotRunnable { reason, .. } => reason.hint().to_owned(),
            Self::Unreachable { reason, .. } if reason.contains("certificate") => {
                "give the registry's certificate authority with `--registry-ca FILE`".to_owned()
            }
            Self::Unreachable { registry, .. } => format!(
                "a registry without encryption must be on this machine or be named with `--insecure-registry {registry}`"
            ),
            Self::Unauthorised { hint, .. } => hint.clone(),
            Self::DigestMismatch { .. } | Self::Truncated { .. } => {
                "try again; if it stays, push the image again".to_owned()
            }
            Self::NoRegistry(name) => format!(
                "load it under a name with a registry, `HOST/{name}`, or set `--default-registry`"
            ),
            Self::SeveralNames { .. } => "remove the names one by one, or use `--force`".to_owned(),
            Self::StoreFull(_) => "remove images with `skep image rm`".to_owned(),
            Self::Damaged { .. } => {
                "nothing was changed; move the folder away and load or pull the images again"
                    .to_owned()
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "make room on the disk, or remove images with `skep image rm`".to_owned()
            }
            _ => return None,
        })
    }
}

impl From<ImageError> for Error {
    fn from(error: ImageError) -> Self {
        let message = match &error {
            ImageError::Io { source, .. } => format!("{error}: {source}"),
            other => other.to_string(),
        };
        Self { kind: error.kind(), message, hint: error.hint() }
    }
}
