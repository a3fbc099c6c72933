//! What befalls tasks through no fault of their own, our way and Swarm's.

use std::collections::BTreeSet;

use expect_test::expect;

use skep_api::{Origin, Slot, TaskState};

use crate::decide::PASS_CHANGES_MAX;
use crate::testing::{Cluster, check, cluster};
use crate::{Change, start_at, wake_at};

/// What follows a task in its slot after something happened: why it was made and how long it waits,
/// or that none follows.
fn follows(compat: &str, policy: &str, event: &str) -> String {
    let cluster = cluster(&format!(
        "compat {compat}
         node n1
         svc web {policy}
         run
         node n2
         {event}
         decide"
    ));
    let view = cluster.view();
    let service = view.service_named("web").expect("web").id;
    let mut tasks: Vec<_> = view.tasks_in(service, Slot::Number(1)).collect();
    tasks.sort_by_key(|task| task.meta.created_at);
    let [_, next] = tasks.as_slice() else { return "nothing".to_owned() };
    let delay = next.start_after.map_or(0, |start| start.since(next.meta.created_at).as_secs());
    format!("{:?} after {delay}", next.origin)
}

#[test]
fn what_became_of_a_task_decides_what_follows_it() {
    let cases = [
        // event, condition, ours, Swarm's
        ("state web.1 failed", "any", "Restart after 5", "Restart after 5"),
        ("state web.1 complete", "any", "Restart after 5", "Restart after 5"),
        ("state web.1 complete", "on-failure", "nothing", "nothing"),
        ("state web.1 failed", "none", "nothing", "nothing"),
        ("state web.1 rejected", "any", "Move after 5", "Move after 5"),
        ("state web.1 rejected", "none", "nothing", "nothing"),
        ("node n1 down", "any", "Move after 0", "Move after 5"),
        ("node n1 down", "none", "Move after 0", "nothing"),
        ("node n1 drain", "any", "Move after 0", "Move after 0"),
        ("node n1 drain", "none", "Move after 0", "nothing"),
        ("node n1 gone", "any", "Move after 0", "Move after 5"),
        ("node n1 gone", "none", "Move after 0", "nothing"),
        ("state web.1 orphaned", "on-failure", "Move after 5", "Move after 5"),
        ("state web.1 failed\nnode n1 drain", "any", "Restart after 0", "Restart after 0"),
        ("state web.1 failed\nnode n1 down", "any", "Restart after 0", "Restart after 5"),
        ("node n1 unknown", "any", "nothing", "nothing"),
        ("node n1 pause", "any", "nothing", "nothing"),
    ];
    for (event, condition, ours, swarms) in cases {
        let policy = format!("delay=5 restart={condition}");
        assert_eq!(follows("skep", &policy, event), ours, "{event}, {condition}, ours");
        assert_eq!(follows("swarm", &policy, event), swarms, "{event}, {condition}, Swarm's");
    }
}

/// How often the slot gets another task, all attempts being used up by the same event.
fn tries(compat: &str, event: &str) -> usize {
    let mut cluster = Cluster::new();
    cluster.run(&format!("compat {compat}\nnode n1\nsvc web delay=0 attempts=2\nrun"));
    let mut seen = BTreeSet::from([cluster.find("web.1").id]);
    for round in 0..6 {
        cluster.run(&event.replace("ROUND", &round.to_string()));
        cluster.run("run\nwait 1\nrun");
        seen.insert(cluster.find("web.1").id);
    }
    seen.len() - 1
}

#[test]
fn what_its_node_did_to_a_task_uses_up_no_attempt() {
    for (event, ours, swarms) in [
        ("state web.1 failed", 2, 2),
        ("state web.1 rejected", 6, 2),
        ("node n1 drain\nrun\nnode n1 active", 6, 2),
        ("node n1 down\nrun\nwait 1\nnode n1 ready", 6, 2),
        ("node n1 label.zone=a\nupdate web label=xROUND\nstate web.1 failed", 6, 6),
    ] {
        assert_eq!(tries("skep", event), ours, "{event}, ours");
        assert_eq!(tries("swarm", event), swarms, "{event}, Swarm's");
    }
}

#[test]
fn what_a_node_restarted_by_itself_counts() {
    let mut cluster = cluster("node n1\nsvc web delay=0 attempts=3\nrun");
    let task = cluster.find("web.1");
    let status = skep_api::TaskStatus { failures: 2, restarts: 5, ..task.status.clone() };
    cluster.apply(vec![Change::TaskStatus { task: task.id, status: status.clone() }]);
    cluster.run("decide");
    assert_eq!(cluster.find("web.1").id, task.id, "it runs on");
    let failed = skep_api::TaskStatus { state: TaskState::Failed, ..status };
    cluster.apply(vec![Change::TaskStatus { task: task.id, status: failed }]);
    cluster.run("run");
    assert_eq!(cluster.find("web.1").origin, Origin::Restart, "two of three attempts are used");
    cluster.run("state web.1 failed\nrun");
    assert_eq!(cluster.find("web.1").status.state, TaskState::Failed, "no attempt is left");
}

#[test]
fn an_image_that_can_not_be_had_is_tried_again_no_faster_than_the_delay() {
    check(
        "node n1
         svc web attempts=1
         decide
         state web.1 rejected \"no such image\"
         decide
         wake
         state web.1 rejected \"no such image\"
         decide
         wake
         wait 5
         decide
         show
         wake",
        expect![[r#"
            wake in 5.0
            wake in 5.0
            web.1 rejected n1 desired=shutdown "no such image"
            web.1 assigned n1 desired=ready
            --
            wake in 5.0
        "#]],
    );
}

#[test]
fn a_held_task_says_when_it_is_due() {
    let cluster = cluster("node n1\nsvc web delay=30\nrun\nstate web.1 failed\nwait 1\ndecide");
    let view = cluster.view();
    let held = cluster.find("web.1");
    let due = start_at(&view, &held).expect("it is held");
    assert_eq!(Some(due), wake_at(&view).map(|(time, _)| time));
    assert_eq!(due.since(cluster.now).as_secs(), 30);
    assert_eq!(start_at(&view, &cluster.find("web.1/a")), None);
}

#[test]
fn behaviour_49_of_several_tasks_the_newest_one_counts() {
    check(
        "node n1
         svc web restart=none
         task web.1 failed n1 desired=shutdown ago=10
         task web.1 complete n1 desired=shutdown ago=30
         task web.1 failed n1 desired=shutdown ago=20
         decide
         show
         update web env=A=1
         run
         show",
        expect![[r#"
            web.1 complete n1 desired=shutdown
            web.1 failed n1 desired=shutdown
            web.1 failed n1 desired=shutdown
            --
            web.1 complete n1 desired=shutdown
            web.1 failed n1 desired=shutdown
            web.1 failed n1 desired=shutdown
            web.1 running n1
            --
        "#]],
    );
}

#[test]
fn a_task_of_another_spec_is_followed_by_one_of_the_current_spec() {
    check(
        "node n1
         svc web replicas=2 delay=0 update.delay=100
         run
         update web image=web:2
         run
         state web.2/a failed
         run
         show
         status web",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 failed n1 desired=shutdown
            web.2 running n1
            --
            web: updating 2 "update in progress", waiting for the update delay to pass for 101.0
        "#]],
    );
}

#[test]
fn one_pass_makes_so_many_changes_at_most_and_the_next_one_goes_on() {
    let replicas = PASS_CHANGES_MAX + 5;
    let mut cluster = cluster(&format!("svc web replicas={replicas}"));
    let mut ids = cluster.ids.clone();
    let first = crate::decide(&cluster.view(), &cluster.dirty, cluster.now, &mut ids);
    assert!((PASS_CHANGES_MAX..PASS_CHANGES_MAX + 2).contains(&first.changes.len()));
    assert!(!first.left.is_empty());
    cluster.apply(first.changes);
    let second = crate::decide(&cluster.view(), &first.left, cluster.now, &mut ids);
    assert_eq!(second.changes.len(), 5);
    cluster.apply(second.changes);
    assert_eq!(cluster.view().tasks_len(), replicas);
}
