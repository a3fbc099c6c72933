//! The manager: raft on an encrypted disk, the control and dispatcher services, and the one loop
//! that runs the core.
//!
//! A shell: every decision is `skep-manager-core`'s. What stands here is what a decision needs of
//! the world: a disk that keeps what was acknowledged, time, ids, and messages. The store is in
//! memory; raft's log and snapshots are on the disk, sealed before they are written.
//!
//! Knows nothing of workers: it is reached over gRPC, on one node too.

mod answer;
mod clock;
mod control;
mod crypt;
mod dispatcher;
mod encode;
mod lead;
mod manager;
mod raft;
mod storage;
#[cfg(test)]
mod tests;

pub use control::{Control, ResolveImage, ResolvedImage};
pub use dispatcher::Dispatcher;
pub use manager::{Genesis, Manager, ManagerConfig};
