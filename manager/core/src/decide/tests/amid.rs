//! What happens in the middle of an update. Numbers are those of semantics part 14.

use expect_test::expect;

use crate::testing::{check, cluster};

#[test]
fn an_update_goes_on_while_nodes_drain() {
    check(
        "node n1
         node n2
         svc web replicas=4
         run
         update web image=web:2
         decide
         node n1 drain
         run
         show
         wait 5
         run
         status web",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 shutdown n1 desired=shutdown
            web.1 running n2
            web.2 shutdown n2 desired=shutdown
            web.2 running n2
            web.3 shutdown n1 desired=shutdown
            web.3 running n2
            web.4 shutdown n2 desired=shutdown
            web.4 running n2
            --
            web: completed 4 "update completed"
        "#]],
    );
}

#[test]
fn an_update_takes_over_from_one_that_is_under_way() {
    check(
        "node n1
         svc web replicas=3
         run
         update web image=web:2
         decide
         state web.1/a shutdown
         state web.1 running
         decide
         update web image=web:3
         decide
         show
         status web
         run
         wait 5
         run
         show
         status web",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 running n1 desired=shutdown
            web.2 assigned n1 desired=shutdown
            web.2 assigned n1 desired=ready
            web.3 running n1
            --
            web: updating 3 "update in progress", waiting for task web.2/c to run for 660.0
            web.1 shutdown n1 desired=shutdown
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 shutdown n1 desired=shutdown
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            web.3 shutdown n1 desired=shutdown
            web.3 running n1
            --
            web: completed 3 "update completed"
        "#]],
    );
}

#[test]
fn specs_written_in_quick_succession_take_no_more_slots_down_than_may_be() {
    let script = "node n1
         svc web replicas=3
         run
         update web image=web:2
         decide
         update web image=web:3
         decide
         update web label=x
         decide
         show
         status web
         run
         wait 5
         run
         status web";
    check(
        script,
        expect![[r#"
        web.1 running n1 desired=shutdown
        web.1 assigned n1 desired=shutdown
        web.1 assigned n1 desired=ready
        web.2 running n1
        web.3 running n1
        --
        web: updating 2 "update in progress", waiting for task web.1/c to run for 660.0
        web: completed 2 "update completed"
    "#]],
    );
    check(
        &format!("compat swarm\n{script}"),
        expect![[r#"
        web.1 running n1 desired=shutdown
        web.1 assigned n1 desired=ready
        web.2 running n1 desired=shutdown
        web.2 assigned n1 desired=ready
        web.3 running n1 desired=shutdown
        web.3 assigned n1 desired=ready
        --
        web: updating 2 "update in progress", waiting for task web.3/b to run
        web: completed 2 "update completed"
    "#]],
    );
}

#[test]
fn a_start_first_update_that_is_taken_back_keeps_the_tasks_that_run() {
    check(
        "node n1
         svc web replicas=2 update.order=start-first
         run
         update web image=web:2
         decide
         show
         update web image=web:1
         run
         show
         status web",
        expect![[r#"
            web.1 running n1
            web.1 assigned n1
            web.2 running n1
            --
            web.1 running n1
            web.1 shutdown n1 desired=shutdown
            web.2 running n1
            --
            web: completed 1 "update completed"
        "#]],
    );
}

#[test]
fn a_label_that_changes_amid_an_update_leaves_the_old_task_until_the_new_one_runs() {
    check(
        "node n1
         svc web update.order=start-first
         run
         update web image=web:2
         decide
         update web label=x
         decide
         show
         status web
         run
         show
         status web",
        expect![[r#"
            web.1 running n1
            web.1 assigned n1
            --
            web: updating 1 "update in progress", waiting for task web.1/b to run for 600.0
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            --
            web: completed 1 "update completed"
        "#]],
    );
}

#[test]
fn a_label_strands_no_task_that_waits_for_a_node() {
    check(
        "svc web replicas=2\ndecide\nupdate web label=x\ndecide\nshow\nnode n1\nrun\nshow\nstatus web",
        expect![[r#"
            web.1 pending - "no suitable node"
            web.2 pending - "no suitable node"
            --
            web.1 running n1
            web.2 running n1
            --
            web: no update
        "#]],
    );
}

#[test]
fn scaling_down_amid_an_update_ends_no_more_than_it_must() {
    check(
        "node n1
         svc web replicas=4
         run
         update web image=web:2
         decide
         update web replicas=2
         decide
         show
         run
         wait 5
         run
         show
         status web",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 running n1
            web.3 running n1 desired=remove
            web.4 running n1 desired=remove
            --
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            --
            web: completed 1 "update completed"
        "#]],
    );
}

#[test]
fn a_removed_task_or_service_ends_no_update_badly() {
    check(
        "node n1
         svc web replicas=2
         svc api replicas=2
         run
         update web image=web:2
         update api image=web:2
         decide
         rm web.1
         rm api
         run
         wait 5
         run
         show
         status web",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            --
            web: completed 2 "update completed"
        "#]],
    );
}

#[test]
fn a_lost_node_amid_a_stop_first_replacement_moves_the_new_task() {
    check(
        "node n1
         node n2 pause
         svc web
         run
         update web image=web:2
         decide
         node n2 active
         node n1 down
         decide
         show
         run
         wait 5
         run
         show
         status web",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=shutdown
            web.1 assigned n2
            --
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=shutdown
            web.1 running n2
            --
            web: completed 1 "update completed"
        "#]],
    );
}

#[test]
fn constraints_move_what_does_not_fit_at_the_updates_pace() {
    check(
        "node n1
         node n2 label.zone=a
         svc web replicas=4
         run
         update web constraint=node.labels.zone==a
         decide
         show
         status web
         run
         wait 5
         run
         show
         status web",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n2 desired=ready
            web.2 running n2
            web.3 running n1
            web.4 running n2
            --
            web: updating 2 "update in progress", waiting for task web.1/b to run for 660.0
            web.1 shutdown n1 desired=shutdown
            web.1 running n2
            web.2 running n2
            web.3 shutdown n1 desired=shutdown
            web.3 running n2
            web.4 running n2
            --
            web: completed 2 "update completed"
        "#]],
    );
}

#[test]
fn a_new_leader_changes_nothing_in_any_phase() {
    let phases = [
        "update web image=web:2\nPHASE\ndecide",
        "state web.1/a shutdown\nPHASE\ndecide",
        "state web.1 running\nPHASE\ndecide",
        "wait 4\nPHASE\ndecide",
        "run\nPHASE\nwait 4\nrun",
        "wait 4\nPHASE\nrun",
        "state web.2 failed\nPHASE\ndecide",
        "rollback web\nPHASE\ndecide",
        "run\nwait 1\nPHASE\nrun",
        "wait 8\nPHASE\nrun",
    ];
    let start = "node n1\nsvc web replicas=2 update.delay=4 update.monitor=7\nrun\n";
    let plain = phases.join("\n").replace("PHASE\n", "");
    let expected = crate::testing::cluster(&format!("{start}{plain}"));
    for phase in 0..phases.len() {
        let led: Vec<_> = phases
            .iter()
            .enumerate()
            .map(|(n, text)| text.replace("PHASE", if n == phase { "lead" } else { "obey 99" }))
            .collect();
        let led = led.join("\n").replace("obey 99\n", "");
        let found = crate::testing::cluster(&format!("{start}{led}"));
        assert_eq!(found.view(), expected.view(), "a new leader in phase {phase}");
    }
}

#[test]
fn a_global_service_is_updated_at_the_same_pace_but_for_paused_nodes() {
    check(
        "node n1
         node n2
         node n3
         svc all mode=global
         run
         node n3 pause
         update all image=web:2
         decide
         show
         status all
         run
         wait 5
         run
         show
         status all",
        expect![[r#"
            all.n1 running n1 desired=shutdown
            all.n1 assigned n1 desired=ready
            all.n2 running n2
            all.n3 running n3
            --
            all: updating 2 "update in progress", waiting for task all.3uvw2piz92z3zj22fa37onmez/b to run for 660.0
            all.n1 shutdown n1 desired=shutdown
            all.n1 running n1
            all.n2 shutdown n2 desired=shutdown
            all.n2 running n2
            all.n3 running n3
            --
            all: completed 2 "update completed"
        "#]],
    );
}

#[test]
fn a_global_services_old_task_stays_until_the_new_one_runs_though_the_update_is_over() {
    check(
        "node n1
         svc all mode=global update.order=start-first
         run
         update all image=web:2
         decide
         compat swarm
         update all label=x
         decide
         show
         status all
         run
         show",
        expect![[r#"
            all.n1 running n1
            all.n1 assigned n1
            --
            all: completed 1 "update completed"
            all.n1 shutdown n1 desired=shutdown
            all.n1 running n1
            --
        "#]],
    );
}

#[test]
fn a_task_whose_constraint_was_lifted_is_not_held_to_it_amid_the_next_update() {
    check(
        "node n1 label.zone=a
         svc web replicas=2 constraint=node.labels.zone==a
         run
         update web constraint=node.hostname==n1
         run
         node n1 label.zone=b
         run
         update web image=web:2
         decide
         lead
         decide
         show",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn an_old_task_stays_where_it_may_not_be_until_its_successor_runs() {
    let mut cluster = cluster(
        "node n1
         svc web update.order=start-first update.ratio=1 label=skep.start_deadline:30s
         run
         update web constraint=node.labels.zone==a
         decide
         wait 40
         decide
         lead",
    );
    cluster.expect(
        "decide
         show
         status web
         node n2 label.zone=a
         run
         show",
        expect![[r#"
            web.1 running n1
            web.1 pending - "no suitable node (scheduling constraints not satisfied on 1 node)"
            --
            web: completed 1 "update completed"
            web.1 shutdown n1 desired=shutdown
            web.1 running n2
            --
        "#]],
    );
}
