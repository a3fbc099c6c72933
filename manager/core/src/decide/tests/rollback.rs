//! How services go back to the spec before, or to an older one. Numbers are those of semantics part 14.

use expect_test::expect;

use crate::testing::check;

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

/// The restart's delay belongs to the spec that failed: the slot is not down for an hour for it.
#[test]
fn a_rollback_replaces_what_failed_at_once_and_watches_what_it_makes() {
    check(
        "node n1
         svc web delay=3600 update.action=rollback
         run
         update web image=web:2
         run
         state web.1 failed \"boom\"
         decide
         show
         run
         status web
         state web.1 failed \"boom\"
         decide
         status web
         show",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown "boom"
            web.1 assigned n1
            --
            web: rollback_started 1 "update rolled back due to failure or early termination of task web.1/b", watching the new tasks for failures for 5.0
            web: rollback_paused 1 "rollback paused due to failure or early termination of task web.1/c"
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown "boom"
            web.1 failed n1 desired=shutdown "boom"
            web.1 assigned n1 desired=ready
            --
        "#]],
    );
}

#[test]
fn a_paused_update_goes_on_with_a_write_that_changes_nothing() {
    check(
        "node n1
         svc web replicas=3 delay=0 update.delay=10
         run
         update web image=web:2
         run
         state web.1 failed \"boom\"
         run
         status web
         update web
         run
         status web
         show",
        expect![[r#"
            web: paused 3 "update paused due to failure or early termination of task web.1/b"
            web: updating 2 "update in progress", waiting for the update delay to pass for 10.0
            web.1 shutdown n1 desired=shutdown
            web.1 failed n1 desired=shutdown "boom"
            web.1 running n1
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            web.3 running n1
            --
        "#]],
    );
}
