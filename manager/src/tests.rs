//! A whole manager, talked to as the world talks to it: over gRPC on an in-memory pipe, with a fake
//! worker that does what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use skep_api::{
    ErrorKind, Id, Node, NodeDescription, NodeState, Result, SecretBytes, ServiceSpec, TaskState,
    TaskStatus, Workload, WorkloadKind,
};
use skep_manager_core::View;
use skep_wire::pb;
use skep_wire::pb::control_client::ControlClient;
use skep_wire::pb::dispatcher_client::DispatcherClient;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Code, Status, Streaming};

mod nodes;
mod services;

use crate::{Genesis, Manager, ManagerConfig, ResolveImage, ResolvedImage};

const LIMIT: Duration = Duration::from_secs(20);

struct Pins;

#[tonic::async_trait]
impl ResolveImage for Pins {
    async fn resolve(&self, image: &str, _: Option<&SecretBytes>) -> Result<ResolvedImage> {
        match image {
            "redis:6.0" => Err(skep_api::Error::invalid("`redis:6.0` is a Linux container")),
            "gone" => Err(skep_api::Error::not_found("No such image: gone")),
            _ => Ok(ResolvedImage {
                pinned: format!("{image}@sha256:{}", "a".repeat(64)),
                workload: self.known(image),
            }),
        }
    }

    fn known(&self, _: &str) -> Option<Workload> {
        Some(Workload { kind: WorkloadKind::Http, platform: "wasip2".to_owned() })
    }
}

fn node() -> Id<Node> {
    Id::from_u128(7)
}

fn config(dir: &Path) -> ManagerConfig {
    ManagerConfig { dir: dir.to_owned(), node: node(), images: Arc::new(Pins) }
}

fn description() -> NodeDescription {
    NodeDescription {
        hostname: "n1".to_owned(),
        cpus: skep_api::NanoCpus(4_000_000_000),
        memory: skep_api::Bytes::mib(1024),
        platforms: BTreeSet::from(["wasip2".to_owned()]),
        ..NodeDescription::default()
    }
}

/// A session's id and its messages.
type Session = (String, Streaming<pb::SessionMessage>);

struct World {
    dir: TempDir,
    manager: Manager,
    channel: Channel,
}

impl World {
    async fn new() -> Self {
        Self::with(Genesis { description: description(), ..Genesis::default() }).await
    }

    async fn with(genesis: Genesis) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let manager = Manager::bootstrap(config(dir.path()), genesis).await.expect("founded");
        let channel = serve(&manager);
        Self { dir, manager, channel }
    }

    /// Stopped and started again.
    async fn again(self) -> Self {
        self.manager.shutdown().await;
        let manager = Manager::open(config(self.dir.path())).await.expect("opens");
        Self { channel: serve(&manager), dir: self.dir, manager }
    }

    fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone())
    }

    fn dispatcher(&self) -> DispatcherClient<Channel> {
        DispatcherClient::new(self.channel.clone())
    }

    async fn session(&self) -> std::result::Result<Session, Status> {
        self.session_of(node()).await
    }

    async fn session_of(&self, node: Id<Node>) -> std::result::Result<Session, Status> {
        let request = pb::SessionRequest {
            node_id: node.to_string(),
            description: Some((&description()).into()),
        };
        let mut messages = self.dispatcher().session(request).await?.into_inner();
        let first = messages.message().await?.expect("a first message");
        Ok((first.session_id, messages))
    }

    async fn wait_for(&self, what: &str, is: impl Fn(&View) -> bool) {
        let mut moves =
            self.control().watch(pb::WatchRequest {}).await.expect("watched").into_inner();
        let wait = async {
            while !is(&self.manager.view()) {
                moves.message().await.expect("still there");
            }
        };
        tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("no {what}"));
    }
}

/// Serves both services on an in-memory pipe.
fn serve(manager: &Manager) -> Channel {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(server));
    let router = Server::builder()
        .add_service(manager.control_server())
        .add_service(manager.dispatcher_server());
    tokio::spawn(router.serve_with_incoming(incoming));
    let mut client = Some(client);
    Endpoint::from_static("http://manager").connect_with_connector_lazy(tower::service_fn(
        move |_: Uri| {
            let client = client.take().map(TokioIo::new);
            async move { client.ok_or_else(|| std::io::Error::other("the pipe is used up")) }
        },
    ))
}

fn spec(name: &str, replicas: u64) -> ServiceSpec {
    let mut spec = ServiceSpec {
        name: name.to_owned(),
        mode: skep_api::Mode::Replicated { replicas },
        ..ServiceSpec::default()
    };
    spec.task.component.image = "web:1.0".to_owned();
    spec
}

async fn create(world: &World, spec: &ServiceSpec) -> pb::CreateServiceResponse {
    let request = pb::CreateServiceRequest { spec: Some(spec.into()), ..Default::default() };
    world.control().create_service(request).await.expect("created").into_inner()
}

/// A worker that reports RUNNING for what it is to run and SHUTDOWN for what it is to end, all of a
/// message at once, and remembers which secrets and configs it was given.
async fn work(
    mut client: DispatcherClient<Channel>,
    session: String,
    seen: Arc<std::sync::Mutex<BTreeMap<String, Vec<u8>>>>,
) {
    let request = pb::AssignRequest { session_id: session.clone() };
    let Ok(stream) = client.assign(request).await else { return };
    let mut stream = stream.into_inner();
    let mut told: BTreeSet<(String, u32)> = BTreeSet::new();
    while let Ok(Some(message)) = stream.message().await {
        let mut reports = Vec::new();
        for item in message.set {
            use pb::assignment_item::Item;
            match item.item {
                Some(Item::Task(task)) => {
                    let running = TaskState::Running as u32;
                    let state =
                        if task.desired <= running { running } else { TaskState::Shutdown as u32 };
                    if told.insert((task.task.clone(), state)) {
                        let status = pb::TaskStatus { state, ..Default::default() };
                        reports.push(pb::TaskReport {
                            task: task.task,
                            status: Some(status),
                            seen_at: 0,
                        });
                    }
                }
                Some(Item::Secret(c) | Item::Config(c)) => {
                    seen.lock().expect("not poisoned").insert(c.id, c.data);
                }
                _ => {}
            }
        }
        if !reports.is_empty() {
            let request = pb::UpdateTaskStatusRequest { session_id: session.clone(), reports };
            client.update_task_status(request).await.expect("reported");
        }
    }
}

fn running(view: &View) -> usize {
    view.tasks().filter(|task| task.status.state == TaskState::Running).count()
}

#[tokio::test]
async fn a_created_service_runs_after_at_most_four_commits() {
    let world = World::new().await;
    let (session, _messages) = world.session().await.expect("a session");
    let worker = tokio::spawn(work(world.dispatcher(), session, Arc::default()));
    world
        .wait_for("ready node", |view| {
            view.node(node()).is_some_and(|n| n.status.state == NodeState::Ready)
        })
        .await;
    let before = world.manager.commits();
    create(&world, &spec("web", 3)).await;
    world.wait_for("running tasks", |view| running(view) == 3).await;
    let commits = world.manager.commits() - before;
    assert!(commits <= 4, "{commits} commits from create to RUNNING");
    worker.abort();
    world.manager.shutdown().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_tasks_run_on() {
    let world = World::new().await;
    let secret =
        pb::SecretSpec { name: "s".into(), data: b"hunter2".to_vec(), ..Default::default() };
    world.control().create_secret(secret).await.expect("created");
    let created = create(&world, &spec("web", 1)).await;
    let before = world.manager.view();

    let world = world.again().await;
    let view = world.manager.view();
    assert!(view.time() >= before.time(), "time does not run backwards");
    assert_eq!(view.service_named("web").map(|s| s.id.to_string()), Some(created.id));
    assert_eq!(
        view.secret_named("s").map(|s| s.spec.data.expose().to_vec()),
        Some(b"hunter2".to_vec())
    );
    let (session, _messages) = world.session().await.expect("a session");
    let worker = tokio::spawn(work(world.dispatcher(), session, Arc::default()));
    world.wait_for("running task", |view| running(view) == 1).await;
    worker.abort();
    world.manager.shutdown().await;
}

#[tokio::test]
async fn a_snapshot_is_made_when_due_and_a_start_from_it_loses_nothing() {
    let cluster = skep_api::ClusterSpec { snapshot_interval: 20, ..Default::default() };
    let world = World::with(Genesis { cluster, ..Genesis::default() }).await;
    for n in 0..30 {
        let data = vec![1];
        let config = pb::ConfigSpec { name: format!("c{n}"), data, ..Default::default() };
        world.control().create_config(config).await.expect("created");
    }
    let made = world.manager.group.raft.wait(Some(LIMIT));
    made.metrics(|raft| raft.snapshot.is_some(), "a snapshot").await.expect("made");
    let before: Vec<_> = world.manager.view().configs().cloned().collect();
    let world = world.again().await;
    let after: Vec<_> = world.manager.view().configs().cloned().collect();
    assert!(before == after && after.len() == 30);
    world.manager.shutdown().await;
}

#[tokio::test]
async fn a_node_gets_only_what_its_tasks_use_and_answers_carry_no_secret() {
    let world = World::new().await;
    let mut control = world.control();
    for name in ["used", "unused"] {
        let data = format!("content of {name}").into_bytes();
        let spec = pb::SecretSpec { name: name.into(), data, ..Default::default() };
        control.create_secret(spec).await.expect("created");
    }
    let (session, _messages) = world.session().await.expect("a session");
    let seen: Arc<std::sync::Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
    let worker = tokio::spawn(work(world.dispatcher(), session, seen.clone()));
    let mut with_secret = spec("web", 1);
    with_secret.task.component.registry_auth = Some(SecretBytes::new(b"credentials".to_vec()));
    with_secret.task.component.secrets.push(skep_api::SecretRef {
        id: Id::from_u128(0),
        name: "used".to_owned(),
        target: skep_api::FileTarget {
            name: "used".to_owned(),
            uid: "0".to_owned(),
            gid: "0".to_owned(),
            mode: 0o444,
        },
    });
    create(&world, &with_secret).await;
    world.wait_for("running task", |view| running(view) == 1).await;
    let given: Vec<_> = seen.lock().expect("not poisoned").values().cloned().collect();
    assert_eq!(given, [b"content of used".to_vec()]);

    let secrets = control.list_secrets(pb::ListRequest::default()).await.expect("listed");
    for secret in secrets.into_inner().secrets {
        assert!(secret.spec.expect("a spec").data.is_empty());
    }
    let one = control.get_secret(pb::ByName { name: "used".into() }).await.expect("there");
    assert!(one.into_inner().spec.expect("a spec").data.is_empty());
    let auth = |spec: Option<pb::ServiceSpec>| {
        spec.and_then(|s| s.task).and_then(|t| t.component).and_then(|c| c.registry_auth)
    };
    let service = control.get_service(pb::ByName { name: "web".into() }).await.expect("there");
    assert_eq!(auth(service.into_inner().spec), None);
    let tasks = control.list_tasks(pb::ListTasksRequest::default()).await.expect("listed");
    for row in tasks.into_inner().tasks {
        assert_eq!((row.service_name.as_str(), row.node_name.as_str()), ("web", "n1"));
        assert_eq!(auth(row.spec), None);
    }
    let refused = control.remove_secret(pb::ByName { name: "used".into() }).await;
    assert_eq!(
        refused.expect_err("in use").message(),
        "secret 'used' is in use by the following service: web"
    );
    worker.abort();
    world.manager.shutdown().await;
}

#[tokio::test]
async fn images_are_pinned_refused_or_warned_about() {
    let world = World::new().await;
    let created = create(&world, &spec("web", 1)).await;
    assert!(created.warnings.is_empty());
    let stored = || {
        let view = world.manager.view();
        let service = view.service_named("web").expect("there").clone();
        (service.spec.task.component.image.clone(), service.meta.version)
    };
    let pinned = format!("web:1.0@sha256:{}", "a".repeat(64));
    assert_eq!(stored().0, pinned);

    let mut bad = spec("cache", 1);
    bad.task.component.image = "redis:6.0".to_owned();
    let request = pb::CreateServiceRequest { spec: Some((&bad).into()), ..Default::default() };
    let refused = world.control().create_service(request).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(world.manager.view().service_named("cache").is_none());

    bad.task.component.image = "gone".to_owned();
    let warned = create(&world, &bad).await;
    assert!(warned.warnings[0].starts_with("image gone could not be accessed on a registry"));

    let update = |version, replicas| {
        let mut spec = spec("web", replicas);
        spec.task.component.image = pinned.clone();
        pb::UpdateServiceRequest {
            id: "web".to_owned(),
            version,
            spec: Some((&spec).into()),
            ..Default::default()
        }
    };
    let read = stored().1;
    world.control().update_service(update(read, 2)).await.expect("updated");
    assert_eq!(stored().0, pinned);
    let stale = world.control().update_service(update(read, 3)).await.expect_err("stale");
    assert_eq!(skep_wire::from_status(&stale).kind, ErrorKind::OutOfSequence);
    assert_eq!(stale.message(), "update out of sequence");
    world.manager.shutdown().await;
}

#[tokio::test]
async fn a_stack_is_one_request_and_one_entry() {
    let world = World::new().await;
    let label = |labels: &mut BTreeMap<String, String>| {
        labels.insert(skep_api::STACK_LABEL.to_owned(), "todo".to_owned());
    };
    let mut network = pb::NetworkSpec { name: "todo_default".into(), ..Default::default() };
    label(&mut network.labels);
    let mut config = pb::ConfigSpec { name: "todo_c".into(), data: vec![1], ..Default::default() };
    label(&mut config.labels);
    let mut web = spec("todo_web", 1);
    label(&mut web.labels);
    web.task.networks.push(skep_api::NetworkAttachment {
        target: "todo_default".to_owned(),
        aliases: vec!["web".to_owned()],
    });
    let request = pb::DeployStackRequest {
        stack: "todo".to_owned(),
        networks: vec![network],
        configs: vec![config],
        services: vec![(&web).into()],
        ..Default::default()
    };
    let done = world.control().deploy_stack(request.clone()).await.expect("deployed").into_inner();
    let told: Vec<_> =
        done.actions.iter().map(|a| format!("{} {} {}", a.verb, a.kind, a.name)).collect();
    assert_eq!(
        told,
        ["Creating network todo_default", "Creating config todo_c", "Creating service todo_web"]
    );
    let view = world.manager.view();
    let made = view.service_named("todo_web").expect("there").meta.created_at;
    let together = view.network_named("todo_default").expect("there").meta.created_at;
    assert_eq!(made, together, "one entry");

    let again = world.control().deploy_stack(request).await.expect("deployed").into_inner();
    assert_eq!(again.actions.last().map(|a| a.verb.as_str()), Some("Updating"));
    let bad = pb::DeployStackRequest {
        stack: "todo".to_owned(),
        external_networks: vec!["nope".to_owned()],
        ..Default::default()
    };
    assert!(world.control().deploy_stack(bad).await.is_err());
    let removed = pb::RemoveStackRequest { stack: "todo".to_owned() };
    world.control().remove_stack(removed).await.expect("removed");
    assert_eq!(world.manager.view().services().count(), 0);
    world.manager.shutdown().await;
}

#[tokio::test]
async fn a_folder_is_founded_once_and_opened_by_one() {
    let world = World::new().await;
    let founded = Manager::bootstrap(config(world.dir.path()), Genesis::default()).await;
    let error = founded.err().expect("refused");
    assert!(error.message.contains("holds a manager's data"), "{error}");
    let opened = Manager::open(config(world.dir.path())).await.err().expect("in use");
    assert!(opened.message.contains("in use by another process"), "{opened}");
    assert!(opened.hint.is_some());
    world.manager.shutdown().await;
    let empty = tempfile::tempdir().expect("a folder");
    let missing = Manager::open(config(empty.path())).await.err().expect("nothing there");
    assert!(missing.message.contains("is missing"), "{missing}");
    assert_eq!(std::fs::read_dir(empty.path()).expect("a folder").count(), 0);
}
