//! Power cuts. A process that is killed loses nothing that it wrote; a machine that goes dark
//! loses any part of what was not synced, which is what these tests take away.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::RaftLogStorageExt;
use openraft::{CommittedLeaderId, EntryPayload, RaftLogReader, storage::RaftLogStorage};
use redb::StorageBackend;
use skep_api::{Config, ConfigSpec, Id, IdGen, Meta, Time};
use skep_manager_core::{Change, Entry, Object};
use skep_wire::pb;

use super::db::{Db, DbError};
use super::log::LogStore;
use super::{LogId, RaftEntry, Vote};
use crate::crypt::Sealer;

const SEEDS: u64 = 1000;

/// A disk in memory that goes dark after so many operations.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    /// What a reader sees.
    now: Vec<u8>,
    /// What is there for good.
    synced: Vec<u8>,
    /// What was written since.
    unsynced: Vec<Op>,
    /// Operations until the power goes; none while it stays.
    left: Option<u64>,
}

#[derive(Debug, Clone)]
enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Op {
    fn on(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(*len as usize, 0),
            Self::Write(at, data) => {
                let (at, end) = (*at as usize, *at as usize + data.len());
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[at..end].copy_from_slice(data);
            }
        }
    }
}

impl Platter {
    /// Uses up one operation.
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes after so many operations.
    fn dark_after(&self, operations: u64) {
        self.platter().left = Some(operations);
    }

    /// What is found when the power is back: all that was synced, and of the rest any part.
    fn found(&self, rng: &mut IdGen) -> Self {
        let platter = self.platter();
        let mut bytes = platter.synced.clone();
        // Sometimes nothing of the rest, sometimes all, mostly some.
        let odds = rng.below(5);
        for op in &platter.unsynced {
            if rng.below(4) < odds {
                op.on(&mut bytes);
            }
        }
        let fresh = Platter { now: bytes.clone(), synced: bytes, ..Platter::default() };
        Self(Arc::new(Mutex::new(fresh)))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter();
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(platter.now.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.platter();
        platter.spend()?;
        Op::SetLen(len).on(&mut platter.now);
        platter.unsynced.push(Op::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter();
        platter.spend()?;
        let Platter { synced, unsynced, .. } = &mut *platter;
        unsynced.drain(..).for_each(|op| op.on(synced));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.platter();
        platter.spend()?;
        let op = Op::Write(offset, data.to_vec());
        op.on(&mut platter.now);
        platter.unsynced.push(op);
        Ok(())
    }
}

/// What was acknowledged, and must be there.
#[derive(Debug, Default)]
struct Acknowledged {
    entries: BTreeMap<u64, RaftEntry>,
    vote: Option<Vote>,
    purged: Option<LogId>,
    snapshot: Option<String>,
}

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1, 1), index)
}

fn entry(index: u64, rng: &mut IdGen) -> RaftEntry {
    let data = vec![index as u8; rng.below(3000) as usize];
    let spec = ConfigSpec {
        name: format!("config{index}"),
        labels: BTreeMap::new(),
        data: Arc::new(data),
    };
    let config = Config { id: Id::from_u128(index.into()), meta: Meta::default(), spec };
    let changes = vec![Change::Create(Object::Config(config))];
    let entry = Entry { time: Time::from_secs(index), changes };
    RaftEntry { log_id: log_id(index), payload: EntryPayload::Normal(Arc::new(entry)) }
}

/// Writes until the power goes.
async fn write(db: Arc<Db>, known: &mut Acknowledged, rng: &mut IdGen) {
    let Ok(mut log) = LogStore::open(db.clone()) else { return };
    let last = known.entries.keys().last().copied().or(known.purged.map(|id| id.index));
    let mut next = last.map_or(0, |index| index + 1);
    loop {
        match rng.below(10) {
            0 => {
                let vote = Vote::new(next, 1);
                if log.save_vote(&vote).await.is_err() {
                    return;
                }
                known.vote = Some(vote);
            }
            1 if next > 4 => {
                let upto = log_id(next - 3);
                if log.purge(upto).await.is_err() {
                    // It may or may not have been done.
                    known.entries.retain(|index, _| *index > upto.index);
                    return;
                }
                known.purged = Some(upto);
                known.entries.retain(|index, _| *index > upto.index);
            }
            2 if next > 0 => {
                let id = format!("snapshot at {next}");
                let meta = pb::SnapshotMeta { id: id.clone(), ..Default::default() };
                let bytes = vec![7; rng.below(30_000) as usize];
                // A snapshot that was not finished leaves the one before or is there whole.
                let saved = db.write(|batch| batch.put_snapshot(&meta, &bytes));
                known.snapshot = saved.is_ok().then_some(id);
                if saved.is_err() {
                    return;
                }
            }
            _ => {
                let batch: Vec<_> = (0..=rng.below(3)).map(|n| entry(next + n, rng)).collect();
                next += batch.len() as u64;
                if log.blocking_append(batch.clone()).await.is_err() {
                    return;
                }
                known.entries.extend(batch.into_iter().map(|entry| (entry.log_id.index, entry)));
            }
        }
    }
}

async fn check(db: Arc<Db>, known: &Acknowledged, seed: u64) {
    let mut log = LogStore::open(db.clone()).expect("the log opens");
    let stored = log.try_get_log_entries(0..u64::MAX).await.expect("readable");
    let stored: BTreeMap<u64, RaftEntry> =
        stored.into_iter().map(|entry| (entry.log_id.index, entry)).collect();
    for (index, entry) in &known.entries {
        assert_eq!(stored.get(index), Some(entry), "seed {seed}: entry {index}");
    }
    let vote = log.read_vote().await.expect("readable");
    assert!(vote.map(|v| v.leader_id) >= known.vote.map(|v| v.leader_id), "seed {seed}: the vote");
    let state = log.get_log_state().await.expect("readable");
    assert!(state.last_purged_log_id >= known.purged, "seed {seed}: what was purged");
    let snapshot = db.snapshot().expect("readable").map(|(meta, _)| meta.id);
    if known.snapshot.is_some() {
        assert_eq!(snapshot, known.snapshot, "seed {seed}: the snapshot");
    }
}

/// One disk's life: written until the power goes and opened again, sometimes twice, sometimes with
/// the power going while it opens. Answers how many entries were acknowledged.
async fn life(seed: u64, key: &Path) -> usize {
    let mut rng = IdGen::from_u64(seed);
    let sealer = || Sealer::load(key).expect("the key");
    let mut disk = Disk::default();
    let member = pb::Member { id: 1, addr: String::new() };
    let db = Db::create_in(disk.clone(), sealer(), &member).expect("the power is on");
    let mut known = Acknowledged::default();
    let mut db = Some(db);
    let file = Path::new("raft.redb");
    for _ in 0..=rng.below(5) / 4 {
        disk.dark_after(rng.below(80));
        if let Some(db) = db.take() {
            write(Arc::new(db), &mut known, &mut rng).await;
        }
        disk = disk.found(&mut rng);
        if rng.below(8) == 0 {
            disk.dark_after(rng.below(10));
            match Db::open_in(disk.clone(), file, sealer()) {
                Ok(_) | Err(DbError::Damaged { .. } | DbError::Io { .. }) => {}
                Err(other) => panic!("seed {seed}: {other}"),
            }
            disk = disk.found(&mut rng);
        }
        let opened = Db::open_in(disk.clone(), file, sealer());
        let opened = Arc::new(opened.unwrap_or_else(|e| panic!("seed {seed}: {e}")));
        check(opened.clone(), &known, seed).await;
        // What was not acknowledged may be there: then it is not written a second time.
        let mut log = LogStore::open(opened.clone()).expect("the log opens");
        let stored = log.try_get_log_entries(0..u64::MAX).await.expect("readable");
        known.entries = stored.into_iter().map(|entry| (entry.log_id.index, entry)).collect();
        let state = log.get_log_state().await.expect("readable");
        known.purged = state.last_purged_log_id;
        drop(log);
        db = Arc::into_inner(opened);
    }
    known.entries.len()
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    let dir = tempfile::tempdir().expect("a folder");
    Sealer::create(dir.path()).expect("a key");
    let part = |first: u64| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let lives = (first..SEEDS).step_by(2);
        lives.map(|seed| runtime.block_on(life(seed, dir.path()))).sum::<usize>()
    };
    let entries: usize = std::thread::scope(|scope| {
        let parts = [scope.spawn(|| part(0)), scope.spawn(|| part(1))];
        parts.into_iter().map(|part| part.join().expect("no life was lost")).sum()
    });
    assert!(entries > SEEDS as usize, "the disks live long enough to hold something: {entries}");
}

#[test]
fn a_disk_without_syncs_loses_what_was_acknowledged() {
    // The test above must be able to fail: with the syncs taken away, it does.
    #[derive(Debug)]
    struct Careless(Disk);
    impl StorageBackend for Careless {
        fn len(&self) -> io::Result<u64> {
            self.0.len()
        }
        fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
            self.0.read(offset, out)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.0.set_len(len)
        }
        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }
        fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
            self.0.write(offset, data)
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let sealer = Sealer::create(dir.path()).expect("a key");
    let disk = Disk::default();
    let member = pb::Member { id: 1, addr: String::new() };
    let db = Db::create_in(Careless(disk.clone()), sealer, &member).expect("the power is on");
    drop(db);
    let found = disk.found(&mut IdGen::from_u64(0));
    let sealer = Sealer::load(dir.path()).expect("the key");
    assert!(Db::open_in(found, Path::new("raft.redb"), sealer).is_err());
}
