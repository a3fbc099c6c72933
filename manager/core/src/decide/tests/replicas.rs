use expect_test::expect;

use crate::testing::check;

#[test]
fn behaviour_1_a_service_gets_as_many_tasks_as_replicas_on_distinct_slots() {
    check(
        "node n1\nsvc web replicas=3\ndecide\nshow\nrun\nshow",
        expect![[r#"
        web.1 assigned n1
        web.2 assigned n1
        web.3 assigned n1
        --
        web.1 running n1
        web.2 running n1
        web.3 running n1
        --
    "#]],
    );
}

#[test]
fn behaviour_1_a_new_leader_makes_the_tasks_of_a_service_it_finds() {
    check(
        "node n1\nsvc web replicas=2\nlead\ndecide\nshow",
        expect![[r#"
        web.1 assigned n1
        web.2 assigned n1
        --
    "#]],
    );
}

#[test]
fn behaviour_2_scaling_up_adds_only_what_is_missing_in_the_lowest_free_slots() {
    check(
        "node n1
         svc web replicas=3
         task web.1 running n1
         task web.4 running n1
         decide
         show",
        expect![[r#"
            web.1 running n1
            web.2 assigned n1
            web.4 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_3_scaling_down_removes_the_surplus_and_leaves_the_rest() {
    check(
        "node n1
         svc web replicas=3
         run
         update web replicas=1
         decide
         show
         run
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n1 desired=remove
            web.3 running n1 desired=remove
            --
            web.1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_4_a_deleted_task_is_made_again() {
    check(
        "node n1\nsvc web replicas=2\nrun\nrm web.1\ndecide\nshow",
        expect![[r#"
        web.1 assigned n1
        web.2 running n1
        --
    "#]],
    );
}

#[test]
fn behaviour_5_the_tasks_of_a_removed_service_end_and_are_forgotten() {
    check(
        "node n1\nsvc web replicas=2\nrun\nrm web\ndecide\nshow\nrun\nshow",
        expect![[r#"
        ?.1 running n1 desired=remove
        ?.2 running n1 desired=remove
        --
        --
    "#]],
    );
}

#[test]
fn behaviour_6_scaling_down_takes_the_unplaced_then_the_crowded_then_what_does_not_run() {
    // Nodes hold one, two and three tasks, and one task has no node: 7 -> 6 -> 4 -> 2.
    let start = "node n1 pause
         node n2 pause
         node n3 pause
         svc web replicas=7
         task web.1 running n1
         task web.2 running n2
         task web.3 starting n2
         task web.4 running n3
         task web.5 running n3
         task web.6 running n3
         task web.7 pending
         decide
         update web replicas=6
         run
         show
         update web replicas=4
         run
         show
         update web replicas=2
         run
         show";
    check(
        start,
        expect![[r#"
        web.1 running n1
        web.2 running n2
        web.3 running n2
        web.4 running n3
        web.5 running n3
        web.6 running n3
        --
        web.1 running n1
        web.2 running n2
        web.3 running n2
        web.4 running n3
        --
        web.1 running n1
        web.2 running n2
        --
    "#]],
    );
}

#[test]
fn behaviour_11_tasks_on_lost_and_drained_nodes_are_replaced_and_others_stay() {
    check(
        "node n1
         node n2 down
         node n3 drain
         node n4 unknown
         node n5 pause
         svc web replicas=5
         task web.1 running n1
         task web.2 running n2
         task web.3 running n3
         task web.4 running n4
         task web.5 running n5
         decide
         show
         run
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n2 desired=shutdown
            web.2 assigned n1
            web.3 running n3 desired=shutdown
            web.3 assigned n1 desired=ready
            web.4 running n4
            web.5 running n5
            --
            web.1 running n1
            web.2 running n2 desired=shutdown
            web.2 running n1
            web.3 shutdown n3 desired=shutdown
            web.3 running n1
            web.4 running n4
            web.5 running n5
            --
        "#]],
    );
}

#[test]
fn behaviour_11_unplaced_tasks_are_left_alone_by_a_drain() {
    check(
        "node n1 drain\nsvc web replicas=1\ndecide\nshow",
        expect![[r#"
        web.1 pending - "no suitable node (1 node not available for new tasks)"
        --
    "#]],
    );
}

#[test]
fn behaviour_12_tasks_on_nodes_that_go_down_drain_or_leave_are_replaced() {
    check(
        "node n1
         node n2
         node n3
         svc web replicas=3 delay=0
         run
         show
         node n1 down
         run
         show
         node n2 drain
         run
         node n3 gone
         decide
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n2
            web.3 running n3
            --
            web.1 running n1 desired=shutdown
            web.1 running n2
            web.2 running n2
            web.3 running n3
            --
            web.1 running n1 desired=shutdown
            web.1 shutdown n2 desired=shutdown
            web.1 orphaned gone desired=shutdown "Task belonged to a node that has been deleted"
            web.1 pending - "no suitable node (2 nodes not available for new tasks)"
            web.2 shutdown n2 desired=shutdown
            web.2 orphaned gone desired=shutdown "Task belonged to a node that has been deleted"
            web.2 pending - "no suitable node (2 nodes not available for new tasks)"
            web.3 orphaned gone desired=shutdown "Task belonged to a node that has been deleted"
            web.3 pending - "no suitable node (2 nodes not available for new tasks)"
            --
        "#]],
    );
}

#[test]
fn a_drained_node_keeps_its_task_until_it_stopped_and_the_next_waits_a_minute_at_most() {
    check(
        "node n1
         node n2
         svc web replicas=1
         task web.1 running n1
         decide
         node n1 drain
         decide
         show
         wake
         wait 60
         decide
         show",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n2 desired=ready
            --
            wake in 60.0
            web.1 running n1 desired=shutdown
            web.1 assigned n2
            --
        "#]],
    );
}
