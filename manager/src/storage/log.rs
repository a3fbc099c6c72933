//! The raft log on the database.
//!
//! An append is answered when it is on the disk for good; raft's core waits for that before it
//! counts the entry, so what was acknowledged is there after a power cut.

use std::fmt::Debug;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{AnyError, OptionalSend, RaftLogReader, StorageIOError};
use skep_wire::pb;

use super::db::{Db, DbError, record};
use super::raft_pb::{
    log_entry_from_pb, log_entry_to_pb, log_id_from_pb, log_id_to_pb, vote_from_pb, vote_to_pb,
};
use super::{LogId, RaftEntry, StorageError, Types, Vote, blocking};

/// The log, as raft's core and its readers hold it.
#[derive(Debug, Clone)]
pub(crate) struct LogStore {
    db: Arc<Db>,
    memory: Arc<Mutex<Memory>>,
}

/// What is known without asking the disk.
#[derive(Debug, Default)]
struct Memory {
    /// The entries of the last append: raft reads them back to apply them at once.
    appended: Vec<RaftEntry>,
    /// The last committed log id. It is written with the next append, never by itself: after a
    /// restart raft finds it out anyway, knowing it only lets the start be quicker.
    committed: Option<LogId>,
}

impl LogStore {
    /// The log in `db`.
    pub(crate) fn open(db: Arc<Db>) -> Result<Self, DbError> {
        let committed = db.get::<pb::LogId>(record::COMMITTED)?.as_ref().map(log_id_from_pb);
        let memory = Memory { appended: Vec::new(), committed };
        Ok(Self { db, memory: Arc::new(Mutex::new(memory)) })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn purged(&self) -> Result<Option<LogId>, DbError> {
        Ok(self.db.get::<pb::LogId>(record::PURGED)?.as_ref().map(log_id_from_pb))
    }

    /// Does something with the database where it may block.
    async fn with_db<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Db) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, AnyError> {
        let db = self.db.clone();
        blocking(move || act(&db).map_err(|e| AnyError::new(&e))).await
    }
}

impl Memory {
    /// The entries of the range, if the last append wrote all of them.
    fn recent(&self, range: &impl RangeBounds<u64>) -> Option<Vec<RaftEntry>> {
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index + 1,
            Bound::Unbounded => return None,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index + 1,
            Bound::Excluded(index) => *index,
            Bound::Unbounded => return None,
        };
        let (first, last) = (self.appended.first()?, self.appended.last()?);
        let all = first.log_id.index <= start && end <= last.log_id.index + 1 && start < end;
        all.then(|| {
            let wanted = self.appended.iter().filter(|entry| range.contains(&entry.log_id.index));
            wanted.cloned().collect()
        })
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, StorageError> {
        if let Some(recent) = self.memory().recent(&range) {
            return Ok(recent);
        }
        let bounds = (range.start_bound().cloned(), range.end_bound().cloned());
        let stored = self.with_db(move |db| db.entries(bounds)).await;
        let stored = stored.map_err(StorageIOError::read_logs)?;
        let entries = stored.into_iter().map(log_entry_from_pb).collect::<Result<_, _>>();
        Ok(entries.map_err(|e| StorageIOError::read_logs(AnyError::new(&e)))?)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let read = |e: DbError| StorageIOError::read_logs(AnyError::new(&e));
        let purged = self.purged().map_err(read)?;
        let last = self.db.last_entry().map_err(read)?;
        let last = last.and_then(|entry| entry.log_id).as_ref().map(log_id_from_pb);
        Ok(LogState { last_purged_log_id: purged, last_log_id: last.or(purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let vote = vote_to_pb(vote);
        let saved = self.with_db(move |db| db.write(|batch| batch.put(record::VOTE, &vote))).await;
        Ok(saved.map_err(StorageIOError::write_vote)?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let vote = self.with_db(|db| db.get::<pb::Vote>(record::VOTE)).await;
        Ok(vote.map_err(StorageIOError::read_vote)?.as_ref().map(vote_from_pb))
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        self.memory().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.memory().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<Types>,
    ) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<RaftEntry> = entries.into_iter().collect();
        let committed = self.memory().committed.as_ref().map(log_id_to_pb);
        let (entries, written) = {
            let db = self.db.clone();
            blocking(move || {
                let written = append(&db, &entries, committed.as_ref());
                (entries, written)
            })
            .await
        };
        written.map_err(|e| StorageIOError::write_logs(AnyError::new(&e)))?;
        self.memory().appended = entries;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, since: LogId) -> Result<(), StorageError> {
        self.memory().appended.clear();
        let cut = self.with_db(move |db| db.write(|batch| batch.remove(since.index..))).await;
        Ok(cut.map_err(StorageIOError::write_logs)?)
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let purged = self.with_db(move |db| {
            db.write(|batch| {
                batch.put(record::PURGED, &log_id_to_pb(&upto))?;
                batch.remove(..=upto.index)
            })
        });
        Ok(purged.await.map_err(StorageIOError::write_logs)?)
    }
}

/// One durable write, however many entries: what gathered while the last one was written goes
/// together.
fn append(db: &Db, entries: &[RaftEntry], committed: Option<&pb::LogId>) -> Result<(), DbError> {
    let rows: Vec<_> =
        entries.iter().map(|entry| (entry.log_id.index, log_entry_to_pb(entry))).collect();
    db.write(|batch| {
        batch.append(&rows)?;
        committed.map_or(Ok(()), |id| batch.put(record::COMMITTED, id))
    })
}
