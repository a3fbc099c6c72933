use expect_test::expect;

use crate::testing::{check, cluster};

#[test]
fn behaviour_39_a_new_leader_forgets_what_is_to_be_forgotten() {
    check(
        "node n1
         svc web
         task web.1 running n1
         task web.2 shutdown n1 desired=remove
         task web.3 running n1 desired=remove
         svc old
         task old.1 failed n1
         task old.2 running n1
         task old.3 pending
         rm old
         lead
         decide
         show",
        expect![[r#"
            ?.2 running n1 desired=remove
            web.1 running n1
            web.3 running n1 desired=remove
            --
        "#]],
    );
}

#[test]
fn behaviour_40_a_slot_keeps_as_many_tasks_as_the_limit() {
    check(
        "history 2
         node n1
         svc web delay=0
         run
         state web.1 failed \"first\"
         run
         state web.1 failed \"second\"
         run
         state web.1 failed \"third\"
         run
         show",
        expect![[r#"
            web.1 failed n1 desired=shutdown "third"
            web.1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_41_a_task_to_be_removed_stays_until_its_node_says_that_it_ended() {
    check(
        "node n1\nsvc web\nrun\nupdate web replicas=0\ndecide\nshow\nstate web.1 shutdown\ndecide\nshow",
        expect![[r#"
        web.1 running n1 desired=remove
        --
        --
    "#]],
    );
}

#[test]
fn behaviour_42_and_43_ended_and_unplaced_tasks_of_a_removed_service_go_at_once() {
    check(
        "node n1
         svc web restart=none replicas=2
         task web.1 complete n1
         task web.2 pending
         rm web
         decide
         show",
        expect![[r#"
            --
        "#]],
    );
}

#[test]
fn behaviour_46_a_task_that_still_runs_is_not_trimmed() {
    check(
        "history 1
         node n1
         svc web
         run
         update web image=web:2
         decide
         show",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            --
        "#]],
    );
}

#[test]
fn a_slot_that_was_given_up_stays_given_up_whatever_the_limit() {
    check(
        "history 0
         node n1
         svc web restart=none
         run
         state web.1 complete
         run
         lead
         run
         show",
        expect![[r#"
            web.1 complete n1 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn a_negative_limit_keeps_everything() {
    let fail = "state web.1 failed\nrun\n".repeat(7);
    check(
        &format!("history -1\nnode n1\nsvc web delay=0\nrun\n{fail}show"),
        expect![[r#"
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.1 failed n1 desired=shutdown
        web.1 running n1
        --
    "#]],
    );
}

#[test]
fn behaviour_45_only_slots_above_the_limit_are_trimmed() {
    check(
        "history 2
         node n1
         svc web replicas=2
         svc all mode=global
         svc old
         task web.1 failed n1 ago=30 desired=shutdown
         task web.1 failed n1 ago=20 desired=shutdown
         task web.1 running n1 ago=10
         task web.2 failed n1 ago=30 desired=shutdown
         task web.2 running n1 ago=10
         task all.n1 failed n1 ago=30 desired=shutdown
         task all.n1 failed n1 ago=20 desired=shutdown
         task all.n1 running n1 ago=10
         task old.1 orphaned n1
         rm old
         lead
         decide
         show",
        expect![[r#"
            all.n1 failed n1 desired=shutdown
            all.n1 running n1
            web.1 failed n1 desired=shutdown
            web.1 running n1
            web.2 failed n1 desired=shutdown
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn attempts_are_kept_whatever_the_limit() {
    check(
        "history 1
         node n1
         svc web attempts=2 window=1000 delay=0
         run
         state web.1 failed
         run
         state web.1 failed
         run
         node n1 drain
         node n2
         run
         show
         state web.1 failed
         run
         show",
        expect![[r#"
            web.1 failed n1 desired=shutdown
            web.1 shutdown n1 desired=shutdown
            web.1 running n2
            --
            web.1 failed n1 desired=shutdown
            web.1 shutdown n1 desired=shutdown
            web.1 failed n2 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn a_new_task_that_fails_again_and_again_beside_the_old_one_is_forgotten_in_time() {
    let script =
        "node n1\nsvc web delay=1 update.order=start-first\nrun\nupdate web image=web:2\nrun";
    let mut cluster = cluster(script);
    for _ in 0..30 {
        cluster.run("state web.1 failed \"boom\"\nwait 2\nrun");
    }
    assert!(cluster.view().tasks_len() <= 7, "{} tasks", cluster.view().tasks_len());
}
