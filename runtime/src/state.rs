//! One instance's side of the host: what its store holds, and how its imports find it.

use std::sync::Arc;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, Store, UpdateDeadline};
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::p2::bindings::{filesystem, sockets};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::OutputStream;
use crate::files::{Files, FilesView, HasFiles};
use crate::http::Client;
use crate::memory::MemoryMeter;
use crate::sockets::{HasSockets, SocketsView};
use crate::stdio::LineWriter;
use crate::task::Task;
use crate::ticker::TickGuard;

/// The largest piece of randomness at once; the host holds it twice meanwhile.
const RANDOM_MAX: u64 = 1 << 20;

/// What one instance's imports work on.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    client: Client,
    table: ResourceTable,
    task: Arc<Task>,
    files: Files,
    pub(crate) memory: MemoryMeter,
    _tick: TickGuard,
}

impl State {
    fn new(task: &Arc<Task>, tick: TickGuard) -> Self {
        let stdout = LineWriter::new(OutputStream::Stdout, task.output.clone());
        let stderr = LineWriter::new(OutputStream::Stderr, task.output.clone());
        let wasi = WasiCtx::builder()
            .args(&task.args)
            .envs(&task.env)
            .initial_cwd(&task.cwd)
            .stdout(stdout)
            .stderr(stderr)
            .max_random_size(RANDOM_MAX)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(task.limits.handles as usize);
        Self {
            wasi,
            http: WasiHttpCtx::new(),
            client: Client::new(task.clone()),
            table,
            task: task.clone(),
            files: Files::new(task.tree.clone()),
            memory: MemoryMeter::new(task.memory.clone()),
            _tick: tick,
        }
    }

    fn sockets(&mut self) -> SocketsView<'_> {
        SocketsView { table: &mut self.table, task: &self.task }
    }

    fn files(&mut self) -> FilesView<'_> {
        let wasi = WasiFilesystemCtxView { ctx: self.wasi.filesystem(), table: &mut self.table };
        FilesView { wasi, files: &mut self.files }
    }
}

/// A store for one instance of a task.
pub(crate) fn store(engine: &Engine, task: &Arc<Task>, tick: TickGuard) -> Store<State> {
    let mut store = Store::new(engine, State::new(task, tick));
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    // tokio's own yield lets the worker look at its timers and sockets before the guest goes on;
    // merely waking itself, two busy guests would hold them up for most of a second.
    store.epoch_deadline_callback(|_| {
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
    store
}

/// Everything a guest can import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    // What reaches outside is ours.
    linker.allow_shadowing(true);
    filesystem::types::add_to_linker::<State, HasFiles>(&mut linker, State::files)?;
    filesystem::preopens::add_to_linker::<State, HasFiles>(&mut linker, State::files)?;
    sockets::tcp::add_to_linker::<State, HasSockets>(&mut linker, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, HasSockets>(&mut linker, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<State, HasSockets>(&mut linker, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, HasSockets>(&mut linker, State::sockets)?;
    Ok(linker)
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.client }
    }
}
