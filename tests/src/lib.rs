//! The harness for tests with real processes: a daemon with a data folder and a socket of its own,
//! its client, a real registry, and a small HTTP client.
//!
//! Nothing here sleeps for a guessed time: tests wait for a condition, with a limit. Every process
//! that is started is ended when its handle is dropped, and a test that fails shows the end of the
//! daemon's log. `cargo xtask demo` and `bench` drive the release binary with the same handles.

mod daemon;
mod files;
pub mod http;
mod process;
mod registry;
pub mod todo;
mod wait;

pub use daemon::{Daemon, Setup};
pub use files::{files_below, guest, repository};
pub use process::{Finished, free_port};
pub use registry::{Access, PASSWORD, Registry, USER};
pub use wait::{LIMIT, wait_for, wait_for_within};
