//! How updates and rollbacks roll out. Numbers are those of semantics part 14.

use expect_test::expect;

use crate::testing::check;

#[test]
fn behaviour_32_an_update_takes_so_many_slots_at_once_and_says_how_it_goes() {
    check(
        "node n1
         svc web replicas=5 update.parallelism=2 update.monitor=3
         run
         status web
         update web image=web:2
         decide
         show
         status web
         run
         status web
         wake
         wait 3
         run
         status web
         wake",
        expect![[r#"
            web: no update
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 running n1 desired=shutdown
            web.2 assigned n1 desired=ready
            web.3 running n1
            web.4 running n1
            web.5 running n1
            --
            web: updating 5 "update in progress", waiting for task web.2/b and 1 more to run for 660.0
            web: updating 5 "update in progress", watching the new tasks for failures for 3.0
            wake in 3.0
            web: completed 5 "update completed"
            wake never
        "#]],
    );
}

#[test]
fn behaviour_32_every_pace_comes_to_the_same_end() {
    for parallelism in [0, 1, 2, 3, 7] {
        for delay in [0, 4] {
            for monitor in [0, 5] {
                for order in ["stop-first", "start-first"] {
                    let mut cluster = crate::testing::cluster(&format!(
                        "node n1
                         svc web replicas=3 update.parallelism={parallelism} update.delay={delay} \
                         update.monitor={monitor} update.order={order}
                         run
                         update web image=web:2
                         run"
                    ));
                    for _ in 0..5 {
                        cluster.run("wait 6\nrun");
                    }
                    cluster.expect("status web\nshow", expect_end());
                }
            }
        }
    }
}

fn expect_end() -> expect_test::Expect {
    expect![[r#"
        web: completed 3 "update completed"
        web.1 shutdown n1 desired=shutdown
        web.1 running n1
        web.2 shutdown n1 desired=shutdown
        web.2 running n1
        web.3 shutdown n1 desired=shutdown
        web.3 running n1
        --
    "#]]
}

#[test]
fn a_delay_passes_between_two_slots_and_after_the_last_one() {
    check(
        "node n1
         svc web replicas=2 update.delay=10 update.monitor=0
         run
         update web image=web:2
         run
         show
         status web
         wake
         wait 10
         run
         show
         status web
         wait 9.9
         run
         status web
         wait 0.1
         run
         status web",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 running n1
            --
            web: updating 2 "update in progress", waiting for the update delay to pass for 10.0
            wake in 10.0
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            --
            web: updating 2 "update in progress", waiting for the update delay to pass for 10.0
            web: updating 2 "update in progress", waiting for the update delay to pass for 0.1
            web: completed 2 "update completed"
        "#]],
    );
}

#[test]
fn a_delay_longer_than_the_monitoring_period_leaves_a_second_to_watch() {
    // Zero is no monitoring for us; in Swarm it is as long as the delay, and a second.
    let script = "svc web update.delay=2 update.monitor=MONITOR
         node n1
         run
         update web image=web:2
         run
         wake
         wait 2.5
         run
         status web
         state web.1 failed
         run
         status web";
    let with = |monitor: &str| script.replace("MONITOR", monitor);
    check(
        &with("1"),
        expect![[r#"
        wake in 3.0
        web: updating 1 "update in progress", watching the new tasks for failures for 0.5
        web: paused 1 "update paused due to failure or early termination of task web.1/b"
    "#]],
    );
    check(
        &with("4"),
        expect![[r#"
        wake in 4.0
        web: updating 1 "update in progress", watching the new tasks for failures for 1.5
        web: paused 1 "update paused due to failure or early termination of task web.1/b"
    "#]],
    );
    check(
        &with("0"),
        expect![[r#"
        wake in 2.0
        web: completed 1 "update completed"
        web: completed 1 "update completed"
    "#]],
    );
    check(
        &format!("compat swarm\n{}", with("0")),
        expect![[r#"
        wake in 3.0
        web: updating 1 "update in progress", watching the new tasks for failures for 0.5
        web: paused 1 "update paused due to failure or early termination of task web.1/b"
    "#]],
    );
}

#[test]
fn behaviour_35_the_first_failing_task_pauses_the_update_until_the_spec_is_written() {
    check(
        "node n1
         svc web replicas=3 delay=60
         run
         update web image=web:2
         decide
         state web.1/a shutdown
         state web.1 failed \"task: non-zero exit (1)\"
         run
         show
         status web
         wait 300
         run
         lead
         run
         show
         status web
         update web image=web:3
         decide
         status web",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown "task: non-zero exit (1)"
            web.1 ready n1 desired=ready
            web.2 running n1
            web.3 running n1
            --
            web: paused 3 "update paused due to failure or early termination of task web.1/b"
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown "task: non-zero exit (1)"
            web.1 running n1
            web.2 running n1
            web.3 running n1
            --
            web: paused 3 "update paused due to failure or early termination of task web.1/b"
            web: updating 3 "update in progress", waiting for task web.2/b to run for 660.0
        "#]],
    );
}

#[test]
fn behaviour_36_continue_goes_on_though_every_task_fails() {
    check(
        "node n1
         svc web replicas=2 restart=none update.action=continue
         run
         update web image=bad:1
         decide
         state web.1/a shutdown
         state web.1 rejected \"no such image\"
         decide
         show
         state web.2/a shutdown
         state web.2 rejected \"no such image\"
         decide
         show
         status web
         wait 5
         decide
         status web",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 rejected n1 desired=shutdown "no such image"
            web.2 running n1 desired=shutdown
            web.2 assigned n1 desired=ready
            --
            web.1 shutdown n1 desired=shutdown
            web.1 rejected n1 desired=shutdown "no such image"
            web.2 shutdown n1 desired=shutdown
            web.2 rejected n1 desired=shutdown "no such image"
            --
            web: updating 2 "update in progress", watching the new tasks for failures for 5.0
            web: completed 2 "update completed"
        "#]],
    );
}

#[test]
fn a_share_of_failures_is_allowed_and_more_is_not() {
    // Half of four: two may fail, the third is too much.
    let fail = |slot: u64| {
        format!(
            "decide\nstate web.{slot}/a shutdown\nstate web.{slot} failed\ndecide\nstatus web\n"
        )
    };
    let script =
        "node n1\nsvc web replicas=4 delay=100 update.ratio=0.5\nrun\nupdate web image=bad:1\n";
    check(
        &format!("{script}{}{}{}", fail(1), fail(2), fail(3)),
        expect![[r#"
        web: updating 4 "update in progress", waiting for task web.2/b to run for 660.0
        web: updating 4 "update in progress", waiting for task web.3/b to run for 660.0
        web: paused 4 "update paused due to failure or early termination of task web.3/b"
    "#]],
    );
}

#[test]
fn a_task_counts_as_failed_within_the_monitoring_period_only() {
    let script = "node n1
         svc web replicas=2 delay=100 update.monitor=5 update.parallelism=0
         run
         update web image=web:2
         run
         wait 3
         state web.1 complete
         state web.1 shutdown
         run
         status web";
    check(
        script,
        expect![[r#"
        web: paused 2 "update paused due to failure or early termination of task web.1/b"
    "#]],
    );
    check(
        &script.replace("wait 3", "wait 5.1"),
        expect![[r#"
        web: completed 2 "update completed"
    "#]],
    );
    check(
        &script.replace("monitor=5", "monitor=0"),
        expect![[r#"
        web: completed 2 "update completed"
    "#]],
    );
}

#[test]
fn behaviour_19_a_failing_update_goes_back_by_itself() {
    check(
        "node n1
         svc web replicas=3 delay=0 update.action=rollback rollback.parallelism=0
         run
         update web image=bad:1
         decide
         state web.1/a shutdown
         state web.1 failed \"task: non-zero exit (1)\"
         decide
         status web
         show
         run
         wait 5
         run
         show
         status web
         rollback web
         update web image=web:2
         run
         wait 5
         run
         status web",
        expect![[r#"
            web: rollback_started 1 "update rolled back due to failure or early termination of task web.1/b", waiting for task web.1/c to run for 600.0
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown "task: non-zero exit (1)"
            web.1 assigned n1
            web.2 running n1
            web.3 running n1
            --
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown "task: non-zero exit (1)"
            web.1 running n1
            web.2 running n1
            web.3 running n1
            --
            web: rollback_completed 1 "rollback completed"
            FailedPrecondition: service id-of-web does not have a previous spec
            web: completed 3 "update completed"
        "#]],
    );
}

#[test]
fn behaviour_19_a_user_goes_back_and_forth() {
    check(
        "node n1
         svc web replicas=2 update.parallelism=0 rollback.parallelism=1
         run
         update web image=web:2
         run
         wait 5
         run
         rollback web
         decide
         status web
         show
         run
         wait 5
         run
         status web
         rollback web
         run
         wait 5
         run
         status web
         show",
        expect![[r#"
            web: rollback_started 2 "manually requested rollback", waiting for task web.1/c to run for 660.0
            web.1 shutdown n1 desired=shutdown
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            --
            web: rollback_completed 2 "rollback completed"
            web: rollback_completed 2 "rollback completed"
            web.1 shutdown n1 desired=shutdown
            web.1 shutdown n1 desired=shutdown
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 shutdown n1 desired=shutdown
            web.2 shutdown n1 desired=shutdown
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn a_failing_rollback_is_paused_whatever_its_config_says() {
    check(
        "node n1
         svc web delay=100 rollback.action=rollback
         run
         update web image=web:2
         run
         rollback web
         decide
         state web.1/b shutdown
         state web.1 failed
         run
         status web
         wait 300
         run
         status web",
        expect![[r#"
            web: rollback_paused 1 "rollback paused due to failure or early termination of task web.1/c"
            web: rollback_paused 1 "rollback paused due to failure or early termination of task web.1/c"
        "#]],
    );
}

#[test]
fn a_service_goes_back_to_any_spec_that_it_kept() {
    check(
        "node n1
         history 3
         svc web update.parallelism=0 rollback.parallelism=0
         run
         update web image=web:2
         run
         update web image=web:3
         run
         update web image=web:4
         run
         update web image=web:5
         run
         revisions web
         rollback web 3
         run
         revisions web
         rollback web 9
         status web",
        expect![[r#"
            web: web:2 web:3 web:4 web:5, before: web:4
            web: web:3 web:4 web:5 web:2, before: web:5
            NotFound: service web has no spec of version 4711: it has 9, 15, 21
            web: rollback_started 1 "manually requested rollback", watching the new tasks for failures for 5.0
        "#]],
    );
}

#[test]
fn a_spec_that_is_the_stored_one_changes_nothing() {
    check(
        "node n1\nsvc web\nrun\nupdate web image=web:1\nrun\nstatus web\nrevisions web\nshow",
        expect![[r#"
            web: no update
            web: web:1, before: none
            web.1 running n1
            --
        "#]],
    );
}

#[test]
fn a_change_of_the_number_of_replicas_is_no_update() {
    check(
        "node n1\nsvc web replicas=2\nrun\nupdate web replicas=3\nrun\nstatus web\nrollback web\nrun\nstatus web\nshow",
        expect![[r#"
            web: no update
            web: rollback_completed 0 "rollback completed"
            web.1 running n1
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_38_start_first_keeps_each_old_task_until_the_new_one_runs() {
    check(
        "node n1
         svc web replicas=2 update.order=start-first
         run
         update web image=web:2
         decide
         show
         state web.1 starting
         decide
         show
         state web.1 running
         decide
         show
         run
         wait 5
         run
         show
         status web",
        expect![[r#"
            web.1 running n1
            web.1 assigned n1
            web.2 running n1
            --
            web.1 running n1
            web.1 starting n1
            web.2 running n1
            --
            web.1 running n1 desired=shutdown
            web.1 running n1
            web.2 running n1
            web.2 assigned n1
            --
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
fn start_first_leaves_the_old_task_alone_when_the_new_one_fails() {
    check(
        "node n1
         svc web replicas=2 delay=5 update.order=start-first
         run
         update web image=bad:1
         decide
         state web.1 failed
         run
         show
         status web
         wait 5
         decide
         show
         state web.1 failed
         decide
         show
         update web image=web:3
         run
         wait 5
         run
         show
         status web",
        expect![[r#"
            web.1 running n1
            web.1 failed n1 desired=shutdown
            web.1 ready n1 desired=ready
            web.2 running n1
            --
            web: paused 2 "update paused due to failure or early termination of task web.1/b"
            web.1 running n1
            web.1 failed n1 desired=shutdown
            web.1 ready n1
            web.2 running n1
            --
            web.1 running n1
            web.1 failed n1 desired=shutdown
            web.1 failed n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 running n1
            --
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown
            web.1 failed n1 desired=shutdown
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
fn a_task_that_does_not_start_counts_as_failed_after_its_deadline() {
    let script = "node n1 memory=1g
         svc web replicas=2 update.order=start-first label=skep.start_deadline:30s
         run
         update web reserve-memory=2g
         decide
         show
         status web
         wake
         wait 30
         decide
         status web";
    check(
        script,
        expect![[r#"
        web.1 running n1
        web.1 pending - "no suitable node (insufficient resources on 1 node)"
        web.2 running n1
        --
        web: updating 2 "update in progress", waiting for task web.1/b to run for 30.0
        wake in 30.0
        web: paused 2 "update paused due to failure or early termination of task web.1/b"
    "#]],
    );
    check(
        &format!("compat swarm\n{script}"),
        expect![[r#"
        web.1 running n1
        web.1 pending - "no suitable node (insufficient resources on 1 node)"
        web.2 running n1
        --
        web: updating 2 "update in progress", waiting for task web.1/b to run
        wake never
        web: updating 2 "update in progress", waiting for task web.1/b to run
    "#]],
    );
    check(
        &script.replace(":30s", ":0s"),
        expect![[r#"
        web.1 running n1
        web.1 pending - "no suitable node (insufficient resources on 1 node)"
        web.2 running n1
        --
        web: updating 2 "update in progress", waiting for task web.1/b to run
        wake never
        web: updating 2 "update in progress", waiting for task web.1/b to run
    "#]],
    );
}

#[test]
fn a_deadline_does_not_run_while_the_old_task_stops() {
    check(
        "node n1
         svc web label=skep.start_deadline:10s
         run
         update web image=web:2
         decide
         state web.1 ready
         wait 40
         decide
         status web
         state web.1/a shutdown
         decide
         status web
         wait 10
         decide
         status web",
        expect![[r#"
            web: updating 1 "update in progress", waiting for task web.1/b to run for 30.0
            web: updating 1 "update in progress", waiting for task web.1/b to run for 10.0
            web: paused 1 "update paused due to failure or early termination of task web.1/b"
        "#]],
    );
}

#[test]
fn what_managers_end_is_no_failure_of_the_new_spec() {
    let script = "node n1
         node n2
         svc web replicas=2 update.parallelism=0
         run
         update web image=web:2
         run
         node n2 LIFE
         run
         status web
         wait 70
         run
         status web";
    for life in ["drain", "gone"] {
        check(&script.replace("LIFE", life), expect_two_lives());
    }
    check(
        &format!("compat swarm\n{}", script.replace("LIFE", "drain")),
        expect![[r#"
        web: paused 2 "update paused due to failure or early termination of task web.2/b"
        web: paused 2 "update paused due to failure or early termination of task web.2/b"
    "#]],
    );
}

fn expect_two_lives() -> expect_test::Expect {
    expect![[r#"
        web: updating 2 "update in progress", watching the new tasks for failures for 5.0
        web: completed 2 "update completed"
    "#]]
}

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
