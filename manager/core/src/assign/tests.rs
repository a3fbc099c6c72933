use std::time::Duration;

use skep_api::{
    Assignment, Bytes, DirGrant, DirSource, FileSource, Generic, Grant, Mount, MountKind,
    NameTable, PortRoute, SCRATCH_DEFAULT, TaskState,
};

use super::*;
use crate::testing::{Cluster, cluster};
use crate::{ServiceWrite, admit_update_service};

fn on(cluster: &Cluster, node: &str) -> BTreeMap<AssignmentKey, AssignmentItem> {
    let view = cluster.view();
    assignments(&view, view.find_node(node).expect(node).id)
}

fn tasks(items: &BTreeMap<AssignmentKey, AssignmentItem>) -> Vec<Assignment> {
    let task = |item: &AssignmentItem| match item {
        AssignmentItem::Task(task) => Some((**task).clone()),
        _ => None,
    };
    items.values().filter_map(task).collect()
}

fn names(items: &BTreeMap<AssignmentKey, AssignmentItem>) -> Vec<NameTable> {
    let table = |item: &AssignmentItem| match item {
        AssignmentItem::Names(table) => Some(table.clone()),
        _ => None,
    };
    items.values().filter_map(table).collect()
}

fn ports(items: &BTreeMap<AssignmentKey, AssignmentItem>) -> Vec<PortRoute> {
    let route = |item: &AssignmentItem| match item {
        AssignmentItem::Port(route) => Some(route.clone()),
        _ => None,
    };
    items.values().filter_map(route).collect()
}

/// How many secrets and configs there are.
fn contents(items: &BTreeMap<AssignmentKey, AssignmentItem>) -> (usize, usize) {
    let count = |is: fn(&AssignmentKey) -> bool| items.keys().filter(|key| is(key)).count();
    let secrets = count(|key| matches!(key, AssignmentKey::Secret(_)));
    (secrets, count(|key| matches!(key, AssignmentKey::Config(_))))
}

fn grant_of(script: &str, change: impl FnOnce(&mut skep_api::ServiceSpec)) -> Grant {
    let mut cluster = cluster(script);
    let view = cluster.view();
    let web = view.service_named("web").expect("web");
    let mut spec = web.spec.as_ref().clone();
    change(&mut spec);
    let write = ServiceWrite::Spec(Box::new(spec));
    let changes = admit_update_service(&view, web.id, web.meta.version, write).expect("admitted");
    cluster.apply(changes);
    cluster.run("run");
    let task = cluster.find("web.1");
    grant(&cluster.view(), &task).expect("a grant")
}

#[test]
fn behaviour_120_a_node_is_told_of_its_placed_tasks_and_what_they_read_and_no_more() {
    let mut cluster = cluster(
        "node n1
         node n2
         secret key
         secret idle
         config site
         net front
         svc web secret=key config=site net=front
         decide",
    );
    let (first, second) = (on(&cluster, "n1"), on(&cluster, "n2"));
    assert_eq!((tasks(&first).len(), contents(&first), names(&first).len()), (1, (1, 1), 1));
    assert_eq!(second, BTreeMap::new(), "another node learns nothing");
    cluster.run("run");
    let task = &tasks(&on(&cluster, "n1"))[0];
    assert!(task.name.starts_with("web.1."));
    assert_eq!((task.desired, task.status.state), (TaskState::Running, TaskState::Running));
}

#[test]
fn behaviour_121_contents_go_when_no_live_task_reads_them() {
    let mut cluster = cluster(
        "node n1
         secret key
         config site
         svc web secret=key config=site restart=none
         svc api config=site
         run",
    );
    assert_eq!(contents(&on(&cluster, "n1")), (1, 1));
    cluster.run("state web.1 complete\nrun");
    let items = on(&cluster, "n1");
    assert_eq!(contents(&items), (0, 1), "the other service still reads the config");
    assert_eq!(tasks(&items).len(), 2, "the ended task is still its node's, with its logs");
    cluster.run("rm api\ndecide");
    assert_eq!(contents(&on(&cluster, "n1")), (0, 0), "a task that was told to stop reads nothing");
    cluster.run("rm web\nrun");
    assert_eq!(on(&cluster, "n1"), BTreeMap::new());
}

#[test]
fn behaviour_122_a_secret_that_is_gone_does_not_hold_the_task_back() {
    let mut cluster = cluster("node n1\nsecret key\nsvc web secret=key\nrun");
    let key = cluster.view().secret_named("key").expect("key").id;
    cluster.apply(vec![crate::Change::Remove(crate::Key::Secret(key))]);
    let items = on(&cluster, "n1");
    assert_eq!((tasks(&items).len(), contents(&items)), (1, (0, 0)));
}

#[test]
fn names_and_ports_lead_to_running_tasks_that_are_wanted() {
    let mut cluster = cluster(
        "node n1
         node n2
         net front
         svc web replicas=2 net=front:Site,web port=80:8080
         svc idle
         decide",
    );
    let table = names(&on(&cluster, "n1")).remove(0);
    assert_eq!((table.services.len(), table.services[0].tasks.len()), (1, 0), "none runs yet");
    cluster.run("run");
    let items = on(&cluster, "n2");
    let service = &names(&items)[0].services[0];
    assert_eq!(service.names, ["site", "web"], "in lower case, each once");
    assert_eq!(service.vip.map(|vip| vip.to_string()).as_deref(), Some("10.0.1.2"));
    let found: Vec<_> = service.tasks.iter().map(|task| task.addr.to_string()).collect();
    assert_eq!(found, ["10.0.1.3", "10.0.1.4"]);
    let route = &ports(&items)[0];
    assert_eq!((route.published, route.target, route.tasks.len()), (80, 8080, 2));

    cluster.run("state web.1 failed\ndecide");
    let items = on(&cluster, "n2");
    assert_eq!((names(&items)[0].services[0].tasks.len(), ports(&items)[0].tasks.len()), (1, 1));
    let down = if cluster.find("web.2").node == cluster.view().find_node("n1").ok().map(|n| n.id) {
        "n1"
    } else {
        "n2"
    };
    cluster.run(&format!("node {down} down\ndecide"));
    assert_eq!(ports(&on(&cluster, "n1"))[0].tasks.len(), 0);
}

#[test]
fn every_node_listens_on_ingress_ports_and_a_host_port_is_its_nodes() {
    let cluster = cluster("node n1\nnode n2\nsvc web port=80:80\nsvc dns host-port=53:53/udp\nrun");
    let published = |node: &str| {
        let routes = ports(&on(&cluster, node));
        routes.iter().map(|route| (route.published, route.tasks.len())).collect::<Vec<_>>()
    };
    let dns = cluster.find("dns.1").node;
    for node in ["n1", "n2"] {
        let is_host = cluster.view().find_node(node).ok().map(|node| node.id) == dns;
        let expected = if is_host { vec![(80, 1), (53, 1)] } else { vec![(80, 1)] };
        assert_eq!(published(node), expected);
    }
}

#[test]
fn behaviour_125_a_nodes_own_reports_are_not_sent_back() {
    let mut cluster = cluster("node n1\nsecret key\nsvc web secret=key\ndecide");
    let before = on(&cluster, "n1");
    cluster.run("state web.1 preparing");
    let nothing = diff(&before, &on(&cluster, "n1"));
    assert_eq!((nothing.set.len(), nothing.remove.len()), (0, 0));
    cluster.run("update web replicas=0\ndecide");
    let stop = diff(&before, &on(&cluster, "n1"));
    assert_eq!(
        (stop.kind, stop.set.len(), stop.remove.len()),
        (AssignmentsKind::Incremental, 1, 1)
    );
    assert!(matches!(stop.remove[0], AssignmentKey::Secret(_)), "its secret goes at once");
    cluster.run("run");
    let gone = diff(&before, &on(&cluster, "n1"));
    assert_eq!((gone.set.len(), gone.remove.len()), (0, 2));
}

#[test]
fn a_grant_spells_out_what_the_spec_says() {
    let script = "node n1\nsecret key\nconfig site\nnet front\nsvc web \
                  image=web:1@sha256:00 secret=key secret=key:/app/key config=site:conf/site net=front \
                  env=A=1 env=B=2 env=A=3 env=B env=SLOT={{.Task.Slot}}@{{.Node.Hostname}} \
                  limit-memory=64m";
    let grant = grant_of(script, |spec| {
        let component = &mut spec.task.component;
        component.args = vec!["--port".to_owned(), "80".to_owned()];
        component.stop_grace_period = Some(Duration::from_secs(3));
        component.mounts = vec![
            Mount {
                kind: MountKind::Volume {
                    source: Some("data".to_owned()),
                    labels: Default::default(),
                },
                target: "/data/".to_owned(),
                read_only: false,
            },
            Mount {
                kind: MountKind::Volume { source: None, labels: Default::default() },
                target: "/cache".to_owned(),
                read_only: true,
            },
        ];
    });
    assert_eq!(grant.image, "web:1@sha256:00");
    assert_eq!(grant.args, ["web:1", "--port", "80"]);
    let env: Vec<_> = grant.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(env, ["A=3", "SLOT=1@n1"]);
    let files: Vec<_> = grant.files.iter().map(|file| (file.path.as_str(), file.mode)).collect();
    assert_eq!(files, [("/run/secrets/key", 0o444), ("/app/key", 0o444), ("/conf/site", 0o444)]);
    assert!(matches!(grant.files[0].source, FileSource::Secret(_)));
    let dir = |path: &str, source, read_only| DirGrant { path: path.to_owned(), source, read_only };
    assert_eq!(
        grant.dirs,
        [
            dir("/data", DirSource::Volume("data".to_owned()), false),
            dir("/cache", DirSource::Anonymous, true),
            dir("/tmp", DirSource::Memory(SCRATCH_DEFAULT), false),
        ]
    );
    assert_eq!(grant.networks[0].name, "front");
    assert_eq!((grant.limits.memory, grant.stop_grace), (Bytes::mib(64), Duration::from_secs(3)));
    assert_eq!(grant.cwd, "/");
}

#[test]
fn a_read_only_task_writes_only_to_memory_it_asked_for() {
    let mount = |kind, target: &str| Mount { kind, target: target.to_owned(), read_only: false };
    let volume = MountKind::Volume { source: Some("v".to_owned()), labels: Default::default() };
    let grant = grant_of("node n1\nsvc web", |spec| {
        spec.task.component.read_only = true;
        spec.task.component.command = vec!["serve".to_owned()];
        spec.task.component.mounts =
            vec![mount(volume, "/v"), mount(MountKind::Tmpfs { size: Some(Bytes(5)) }, "/scratch")];
    });
    assert_eq!(grant.args, ["serve"]);
    let dirs: Vec<_> = grant.dirs.iter().map(|dir| (dir.path.as_str(), dir.read_only)).collect();
    assert_eq!(dirs, [("/v", true), ("/scratch", false)]);
}

#[test]
fn a_task_is_told_which_generic_resources_are_its_own() {
    let mut cluster = cluster("node n1\n svc web\n decide");
    cluster.run("run");
    let view = cluster.view();
    let names = ["a", "b"].map(str::to_owned).into();
    let generic = BTreeMap::from([
        ("gpu".to_owned(), Generic::Names(names)),
        ("ssd".to_owned(), Generic::Count(2)),
    ]);
    let task = Task { generic, ..cluster.find("web.1") };
    let env = grant(&view, &task).expect("a grant").env;
    let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(env, [("DOCKER_RESOURCE_GPU", "a,b"), ("DOCKER_RESOURCE_SSD", "2")]);
}
