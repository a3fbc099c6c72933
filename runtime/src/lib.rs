//! One sandbox: a WebAssembly component, and all that it may touch.
//!
//! A [`Runtime`] prepares components (checks, compiles, caches) and starts them. What a task may
//! touch comes in its [`Plan`], and nothing else can be reached: no host file, variable, socket or
//! clock but the wall's. Its files are one tree of read-only files in memory, folders in memory and
//! folders of volumes; its sockets lead to the plan's [`Network`], which is not the host's; its
//! lines go to the plan's [`Output`].
//!
//! The crate knows no service, node or cluster: those who make plans do.
//!
//! Two kinds of component run (WASI 0.2): a *command* runs until it returns or is stopped; an *http
//! handler* gets a fresh instance for each request on the connections that
//! [`Sandbox::serve`] is given. Guests run on the tokio runtime they were started on and yield every
//! 10 ms, so that a busy loop neither blocks others nor survives its stop.
//!
//! Every way a guest could take more than its share has a named limit: [`MEMORY_DEFAULT`],
//! [`REQUESTS_MAX`], [`REQUESTS_QUEUED_MAX`], [`PIPE_BUFFER_MAX`], [`BACKLOG_MAX`], [`LINE_MAX`],
//! [`MEMORY_ENTRY_COST`], [`CODE_CACHE_MAX`], and those of its grant.

mod cache;
mod command;
mod component;
mod engine;
mod files;
mod http;
mod interfaces;
mod listener;
mod memory;
mod network;
mod outcome;
mod pipe;
mod plan;
mod runtime;
mod sandbox;
mod sockets;
mod state;
mod stdio;
mod task;
mod ticker;
mod trap;

pub use cache::CODE_CACHE_MAX;
pub use component::{Component, PrepareError};
pub use files::MEMORY_ENTRY_COST;
pub use http::{REQUESTS_MAX, REQUESTS_QUEUED_MAX, RequestCounts, ServeError};
pub use interfaces::{HOST_INTERFACES, host_offers, workload_kind};
pub use listener::{BACKLOG_MAX, Listener, ListenerHandle, listener};
pub use memory::MEMORY_DEFAULT;
pub use network::{Connection, Network, NetworkError};
pub use outcome::Outcome;
pub use pipe::{PIPE_BUFFER_MAX, Pipe, PipeReader, PipeWriter};
pub use plan::{FileData, Output, OutputStream, Plan, PlanDir, PlanDirSource, PlanFile};
pub use runtime::{Runtime, RuntimeConfig};
pub use sandbox::{Sandbox, StartError};
pub use stdio::LINE_MAX;
