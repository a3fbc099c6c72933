//! Which of two tasks comes first, and what is made of new ones that do not run. Numbers are those of semantics part 14.

use expect_test::expect;

use crate::testing::check;

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
