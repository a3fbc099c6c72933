use expect_test::{Expect, expect};
use skep_api::{TaskStatus, UpdateState, UpdateStatus};

use super::*;
use crate::testing::{Cluster, cluster};
use crate::{Change, Object};

/// What is said about the service `web`.
fn said(cluster: &Cluster) -> String {
    let view = cluster.view();
    let service = view.service_named("web").expect("web");
    let explanation = explain_service(&view, service, cluster.now);
    let mut text = String::new();
    for (id, lines) in explanation.tasks {
        let slot = view.task(id).expect("a task").slot;
        let host = slot.node().and_then(|node| view.node(node));
        let slot = host.map_or(slot.to_string(), |node| node.description.hostname.clone());
        for line in lines {
            text += &format!("web.{slot} {line}\n");
        }
    }
    for line in explanation.update {
        text += &format!("update {line}\n");
    }
    text
}

#[track_caller]
fn explains(script: &str, expected: Expect) {
    expected.assert_eq(&said(&cluster(script)));
}

#[test]
fn a_task_without_a_node_is_told_what_each_node_lacks() {
    explains(
        "node down down
         node drained drain
         node paused pause
         node small memory=1g
         node busy cpus=2
         node west label.zone=west
         node port label.zone=east
         node full label.zone=east
         svc cpu reserve-cpu=1.5 constraint=node.hostname==busy
         svc port host-port=80:80 constraint=node.hostname==port
         run
         svc web replicas=2 reserve-cpu=1 reserve-memory=2g constraint=node.labels.zone==east host-port=80:80 max-per-node=1
         run",
        expect![[r#"
            web.1 on full by node.labels.zone==east
            web.2 full: port 80/tcp is in use
            web.2 port: port 80/tcp is in use
            web.2 west: does not meet node.labels.zone==east
            web.2 busy: insufficient CPU (needs 1, 0.5 free)
            web.2 small: insufficient memory (needs 2GiB, 1GiB free)
            web.2 down: is down
            web.2 drained: is drained
            web.2 paused: is paused
        "#]],
    );
}

#[test]
fn generic_resources_are_counted_as_they_were_given() {
    explains(
        "node n1 generic=gpu:2
         svc first generic=gpu
         run
         svc web generic=gpu replicas=2
         run",
        expect![[r#"
            web.2 n1: insufficient gpu (needs 1, 0 free)
        "#]],
    );
}

#[test]
fn a_task_that_swarm_would_forget_says_so_where_swarm_is_followed() {
    let script = "node n1 label.zone=west
         svc web constraint=node.labels.zone==east
         run
         update web label=x
         run";
    explains(
        script,
        expect![[r#"
        web.1 n1: does not meet node.labels.zone==east
    "#]],
    );
    explains(
        &format!("compat swarm\n{script}"),
        expect![[r#"
        web.1 is not tried again since its service was updated: as in Swarm, by --compat=swarm
    "#]],
    );
}

#[test]
fn a_task_for_which_there_is_no_node_at_all_says_so() {
    explains(
        "svc web\ndecide",
        expect![[r#"
        web.1 the swarm has no node for it
    "#]],
    );
}

#[test]
fn only_so_many_nodes_are_told_of() {
    let nodes: String = (1..=12).map(|n| format!("node n{n:02} pause\n")).collect();
    let text = said(&cluster(&format!("{nodes}svc web replicas=2\nrun")));
    let of_first: Vec<_> = text.lines().filter(|line| line.starts_with("web.1")).collect();
    assert_eq!(of_first.len(), 11);
    assert_eq!(
        of_first[9..],
        ["web.1 n10: is paused", "web.1 and 2 more nodes that lack as much or more"]
    );
}

#[test]
fn only_so_many_tasks_are_told_of_and_those_without_a_place_first() {
    let cluster = cluster(
        "node n1 label.a=1
         svc web replicas=1100 reserve-memory=8m constraint=node.labels.a==1
         run",
    );
    let view = cluster.view();
    let web = view.service_named("web").expect("web");
    let tasks = explain_service(&view, web, cluster.now).tasks;
    assert_eq!(tasks.len(), TASKS_MAX);
    let lacking = |id: &Id<Task>| view.task(*id).is_some_and(|task| task.node.is_none());
    assert_eq!(tasks.iter().filter(|(id, _)| lacking(id)).count(), 1100 - 1024);
}

#[test]
fn a_task_that_finds_no_address_says_which_network_is_full() {
    let cluster = cluster("node n1\nnet front\nsvc web net=front replicas=254\nrun");
    let text = said(&cluster);
    assert_eq!(
        text.lines().last(),
        Some("web.254 has no place yet: no address left on network front (10.0.1.0/24)")
    );
}

#[test]
fn a_held_task_says_when_it_starts() {
    explains(
        "node n1
         svc web delay=30
         run
         state web.1 failed
         decide
         wait 4.5",
        expect![[r#"
            web.1 starts in 26s
        "#]],
    );
}

#[test]
fn a_held_task_says_that_the_one_before_it_is_to_stop() {
    explains(
        "node n1
         svc web image=web:1
         run
         update web image=web:2
         decide
         wait 10",
        expect![[r#"
            web.1 waits for the task before it to stop, at most 50s more
            update waits for web.1 to run (assigned, made 10s ago), at most 10m50s more
        "#]],
    );
}

#[test]
fn a_slot_that_was_given_up_says_what_the_policy_says() {
    explains(
        "node n1
         svc web replicas=1 restart=none
         run
         state web.1 failed
         run",
        expect![[r#"
            web.1 not restarted: restart policy none
        "#]],
    );
    explains(
        "node n1
         svc web restart=on-failure
         run
         state web.1 complete
         run",
        expect![[r#"
            web.1 not restarted: restart policy on-failure, and it completed
        "#]],
    );
    explains(
        "node n1
         svc web restart=on-failure attempts=1 delay=0 window=60
         run
         state web.1 failed
         run
         state web.1 failed
         run",
        expect![[r#"
            web.1 not restarted: restart policy on-failure, 1 of 1 attempts used within 1m0s
        "#]],
    );
}

#[test]
fn a_job_says_which_of_its_tasks_failed_for_good() {
    explains(
        "node n1
         svc web mode=job:2/3 restart=none
         run
         state web.0 failed
         state web.1 complete
         run",
        expect![[r#"
            web.0 not restarted: restart policy none; the job won't complete
        "#]],
    );
}

#[test]
fn a_global_service_says_what_keeps_it_from_a_node() {
    explains(
        "node n1
         node n2 memory=1g
         svc web mode=global reserve-memory=2g delay=0
         run
         node n1 pause
         state web.n1 failed
         run",
        expect![[r#"
            web.n1 not restarted: n1 is paused
            web.n2 n2: insufficient memory (needs 2GiB, 1GiB free)
        "#]],
    );
}

#[test]
fn a_task_says_by_what_it_came_to_its_node() {
    explains(
        "node n1 label.zone=east
         svc web constraint=node.labels.zone==east spread=node.labels.rack
         run",
        expect![[r#"
            web.1 on n1 by node.labels.zone==east, spread over node.labels.rack
        "#]],
    );
    explains("node n1\nsvc web\nrun", expect![""]);
}

#[test]
fn a_task_says_what_its_node_did_by_itself() {
    let mut cluster = cluster("node n1\nsvc web\nrun");
    let task = cluster.find("web.1");
    let status = TaskStatus { restarts: 3, failures: 2, ..task.status };
    cluster.apply(vec![Change::TaskStatus { task: task.id, status }]);
    cluster.run("node n1 unknown");
    expect![[r#"
        web.1 node n1 is unknown: what is known of the task may be old
        web.1 its node restarted it 3 times, 2 after a failure
    "#]]
    .assert_eq(&said(&cluster));
}

/// The service's update, as it would stand in that state.
fn stands(cluster: &mut Cluster, state: UpdateState, message: &str) {
    let view = cluster.view();
    let mut service = view.service_named("web").expect("web").clone();
    service.update_status = Some(UpdateStatus {
        state,
        started_at: cluster.now,
        completed_at: None,
        message: message.to_owned(),
        slots: 1,
    });
    drop(view);
    cluster.apply(vec![Change::Update(Object::Service(service))]);
}

#[test]
fn a_paused_update_says_what_stopped_it_and_how_it_goes_on() {
    let mut cluster = cluster("node n1\nsvc web\nrun");
    stands(&mut cluster, UpdateState::Paused, "update paused due to failure of task 1");
    expect![[r#"
        update update paused due to failure of task 1
        update it goes on with the next update of the service; `skep service rollback` goes back
    "#]]
    .assert_eq(&said(&cluster));
    stands(&mut cluster, UpdateState::RollbackPaused, "rollback paused");
    expect![[r#"
        update rollback paused
        update it goes on with the next update of the service
    "#]]
    .assert_eq(&said(&cluster));
    stands(&mut cluster, UpdateState::Completed, "update completed");
    expect![""].assert_eq(&said(&cluster));
}

#[test]
fn an_update_says_what_it_waits_for_and_for_how_long() {
    let mut cluster = cluster(
        "node n1
         svc web replicas=3 update.parallelism=2 update.delay=10 reserve-memory=1g
         run
         update web image=web:2 reserve-memory=9g
         run
         wait 100",
    );
    let update = |cluster: &Cluster| {
        let view = cluster.view();
        let web = view.service_named("web").expect("web");
        update::lines(&view, web, cluster.now).join("\n")
    };
    expect![[r#"
        waits for web.1 to run (pending, made 1m40s ago: no suitable node (insufficient resources on 1 node)), at most 8m20s more
        and for 1 more"#]].assert_eq(&update(&cluster));
    cluster.run("node n1 memory=40g\nrun\nwait 4");
    expect!["waits 6s more: the delay between tasks"].assert_eq(&update(&cluster));
    cluster.run("wait 6\nrun\nwait 2");
    expect!["waits 9s more: the delay between tasks"].assert_eq(&update(&cluster));
    cluster.run("wait 60\nrun");
    expect![""].assert_eq(&update(&cluster));
}
