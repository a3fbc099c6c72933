//! Raft's storage: the log in a database, the state in memory, rebuilt from snapshot and log.
//!
//! Everything on the disk is protobuf, sealed before it is written. A log append and a vote are
//! answered when they are there for good.

#[cfg(test)]
mod crash_tests;
mod db;
mod held;
mod log;
mod machine;
mod raft_pb;
#[cfg(test)]
mod tests;

use std::io::Cursor;
use std::sync::Arc;

use openraft::BasicNode;
use skep_manager_core::{ApplyError, Entry};

pub(crate) use db::{DB_FILE, Db, DbError, record};
pub(crate) use log::LogStore;
pub(crate) use machine::{Board, Machine, Shown};

openraft::declare_raft_types!(
    /// What raft carries.
    pub(crate) Types:
        D = Arc<Entry>,
        R = Applied,
        NodeId = u64,
        Node = BasicNode,
        SnapshotData = Cursor<Vec<u8>>,
);

/// What became of one entry. Raft's own entries always succeed.
pub(crate) type Applied = Result<(), ApplyError>;

pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, BasicNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, BasicNode>;
pub(crate) type RaftEntry = openraft::Entry<Types>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type Raft = openraft::Raft<Types>;

/// Runs what waits for a disk where it keeps nobody else waiting.
pub(crate) async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(act).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being taken down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}
