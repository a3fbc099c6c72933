//! A worker with a fake engine and fake managers: what it does and what it tells.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;

use skep_api::{
    AssignmentItem, Bytes, Digest, DirGrant, DirSource, FileGrant, FileSource, Grant, Node,
    NodeDescription, PortConfig, PortRoute, Protocol, RestartPolicy, RoutedTask, SecretBytes,
    TaskState,
};
use skep_runtime::{FileData, OutputStream};
use skep_wire::pb;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::testing::{FakeEngine, FakeRun, Managers, Shared};
use crate::{Worker, WorkerConfig};

const NODE: Id<Node> = Id::from_u128(1);

struct Swarm {
    managers: Arc<Managers>,
    engine: Arc<FakeEngine>,
    worker: Worker,
    root: tempfile::TempDir,
}

impl Swarm {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"))
    }

    fn start_in(root: tempfile::TempDir) -> Self {
        let (managers, channel) = Managers::start();
        let engine = Arc::new(FakeEngine::default());
        let config = WorkerConfig {
            root: root.path().to_owned(),
            node_id: NODE,
            description: NodeDescription::default(),
            ingress_addr: IpAddr::from([127, 0, 0, 1]),
            log_max: Bytes::mib(1),
        };
        let worker = Worker::start_on(Shared(engine.clone()), config, channel).expect("starts");
        Self { managers, engine, worker, root }
    }

    fn assign(&self, set: Vec<AssignmentItem>) {
        let kind = AssignmentsKind::Complete;
        self.managers.assign(Assignments { kind, set, remove: Vec::new() });
    }

    /// Waits until managers were told of that state of a task.
    async fn reaches(&self, task: u128, state: TaskState) -> TaskStatus {
        let task = Id::from_u128(task);
        let is_it = |r: &TaskReport| r.task == task && r.status.state == state;
        self.managers.told(state.name(), |told| told.iter().any(is_it)).await;
        let told = self.managers.batches().concat();
        told.into_iter().find(is_it).expect("just told").status
    }

    fn run(&self, index: usize) -> Arc<FakeRun> {
        self.engine.runs.lock().expect("lock")[index].clone()
    }

    fn runs(&self) -> usize {
        self.engine.runs.lock().expect("lock").len()
    }
}

fn assignment(id: u128, desired: TaskState) -> Assignment {
    Assignment {
        task: Id::from_u128(id),
        service: Id::from_u128(7),
        name: format!("web.{id}"),
        desired,
        status: TaskStatus { state: TaskState::Assigned, ..TaskStatus::default() },
        grant: Grant {
            image: "web:1.0".to_owned(),
            stop_grace: Duration::from_secs(1),
            ..Grant::default()
        },
        ports: Vec::new(),
        registry_auth: None,
        restart: None,
    }
}

fn item(task: Assignment) -> AssignmentItem {
    AssignmentItem::Task(Box::new(task))
}

fn wanted(id: u128) -> AssignmentItem {
    item(assignment(id, TaskState::Running))
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("listens");
    listener.local_addr().expect("an address").port()
}

fn published(task: u128, port: u16) -> [AssignmentItem; 2] {
    let published = PortConfig { published: port, target: 80, ..PortConfig::default() };
    let route = PortRoute {
        published: port,
        protocol: Protocol::Tcp,
        target: 80,
        service: Id::from_u128(7),
        tasks: vec![RoutedTask { task: Id::from_u128(task), node: NODE }],
    };
    let task = Assignment { ports: vec![published], ..assignment(task, TaskState::Running) };
    [item(task), AssignmentItem::Port(route)]
}

#[tokio::test]
async fn a_task_comes_to_run_in_at_most_two_batches() {
    let swarm = Swarm::start();
    swarm.assign((1..=20).map(wanted).collect());
    let all_run = |told: &[TaskReport]| {
        told.iter().filter(|r| r.status.state == TaskState::Running).count() == 20
    };
    swarm.managers.told("20 tasks run", all_run).await;
    assert_eq!((swarm.runs(), swarm.worker.running()), (20, 20));
    for id in 1..=20 {
        let of_it = |r: &&TaskReport| r.task == Id::from_u128(id);
        let told = swarm.managers.batches().concat();
        let states: Vec<TaskState> = told.iter().filter(of_it).map(|r| r.status.state).collect();
        assert!(states.len() <= 2 && states.is_sorted(), "{states:?}");
    }
    let status = swarm.reaches(1, TaskState::Running).await;
    assert_eq!((status.message.as_ref(), status.err.as_str()), ("started", ""));
}

#[tokio::test]
async fn a_held_task_is_ready_and_starts_when_it_is_wanted() {
    let swarm = Swarm::start();
    swarm.assign(vec![item(assignment(1, TaskState::Ready))]);
    swarm.reaches(1, TaskState::Ready).await;
    assert_eq!(swarm.runs(), 0);
    swarm.assign(vec![wanted(1)]);
    swarm.reaches(1, TaskState::Running).await;
    assert_eq!(swarm.runs(), 1);
}

#[tokio::test]
async fn an_image_that_is_nowhere_rejects_the_task() {
    let swarm = Swarm::start();
    let error = Error::not_found("No such image: web:1.0");
    swarm.engine.missing.lock().expect("lock").insert("web:1.0".to_owned(), error);
    swarm.assign(vec![wanted(1)]);
    assert_eq!(swarm.reaches(1, TaskState::Rejected).await.err, "No such image: web:1.0");
    assert_eq!(swarm.runs(), 0);
}

#[tokio::test]
async fn a_secret_that_did_not_come_rejects_the_task() {
    let swarm = Swarm::start();
    let mut task = assignment(1, TaskState::Running);
    let source = FileSource::Secret(Id::from_u128(5));
    task.grant.files = vec![FileGrant { path: "/run/secrets/pw".to_owned(), mode: 0o400, source }];
    swarm.assign(vec![item(task.clone())]);
    let err = swarm.reaches(1, TaskState::Rejected).await.err;
    assert!(err.contains("`/run/secrets/pw` did not come"), "{err}");

    let secret = AssignmentItem::Secret(Id::from_u128(5), SecretBytes::new(b"hunter2".to_vec()));
    task.task = Id::from_u128(2);
    swarm.assign(vec![item(task), secret]);
    swarm.reaches(2, TaskState::Running).await;
    let run = swarm.run(0);
    let file = &run.plan.as_ref().expect("a plan").files[0];
    assert!(matches!(&file.data, FileData::Secret(bytes) if bytes.expose() == b"hunter2"));
}

#[tokio::test]
async fn how_a_run_ends_is_told() {
    let swarm = Swarm::start();
    for (id, outcome, state, err, code) in [
        (1, Outcome::Exited(0), TaskState::Complete, "", 0),
        (2, Outcome::Exited(7), TaskState::Failed, "task: non-zero exit (7)", 7),
        (
            3,
            Outcome::Trapped("unreachable".into()),
            TaskState::Failed,
            "task: trapped: unreachable",
            134,
        ),
    ] {
        swarm.assign(vec![wanted(id)]);
        swarm.reaches(id, TaskState::Running).await;
        swarm.run(id as usize - 1).end(outcome);
        let status = swarm.reaches(id, state).await;
        assert_eq!((status.err.as_str(), status.exit), (err, Some(ExitInfo { code })));
        assert_eq!(swarm.worker.running(), 0);
    }
    assert_eq!(swarm.runs(), 3, "none was started again");
}

#[tokio::test]
async fn a_task_that_is_shut_down_keeps_its_log_until_it_is_forgotten() {
    let swarm = Swarm::start();
    let mut task = assignment(1, TaskState::Running);
    let source = DirSource::Anonymous;
    task.grant.dirs = vec![DirGrant { path: "/data".to_owned(), source, read_only: false }];
    swarm.assign(vec![item(task.clone())]);
    swarm.reaches(1, TaskState::Running).await;
    swarm.run(0).plan.as_ref().expect("a plan").output.line(OutputStream::Stdout, b"hello");
    assert_eq!(swarm.worker.volumes().list()[0].used_by, [task.task]);

    task.desired = TaskState::Shutdown;
    swarm.assign(vec![item(task.clone())]);
    let status = swarm.reaches(1, TaskState::Shutdown).await;
    assert_eq!(status.message, "shutdown");
    let log = swarm.root.path().join("logs").join(task.task.to_string());
    let volumes = swarm.worker.volumes().list();
    assert!(log.exists() && volumes.len() == 1 && volumes[0].used_by.is_empty());

    // The next task's report says that the removal before it is done.
    swarm.assign(vec![wanted(2)]);
    swarm.reaches(2, TaskState::Running).await;
    assert!(!log.exists());
    assert_eq!(swarm.worker.volumes().list(), []);
}

#[tokio::test]
async fn a_preparation_is_given_up_when_the_task_is_not_wanted_any_more() {
    let swarm = Swarm::start();
    let hold = Arc::new(Notify::new());
    *swarm.engine.hold.lock().expect("lock") = Some(hold.clone());
    swarm.assign(vec![wanted(1)]);
    swarm.reaches(1, TaskState::Preparing).await;
    swarm.assign(vec![item(assignment(1, TaskState::Shutdown))]);
    swarm.reaches(1, TaskState::Shutdown).await;
    hold.notify_one();
    *swarm.engine.hold.lock().expect("lock") = None;
    swarm.assign(vec![wanted(2)]);
    swarm.reaches(2, TaskState::Running).await;
    assert_eq!(swarm.runs(), 1);
}

#[tokio::test]
async fn stopping_the_node_ends_all_and_tells_of_no_end_and_the_next_start_counts() {
    let swarm = Swarm::start();
    let port = free_port().await;
    swarm.assign(published(1, port).into());
    swarm.reaches(1, TaskState::Running).await;
    TcpStream::connect(("127.0.0.1", port)).await.expect("open");
    swarm.worker.stop().await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert_eq!(swarm.worker.running(), 0);
    let told = swarm.managers.batches().concat();
    assert!(told.iter().all(|r| r.status.state <= TaskState::Running), "{told:?}");

    let again = Swarm::start_in(swarm.root);
    let mut task = assignment(1, TaskState::Running);
    task.status.state = TaskState::Running;
    let ended = TaskStatus { state: TaskState::Failed, ..TaskStatus::default() };
    let history = Assignment { status: ended, ..assignment(2, TaskState::Running) };
    again.assign(vec![item(task), item(history)]);
    assert_eq!(again.reaches(1, TaskState::Running).await.restarts, 1);
    assert_eq!(again.runs(), 1, "what has ended is not started");
}

#[tokio::test]
async fn tasks_run_on_without_managers_and_what_became_of_them_is_told_later() {
    let swarm = Swarm::start();
    swarm.assign(vec![wanted(1), wanted(2)]);
    swarm.reaches(1, TaskState::Running).await;
    swarm.reaches(2, TaskState::Running).await;

    swarm.managers.away.store(true, Ordering::SeqCst);
    swarm.managers.hang_up();
    swarm.run(0).end(Outcome::Exited(3));
    // Managers that come back have forgotten what they were told: the other task is told again.
    // Which of the two was started first, and so is the one that ended, is not said.
    let before = swarm.managers.batches().concat().len();
    swarm.managers.away.store(false, Ordering::SeqCst);
    let again = |told: &[TaskReport]| {
        let of = |id| told.iter().skip(before).rfind(|r| r.task == Id::from_u128(id));
        let mut states = [of(1), of(2)].map(|report| report.map(|r| r.status.state));
        states.sort();
        states == [Some(TaskState::Running), Some(TaskState::Failed)]
    };
    swarm.managers.told("both tasks' newest status", again).await;
    assert_eq!(swarm.runs(), 2, "a reconnect starts nothing");
}

#[tokio::test]
async fn a_node_that_is_cut_off_starts_failed_tasks_again_and_tells_of_it_later() {
    let swarm = Swarm::start();
    let policy = RestartPolicy { delay: Duration::ZERO, ..RestartPolicy::default() };
    let first = Assignment { restart: Some(policy), ..assignment(1, TaskState::Running) };
    swarm.assign(vec![item(first.clone())]);
    swarm.reaches(1, TaskState::Running).await;
    swarm.assign(vec![item(first), wanted(2)]);
    swarm.reaches(2, TaskState::Running).await;

    swarm.managers.away.store(true, Ordering::SeqCst);
    swarm.managers.hang_up();
    // The second try comes after the first one failed.
    swarm.managers.asked(2).await;
    let before = swarm.managers.batches().concat().len();
    swarm.run(0).end(Outcome::Exited(3));
    swarm.run(1).end(Outcome::Exited(4));
    swarm.managers.away.store(false, Ordering::SeqCst);
    let told = |told: &[TaskReport], id, state| {
        let news = told.iter().skip(before).rfind(|r| r.task == Id::from_u128(id));
        news.filter(|report| report.status.state == state).map(|report| report.status.clone())
    };
    let both = |all: &[TaskReport]| {
        told(all, 1, TaskState::Running).is_some() && told(all, 2, TaskState::Failed).is_some()
    };
    swarm.managers.told("what became of both", both).await;
    let all = swarm.managers.batches().concat();
    let first = told(&all, 1, TaskState::Running).expect("just told");
    assert_eq!((first.restarts, first.failures, first.exit), (1, 1, Some(ExitInfo { code: 3 })));
    assert_eq!(swarm.runs(), 3, "no policy, no other run of the second");

    // From now on managers decide.
    swarm.run(2).end(Outcome::Exited(5));
    assert_eq!(swarm.reaches(1, TaskState::Failed).await.exit, Some(ExitInfo { code: 5 }));
    assert_eq!(swarm.runs(), 3);
}

#[tokio::test]
async fn every_session_says_what_is_compiled_by_then() {
    let swarm = Swarm::start();
    let said = || {
        let description = swarm.managers.description.lock().expect("lock").clone();
        description.expect("a description").compiled
    };
    swarm.managers.opened(1).await;
    assert_eq!(said(), BTreeSet::new());
    let compiled = BTreeSet::from([Digest([7; 32])]);
    swarm.engine.compiled.lock().expect("lock").clone_from(&compiled);
    swarm.managers.hang_up();
    swarm.managers.opened(2).await;
    assert_eq!(said(), compiled);
}

#[tokio::test]
async fn assignments_that_do_not_follow_each_other_begin_a_new_session() {
    let swarm = Swarm::start();
    let first = Assignments {
        kind: AssignmentsKind::Incremental,
        set: vec![wanted(9)],
        remove: Vec::new(),
    };
    swarm.managers.opened(1).await;
    swarm.managers.say((&first).into());
    swarm.managers.opened(2).await;
    swarm.assign(vec![wanted(1)]);
    swarm.reaches(1, TaskState::Running).await;
    swarm.managers.say(pb::AssignmentsMessage { applies_to: 5, ..(&first).into() });
    swarm.managers.opened(3).await;
    assert_eq!(swarm.runs(), 1, "nothing of them was carried out");
}

#[tokio::test]
async fn a_port_in_use_is_told_by_its_task_which_runs() {
    let swarm = Swarm::start();
    let other = TcpListener::bind(("127.0.0.1", 0)).await.expect("listens");
    let port = other.local_addr().expect("an address").port();
    swarm.assign(published(1, port).into());
    let text = format!("port {port} is in use by another program on this node");
    let is_told = |r: &TaskReport| r.status.state == TaskState::Running && r.status.err == text;
    swarm.managers.told("the trouble", |told| told.iter().any(is_told)).await;

    drop(other);
    swarm
        .managers
        .told("its end", |told| told.last().is_some_and(|r| r.status.err.is_empty()))
        .await;
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("open");
}
