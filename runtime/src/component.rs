//! A component that is ready to run: checked, compiled, linked.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use skep_api::{Digest, WorkloadKind};
use wasmtime::Engine;
use wasmtime::component::{Component as Code, InstancePre};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::cache::CodeCache;
use crate::engine::{Engines, Host};
use crate::interfaces::{host_offers, workload_kind};
use crate::state::State;

/// A component that is ready to run. Cheap to clone; its code stays loaded while a clone lives.
#[derive(Clone)]
pub struct Component(pub(crate) Arc<Prepared>);

pub(crate) struct Prepared {
    digest: Digest,
    imports: Vec<String>,
    exports: Vec<String>,
    pub(crate) workload: Workload,
}

/// What a component is, linked with the host.
pub(crate) enum Workload {
    Command(CommandPre<State>),
    Http(ProxyPre<State>),
}

impl Component {
    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What it is.
    pub fn kind(&self) -> WorkloadKind {
        match self.0.workload {
            Workload::Command(_) => WorkloadKind::Command,
            Workload::Http(_) => WorkloadKind::Http,
        }
    }

    /// What it imports, sorted.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// What it exports, sorted.
    pub fn exports(&self) -> &[String] {
        &self.0.exports
    }
}

/// Why a component can't be run.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrepareError {
    /// Its file can't be read.
    #[error("can't read the component: {0}")]
    Read(String),
    /// The file's bytes are not those that were asked for.
    #[error("the component's bytes have the digest {found}, not {expected}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What the file has.
        found: Digest,
    },
    /// It is a plain module.
    #[error("it is a core WebAssembly module, not a component")]
    CoreModule,
    /// It is not WebAssembly that can be compiled.
    #[error("it can't be compiled: {0}")]
    Compile(String),
    /// It wants what the host does not have.
    #[error("it imports what this host does not have: {}", .0.join(", "))]
    Imports(Vec<String>),
    /// Its imports do not fit the host's in their types.
    #[error("it can't be linked: {0}")]
    Link(String),
    /// It exports nothing that can be run.
    #[error("it exports neither `wasi:cli/run` nor `wasi:http/incoming-handler` of WASI 0.2")]
    NotRunnable,
    /// The engine could not be made.
    #[error("the WebAssembly engine can't be started: {0}")]
    Engine(String),
}

impl From<PrepareError> for skep_api::Error {
    fn from(error: PrepareError) -> Self {
        let text = error.to_string();
        match error {
            PrepareError::Read(_) | PrepareError::Digest { .. } | PrepareError::Engine(_) => {
                Self::internal(text)
            }
            PrepareError::CoreModule => Self::invalid(text).hint(
                "build it for wasm32-wasip2, or turn it into a component with `wasm-tools component new`",
            ),
            PrepareError::Imports(_) | PrepareError::NotRunnable => {
                Self::invalid(text).hint("build it for WASI 0.2, as a command or an http handler")
            }
            PrepareError::Compile(_) | PrepareError::Link(_) => Self::invalid(text),
        }
    }
}

/// The component from the cache, if its code is there. Blocks.
pub(crate) fn load_cached(
    engines: &Engines,
    cache: &CodeCache,
    digest: Digest,
) -> Result<Option<Component>, PrepareError> {
    let Some(path) = cache.find(&digest) else { return Ok(None) };
    let host = engines.on_demand().map_err(PrepareError::Engine)?;
    match load_file(host, &path) {
        Ok(code) => link(engines, digest, code, |host| load_file(host, &path)).map(Some),
        // The fingerprint should have kept such code away.
        Err(error) => {
            tracing::warn!(%error, component = %digest, "compiled code is not usable");
            cache.remove(&digest);
            Ok(None)
        }
    }
}

/// Compiles a component, and keeps its code. Blocks.
pub(crate) fn compile_and_load(
    engines: &Engines,
    cache: &CodeCache,
    digest: Digest,
    wasm: &Path,
) -> Result<Component, PrepareError> {
    let host = engines.on_demand().map_err(PrepareError::Engine)?;
    let compiled = compile(&host.engine, digest, wasm)?;
    match cache.store(&digest, &compiled) {
        Ok(path) => {
            let code = load_file(host, &path).map_err(compile_error)?;
            link(engines, digest, code, |host| load_file(host, &path))
        }
        Err(error) => {
            tracing::warn!(%error, component = %digest, "compiled code is not kept");
            let code = load_bytes(host, &compiled).map_err(compile_error)?;
            link(engines, digest, code, |host| load_bytes(host, &compiled))
        }
    }
}

fn compile(engine: &Engine, digest: Digest, wasm: &Path) -> Result<Vec<u8>, PrepareError> {
    let bytes = fs::read(wasm).map_err(|error| PrepareError::Read(error.to_string()))?;
    let found = Digest(Sha256::digest(&bytes).into());
    if found != digest {
        return Err(PrepareError::Digest { expected: digest, found });
    }
    // The version field's second half tells a component from a module.
    if bytes.get(..8) == Some(b"\0asm\x01\0\0\0") {
        return Err(PrepareError::CoreModule);
    }
    engine.precompile_component(&bytes).map_err(compile_error)
}

fn compile_error(error: wasmtime::Error) -> PrepareError {
    PrepareError::Compile(format!("{error:#}"))
}

/// Checks what the component wants and is, and links it in the engine for its kind.
fn link(
    engines: &Engines,
    digest: Digest,
    code: Code,
    reload: impl Fn(&Host) -> wasmtime::Result<Code>,
) -> Result<Component, PrepareError> {
    let host = engines.on_demand().map_err(PrepareError::Engine)?;
    let ty = code.component_type();
    let mut imports: Vec<_> = ty.imports(&host.engine).map(|(name, _)| name.to_owned()).collect();
    let mut exports: Vec<_> = ty.exports(&host.engine).map(|(name, _)| name.to_owned()).collect();
    imports.sort();
    exports.sort();
    let missing: Vec<_> = imports.iter().filter(|name| !host_offers(name)).cloned().collect();
    if !missing.is_empty() {
        return Err(PrepareError::Imports(missing));
    }
    let kind =
        workload_kind(exports.iter().map(String::as_str)).ok_or(PrepareError::NotRunnable)?;
    let workload = match kind {
        WorkloadKind::Command => CommandPre::new(instance_pre(host, &code)?).map(Workload::Command),
        WorkloadKind::Http => {
            // A component that does not fit the pool runs without it.
            let pooled = engines.pooled().ok().and_then(|pool| Some((pool, reload(pool).ok()?)));
            let pre = match &pooled {
                Some((pool, code)) => instance_pre(pool, code)?,
                None => instance_pre(host, &code)?,
            };
            ProxyPre::new(pre).map(Workload::Http)
        }
    };
    let workload = workload.map_err(|error| PrepareError::Link(format!("{error:#}")))?;
    Ok(Component(Arc::new(Prepared { digest, imports, exports, workload })))
}

fn instance_pre(host: &Host, code: &Code) -> Result<InstancePre<State>, PrepareError> {
    host.linker.instantiate_pre(code).map_err(|error| PrepareError::Link(format!("{error:#}")))
}

fn load_file(host: &Host, path: &Path) -> wasmtime::Result<Code> {
    // SAFETY: the bytes are what wasmtime's compiler gave this program or an earlier run of it: the
    // cache has just checked them against the SHA-256 written beside them, or has just written them.
    // The mapped file does not change: entries are only ever replaced by renaming, in a folder that
    // is the node's alone.
    #[expect(unsafe_code, reason = "compiled code is trusted: the cache checked its digest")]
    unsafe {
        Code::deserialize_file(&host.engine, path)
    }
}

fn load_bytes(host: &Host, compiled: &[u8]) -> wasmtime::Result<Code> {
    // SAFETY: the bytes come straight from the compiler.
    #[expect(unsafe_code, reason = "compiled code is trusted: it was just compiled")]
    unsafe {
        Code::deserialize(&host.engine, compiled)
    }
}
