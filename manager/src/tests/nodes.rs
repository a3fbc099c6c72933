//! Nodes: their sessions, and what becomes of them.

use skep_api::{Meta, NodeSpec, NodeStatus};
use skep_manager_core::{Change, Object};

use super::*;

/// A worker that the first node's manager has never heard of by itself.
const OTHER: Id<Node> = Id::from_u128(8);

/// A swarm whose nodes are lost after three such periods.
fn beating(period_ms: u64) -> Genesis {
    let heartbeat_period = Duration::from_millis(period_ms);
    let cluster = skep_api::ClusterSpec { heartbeat_period, ..Default::default() };
    Genesis { cluster, description: description(), ..Genesis::default() }
}

/// Adds a node as a join does.
async fn join(world: &World) {
    let joined = Node {
        id: OTHER,
        meta: Meta::default(),
        spec: NodeSpec::default(),
        description: description(),
        status: NodeStatus::default(),
        manager_addr: None,
    };
    let change = Change::Create(Object::Node(joined));
    world.manager.group.propose(vec![change]).await.expect("joined");
}

fn state(view: &View, node: Id<Node>) -> Option<(NodeState, &str)> {
    view.node(node).map(|node| (node.status.state, node.status.message.as_str()))
}

#[tokio::test]
async fn a_second_session_ends_the_first_and_a_report_of_an_unknown_task_is_ignored() {
    let world = World::new().await;
    let (first, mut messages) = world.session().await.expect("a session");
    let (second, _second) = world.session().await.expect("a session");
    let end = messages.message().await.expect_err("ended");
    assert_eq!(end.message(), "session invalid");
    let beat = |session: &str| pb::HeartbeatRequest { session_id: session.to_owned() };
    let late = world.dispatcher().heartbeat(beat(&first)).await.expect_err("invalid");
    assert_eq!((late.code(), late.message()), (Code::InvalidArgument, "session invalid"));
    let period = world.dispatcher().heartbeat(beat(&second)).await.expect("alive").into_inner();
    assert!((900_000_000..=1_100_000_000).contains(&period.period_ns));

    create(&world, &spec("web", 1)).await;
    world.wait_for("task", |view| view.tasks().count() == 1).await;
    let report = |task: String| pb::UpdateTaskStatusRequest {
        session_id: second.clone(),
        reports: vec![pb::TaskReport {
            task,
            status: Some((&TaskStatus { state: TaskState::Running, ..Default::default() }).into()),
            seen_at: 0,
        }],
    };
    let unknown = Id::<skep_api::Task>::from_u128(99).to_string();
    world.dispatcher().update_task_status(report(unknown)).await.expect("ignored");
    world.manager.shutdown().await;
}

#[tokio::test]
async fn a_node_that_stops_beating_is_down_and_comes_back() {
    let world = World::with(beating(50)).await;
    let state = |view: &View| view.node(node()).map(|n| n.status.state);
    let (session, _messages) = world.session().await.expect("a session");
    world.wait_for("down node", |view| state(view) == Some(NodeState::Down)).await;
    let beat = pb::HeartbeatRequest { session_id: session };
    let late = world.dispatcher().heartbeat(beat).await.expect_err("down");
    assert_eq!(late.message(), "node not registered");
    let (_session, _messages) = world.session().await.expect("a session");
    assert_eq!(state(&world.manager.view()), Some(NodeState::Ready));
    world.manager.shutdown().await;
}

#[tokio::test]
async fn after_a_change_of_leadership_a_node_is_unknown_until_it_is_back_or_down() {
    let world = World::with(beating(300)).await;
    join(&world).await;
    let (_, _messages) = world.session_of(OTHER).await.expect("a session");
    assert_eq!(state(&world.manager.view(), OTHER), Some((NodeState::Ready, "")));
    let ready_since = world.manager.view().node(OTHER).map(|node| node.status.since);

    let world = world.again().await;
    let unknown = "Node moved to \"unknown\" state due to leadership change in cluster";
    // It may be down already if this test was kept waiting.
    let now = world.manager.view();
    if state(&now, OTHER).is_some_and(|(state, _)| state == NodeState::Unknown) {
        assert_eq!(state(&now, OTHER), Some((NodeState::Unknown, unknown)));
        assert!(now.node(OTHER).map(|node| node.status.since) > ready_since);
    }
    let is_down = |view: &View| state(view, OTHER).is_some_and(|s| s.0 == NodeState::Down);
    world.wait_for("down node", is_down).await;
    let why = "heartbeat failure for node in \"unknown\" state";
    assert_eq!(state(&world.manager.view(), OTHER), Some((NodeState::Down, why)));

    let (_, _messages) = world.session_of(OTHER).await.expect("it may come back");
    assert_eq!(state(&world.manager.view(), OTHER), Some((NodeState::Ready, "")));
    world.manager.shutdown().await;
}

#[tokio::test]
async fn a_node_that_was_removed_has_no_session_and_gets_no_other() {
    let world = World::new().await;
    join(&world).await;
    let (session, mut messages) = world.session_of(OTHER).await.expect("a session");
    let request = pb::AssignRequest { session_id: session.clone() };
    let mut tasks = world.dispatcher().assign(request).await.expect("assigned").into_inner();
    tasks.message().await.expect("all of it").expect("a message");

    let remove = |force| pb::RemoveNodeRequest { id: OTHER.to_string(), force };
    let there = world.control().remove_node(remove(false)).await.expect_err("it is there");
    assert_eq!(there.message(), format!("node {OTHER} is not down and can't be removed"));
    let removed = world.control().remove_node(remove(true)).await.expect("removed").into_inner();
    assert_eq!((removed.id, removed.name), (OTHER.to_string(), "n1".to_owned()));
    for ended in [
        messages.message().await.map(|_| ()).expect_err("no messages"),
        tasks.message().await.map(|_| ()).expect_err("no assignments"),
        world.session_of(OTHER).await.map(|_| ()).expect_err("no session"),
    ] {
        assert_eq!((ended.code(), ended.message()), (Code::NotFound, "node not found"));
    }
    let beat = pb::HeartbeatRequest { session_id: session };
    let first = world.dispatcher().heartbeat(beat.clone()).await.expect_err("removed");
    assert_eq!(first.message(), "node not found");
    let second = world.dispatcher().heartbeat(beat).await.expect_err("forgotten");
    assert_eq!(second.message(), "session invalid");
    world.manager.shutdown().await;
}
