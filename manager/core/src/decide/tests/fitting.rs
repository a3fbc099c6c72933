//! Which nodes fit, and what is left of them.

use expect_test::expect;
use skep_api::{Service, TaskState, TaskStatus, Workload, WorkloadKind};

use crate::testing::{Cluster, check, cluster};
use crate::{Change, Object};

#[test]
fn behaviour_71_a_branch_that_alone_has_room_takes_all() {
    check(
        "node a1 label.az=a label.rack=1 memory=40g
         node b1 label.az=b label.rack=1 memory=1g
         node b2 label.az=b label.rack=2 memory=1g
         svc web replicas=2 spread=node.labels.az spread=node.labels.rack reserve-memory=1g
         run
         update web replicas=6
         run
         show",
        expect![[r#"
            web.1 running a1
            web.2 running b1
            web.3 running b2
            web.4 running a1
            web.5 running a1
            web.6 running a1
            --
        "#]],
    );
}

/// Says what the image of `web` runs on, as its registry would have told, and what nodes run.
fn told(cluster: &mut Cluster, platform: &str, nodes: &[(&str, &[&str])]) {
    let view = cluster.view();
    let web = view.service_named("web").expect("web").clone();
    let workload = Workload { kind: WorkloadKind::Command, platform: platform.to_owned() };
    let mut changes =
        vec![Change::Update(Object::Service(Service { workload: Some(workload), ..web }))];
    for (name, platforms) in nodes {
        let mut node = view.find_node(name).expect(name).clone();
        node.description.platforms = platforms.iter().map(|&one| one.to_owned()).collect();
        changes.push(Change::Update(Object::Node(node)));
    }
    drop(view);
    cluster.apply(changes);
}

#[test]
fn behaviour_78_a_component_goes_where_its_platform_is_run() {
    let mut cluster = cluster("node old\nnode silent\nsvc web replicas=2");
    told(&mut cluster, "wasip2", &[("old", &["wasip1"])]);
    cluster.run("run");
    let waiting = cluster.find("web.1").status;
    assert_eq!(waiting.state, TaskState::Pending);
    assert_eq!(waiting.err, "no suitable node (unsupported platform on 2 nodes)");
    cluster.run("node new");
    told(&mut cluster, "wasip2", &[("new", &["wasip1", "wasip2"])]);
    cluster.run("run");
    let new = cluster.view().find_node("new").map(|node| node.id).ok();
    assert_eq!([cluster.find("web.1").node, cluster.find("web.2").node], [new, new]);
}

#[test]
fn behaviour_78_a_component_whose_platform_nobody_knows_goes_anywhere() {
    check(
        "node silent\nsvc web\nrun\nshow",
        expect![[r#"
        web.1 running silent
        --
    "#]],
    );
}

#[test]
fn behaviour_79_what_waits_for_a_node_is_forgotten_with_its_service() {
    let mut cluster = cluster("svc web replicas=3\nsvc api\ndecide\nrm web\ndecide\nnode n1\nrun");
    let view = cluster.view();
    assert_eq!((view.tasks_len(), view.unplaced().count()), (1, 0), "the other service's task");
    cluster.run("lead\ndecide");
    assert_eq!(cluster.view().tasks_len(), 1);
}

#[test]
fn behaviour_80_tasks_that_are_meant_for_a_node_come_first_and_are_counted() {
    check(
        "node n1 memory=4g drain
         svc web reserve-memory=3g
         svc each mode=global reserve-memory=3g
         run
         node n1 active
         run
         show",
        expect![[r#"
            each.n1 running n1
            web.1 pending - "no suitable node (insufficient resources on 1 node)"
            --
        "#]],
    );
}

#[test]
fn behaviour_87_what_a_task_reserved_comes_back_once_and_exactly() {
    let mut cluster = cluster(
        "node n1
         svc web reserve-memory=3g reserve-cpu=1.5 restart=none host-port=80:80
         svc api reserve-memory=1g
         run",
    );
    let load = |cluster: &Cluster| {
        let node = cluster.view().find_node("n1").expect("n1").id;
        let load = cluster.view().load(node);
        (load.tasks, load.cpus.to_string(), load.memory.to_string())
    };
    let loaded = |tasks, cpus: &str, memory: &str| (tasks, cpus.to_owned(), memory.to_owned());
    assert_eq!(load(&cluster), loaded(2, "1.5", "4GiB"));
    let task = cluster.find("web.1").id;
    for state in [TaskState::Failed, TaskState::Failed, TaskState::Running] {
        let status = TaskStatus { state, ..TaskStatus::default() };
        cluster.apply(vec![Change::TaskStatus { task, status }]);
        assert_eq!(load(&cluster), loaded(1, "0", "1GiB"), "{state:?}");
    }
    cluster.apply(vec![Change::TaskDesired { task, desired: TaskState::Shutdown }]);
    cluster.run("rm web.1\nrm web\nrun");
    assert_eq!(load(&cluster), loaded(1, "0", "1GiB"));
    cluster.run("rm api\nrun");
    assert_eq!(load(&cluster), loaded(0, "0", "0B"));
}

#[test]
fn behaviour_49_the_oldest_tasks_of_a_slot_are_forgotten_first() {
    check(
        "history 3
         node n1
         node n2
         svc web replicas=1 restart=none
         task web.1 failed n2 ago=30 desired=shutdown
         task web.1 shutdown n1 ago=60 desired=shutdown
         task web.1 running n1 ago=10
         task web.1 complete n2 ago=40 desired=shutdown
         lead
         decide
         show",
        expect![[r#"
            web.1 complete n2 desired=shutdown
            web.1 failed n2 desired=shutdown
            web.1 running n1
            --
        "#]],
    );
}
