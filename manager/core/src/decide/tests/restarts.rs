use expect_test::expect;

use skep_api::{Origin, TaskState};

use crate::testing::{check, cluster};

#[test]
fn behaviour_7_and_8_a_new_leader_replaces_what_was_rejected_or_failed() {
    check(
        "node n1
         svc web replicas=3
         task web.1 rejected n1
         task web.2 failed n1
         task web.3 running n1
         lead
         decide
         show",
        expect![[r#"
            web.1 rejected n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 failed n1 desired=shutdown
            web.2 assigned n1 desired=ready
            web.3 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_9_a_new_leader_replaces_a_task_on_a_node_that_is_down() {
    check(
        "node n1\nnode n2 down\nsvc web\ntask web.1 running n2\nlead\ndecide\nshow",
        expect![[r#"
            web.1 running n2 desired=shutdown
            web.1 assigned n1
            --
        "#]],
    );
}

#[test]
fn behaviour_10_a_task_held_by_the_former_leader_gets_the_rest_of_its_delay() {
    check(
        "node n1
         svc web
         task web.1 failed n1 desired=shutdown
         task web.1 ready n1 desired=ready after=3
         lead
         decide
         show
         wake
         wait 3
         decide
         show",
        expect![[r#"
            web.1 failed n1 desired=shutdown
            web.1 ready n1 desired=ready
            --
            wake in 3.0
            web.1 failed n1 desired=shutdown
            web.1 ready n1
            --
        "#]],
    );
}

#[test]
fn behaviour_13_and_16_any_end_is_followed_by_a_task_that_is_prepared_at_once_and_starts_later() {
    check(
        "node n1
         svc web replicas=2
         run
         state web.1 failed \"task: non-zero exit (1)\"
         state web.2 complete
         run
         show
         wake
         wait 4.9
         run
         show
         wait 0.1
         run
         show",
        expect![[r#"
            web.1 failed n1 desired=shutdown "task: non-zero exit (1)"
            web.1 ready n1 desired=ready
            web.2 complete n1 desired=shutdown
            web.2 ready n1 desired=ready
            --
            wake in 5.0
            web.1 failed n1 desired=shutdown "task: non-zero exit (1)"
            web.1 ready n1 desired=ready
            web.2 complete n1 desired=shutdown
            web.2 ready n1 desired=ready
            --
            web.1 failed n1 desired=shutdown "task: non-zero exit (1)"
            web.1 running n1
            web.2 complete n1 desired=shutdown
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_14_on_failure_leaves_what_completed_until_the_task_spec_changes() {
    check(
        "node n1
         svc web replicas=2 restart=on-failure delay=0
         run
         state web.1 complete
         state web.2 failed
         run
         show
         update web label=x
         run
         show
         update web image=web:2
         run
         show",
        expect![[r#"
            web.1 complete n1 desired=shutdown
            web.2 failed n1 desired=shutdown
            web.2 running n1
            --
            web.1 complete n1 desired=shutdown
            web.2 failed n1 desired=shutdown
            web.2 running n1
            --
            web.1 complete n1 desired=shutdown
            web.1 running n1
            web.2 failed n1 desired=shutdown
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_15_none_restarts_nothing_until_the_task_spec_changes() {
    check(
        "node n1
         svc web replicas=2 restart=none
         run
         state web.1 complete
         state web.2 failed
         run
         update web label=x
         run
         lead
         run
         show
         update web force=1
         run
         show",
        expect![[r#"
            web.1 complete n1 desired=shutdown
            web.2 failed n1 desired=shutdown
            --
            web.1 complete n1 desired=shutdown
            web.1 running n1
            web.2 failed n1 desired=shutdown
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_17_attempts_are_counted_per_slot_and_a_new_spec_starts_afresh() {
    let script = "node n1
         svc web replicas=2 delay=0 attempts=1
         run
         state web.1 failed
         run
         show
         state web.1 failed
         run
         show
         state web.2 failed
         run
         update web image=web:2
         run
         state web.1 failed
         run
         show
         state web.1 failed
         lead
         run
         show";
    check(
        script,
        expect![[r#"
        web.1 failed n1 desired=shutdown
        web.1 running n1
        web.2 running n1
        --
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.2 running n1
        --
        web.1 failed n1 desired=shutdown
        web.1 running n1
        web.2 shutdown n1 desired=shutdown
        web.2 running n1
        --
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.2 shutdown n1 desired=shutdown
        web.2 running n1
        --
    "#]],
    );
}

#[test]
fn behaviour_18_restarts_older_than_the_window_do_not_count() {
    check(
        "node n1
         svc web delay=0 attempts=1 window=10
         run
         state web.1 failed
         run
         wait 11
         state web.1 failed
         run
         show
         wait 1
         state web.1 failed
         run
         show",
        expect![[r#"
            web.1 failed n1 desired=shutdown
            web.1 running n1
            --
            web.1 failed n1 desired=shutdown
            web.1 failed n1 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn a_task_that_fails_while_it_is_held_waits_for_its_own_moment() {
    check(
        "node n1
         svc web
         run
         state web.1 failed
         decide
         wait 1
         state web.1 rejected \"no such image\"
         decide
         show
         wake
         wait 4
         decide
         show
         wake",
        expect![[r#"
            web.1 failed n1 desired=shutdown
            web.1 rejected n1 desired=ready "no such image"
            --
            wake in 4.0
            web.1 failed n1 desired=shutdown
            web.1 rejected n1 desired=shutdown "no such image"
            web.1 assigned n1 desired=ready
            --
            wake in 5.0
        "#]],
    );
}

#[test]
fn a_condition_of_none_does_not_shrink_a_service_whose_node_is_lost() {
    let script = "node n1
         svc web restart=none replicas=2
         run
         node n2
         state web.2 failed
         node n1 LIFE
         run
         show";
    for life in ["drain", "down", "gone"] {
        let cluster = cluster(&script.replace("LIFE", life));
        let moved = cluster.find("web.1");
        let on = moved.node.and_then(|node| cluster.view().node(node).cloned());
        assert_eq!(on.map(|node| node.description.hostname).as_deref(), Some("n2"), "{life}");
        assert_eq!((moved.origin, moved.status.state), (Origin::Move, TaskState::Running));
        assert_eq!(cluster.find("web.2").status.state, TaskState::Failed, "its own end is one");
    }
    check(
        &format!("compat swarm\n{}", script.replace("LIFE", "down")),
        expect![[r#"
        web.1 running n1 desired=shutdown
        web.2 failed n1 desired=shutdown
        --
    "#]],
    );
}

#[test]
fn a_slot_that_was_given_up_with_its_node_is_not_filled_because_time_passes() {
    check(
        "compat swarm
         node n1
         svc web delay=0 attempts=1 window=10
         run
         state web.1 failed
         run
         node n1 down
         decide
         wait 20
         decide
         show",
        expect![[r#"
            web.1 failed n1 desired=shutdown
            web.1 running n1 desired=shutdown
            --
        "#]],
    );
}
