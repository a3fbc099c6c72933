//! How updates roll out. Numbers are those of semantics part 14.

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
