//! Raft's state machine: the core's store in memory, and the board where readers find its views.
//!
//! Nothing of the store is on the disk but snapshots and the log: a start reads the snapshot, and
//! raft applies the log behind it.

use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, StorageIOError,
};
use prost::Message;
use skep_api::Time;
use skep_manager_core::{Dirty, Event, Store, View};
use skep_wire::pb;
use tokio::sync::watch;

use super::db::{Db, DbError};
use super::raft_pb::{snapshot_meta_from_pb, snapshot_meta_to_pb};
use super::{
    Applied, LogId, RaftEntry, SnapshotMeta, StorageError, StoredMembership, Types, blocking,
};
use crate::clock::Clock;
use crate::encode::{DecodeError, snapshot_from_pb, snapshot_to_pb};

/// What everybody on this manager reads of the store.
#[derive(Debug)]
pub(crate) struct Board {
    /// Cluster time.
    pub(crate) clock: Clock,
    now: watch::Sender<Shown>,
    // Held while the store is shown too: who looks sees at least what was marked.
    dirty: Mutex<Dirty>,
}

/// The store at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// The last applied log index, raft's own entries included.
    pub(crate) index: u64,
    /// What is stored.
    pub(crate) view: View,
}

impl Board {
    /// A board that shows an empty store, in cluster time that starts at `wall`.
    pub(crate) fn new(wall: Time) -> Self {
        let shown = Shown { index: 0, view: Store::new().view() };
        Self {
            clock: Clock::start(Time::ZERO, wall),
            now: watch::Sender::new(shown),
            dirty: Mutex::new(Dirty::everything()),
        }
    }

    /// What is stored now.
    pub(crate) fn view(&self) -> View {
        self.now.borrow().view.clone()
    }

    /// The last applied log index.
    pub(crate) fn index(&self) -> u64 {
        self.now.borrow().index
    }

    /// Tells whenever the store moved.
    pub(crate) fn watch(&self) -> watch::Receiver<Shown> {
        self.now.subscribe()
    }

    /// What was marked since this was last asked, and what is stored now.
    pub(crate) fn look(&self) -> (Dirty, View) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut dirty), self.view())
    }

    /// Entries between two snapshots.
    pub(crate) fn snapshot_interval(&self) -> u64 {
        self.view().cluster().map_or(u64::MAX, |cluster| cluster.spec.snapshot_interval)
    }

    fn show(&self, index: u64, view: View, mark: impl FnOnce(&mut Dirty)) {
        self.clock.saw(view.time());
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        mark(&mut dirty);
        self.now.send_replace(Shown { index, view });
    }
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Machine {
    db: Arc<Db>,
    board: Arc<Board>,
    store: Store,
    applied: Option<LogId>,
    membership: StoredMembership,
}

impl Machine {
    /// The state of the snapshot in `db`, or none.
    pub(crate) fn open(db: Arc<Db>, board: Arc<Board>) -> Result<Self, DbError> {
        let mut machine = Self {
            db: db.clone(),
            board,
            store: Store::new(),
            applied: None,
            membership: StoredMembership::default(),
        };
        if let Some((meta, bytes)) = db.snapshot()? {
            let bad = |e: DecodeError| DbError::Snapshot(e.to_string());
            let meta = snapshot_meta_from_pb(meta).map_err(bad)?;
            machine.restore(&meta, &bytes).map_err(bad)?;
        }
        Ok(machine)
    }

    fn restore(&mut self, meta: &SnapshotMeta, bytes: &[u8]) -> Result<(), DecodeError> {
        let snapshot = pb::Snapshot::decode(bytes)
            .map_err(|e| DecodeError::Value(e.to_string(), "snapshot"))?;
        self.store = Store::restore(snapshot_from_pb(snapshot)?)
            .map_err(|e| DecodeError::Value(e.to_string(), "snapshot of a store"))?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.show(|dirty| *dirty = Dirty::everything());
        Ok(())
    }

    fn show(&self, mark: impl FnOnce(&mut Dirty)) {
        let index = self.applied.map_or(0, |id| id.index);
        self.board.show(index, self.store.view(), mark);
    }

    fn apply_one(&mut self, entry: RaftEntry, events: &mut Vec<Event>) -> Applied {
        self.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Ok(()),
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                Ok(())
            }
            EntryPayload::Normal(changes) => {
                events.extend(self.store.apply(entry.log_id.index, &changes)?);
                Ok(())
            }
        }
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut events = Vec::new();
        let answers = entries.into_iter().map(|entry| self.apply_one(entry, &mut events)).collect();
        // Shown before it is answered: who wrote, reads what was written.
        self.show(|dirty| events.iter().for_each(|event| dirty.mark(event)));
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let meta = SnapshotMeta {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
            snapshot_id: self.applied.map_or_else(|| "0".to_owned(), |id| id.to_string()),
        };
        Builder { db: self.db.clone(), view: self.store.view(), meta }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let bad = |e: &DecodeError| {
            StorageIOError::read_snapshot(Some(meta.signature()), AnyError::new(e))
        };
        self.restore(meta, &bytes).map_err(|e| bad(&e))?;
        save(self.db.clone(), meta.clone(), bytes).await?;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        let db = self.db.clone();
        let stored = blocking(move || db.snapshot()).await;
        let stored = stored.map_err(|e| StorageIOError::read_snapshot(None, AnyError::new(&e)))?;
        let Some((meta, bytes)) = stored else { return Ok(None) };
        let meta = snapshot_meta_from_pb(meta)
            .map_err(|e| StorageIOError::read_snapshot(None, AnyError::new(&e)))?;
        Ok(Some(Snapshot { meta, snapshot: Box::new(Cursor::new(bytes.to_vec())) }))
    }
}

/// Makes one snapshot, of the view that it holds.
pub(crate) struct Builder {
    db: Arc<Db>,
    view: View,
    meta: SnapshotMeta,
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        let view = self.view.clone();
        let bytes = blocking(move || snapshot_to_pb(&view.snapshot()).encode_to_vec()).await;
        let bytes = save(self.db.clone(), self.meta.clone(), bytes).await?;
        Ok(Snapshot { meta: self.meta.clone(), snapshot: Box::new(Cursor::new(bytes)) })
    }
}

/// Keeps the snapshot, in the place of the one before.
async fn save(db: Arc<Db>, meta: SnapshotMeta, bytes: Vec<u8>) -> Result<Vec<u8>, StorageError> {
    let signature = meta.signature();
    let (bytes, saved) = blocking(move || {
        let saved = db.write(|batch| batch.put_snapshot(&snapshot_meta_to_pb(&meta), &bytes));
        (bytes, saved)
    })
    .await;
    saved.map_err(|e| StorageIOError::write_snapshot(Some(signature), AnyError::new(&e)))?;
    Ok(bytes)
}
