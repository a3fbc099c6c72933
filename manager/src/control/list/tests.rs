//! Which objects a request finds.

use std::sync::Arc;

use skep_api::{
    Mode, NodeDescription, NodeSpec, NodeStatus, Revision, SecretBytes, Slot, SpecVersion,
    TaskState, Time,
};
use skep_manager_core::{Change, Entry, Object, Store};

use super::*;

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn labels(all: &[(&str, &str)]) -> BTreeMap<String, String> {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn all_kinds_of_filter_must_match_and_any_value_of_a_kind_may() {
    let labels = labels(&[("a", "1"), ("b", "")]);
    let id = Id::<()>::from_u128(7);
    let row = row(id, "Web-App", &labels);
    let whole = id.to_string();
    for (ids, prefixes, names, wanted_labels, expected) in [
        (&[][..], &[][..], &[][..], &[][..], true),
        (&["000"], &[], &[], &[], true),
        (&[whole.as_str()], &[], &[], &[], true),
        (&["z"], &[], &[], &[], false),
        (&["z", "0"], &["web"], &[], &[], true),
        (&[], &["app"], &[], &[], false),
        (&[], &["x", "WEB"], &[], &[], true),
        (&[], &[], &["web"], &[], false),
        (&[], &[], &["web-app"], &[], true),
        (&[], &[], &[], &["a"], true),
        (&[], &[], &[], &["a=1", "b"], true),
        (&[], &[], &[], &["a=1", "c"], false),
        (&[], &[], &[], &["a=2"], false),
        (&[], &[], &[], &["b="], true),
        (&["0"], &["web"], &["web-app"], &["a=2"], false),
    ] {
        let wanted = pb::ListRequest {
            id_prefixes: list(ids),
            name_prefixes: list(prefixes),
            names: list(names),
            labels: list(wanted_labels),
            ..Default::default()
        };
        assert_eq!(matches(&wanted, &row), expected, "{wanted:?}");
    }
}

#[test]
fn an_object_that_is_gone_is_found_by_its_id_only() {
    let (here, gone) = (Id::<()>::from_u128(1), Id::<()>::from_u128(2));
    let inputs = ["web".to_owned(), gone.to_string(), "nosuch".to_owned()];
    let found = named(&inputs, |input| (input == "web").then_some(here));
    assert_eq!(found, BTreeSet::from([here, gone]));
}

fn a_service(id: u128, name: &str, mode: Mode, with: &[(&str, &str)]) -> Service {
    let spec =
        ServiceSpec { name: name.to_owned(), mode, labels: labels(with), ..Default::default() };
    Service::new(Id::from_u128(id), spec)
}

fn a_node(id: u128, name: &str, role: NodeRole, of_user: &str, of_engine: &str) -> Node {
    Node {
        id: Id::from_u128(id),
        meta: Default::default(),
        spec: NodeSpec { role, labels: labels(&[(of_user, "1")]), ..Default::default() },
        description: NodeDescription {
            hostname: name.to_owned(),
            engine_labels: labels(&[(of_engine, "1")]),
            ..Default::default()
        },
        status: NodeStatus::default(),
        manager_addr: None,
    }
}

/// Two nodes; `web` with a task on each and one that was told to end, `agents` with one on the
/// second, and two jobs without any.
fn swarm() -> Store {
    let web =
        a_service(1, "web", Mode::Replicated { replicas: 2 }, &[("tier", "front"), ("keep", "")]);
    let agents = a_service(2, "agents", Mode::Global, &[("tier", "back")]);
    let jobs = [
        a_service(3, "job", Mode::ReplicatedJob { max_concurrent: 1, total_completions: 1 }, &[]),
        a_service(4, "jobs-everywhere", Mode::GlobalJob, &[]),
    ];
    let on = |mut task: Task, node| {
        task.node = Some(Id::from_u128(node));
        task
    };
    let mut ended = on(Task::new(task_id("13"), &web, Slot::Number(1)), 0xa);
    ended.desired = TaskState::Shutdown;
    let tasks = [
        on(Task::new(task_id("11"), &web, Slot::Number(1)), 0xa),
        on(Task::new(task_id("12"), &web, Slot::Number(2)), 0xb),
        ended,
        // Meant for the second node; the scheduler has not confirmed it yet.
        Task::new(task_id("21"), &agents, Slot::Node(Id::from_u128(0xb))),
    ];
    let nodes = [
        a_node(0xa, "one", NodeRole::Manager, "ssd", "gpu"),
        a_node(0xb, "two", NodeRole::Worker, "gpu", "ssd"),
    ];
    let services = [web, agents].into_iter().chain(jobs).map(Object::Service);
    let objects = nodes.into_iter().map(Object::Node).chain(services);
    let changes = objects.chain(tasks.into_iter().map(Object::Task)).map(Change::Create).collect();
    let mut store = Store::new();
    store.apply(1, &Entry { time: Time::from_secs(1), changes }).expect("applies");
    store
}

fn id(last: &str) -> String {
    format!("{last:0>25}")
}

fn task_id(last: &str) -> Id<Task> {
    id(last).parse().expect("an id")
}

#[test]
fn behaviour_100_services_are_listed_by_id_name_label_and_mode() {
    let view = swarm().view();
    let found = |wanted: pb::ListRequest| -> Vec<String> {
        let rows = services(&view, &wanted).into_iter();
        rows.filter_map(|row| Some(row.service?.spec?.name)).collect()
    };
    let all = ["web", "agents", "job", "jobs-everywhere"];
    let one = id("1");
    for (ids, prefixes, names, with, modes, expected) in [
        (&[][..], &[][..], &[][..], &[][..], &[][..], &all[..]),
        (&["0"], &[], &[], &[], &[], &all),
        (&[one.as_str()], &[], &[], &[], &[], &["web"]),
        (&["z"], &[], &[], &[], &[], &[]),
        (&[], &["job"], &[], &[], &[], &["job", "jobs-everywhere"]),
        (&[], &[], &["web", "job"], &[], &[], &["web", "job"]),
        (&[], &[], &[], &["tier"], &[], &["web", "agents"]),
        (&[], &[], &[], &["tier=front"], &[], &["web"]),
        (&[], &[], &[], &["tier", "keep"], &[], &["web"]),
        (&[], &[], &[], &["tier=back", "keep"], &[], &[]),
        (&[], &[], &[], &[], &["replicated"], &["web"]),
        (&[], &[], &[], &[], &["global", "replicated-job"], &["agents", "job"]),
        (&[], &[], &[], &[], &["global-job"], &["jobs-everywhere"]),
        (&[], &[], &[], &[], &["global job"], &["jobs-everywhere"]),
        (&[], &[], &["web"], &[], &["global"], &[]),
    ] {
        let wanted = pb::ListRequest {
            id_prefixes: list(ids),
            name_prefixes: list(prefixes),
            names: list(names),
            labels: list(with),
            modes: list(modes),
            ..Default::default()
        };
        assert_eq!(found(wanted.clone()), expected, "{wanted:?}");
    }
}

#[test]
fn behaviour_104_nodes_are_listed_by_id_name_role_and_either_kind_of_label() {
    let view = swarm().view();
    let (one, two) = (id("a"), id("b"));
    for (ids, names, roles, engine_labels, node_labels, expected) in [
        (&[][..], &[][..], &[][..], &[][..], &[][..], &["one", "two"][..]),
        (&[one.as_str()], &[], &[], &[], &[], &["one"]),
        (&[one.as_str(), two.as_str()], &[], &[], &[], &[], &["one", "two"]),
        (&[], &["t"], &[], &[], &[], &["two"]),
        (&[], &["three"], &[], &[], &[], &[]),
        (&[], &[], &["manager"], &[], &[], &["one"]),
        (&[], &[], &["manager", "worker"], &[], &[], &["one", "two"]),
        (&[], &[], &[], &["gpu"], &[], &["one"]),
        (&[], &[], &[], &["ssd=1"], &[], &["two"]),
        (&[], &[], &[], &[], &["gpu"], &["two"]),
        (&[], &[], &[], &[], &["ssd=1"], &["one"]),
        (&[], &[], &[], &[], &["ssd=2"], &[]),
        (&[], &[], &[], &["gpu"], &["ssd"], &["one"]),
        (&[], &[], &[], &["gpu"], &["gpu"], &[]),
    ] {
        let wanted = pb::ListRequest {
            id_prefixes: list(ids),
            name_prefixes: list(names),
            roles: list(roles),
            labels: list(engine_labels),
            node_labels: list(node_labels),
            ..Default::default()
        };
        let found = nodes(&view, &wanted).into_iter();
        let found: Vec<String> =
            found.filter_map(|node| Some(node.description?.hostname)).collect();
        assert_eq!(found, expected, "{wanted:?}");
    }
}

#[test]
fn behaviour_112_tasks_are_listed_by_service_node_name_desired_state_and_label() {
    let view = swarm().view();
    let request = pb::ListTasksRequest::default;
    let all: &[&str] = &["11", "12", "13", "21"];
    for (wanted, expected) in [
        (request(), all),
        (pb::ListTasksRequest { services: list(&["web"]), ..request() }, &["11", "13", "12"]),
        (pb::ListTasksRequest { services: list(&["agents", "job"]), ..request() }, &["21"]),
        (pb::ListTasksRequest { services: list(&["nosuch"]), ..request() }, &[]),
        (pb::ListTasksRequest { services: vec![id("2")], ..request() }, &["21"]),
        (pb::ListTasksRequest { nodes: list(&["two"]), ..request() }, &["12", "21"]),
        (pb::ListTasksRequest { nodes: list(&["one", "two"]), ..request() }, all),
        (pb::ListTasksRequest { nodes: list(&["nosuch"]), ..request() }, &[]),
        (pb::ListTasksRequest { id_prefixes: vec![id("12")], ..request() }, &["12"]),
        (pb::ListTasksRequest { id_prefixes: list(&["000"]), ..request() }, all),
        (pb::ListTasksRequest { name_prefixes: list(&["web.1"]), ..request() }, &["11", "13"]),
        (pb::ListTasksRequest { name_prefixes: list(&["agents.0"]), ..request() }, &["21"]),
        (pb::ListTasksRequest { desired_states: list(&["shutdown"]), ..request() }, &["13"]),
        (pb::ListTasksRequest { labels: list(&["tier=back"]), ..request() }, &["21"]),
        (
            pb::ListTasksRequest { labels: list(&["tier", "keep"]), ..request() },
            &["11", "12", "13"],
        ),
        (
            pb::ListTasksRequest {
                services: list(&["web"]),
                nodes: list(&["one"]),
                desired_states: list(&["running", "ready"]),
                ..request()
            },
            &["11"],
        ),
    ] {
        assert_eq!(found(&view, &wanted), expected, "{wanted:?}");
    }
    let row = task_row(&view, view.task(task_id("21")).expect("there"));
    assert_eq!((row.service_name.as_str(), row.node_name.as_str()), ("agents", "two"));
}

fn found(view: &View, wanted: &pb::ListTasksRequest) -> Vec<String> {
    let short = |row: pb::TaskRow| Some(row.task?.id.trim_start_matches('0').to_owned());
    tasks(view, wanted).into_iter().filter_map(short).collect()
}

#[test]
fn behaviour_112_tasks_of_an_older_spec_are_not_up_to_date() {
    let mut store = swarm();
    let wanted =
        pb::ListTasksRequest { services: list(&["web"]), up_to_date: true, ..Default::default() };
    assert_eq!(found(&store.view(), &wanted), ["11", "13", "12"]);

    let view = store.view();
    let web = view.service_named("web").expect("there");
    let mut spec = ServiceSpec::clone(&web.spec);
    spec.task.force_update = 1;
    let version = SpecVersion(web.meta.version);
    let web = Service { spec: Arc::new(spec), spec_version: version, ..web.clone() };
    let new = Task::new(task_id("14"), &web, Slot::Number(1));
    let changes = vec![Change::Update(Object::Service(web)), Change::Create(Object::Task(new))];
    store.apply(2, &Entry { time: Time::from_secs(2), changes }).expect("applies");
    assert_eq!(found(&store.view(), &wanted), ["14"]);
}

#[test]
fn no_spec_that_a_service_had_shows_its_credentials() {
    let mut service = a_service(1, "web", Mode::default(), &[]);
    let spec = Arc::make_mut(&mut service.spec);
    spec.task.component.registry_auth = Some(SecretBytes::new(b"credentials".to_vec()));
    service.previous = Some(service.spec.clone());
    let revision = |version| Revision {
        version: SpecVersion(version),
        spec: service.spec.clone(),
        until: Time::ZERO,
    };
    service.history = vec![revision(0), revision(3)];
    let shown = super::service(&service);
    let auth = |spec: &pb::ServiceSpec| {
        let component = spec.task.as_ref().and_then(|task| task.component.as_ref());
        component.expect("a component").registry_auth.clone()
    };
    let specs = shown.history.iter().map(|revision| revision.spec.as_ref());
    let specs: Vec<_> = specs.chain([shown.spec.as_ref(), shown.previous.as_ref()]).collect();
    assert_eq!(specs.len(), 4);
    for spec in specs {
        assert_eq!(auth(spec.expect("a spec")), None);
    }
    let versions: Vec<u64> = shown.history.iter().map(|revision| revision.version).collect();
    assert_eq!(versions, [0, 3]);
}
