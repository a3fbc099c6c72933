//! The door: components are prepared here, and started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use skep_api::Digest;
use tokio::sync::{OnceCell, Semaphore};

use crate::cache::CodeCache;
use crate::component::{Component, PrepareError, Prepared, compile_and_load, load_cached};
use crate::engine::{Engines, fingerprint};
use crate::plan::Plan;
use crate::sandbox::{Sandbox, StartError};

/// How many components compile at once: the compiler uses all cores for one already.
const COMPILES_MAX: usize = 1;

/// Where and how a runtime works.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Where compiled code is kept. It must be the node's alone: this code is run.
    pub cache_dir: PathBuf,
}

/// Runs components. Cheap to clone, and to make: the engine comes with the first component.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    config: RuntimeConfig,
    engines: Arc<Engines>,
    cache: OnceLock<CodeCache>,
    compiles: Semaphore,
    /// The components that are being prepared, and those that are in use.
    components: Mutex<BTreeMap<Digest, Slot>>,
}

/// One preparation, shared by everybody who wants the same component meanwhile.
type Preparing = Arc<OnceCell<Result<Component, PrepareError>>>;

enum Slot {
    Preparing(Preparing),
    Loaded(Weak<Prepared>),
}

enum Found {
    Preparing(Preparing),
    Loaded(Component),
}

impl Runtime {
    /// A runtime. Nothing is touched yet.
    pub fn new(config: RuntimeConfig) -> Self {
        Self(Arc::new(Inner {
            config,
            engines: Arc::default(),
            cache: OnceLock::new(),
            compiles: Semaphore::new(COMPILES_MAX),
            components: Mutex::default(),
        }))
    }

    /// Makes a component ready to run: the file `wasm`, whose digest is `component`. Takes it from
    /// the cache, or compiles it on a thread for that. Needs a tokio runtime.
    pub async fn prepare(&self, component: Digest, wasm: &Path) -> Result<Component, PrepareError> {
        let preparing = match self.find(component) {
            Found::Loaded(loaded) => return Ok(loaded),
            Found::Preparing(preparing) => preparing,
        };
        let result = preparing.get_or_init(|| self.load(component, wasm.to_owned())).await.clone();
        self.settle(component, &preparing, &result);
        result
    }

    /// Whether compiled code of that component is kept; whether it is sound is seen when it is
    /// loaded. Makes no engine: before the first component nobody needs one.
    pub fn has_code(&self, component: &Digest) -> bool {
        match self.0.cache.get() {
            Some(cache) => cache.has(component),
            None => CodeCache::any_has(&self.0.config.cache_dir, component),
        }
    }

    /// Starts a component with everything it may touch. Must be called inside a tokio runtime, on
    /// which the guest then runs.
    pub fn start(&self, component: &Component, plan: Plan) -> Result<Sandbox, StartError> {
        Sandbox::start(self.0.engines.clone(), component.clone(), plan)
    }

    /// The component if it is in use, else the preparation to join.
    fn find(&self, digest: Digest) -> Found {
        let mut components = self.0.components.lock().unwrap_or_else(PoisonError::into_inner);
        components.retain(|_, slot| match slot {
            Slot::Preparing(preparing) => Arc::strong_count(preparing) > 1,
            Slot::Loaded(loaded) => loaded.strong_count() > 0,
        });
        match components.get(&digest) {
            Some(Slot::Preparing(preparing)) => Found::Preparing(preparing.clone()),
            Some(Slot::Loaded(loaded)) if let Some(loaded) = loaded.upgrade() => {
                Found::Loaded(Component(loaded))
            }
            _ => {
                let preparing = Preparing::default();
                components.insert(digest, Slot::Preparing(preparing.clone()));
                Found::Preparing(preparing)
            }
        }
    }

    /// A preparation is over: from now on the component is shared, a failure tried again.
    fn settle(
        &self,
        digest: Digest,
        preparing: &Preparing,
        result: &Result<Component, PrepareError>,
    ) {
        let mut components = self.0.components.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ours = matches!(components.get(&digest),
            Some(Slot::Preparing(ours)) if Arc::ptr_eq(ours, preparing));
        match result {
            Ok(component) if is_ours => {
                components.insert(digest, Slot::Loaded(Arc::downgrade(&component.0)));
            }
            Err(_) if is_ours => {
                components.remove(&digest);
            }
            _ => {}
        }
    }

    async fn load(&self, digest: Digest, wasm: PathBuf) -> Result<Component, PrepareError> {
        let inner = self.0.clone();
        let find = move || load_cached(&inner.engines, inner.cache()?, digest);
        if let Some(component) = blocking(find).await? {
            return Ok(component);
        }
        // Only compiling has to wait its turn.
        let Ok(_permit) = self.0.compiles.acquire().await else {
            unreachable!("the semaphore is never closed")
        };
        let inner = self.0.clone();
        blocking(move || compile_and_load(&inner.engines, inner.cache()?, digest, &wasm)).await
    }
}

impl Inner {
    fn cache(&self) -> Result<&CodeCache, PrepareError> {
        let host = self.engines.on_demand().map_err(PrepareError::Engine)?;
        let open = || CodeCache::open(&self.config.cache_dir, fingerprint(&host.engine));
        Ok(self.cache.get_or_init(open))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PrepareError> + Send + 'static,
) -> Result<T, PrepareError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| PrepareError::Compile(error.to_string()))?
}
