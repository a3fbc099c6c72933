use expect_test::expect;
use skep_api::{
    Availability, ErrorKind, Node, NodeRole, NodeSpec, NodeState, NodeStatus, Task, TaskState,
};

use crate::testing::{Cluster, check, cluster};
use crate::*;

fn n1(cluster: &Cluster) -> Node {
    cluster.view().find_node("n1").expect("n1").clone()
}

fn drained() -> NodeSpec {
    NodeSpec { availability: Availability::Drain, ..NodeSpec::default() }
}

#[test]
fn behaviour_106_a_node_takes_labels_and_availability_from_who_read_it_last() {
    let mut cluster = cluster("node n1\nnode n1 label.a=1");
    let (view, node) = (cluster.view(), n1(&cluster));
    let update = |version, spec| admit_update_node(&view, node.id, version, spec);
    let stale = |version| update(version, drained()).map_err(|e| (e.kind, e.message));
    let refused = Err((ErrorKind::OutOfSequence, "update out of sequence".to_owned()));
    for version in [0, node.meta.version - 1, node.meta.version + 1] {
        assert_eq!(stale(version), refused, "{version} of {}", node.meta.version);
    }
    assert_eq!(update(node.meta.version, node.spec.clone()), Ok(Vec::new()));
    let unknown = admit_update_node(&view, skep_api::Id::from_u128(9), 1, drained());
    assert_eq!(unknown.map_err(|error| error.kind), Err(ErrorKind::NotFound));
    let changes = update(node.meta.version, drained()).expect("read last");
    cluster.apply(changes);
    assert_eq!(n1(&cluster).spec, drained());
}

#[test]
fn what_managers_see_of_a_node_puts_no_update_of_a_user_out_of_sequence() {
    let mut cluster = cluster("node n1");
    let read = n1(&cluster).meta.version;
    cluster.run("node n1 down\nnode n1 ready\nnode n1 memory=1g");
    assert!(n1(&cluster).meta.version > read);
    let update = |cluster: &Cluster, version| {
        admit_update_node(&cluster.view(), n1(cluster).id, version, drained())
    };
    let changes = update(&cluster, read).expect("the spec is the one that was read");
    cluster.apply(changes);
    cluster.run("node n1 down");
    let again = n1(&cluster).meta.version;
    let late = admit_update_node(&cluster.view(), n1(&cluster).id, read, NodeSpec::default());
    assert_eq!(late.map_err(|error| error.kind), Err(ErrorKind::OutOfSequence));
    assert_eq!(update(&cluster, again), Ok(Vec::new()));
}

#[test]
fn the_store_itself_remembers_when_a_nodes_spec_was_written() {
    let mut cluster = cluster("node n1");
    let made = n1(&cluster);
    let forgetful = Node { spec: drained(), status: NodeStatus::default(), ..made.clone() };
    cluster.apply(vec![Change::Update(Object::Node(forgetful))]);
    let written = n1(&cluster);
    assert_eq!(written.status.spec_version.0, made.meta.version);
    let status = NodeStatus { state: NodeState::Down, ..NodeStatus::default() };
    cluster.apply(vec![Change::Update(Object::Node(Node { status, ..written }))]);
    assert_eq!(n1(&cluster).status.spec_version.0, made.meta.version);
}

#[test]
fn behaviour_107_the_last_manager_stays_one() {
    let cluster = cluster("node n1 manager\nnode n2");
    let (view, manager) = (cluster.view(), n1(&cluster));
    let demote = admit_update_node(&view, manager.id, manager.meta.version, NodeSpec::default());
    let demote = demote.map_err(|error| (error.kind, error.message));
    let text = "attempting to demote the last manager of the swarm".to_owned();
    assert_eq!(demote, Err((ErrorKind::FailedPrecondition, text)));
    let worker = view.find_node("n2").expect("n2");
    let promoted = NodeSpec { role: NodeRole::Manager, ..NodeSpec::default() };
    let refused = admit_update_node(&view, worker.id, worker.meta.version, promoted);
    assert_eq!(refused.map_err(|error| error.kind), Err(ErrorKind::Unimplemented));
}

#[test]
fn behaviour_102_a_node_that_is_there_is_removed_by_force_only() {
    check(
        "node n1
         node n2
         node n3 down
         node n4 unknown
         node boss manager down
         rm node n1
         rm node n2 force
         rm node n3
         rm node n4
         rm node boss force
         rm node n2",
        expect![[r#"
            FailedPrecondition: node id-of-n1 is not down and can't be removed
            FailedPrecondition: node id-of-boss is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal
            NotFound: node 000000000000000000000002r not found
        "#]],
    );
}

#[test]
fn behaviour_103_the_unfinished_tasks_of_a_removed_node_are_orphaned() {
    let mut cluster = cluster(
        "node n1
         svc web replicas=2 restart=on-failure
         run
         state web.2 complete
         node n2
         svc api
         run",
    );
    let (live, ended) = (cluster.find("web.1"), cluster.find("web.2"));
    let other = cluster.find("api.1");
    cluster.run("node n1 down\nrm node n1\ndecide");
    let view = cluster.view();
    let status = |task: &Task| view.task(task.id).expect("kept as history").status.clone();
    assert_eq!(status(&live).state, TaskState::Orphaned);
    assert_eq!(status(&live).err, "Task belonged to a node that has been deleted");
    assert_eq!(status(&ended).state, TaskState::Complete);
    assert_eq!(status(&other).state, TaskState::Running);
}
