//! Raft's own suite on our storage, snapshots against replay, and files that are not ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::testing::{StoreBuilder, Suite};
use openraft::{CommittedLeaderId, EntryPayload, RaftLogReader, RaftSnapshotBuilder};
use skep_api::{
    Cluster, ClusterSpec, Config, ConfigSpec, Id, Meta, Network, NetworkSpec, Node,
    NodeDescription, NodeSpec, NodeState, NodeStatus, Secret, SecretBytes, SecretSpec, Service,
    ServiceSpec, Slot, SpecVersion, Task, TaskState, TaskStatus, Time,
};
use skep_manager_core::{Change, Entry, Key, Object, View};
use skep_wire::pb;
use tempfile::TempDir;

use super::db::{Batch, DB_FILE, Db, DbError};
use super::log::LogStore;
use super::machine::{Board, Machine};
use super::{LogId, RaftEntry, StorageError, Types};
use crate::crypt::{KEY_FILE, Sealer};

fn create(dir: &Path) -> Arc<Db> {
    let sealer = Sealer::create(dir).expect("a key");
    let member = pb::Member { id: 1, addr: "127.0.0.1:2377".to_owned() };
    Arc::new(Db::create(&dir.join(DB_FILE), sealer, &member).expect("a database"))
}

fn open(dir: &Path) -> Result<Arc<Db>, DbError> {
    let sealer = Sealer::load(dir).map_err(DbError::Key)?;
    Db::open(&dir.join(DB_FILE), sealer).map(Arc::new)
}

fn machine(db: &Arc<Db>) -> (Machine, Arc<Board>) {
    let board = Arc::new(Board::new(Time::ZERO));
    (Machine::open(db.clone(), board.clone()).expect("a machine"), board)
}

struct Fresh;

impl StoreBuilder<Types, LogStore, Machine, TempDir> for Fresh {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError> {
        let dir = tempfile::tempdir().expect("a folder");
        let db = create(dir.path());
        Ok((dir, LogStore::open(db.clone()).expect("a log"), machine(&db).0))
    }
}

#[test]
fn openrafts_own_suite_passes() {
    Suite::test_all(Fresh).expect("the suite");
}

fn log_id(index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(1, 1), index)
}

fn entry(index: u64, changes: Vec<Change>) -> RaftEntry {
    let entry = Entry { time: Time::from_secs(index), changes };
    RaftEntry { log_id: log_id(index), payload: EntryPayload::Normal(Arc::new(entry)) }
}

fn named(name: &str) -> ServiceSpec {
    ServiceSpec { name: name.to_owned(), ..ServiceSpec::default() }
}

fn service(spec: ServiceSpec, version: u64) -> Service {
    Service {
        meta: Meta { version, ..Meta::default() },
        spec_version: SpecVersion(version),
        ..Service::new(Id::from_u128(10), spec)
    }
}

fn task(id: u128, version: u64) -> Task {
    Task {
        start_after: Some(Time::from_secs(3)),
        ..Task::new(Id::from_u128(id), &service(named("web"), version), Slot::Number(id as u64))
    }
}

/// What a swarm begins with.
fn founding() -> Vec<Change> {
    let meta = Meta::default();
    let cluster = Cluster { id: Id::from_u128(1), meta, spec: ClusterSpec::default() };
    let node = Node {
        id: Id::from_u128(2),
        meta,
        spec: NodeSpec::default(),
        description: NodeDescription { hostname: "n1".to_owned(), ..Default::default() },
        status: NodeStatus { state: NodeState::Ready, ..Default::default() },
        manager_addr: Some("127.0.0.1:2377".to_owned()),
    };
    let network = Network {
        id: Id::from_u128(3),
        meta,
        spec: NetworkSpec { name: "net".to_owned(), ..Default::default() },
        subnet: "10.0.1.0/24".to_owned(),
    };
    let objects = [Object::Cluster(cluster), Object::Node(node), Object::Network(network)];
    objects.into_iter().map(Change::Create).collect()
}

fn secret() -> Secret {
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let data = SecretBytes::new(b"hunter2".to_vec());
    let spec = SecretSpec { name: "s".to_owned(), labels, data };
    Secret { id: Id::from_u128(4), meta: Meta::default(), spec }
}

fn config() -> Config {
    let data = Arc::new(vec![0, 255, 7]);
    let spec = ConfigSpec { name: "c".to_owned(), labels: BTreeMap::new(), data };
    Config { id: Id::from_u128(5), meta: Meta::default(), spec }
}

/// A service written again, by who read version 5.
fn rewritten() -> Service {
    let labels = BTreeMap::from([("v".to_owned(), "2".to_owned())]);
    let spec = ServiceSpec { labels, ..named("web") };
    Service { previous: Some(Arc::new(named("web"))), ..service(spec, 5) }
}

/// All that can happen to tasks.
fn task_changes() -> Vec<Change> {
    let status = TaskStatus {
        state: TaskState::Failed,
        message: "failed".into(),
        err: "task: non-zero exit (3)".to_owned(),
        exit: Some(skep_api::ExitInfo { code: -3 }),
        ..Default::default()
    };
    let address = skep_api::TaskAddress {
        network: Id::from_u128(3),
        addr: "10.0.1.4".parse().expect("an address"),
    };
    vec![
        Change::TaskAssign {
            task: Id::from_u128(20),
            node: Some(Id::from_u128(2)),
            ports: vec![skep_api::PortConfig { target: 80, ..Default::default() }],
            addresses: vec![address],
            generic: BTreeMap::from([("gpu".to_owned(), skep_api::Generic::Count(2))]),
            status: TaskStatus { state: TaskState::Assigned, ..Default::default() },
        },
        Change::TaskDesired { task: Id::from_u128(21), desired: TaskState::Shutdown },
        Change::TaskStatus { task: Id::from_u128(20), status },
    ]
}

/// A swarm with an object of every kind, a spec that only a task keeps, things changed and gone.
fn history() -> Vec<RaftEntry> {
    let create_task = |id, version| Change::Create(Object::Task(task(id, version)));
    vec![
        entry(1, founding()),
        RaftEntry { log_id: log_id(2), payload: EntryPayload::Blank },
        entry(3, vec![Change::Create(Object::Secret(secret()))]),
        entry(4, vec![Change::Create(Object::Config(config()))]),
        entry(5, vec![Change::Create(Object::Service(service(named("web"), 0)))]),
        entry(6, vec![create_task(20, 0), create_task(21, 0)]),
        entry(7, vec![Change::Update(Object::Service(rewritten()))]),
        entry(8, vec![Change::Remove(Key::Config(Id::from_u128(5)))]),
        // Refused as a whole: nothing of it may come back from the log either.
        entry(9, vec![create_task(22, 5), create_task(20, 0)]),
        entry(10, task_changes()),
    ]
}

/// The view after each way of getting there: applied as it came, and read back from the log.
async fn replayed(entries: Vec<RaftEntry>) -> View {
    let dir = tempfile::tempdir().expect("a folder");
    let db = create(dir.path());
    let mut log = LogStore::open(db.clone()).expect("a log");
    log.blocking_append(entries.clone()).await.expect("appended");
    drop((log, db));
    let db = open(dir.path()).expect("opens");
    let mut log = LogStore::open(db.clone()).expect("a log");
    let stored = log.try_get_log_entries(0..100).await.expect("readable");
    assert_eq!(stored, entries, "what is read is what was written");
    let (mut machine, board) = machine(&db);
    let answers = machine.apply(stored).await.expect("applied");
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    board.view()
}

#[tokio::test]
async fn a_restored_snapshot_equals_the_replayed_log() {
    let expected = replayed(history()).await;
    assert_eq!(expected.tasks().count(), 2);
    assert_eq!(expected.kept_specs().count(), 1, "a spec that only tasks keep");

    for cut in 1..=history().len() {
        let dir = tempfile::tempdir().expect("a folder");
        let db = create(dir.path());
        let (mut live, _) = machine(&db);
        let mut before = history();
        let behind = before.split_off(cut);
        live.apply(before).await.expect("applied");
        live.get_snapshot_builder().await.build_snapshot().await.expect("a snapshot");
        drop((live, db));

        let db = open(dir.path()).expect("opens");
        let (mut restored, board) = machine(&db);
        let (applied, _) = restored.applied_state().await.expect("a state");
        assert_eq!(applied, Some(history()[cut - 1].log_id));
        restored.apply(behind).await.expect("applied");
        assert_eq!(board.view(), expected, "snapshot after {cut} entries");
        assert!(board.clock.now() >= expected.time());
    }
}

#[tokio::test]
async fn what_is_purged_and_cut_off_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let db = create(dir.path());
    let mut log = LogStore::open(db.clone()).expect("a log");
    log.blocking_append(history()).await.expect("appended");
    log.purge(log_id(3)).await.expect("purged");
    log.truncate(log_id(9)).await.expect("cut");
    drop((log, db));
    let mut log = LogStore::open(open(dir.path()).expect("opens")).expect("a log");
    let stored = log.try_get_log_entries(0..100).await.expect("readable");
    let indexes: Vec<u64> = stored.iter().map(|entry| entry.log_id.index).collect();
    assert_eq!(indexes, [4, 5, 6, 7, 8]);
    let state = log.get_log_state().await.expect("a state");
    assert_eq!(state.last_purged_log_id, Some(log_id(3)));
    assert_eq!(state.last_log_id, Some(log_id(8)));
}

#[tokio::test]
async fn no_byte_of_a_secret_is_in_the_folder() {
    let dir = tempfile::tempdir().expect("a folder");
    let db = create(dir.path());
    let mut log = LogStore::open(db.clone()).expect("a log");
    log.blocking_append(history()).await.expect("appended");
    let (mut live, _) = machine(&db);
    live.apply(history()).await.expect("applied");
    live.get_snapshot_builder().await.build_snapshot().await.expect("a snapshot");
    drop((live, log, db));
    for file in fs::read_dir(dir.path()).expect("a folder") {
        let bytes = fs::read(file.expect("a file").path()).expect("readable");
        for text in [&b"hunter2"[..], b"non-zero exit", b"10.0.1.4"] {
            assert!(!bytes.windows(text.len()).any(|at| at == text));
        }
    }
}

/// A folder with some history in it.
async fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let db = create(dir.path());
    let mut log = LogStore::open(db.clone()).expect("a log");
    log.blocking_append(history()).await.expect("appended");
    let (mut live, _) = machine(&db);
    live.apply(history()).await.expect("applied");
    live.get_snapshot_builder().await.build_snapshot().await.expect("a snapshot");
    dir
}

/// Opens a folder that must be refused, and checks that nothing in it was touched.
fn refused(dir: &Path) -> DbError {
    let read = || fs::read(dir.join(DB_FILE)).ok();
    let before = read();
    let error = open(dir).expect_err("refused");
    assert!(read() == before, "the file was touched: {error}");
    error
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_and_not_touched() {
    let dir = folder().await;
    let file = dir.path().join(DB_FILE);
    let good = fs::read(&file).expect("readable");

    let held = open(dir.path()).expect("opens");
    assert!(matches!(open(dir.path()), Err(DbError::InUse(_))));
    drop(held);

    for foreign in [&b""[..], b"hello", &[0; 10_000]] {
        fs::write(&file, foreign).expect("written");
        assert!(matches!(refused(dir.path()), DbError::Foreign(_)));
    }
    fs::remove_file(&file).expect("removed");
    assert!(matches!(refused(dir.path()), DbError::Missing(_)));

    // Another program's database.
    let other = redb::Database::create(&file).expect("created");
    let write = other.begin_write().expect("a transaction");
    write.open_table(redb::TableDefinition::<u64, u64>::new("x")).expect("a table");
    write.commit().expect("committed");
    drop(other);
    assert!(matches!(refused(dir.path()), DbError::Foreign(_)));

    fs::write(&file, &good).expect("written");
    open(dir.path()).expect("the good one still opens");
    fs::remove_file(dir.path().join(KEY_FILE)).expect("removed");
    assert!(matches!(open(dir.path()), Err(DbError::Key(_))));
    Sealer::create(dir.path()).expect("another key");
    assert!(matches!(refused(dir.path()), DbError::Sealed(_)));
}

#[tokio::test]
async fn a_database_of_another_format_is_refused_and_not_touched() {
    let dir = folder().await;
    open(dir.path())
        .expect("opens")
        .write(|batch: &Batch<'_>| batch.put_format(2))
        .expect("written");
    match refused(dir.path()) {
        DbError::Format { found: 2, .. } => {}
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_not_touched() {
    let dir = folder().await;
    let file = dir.path().join(DB_FILE);
    let good = fs::read(&file).expect("readable");
    let expected = {
        let db = open(dir.path()).expect("opens");
        (db.entries(0..100).expect("readable"), db.snapshot().expect("readable"))
    };
    for cut in [good.len() / 2, 5000, 400, 64] {
        fs::write(&file, &good[..cut]).expect("written");
        refused(dir.path());
    }
    let mut refusals = 0;
    for at in (9..good.len()).step_by(good.len() / 300) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        fs::write(&file, &bad).expect("written");
        // What is not in use may change; what is read is what was written, or it is an error.
        match open(dir.path()) {
            Ok(db) => {
                let found =
                    (db.entries(0..100).expect("readable"), db.snapshot().expect("readable"));
                assert!(found == expected, "byte {at}");
            }
            Err(_) => {
                assert!(
                    fs::read(&file).expect("readable") == bad,
                    "byte {at} was refused and touched"
                );
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0, "some of the bytes matter");
}
