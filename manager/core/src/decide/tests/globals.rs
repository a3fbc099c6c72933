use expect_test::expect;

use crate::testing::check;

#[test]
fn behaviour_20_every_ready_active_and_matching_node_has_one_task() {
    check(
        "node n1
         node n2 label.zone=a
         node n3 drain
         node n4 pause
         node n5 down
         node n6 unknown
         svc all mode=global
         svc some mode=global constraint=node.labels.zone==a
         run
         show
         node n7 label.zone=a
         run
         node n6 ready
         run
         show",
        expect![[r#"
            all.n6 pending - "1 node not available for new tasks"
            all.n1 running n1
            all.n2 running n2
            some.n2 running n2
            --
            all.n6 running n6
            all.n1 running n1
            all.n2 running n2
            all.n7 running n7
            some.n2 running n2
            some.n7 running n7
            --
        "#]],
    );
}

#[test]
fn behaviour_20_a_task_goes_to_its_own_node_or_waits_and_says_why() {
    check(
        "node n1 memory=100m
         node n2
         svc big mode=global reserve-memory=1g
         run
         show
         node n1 memory=2g
         run
         show",
        expect![[r#"
            big.n1 pending - "insufficient resources on 1 node"
            big.n2 running n2
            --
            big.n1 running n1
            big.n2 running n2
            --
        "#]],
    );
}

#[test]
fn behaviour_21_a_node_that_is_gone_takes_its_tasks_along() {
    check(
        "node n1
         node n2
         node n3 memory=5m
         svc web mode=global reserve-memory=10m
         run
         show
         node n1 gone
         node n3 gone
         run
         show",
        expect![[r#"
            web.n1 running n1
            web.n2 running n2
            web.n3 pending - "insufficient resources on 1 node"
            --
            web.n2 running n2
            --
        "#]],
    );
}

#[test]
fn behaviour_21_a_service_that_is_gone_takes_its_tasks_along() {
    check(
        "node n1
         node n2
         svc web mode=global
         run
         rm web
         decide
         show
         run
         show",
        expect![[r#"
            ?.n1 running n1 desired=remove
            ?.n2 running n2 desired=remove
            --
            --
        "#]],
    );
}

#[test]
fn behaviour_22_a_drained_node_stops_its_task_and_gets_another_when_it_is_active() {
    check(
        "node n1
         node n2
         svc web mode=global
         run
         node n1 drain
         decide
         show
         update web label=x
         run
         show
         node n1 active
         run
         show",
        expect![[r#"
            web.n1 running n1 desired=shutdown
            web.n2 running n2
            --
            web.n1 shutdown n1 desired=shutdown
            web.n2 running n2
            --
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            web.n2 running n2
            --
        "#]],
    );
}

#[test]
fn a_node_that_is_active_again_gets_a_task_whatever_the_policy() {
    check(
        "node n1
         svc web mode=global restart=none
         svc db mode=global restart=on-failure
         run
         state db.n1 complete
         node n1 drain
         run
         node n1 active
         run
         show",
        expect![[r#"
            db.n1 complete n1 desired=shutdown
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            --
        "#]],
    );
}

#[test]
fn a_new_task_waits_for_the_one_that_the_node_still_stops() {
    check(
        "node n1
         svc web mode=global
         run
         node n1 drain
         decide
         node n1 active
         decide
         show
         run
         show",
        expect![[r#"
            web.n1 running n1 desired=shutdown
            web.n1 assigned n1 desired=ready
            --
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_23_a_paused_node_keeps_its_task_and_gets_no_new_one() {
    check(
        "node n1
         node n2
         svc web mode=global
         run
         node n1 pause
         run
         svc api mode=global
         run
         show
         state web.n1 failed \"boom\"
         wait 60
         run
         show
         node n1 active
         run
         show",
        expect![[r#"
            api.n2 running n2
            web.n1 running n1
            web.n2 running n2
            --
            api.n2 running n2
            web.n1 failed n1 desired=shutdown "boom"
            web.n2 running n2
            --
            api.n1 running n1
            api.n2 running n2
            web.n1 failed n1 desired=shutdown "boom"
            web.n1 running n1
            web.n2 running n2
            --
        "#]],
    );
}

#[test]
fn behaviour_24_a_node_that_is_down_loses_its_task_and_gets_another_when_it_is_ready() {
    check(
        "node n1
         node n2
         svc web mode=global
         run
         node n1 down
         decide
         show
         node n1 ready
         decide
         show
         run
         show",
        expect![[r#"
            web.n1 running n1 desired=shutdown
            web.n2 running n2
            --
            web.n1 running n1 desired=shutdown
            web.n1 assigned n1 desired=ready
            web.n2 running n2
            --
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            web.n2 running n2
            --
        "#]],
    );
}

/// Swarm does nothing here until something else makes it look at the node. Ours decides by what is
/// stored, and a new leader could not tell that a task object was once there.
#[test]
fn behaviour_25_a_deleted_task_object_is_replaced() {
    check(
        "node n1
         svc web mode=global
         run
         rm web.n1
         run
         show",
        expect![[r#"
            web.n1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_26_a_failed_task_is_recreated_if_the_policy_says_so() {
    check(
        "node n1
         svc any mode=global
         svc none mode=global restart=none
         run
         state any.n1 failed
         state none.n1 failed
         decide
         show
         wait 5
         run
         update none label=x
         run
         show",
        expect![[r#"
            any.n1 failed n1 desired=shutdown
            any.n1 assigned n1 desired=ready
            none.n1 failed n1 desired=shutdown
            --
            any.n1 failed n1 desired=shutdown
            any.n1 running n1
            none.n1 failed n1 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn behaviour_27_of_two_live_tasks_on_a_node_one_is_shut_down() {
    check(
        "node n1
         svc web mode=global
         task web.n1 starting n1 ago=30
         task web.n1 running n1 ago=20
         lead
         decide
         show",
        expect![[r#"
            web.n1 starting n1 desired=shutdown
            web.n1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_28_services_do_not_touch_each_others_tasks() {
    check(
        "node n1
         svc one mode=global delay=0
         svc two mode=global delay=0
         run
         state two.n1 failed
         run
         show
         update one image=web:2
         run
         show",
        expect![[r#"
            one.n1 running n1
            two.n1 failed n1 desired=shutdown
            two.n1 running n1
            --
            one.n1 shutdown n1 desired=shutdown
            one.n1 running n1
            two.n1 failed n1 desired=shutdown
            two.n1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_29_a_task_whose_service_is_gone_is_forgotten() {
    check(
        "node n1
         svc web mode=global
         svc old mode=global
         task web.n1 running n1
         task old.n1 failed n1
         task old.n1 running n1
         rm old
         lead
         decide
         show
         run
         show",
        expect![[r#"
            ?.n1 running n1 desired=remove
            web.n1 running n1
            --
            web.n1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_30_tasks_on_nodes_that_are_drained_or_gone_are_shut_down_and_not_recreated() {
    check(
        "node n1 drain
         svc web mode=global
         task web.n1 running n1
         task web.nowhere running nowhere
         lead
         decide
         show",
        expect![[r#"
            web.n1 running n1 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn behaviour_31_attempts_are_counted_from_the_stored_tasks() {
    check(
        "node n1
         svc web mode=global attempts=2 delay=0
         run
         state web.n1 failed
         run
         state web.n1 failed
         run
         show
         state web.n1 failed
         run
         show",
        expect![[r#"
            web.n1 failed n1 desired=shutdown
            web.n1 failed n1 desired=shutdown
            web.n1 running n1
            --
            web.n1 failed n1 desired=shutdown
            web.n1 failed n1 desired=shutdown
            web.n1 failed n1 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn a_node_that_no_longer_meets_the_constraints_loses_the_task_and_one_that_does_gets_one() {
    check(
        "node n1 label.zone=a
         node n2 label.zone=b
         svc web mode=global constraint=node.labels.zone==a
         run
         node n1 label.zone=b
         node n2 label.zone=a
         run
         show",
        expect![[r#"
            web.n1 shutdown n1 desired=shutdown
            web.n2 running n2
            --
        "#]],
    );
}

#[test]
fn swarm_leaves_a_slot_that_its_policy_does_not_restart_empty_when_the_node_is_back() {
    check(
        "compat swarm
         node n1
         svc none mode=global restart=none
         svc any mode=global
         run
         node n1 drain
         run
         node n1 active
         run
         show",
        expect![[r#"
            any.n1 shutdown n1 desired=shutdown
            any.n1 running n1
            none.n1 shutdown n1 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn what_a_node_has_stays_while_it_is_unknown_disconnected_or_paused() {
    check(
        "node n1
         node n2
         node n3
         svc all mode=global
         svc every mode=global-job
         svc web replicas=3
         run
         node n1 unknown
         node n2 disconnected
         node n3 pause
         run
         wait 90000
         run
         show",
        expect![[r#"
            all.n1 running n1
            all.n2 running n2
            all.n3 running n3
            every.n1 running n1 desired=complete
            every.n2 running n2 desired=complete
            every.n3 running n3 desired=complete
            web.1 running n1
            web.2 running n2
            web.3 running n3
            --
        "#]],
    );
}
