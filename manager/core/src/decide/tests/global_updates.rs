//! Updates of global services.

use expect_test::expect;

use crate::testing::{check, cluster};

#[test]
fn behaviour_23_an_update_leaves_a_paused_node_out_and_the_node_follows_once_it_is_active() {
    check(
        "node n1
         node n2
         svc web mode=global update.monitor=0
         run
         node n1 pause
         update web image=web:2
         run
         status web
         show
         node n1 active
         decide
         status web
         show
         run
         show",
        expect![[r#"
            web: completed 1 "update completed"
            web.n1 running n1
            web.n2 shutdown n2 desired=shutdown
            web.n2 running n2
            --
            web: completed 1 "update completed"
            web.n1 running n1 desired=shutdown
            web.n1 assigned n1 desired=ready
            web.n2 shutdown n2 desired=shutdown
            web.n2 running n2
            --
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            web.n2 shutdown n2 desired=shutdown
            web.n2 running n2
            --
        "#]],
    );
}

#[test]
fn an_update_of_a_global_service_takes_one_node_after_the_other() {
    check(
        "node n1
         node n2
         node n3
         svc web mode=global update.delay=10
         run
         update web image=web:2
         decide
         show
         run
         status web
         node n4
         run
         show
         wait 10
         run
         wait 10
         run
         wait 11
         run
         status web
         show",
        expect![[r#"
            web.n1 running n1 desired=shutdown
            web.n1 assigned n1 desired=ready
            web.n2 running n2
            web.n3 running n3
            --
            web: updating 3 "update in progress", waiting for the update delay to pass for 10.0
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            web.n2 running n2
            web.n3 running n3
            web.n4 running n4
            --
            web: completed 3 "update completed"
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            web.n2 shutdown n2 desired=shutdown
            web.n2 running n2
            web.n3 shutdown n3 desired=shutdown
            web.n3 running n3
            web.n4 running n4
            --
        "#]],
    );
}

#[test]
fn a_paused_node_that_becomes_active_joins_the_update_that_is_under_way() {
    check(
        "node n1
         node n2
         svc web mode=global update.delay=10
         run
         node n1 pause
         update web image=web:2
         run
         node n1 active
         run
         show
         wait 10
         run
         show",
        expect![[r#"
            web.n1 running n1
            web.n2 shutdown n2 desired=shutdown
            web.n2 running n2
            --
            web.n1 shutdown n1 desired=shutdown
            web.n1 running n1
            web.n2 shutdown n2 desired=shutdown
            web.n2 running n2
            --
        "#]],
    );
}

#[test]
fn a_paused_update_of_a_global_service_is_not_gone_on_with_by_a_node() {
    check(
        "node n1
         node n2
         svc web mode=global restart=none update.delay=100
         run
         update web image=web:2
         run
         state web.n1 failed
         run
         status web
         node n1 label.zone=a
         node n2 label.zone=a
         run
         show",
        expect![[r#"
            web: paused 2 "update paused due to failure or early termination of task web.3uvw2piz92z3zj22fa37onmez/b"
            web.n1 shutdown n1 desired=shutdown
            web.n1 failed n1 desired=shutdown
            web.n2 running n2
            --
        "#]],
    );
}

#[test]
fn behaviour_26_a_spec_change_recreates_what_was_given_up() {
    check(
        "node n1
         svc web mode=global restart=none
         run
         state web.n1 failed
         run
         update web image=web:2
         run
         show",
        expect![[r#"
            web.n1 failed n1 desired=shutdown
            web.n1 running n1
            --
        "#]],
    );
}

#[test]
fn an_update_hears_at_once_of_a_task_that_was_ended_before_it_got_a_node() {
    check(
        "compat swarm
         node n1 memory=50m
         svc all mode=global
         run
         update all reserve-memory=100m
         run
         status all
         node n1 drain
         decide
         status all
         show",
        expect![[r#"
            all: updating 1 "update in progress", waiting for task all.3uvw2piz92z3zj22fa37onmez/b to run
            all: completed 1 "update completed"
            all.n1 shutdown n1 desired=shutdown
            all.n1 shutdown - desired=shutdown
            --
        "#]],
    );
}

#[test]
fn a_slot_with_the_tasks_of_two_overtaken_updates_gets_one_new_task() {
    check(
        "node n1
         svc web update.order=start-first update.parallelism=3 restart=none
         decide
         update web image=web:2
         decide
         update web image=web:3
         decide
         update web image=web:4
         decide
         show",
        expect![[r#"
            web.1 assigned n1 desired=shutdown
            web.1 assigned n1 desired=shutdown
            web.1 assigned n1
            web.1 assigned n1
            --
        "#]],
    );
}

#[test]
fn a_node_that_an_update_left_an_old_task_on_is_not_looked_at_for_ever() {
    cluster(
        "node n1
         node n2
         svc all mode=global
         run
         update all image=web:2
         compat swarm
         update all image=web:3
         decide
         rollback all
         node n1 pause
         decide",
    );
}
