//! One machine in the swarm: its data folder, its sockets, and the parts that run on it.
//!
//! A node is a worker, and a manager too once `swarm init` made it one. All that talks to it goes
//! through one socket: HTTP/2 with prior knowledge is gRPC, HTTP/1.1 is Docker's API. The worker
//! reaches its manager by gRPC as well, over an in-memory transport while both are one process.

mod config;
mod control;
mod folder;
mod generic;
mod images;
mod listen;
mod memory;
mod routes;
mod run;
mod swarm;
mod system;
mod tls;

pub use config::{Listen, NodeConfig, TlsFiles, default_data_root, default_socket};
pub use generic::generic_resources;
pub use run::{run, stop_signal};
