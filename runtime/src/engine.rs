//! The wasmtime engines: how guests are compiled and where their memory comes from.
//!
//! Two engines with the same code generation, so that one compiled file serves both. Long-running
//! commands take memory from the system as they start; instances that live for one request come
//! from a pool, which is made with the first http component. Neither exists before it is needed: an
//! idle node pays for none of this.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::state::{State, linker};
use crate::ticker::{TickGuard, Ticker};

/// Address space set aside for each linear memory, and the guard behind it. On x86-64, with its 128
/// TiB, the most a memory can address: no load or store is checked. Elsewhere systems with 512 GiB
/// of address space are common, and checks are the better choice. Part of the compiled code.
const MEMORY_RESERVATION: u64 = if cfg!(target_arch = "x86_64") { 4 << 30 } else { 128 << 20 };
const MEMORY_GUARD: u64 = if cfg!(target_arch = "x86_64") { 32 << 20 } else { 64 << 10 };

/// How many requests' instances can live at once on this node. Empty slots cost a few hundred bytes.
const POOL_INSTANCES_MAX: u32 = 1000;
/// How many core modules a pooled component has: a toolchain makes up to four of one.
const POOL_MODULES_PER_INSTANCE: u32 = 4;
/// The largest table of a pooled component; larger ones are served without the pool.
const POOL_TABLE_ELEMENTS_MAX: usize = 20_000;
/// Slots that stay mapped after use, and how much of each stays resident: enough for the pages a
/// small handler touches, 5 MiB in all.
const POOL_WARM_SLOTS_MAX: u32 = 16;
const POOL_MEMORY_RESIDENT: usize = 256 << 10;
const POOL_STACK_RESIDENT: usize = 32 << 10;
const POOL_TABLE_RESIDENT: usize = 16 << 10;

/// What code is generated for: the oldest machine of the architecture, so that what one node
/// compiled runs on another.
const TARGET: Option<&str> = if cfg!(all(target_arch = "x86_64", target_os = "linux")) {
    Some(if cfg!(target_env = "musl") {
        "x86_64-unknown-linux-musl"
    } else {
        "x86_64-unknown-linux-gnu"
    })
} else if cfg!(all(target_arch = "aarch64", target_os = "linux")) {
    Some(if cfg!(target_env = "musl") {
        "aarch64-unknown-linux-musl"
    } else {
        "aarch64-unknown-linux-gnu"
    })
} else {
    None
};

/// The engines, each made when it is first asked for.
pub(crate) struct Engines {
    ticker: Ticker,
    request_slots: Arc<Semaphore>,
    on_demand: OnceLock<Result<Host, String>>,
    pooled: OnceLock<Result<Host, String>>,
}

/// An engine, and the host's side of every guest in it.
pub(crate) struct Host {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
}

impl Default for Engines {
    fn default() -> Self {
        Self {
            ticker: Ticker::default(),
            request_slots: Arc::new(Semaphore::new(POOL_INSTANCES_MAX as usize)),
            on_demand: OnceLock::new(),
            pooled: OnceLock::new(),
        }
    }
}

impl Engines {
    /// The engine for long-running guests, which also compiles.
    pub(crate) fn on_demand(&self) -> Result<&Host, String> {
        let made = self.on_demand.get_or_init(|| self.make(config()));
        made.as_ref().map_err(Clone::clone)
    }

    /// The engine for the instances of requests. Where a pool can't be had (too little address
    /// space) that is an error, and the other engine does as well.
    pub(crate) fn pooled(&self) -> Result<&Host, String> {
        let made = self.pooled.get_or_init(|| {
            let mut config = config();
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
            self.make(config)
                .inspect_err(|error| tracing::warn!(error, "requests are served without a pool"))
        });
        made.as_ref().map_err(Clone::clone)
    }

    /// The places of requests' instances on this node, pooled or not.
    pub(crate) fn request_slots(&self) -> Arc<Semaphore> {
        self.request_slots.clone()
    }

    /// Makes guests yield as long as the guard lives.
    pub(crate) fn tick(&self) -> TickGuard {
        self.ticker.start()
    }

    fn make(&self, config: Config) -> Result<Host, String> {
        let text = |error: wasmtime::Error| format!("{error:#}");
        let engine = Engine::new(&config).map_err(text)?;
        let linker = linker(&engine).map_err(text)?;
        self.ticker.add(&engine);
        Ok(Host { engine, linker })
    }
}

/// What code must have been compiled with to run here: wasmtime's version, its settings, the target.
pub(crate) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_guard_size(MEMORY_GUARD)
        // Names of functions are enough for a trap's text; line tables would double the code's size.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .generate_address_map(false)
        .native_unwind_info(false);
    if let Some(target) = TARGET
        && let Err(error) = config.target(target)
    {
        tracing::error!(%error, target, "can't compile for the baseline of this architecture");
    }
    config
}

fn pool() -> PoolingAllocationConfig {
    let modules = POOL_INSTANCES_MAX * POOL_MODULES_PER_INSTANCE;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL_INSTANCES_MAX)
        .total_core_instances(modules)
        .total_memories(POOL_INSTANCES_MAX)
        .total_tables(modules)
        .total_stacks(POOL_INSTANCES_MAX)
        .max_memory_size(MEMORY_RESERVATION as usize)
        .table_elements(POOL_TABLE_ELEMENTS_MAX)
        .max_unused_warm_slots(POOL_WARM_SLOTS_MAX)
        .linear_memory_keep_resident(POOL_MEMORY_RESIDENT)
        .async_stack_keep_resident(POOL_STACK_RESIDENT)
        .table_keep_resident(POOL_TABLE_RESIDENT);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_compiled_by_one_engine_runs_in_the_other() {
        let engines = Engines::default();
        let on_demand = engines.on_demand().expect("an engine");
        let pooled = engines.pooled().expect("a pool");
        assert_eq!(fingerprint(&on_demand.engine), fingerprint(&pooled.engine));
    }
}
