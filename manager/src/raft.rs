//! The raft group: one voter today, and the one way that the store moves, `propose`.
//!
//! A proposal is a list of changes; it comes back when its entries are on the disk and applied, so
//! who proposed reads its own writes. Entries are timed in the order they are written in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openraft::error::{
    ClientWriteError, Fatal, InstallSnapshotError, RPCError, RaftError, Unreachable,
};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, Config, RaftMetrics, ServerState, SnapshotPolicy};
use prost::Message;
use skep_api::{Error, ErrorKind};
use skep_manager_core::{ApplyError, Change, ENTRY_BYTES_MAX, ENTRY_CHANGES_MAX, Entry};
use skep_wire::pb;
use tokio::sync::Mutex;

use crate::encode::change_to_pb;
use crate::storage::{Board, Db, DbError, LogStore, Machine, Raft, Types, record};

/// How long a proposal waits for its commit; Swarm's request timeout.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(25);
/// How long a start may take until the log is applied; a log has at most some 10,000 entries.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two heartbeats to followers, and one and a half times it between two looks at raft's
/// timers: a lone voter wakes up this seldom when nothing happens.
const HEARTBEAT_MS: u64 = 1000;
/// Log entries kept behind a snapshot for followers that are a little late; Swarm's number.
const ENTRIES_KEPT: u64 = 500;

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProposeError {
    /// The store refused it: something else was written in between.
    #[error(transparent)]
    Refused(ApplyError),
    /// It is larger than an entry may be.
    #[error("a change of {bytes} bytes is larger than {ENTRY_BYTES_MAX} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No leader, or another one.
    #[error("this manager is not the leader: {0}")]
    NotLeader(String),
    /// Nobody knows whether it was made.
    #[error("no answer within {} s: nobody knows whether the change was made", COMMIT_TIMEOUT.as_secs())]
    Unknown,
    /// The disk is too full to write it and still go on after that.
    #[error("no space left on device: {} MB are free, this change needs {} MB", free / 1_000_000, needed.div_ceil(1_000_000))]
    NoSpace {
        /// The bytes that are free.
        free: u64,
        /// The bytes that must be.
        needed: u64,
    },
    /// The manager stops, or its disk failed.
    #[error("the manager can't write: {0}")]
    Stopped(String),
}

impl From<ProposeError> for Error {
    fn from(error: ProposeError) -> Self {
        let message = error.to_string();
        match error {
            ProposeError::Refused(reason) => refused(&reason),
            ProposeError::TooLarge { .. } => Self::invalid(message),
            ProposeError::NotLeader(_) => Self::new(ErrorKind::Unavailable, message),
            ProposeError::NoSpace { .. } => Self::new(ErrorKind::Unavailable, message)
                .hint("nothing was changed; make room, for example with `skep image rm` or `skep volume rm`"),
            ProposeError::Unknown => Self::new(ErrorKind::Unavailable, message)
                .hint("look whether it was made before you ask again"),
            ProposeError::Stopped(_) => Self::new(ErrorKind::Unavailable, message)
                .hint("the manager's log says why; its disk may be full or damaged"),
        }
    }
}

/// What must be free on the disk beside what an entry takes: the log's own tree, and the small
/// writes that end tasks and free more.
const DISK_RESERVE: u64 = 2 << 20;
/// How many times its size an entry may take on the disk: redb writes changed pages anew, and keeps
/// the old ones until the next commit.
const DISK_FACTOR: u64 = 4;

/// The manager's seat in the raft group.
pub(crate) struct Group {
    pub(crate) raft: Raft,
    board: Arc<Board>,
    /// Where the log is.
    dir: PathBuf,
    /// Held while an entry is timed and queued.
    order: Mutex<()>,
}

/// Why raft does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The storage.
    #[error(transparent)]
    Db(DbError),
    /// Raft itself.
    #[error("raft does not start: {0}")]
    Raft(String),
}

impl Group {
    /// Takes the seat that `db` knows of and waits until all of the log is applied. A `fresh` one
    /// founds a group of its own.
    pub(crate) async fn start(
        db: Arc<Db>,
        board: Arc<Board>,
        dir: PathBuf,
        seat: Seat,
    ) -> Result<Self, StartError> {
        let failed = |e: &dyn std::fmt::Display| StartError::Raft(e.to_string());
        let member = db.get::<pb::Member>(record::SELF).map_err(StartError::Db)?;
        let member =
            member.ok_or_else(|| failed(&"the database does not say which member it is"))?;
        let log = LogStore::open(db.clone()).map_err(StartError::Db)?;
        let machine = Machine::open(db, board.clone()).map_err(StartError::Db)?;
        let config = config().validate().map_err(|e| failed(&e))?;
        let raft = Raft::new(member.id, Arc::new(config), NoPeers, log, machine);
        let raft = raft.await.map_err(|e| failed(&e))?;
        if seat == Seat::Founding {
            let members = BTreeMap::from([(member.id, BasicNode::new(&member.addr))]);
            raft.initialize(members).await.map_err(|e| failed(&e))?;
        } else if raft.current_leader().await.is_none() {
            raft.trigger().elect().await.map_err(|e| failed(&e))?;
        }
        let ready = |m: &RaftMetrics<u64, BasicNode>| {
            let applied = m.last_applied.map(|id| id.index);
            m.state == ServerState::Leader && applied == m.last_log_index
        };
        let wait = raft.wait(Some(START_TIMEOUT));
        wait.metrics(ready, "lead, with all of the log applied").await.map_err(|e| failed(&e))?;
        Ok(Self { raft, board, dir, order: Mutex::new(()) })
    }

    /// What everybody reads.
    pub(crate) fn board(&self) -> &Board {
        &self.board
    }

    /// Makes the changes: in one entry if they fit, else in several, in their order, of which an
    /// early one may be made though a later one is refused. Answers the last entry's index.
    pub(crate) async fn propose(&self, changes: Vec<Change>) -> Result<u64, ProposeError> {
        let mut index = self.board.index();
        for Batch { changes, bytes } in split(changes)? {
            self.check_room(bytes)?;
            index = self.commit(changes).await?;
        }
        self.snapshot_if_due(index).await;
        Ok(index)
    }

    /// Stops. What was acknowledged is on the disk already.
    pub(crate) async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "raft did not stop cleanly");
        }
    }

    /// Refuses a change before the disk does: a log that can't be written ends raft.
    fn check_room(&self, bytes: usize) -> Result<(), ProposeError> {
        let needed = DISK_RESERVE + DISK_FACTOR * bytes as u64;
        // Where the system does not say how much is free, the disk itself has the last word.
        let Ok(disk) = rustix::fs::statvfs(&self.dir) else { return Ok(()) };
        let free = disk.f_bavail * disk.f_frsize;
        if free < needed { Err(ProposeError::NoSpace { free, needed }) } else { Ok(()) }
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<u64, ProposeError> {
        let answer = {
            let _turn = self.order.lock().await;
            let entry = Entry { time: self.board.clock.now(), changes };
            self.raft.client_write_ff(Arc::new(entry)).await.map_err(stopped)?
        };
        match tokio::time::timeout(COMMIT_TIMEOUT, answer).await {
            Ok(Ok(Ok(written))) => {
                written.data.map(|()| written.log_id.index).map_err(ProposeError::Refused)
            }
            Ok(Ok(Err(ClientWriteError::ForwardToLeader(to)))) => {
                Err(ProposeError::NotLeader(to.to_string()))
            }
            Ok(Ok(Err(ClientWriteError::ChangeMembershipError(e)))) => {
                Err(ProposeError::NotLeader(e.to_string()))
            }
            // Raft stopped with the entry in its hands.
            Ok(Err(_)) => match &self.raft.metrics().borrow().running_state {
                Err(fatal) => Err(stopped(fatal.clone())),
                Ok(()) => Err(ProposeError::Unknown),
            },
            Err(_) => Err(ProposeError::Unknown),
        }
    }

    /// Asks for a snapshot when the cluster's interval has passed since the last one. Asked again
    /// while one is made, raft does nothing.
    async fn snapshot_if_due(&self, index: u64) {
        let last = self.raft.metrics().borrow().snapshot.map_or(0, |id| id.index);
        if index.saturating_sub(last) < self.board.snapshot_interval() {
            return;
        }
        if let Err(error) = self.raft.trigger().snapshot().await {
            tracing::error!(%error, "no snapshot was made");
        }
    }
}

/// Whether the group is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seat {
    /// It is: this is one of its members.
    Taken,
    /// It is not: this is its first member.
    Founding,
}

/// What a user is told when the store refused a change: Swarm's words where it has some.
fn refused(reason: &ApplyError) -> Error {
    match reason {
        ApplyError::Stale { .. } => Error::new(ErrorKind::OutOfSequence, "update out of sequence")
            .hint("it was changed meanwhile: read it again, then update"),
        ApplyError::NameTaken { .. } | ApplyError::IdTaken { .. } => Error::new(
            ErrorKind::AlreadyExists,
            format!("name conflicts with an existing object: {reason}"),
        ),
        ApplyError::Missing { .. } => Error::not_found(reason.to_string()),
        ApplyError::SpecGone { .. } | ApplyError::SpecVersionReused { .. } => {
            Error::new(ErrorKind::OutOfSequence, reason.to_string())
        }
    }
}

fn config() -> Config {
    Config {
        cluster_name: "skep".to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: 3 * HEARTBEAT_MS,
        election_timeout_max: 6 * HEARTBEAT_MS,
        // Ours: the interval is a setting of the cluster, which may change.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: ENTRIES_KEPT,
        ..Config::default()
    }
}

fn stopped(error: Fatal<u64>) -> ProposeError {
    ProposeError::Stopped(error.to_string())
}

/// The changes of one entry, and about how many bytes they are.
#[derive(Debug)]
struct Batch {
    changes: Vec<Change>,
    bytes: usize,
}

/// Cuts a list into lists that an entry can hold.
fn split(changes: Vec<Change>) -> Result<Vec<Batch>, ProposeError> {
    let mut batches: Vec<Batch> = Vec::new();
    for change in changes {
        // Its own bytes, and those of the field it is in: a key and a length.
        let size = change_to_pb(&change).encoded_len() + 8;
        if size > ENTRY_BYTES_MAX {
            return Err(ProposeError::TooLarge { bytes: size });
        }
        match batches.last_mut() {
            Some(batch)
                if batch.changes.len() < ENTRY_CHANGES_MAX
                    && batch.bytes + size <= ENTRY_BYTES_MAX =>
            {
                batch.changes.push(change);
                batch.bytes += size;
            }
            _ => batches.push(Batch { changes: vec![change], bytes: size }),
        }
    }
    Ok(batches)
}

/// Other managers can't be reached: this one is alone.
struct NoPeers;

/// A manager that can't be reached.
struct NoPeer(u64);

/// Raft asked for another manager.
#[derive(Debug, thiserror::Error)]
#[error("manager {0} can't be reached: this swarm has one manager")]
struct Alone(u64);

impl NoPeer {
    fn refuse<E: std::error::Error>(&self) -> RPCError<u64, BasicNode, E> {
        RPCError::Unreachable(Unreachable::new(&Alone(self.0)))
    }
}

impl RaftNetworkFactory<Types> for NoPeers {
    type Network = NoPeer;

    async fn new_client(&mut self, target: u64, _node: &BasicNode) -> NoPeer {
        NoPeer(target)
    }
}

impl RaftNetwork<Types> for NoPeer {
    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        Err(self.refuse())
    }

    async fn install_snapshot(
        &mut self,
        _rpc: InstallSnapshotRequest<Types>,
        _option: RPCOption,
    ) -> Result<
        InstallSnapshotResponse<u64>,
        RPCError<u64, BasicNode, RaftError<u64, InstallSnapshotError>>,
    > {
        Err(self.refuse())
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, BasicNode, RaftError<u64>>> {
        Err(self.refuse())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use skep_api::{Config, ConfigSpec, Id, Meta};
    use skep_manager_core::{Key, Object};

    use super::*;

    fn config(bytes: usize) -> Change {
        let data = Arc::new(vec![0; bytes]);
        let spec = ConfigSpec { name: "c".to_owned(), labels: BTreeMap::new(), data };
        Change::Create(Object::Config(Config { id: Id::from_u128(1), meta: Meta::default(), spec }))
    }

    #[test]
    fn a_list_is_cut_where_an_entry_is_full_and_keeps_its_order() {
        let removals: Vec<_> =
            (0..450).map(|n| Change::Remove(Key::Task(Id::from_u128(n)))).collect();
        let lists = split(removals.clone()).expect("fits");
        assert_eq!(
            lists.iter().map(|batch| batch.changes.len()).collect::<Vec<_>>(),
            [200, 200, 50]
        );
        let all: Vec<Change> = lists.into_iter().flat_map(|batch| batch.changes).collect();
        assert_eq!(all, removals);

        let lists = split((0..5).map(|_| config(600_000)).collect()).expect("fits");
        assert_eq!(lists.iter().map(|batch| batch.changes.len()).collect::<Vec<_>>(), [2, 2, 1]);
        for list in lists {
            let changes = list.changes.iter().map(change_to_pb).collect();
            assert!(pb::Entry { time: u64::MAX, changes }.encoded_len() <= ENTRY_BYTES_MAX + 16);
        }
        assert!(split(Vec::new()).is_ok_and(|lists| lists.is_empty()));
    }

    #[test]
    fn a_change_larger_than_an_entry_is_refused() {
        let error = split(vec![config(ENTRY_BYTES_MAX)]).expect_err("too large");
        assert!(error.to_string().ends_with("bytes is larger than 1572864 bytes"), "{error}");
    }
}
