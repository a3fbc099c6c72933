use expect_test::expect;

use crate::decide::PASS_CHANGES_MAX;
use crate::decide::job::{self, Part};
use crate::testing::{Cluster, check, cluster};

#[test]
fn behaviour_55_and_63_jobs_that_are_there_at_start_are_run() {
    check(
        "node n1
         svc one mode=job:1/1
         svc two mode=global-job
         svc three mode=job:0/3
         svc four mode=job:3/0
         lead
         run
         show",
        expect![[r#"
            one.0 running n1 desired=complete
            two.n1 running n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_56_a_job_that_is_gone_takes_its_tasks_along() {
    check(
        "node n1
         svc batch mode=job:1/2
         run
         state batch.0 complete
         run
         rm batch
         decide
         show",
        expect![[r#"
            ?.1 running n1 desired=remove
            --
        "#]],
    );
}

#[test]
fn behaviour_58_as_many_tasks_as_may_be_at_once_are_made_in_slots_of_their_own() {
    check(
        "node n1
         svc few mode=job:2/5
         svc more mode=job:5/2
         decide
         show
         run
         show",
        expect![[r#"
            few.0 assigned n1 desired=complete
            few.1 assigned n1 desired=complete
            more.0 assigned n1 desired=complete
            more.1 assigned n1 desired=complete
            --
            few.0 running n1 desired=complete
            few.1 running n1 desired=complete
            more.0 running n1 desired=complete
            more.1 running n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_57_and_59_a_task_that_completes_makes_room_for_the_next() {
    check(
        "node n1
         svc batch mode=job:2/4
         run
         state batch.1 complete
         run
         show
         state batch.0 complete
         state batch.2 complete
         run
         state batch.3 complete
         run
         show",
        expect![[r#"
            batch.0 running n1 desired=complete
            batch.1 complete n1 desired=complete
            batch.2 running n1 desired=complete
            --
            batch.0 complete n1 desired=complete
            batch.1 complete n1 desired=complete
            batch.2 complete n1 desired=complete
            batch.3 complete n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_59_the_slot_of_a_task_that_is_shut_down_is_used_again() {
    check(
        "node n1
         svc batch mode=job:2/2
         task batch.0 running n1 desired=shutdown
         task batch.1 running n1 desired=complete
         decide
         show
         run
         show",
        expect![[r#"
            batch.0 running n1 desired=shutdown
            batch.0 assigned n1 desired=ready
            batch.1 running n1 desired=complete
            --
            batch.0 shutdown n1 desired=shutdown
            batch.0 running n1 desired=complete
            batch.1 running n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_60_and_65_a_failed_task_is_restarted_in_its_slot_after_the_delay() {
    check(
        "node n1
         svc batch mode=job:1/2
         svc every mode=global-job
         run
         state batch.0 failed \"boom\"
         state every.n1 failed \"boom\"
         decide
         show
         wait 5
         run
         show",
        expect![[r#"
            batch.0 failed n1 desired=shutdown "boom"
            batch.0 assigned n1 desired=ready
            every.n1 failed n1 desired=shutdown "boom"
            every.n1 assigned n1 desired=ready
            --
            batch.0 failed n1 desired=shutdown "boom"
            batch.0 running n1 desired=complete
            every.n1 failed n1 desired=shutdown "boom"
            every.n1 running n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_61_never_more_than_the_total_at_work_and_done() {
    check(
        "node n1
         svc batch mode=job:5/2
         task batch.0 running n1 desired=complete
         task batch.1 running n1 desired=complete
         task batch.2 running n1 desired=complete
         decide
         show
         state batch.0 complete
         state batch.1 complete
         state batch.2 complete
         decide
         show",
        expect![[r#"
            batch.0 running n1 desired=complete
            batch.1 running n1 desired=complete
            batch.2 running n1 desired=complete
            --
            batch.0 complete n1 desired=complete
            batch.1 complete n1 desired=complete
            batch.2 complete n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_62_another_iteration_starts_over_and_removes_the_tasks_of_the_last() {
    check(
        "node n1
         svc batch mode=job:2/2
         svc every mode=global-job
         run
         state batch.1 complete
         state every.n1 complete
         run
         update batch force=1
         update every
         decide
         show
         run
         show",
        expect![[r#"
            batch.0 running n1 desired=remove
            batch.0 assigned n1 desired=ready iteration=1
            batch.1 assigned n1 desired=complete iteration=1
            every.n1 assigned n1 desired=complete iteration=1
            --
            batch.0 running n1 desired=complete iteration=1
            batch.1 running n1 desired=complete iteration=1
            every.n1 running n1 desired=complete iteration=1
            --
        "#]],
    );
}

#[test]
fn behaviour_64_every_ready_active_and_matching_node_runs_a_global_job_once() {
    check(
        "node n1
         node n2 label.zone=a
         node n3 drain
         node n4 pause
         node n5 down
         node n6 unknown
         svc every mode=global-job
         svc some mode=global-job constraint=node.labels.zone==a
         run
         show
         state every.n1 complete
         node n7
         node n6 ready
         node n4 active
         run
         lead
         run
         show",
        expect![[r#"
            every.n1 running n1 desired=complete
            every.n2 running n2 desired=complete
            some.n2 running n2 desired=complete
            --
            every.n6 running n6 desired=complete
            every.n4 running n4 desired=complete
            every.n1 complete n1 desired=complete
            every.n7 running n7 desired=complete
            every.n2 running n2 desired=complete
            some.n2 running n2 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_64_and_65_a_drained_node_stops_a_global_jobs_task_and_runs_it_again_when_it_is_active()
{
    check(
        "node n1
         node n2
         svc every mode=global-job
         run
         state every.n2 complete
         node n1 drain
         node n2 drain
         run
         show
         node n1 active
         node n2 active
         run
         show",
        expect![[r#"
            every.n1 shutdown n1 desired=shutdown
            every.n2 complete n2 desired=complete
            --
            every.n1 shutdown n1 desired=shutdown
            every.n1 running n1 desired=complete
            every.n2 complete n2 desired=complete
            --
        "#]],
    );
}

#[test]
fn a_replicated_jobs_task_on_a_lost_node_runs_elsewhere() {
    check(
        "node n1
         svc batch mode=job:1/1
         run
         node n2
         node n1 down
         wait 5
         run
         show",
        expect![[r#"
            batch.0 running n1 desired=shutdown
            batch.0 running n2 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_66_without_restarts_a_failed_task_keeps_its_slot_and_the_others_get_their_turn() {
    check(
        "node n1
         svc batch mode=job:1/3 restart=none
         run
         state batch.0 failed
         run
         state batch.1 complete
         run
         state batch.2 complete
         run
         show",
        expect![[r#"
            batch.0 failed n1 desired=shutdown
            batch.1 complete n1 desired=complete
            batch.2 complete n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn behaviour_66_attempts_are_counted_for_each_slot() {
    check(
        "node n1
         svc batch mode=job:2/2 attempts=1 delay=0
         svc every mode=global-job attempts=1 delay=0
         run
         state batch.0 failed
         state every.n1 failed
         run
         state batch.0 failed
         state every.n1 failed
         run
         state batch.1 failed
         run
         show",
        expect![[r#"
            batch.0 failed n1 desired=shutdown
            batch.0 failed n1 desired=shutdown
            batch.1 failed n1 desired=shutdown
            batch.1 running n1 desired=complete
            every.n1 failed n1 desired=shutdown
            every.n1 failed n1 desired=shutdown
            --
        "#]],
    );
}

#[test]
fn a_job_that_completed_is_not_restarted_whatever_the_policy() {
    check(
        "node n1
         svc batch mode=job:1/1 restart=any
         run
         state batch.0 complete
         wait 60
         run
         node n1 drain
         run
         show",
        expect![[r#"
            batch.0 complete n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn a_job_that_fails_for_ever_keeps_a_bounded_history() {
    let fail = "state batch.0 failed\nrun\n".repeat(7);
    check(
        &format!(
            "history 3\nnode n1\nsvc batch mode=job:1/1 delay=0\nrun\n{fail}state batch.0 complete\nrun\nshow"
        ),
        expect![[r#"
            batch.0 failed n1 desired=shutdown
            batch.0 failed n1 desired=shutdown
            batch.0 complete n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn a_large_job_is_begun_step_by_step_and_removed_before_it_starts_over() {
    let mut cluster = cluster("svc batch mode=job:20000/20000");
    let step = |cluster: &mut Cluster| {
        let view = cluster.view();
        let job = Part::All(view.service_named("batch").expect("a job").id);
        let changes = job::reconcile(&view, job, cluster.now, &mut cluster.ids);
        cluster.apply(changes.clone());
        changes.len()
    };
    let steps: Vec<_> = (0..3).map(|_| step(&mut cluster)).collect();
    assert_eq!(steps, [PASS_CHANGES_MAX, PASS_CHANGES_MAX, 0]);
    cluster.run("update batch");
    let steps: Vec<_> = (0..5).map(|_| step(&mut cluster)).collect();
    assert_eq!(steps, [[PASS_CHANGES_MAX; 4].as_slice(), &[0]].concat());
    let view = cluster.view();
    let wanted = view.tasks().filter(|task| task.is_wanted());
    assert!(wanted.clone().all(|task| task.job_iteration == 1));
    assert_eq!(wanted.count(), 20_000);
}

#[test]
fn swarm_never_limits_the_attempts_of_a_global_job() {
    let fail = "state every.n1 failed\nrun\n".repeat(3);
    let jobs = "svc every mode=global-job attempts=1 delay=0\nrun";
    check(
        &format!("compat swarm\nnode n1\n{jobs}\n{fail}show\nhistory 2\ncompat skep\nrun\nshow"),
        expect![[r#"
            every.n1 failed n1 desired=shutdown
            every.n1 failed n1 desired=shutdown
            every.n1 failed n1 desired=shutdown
            every.n1 running n1 desired=complete
            --
            every.n1 failed n1 desired=shutdown
            every.n1 running n1 desired=complete
            --
        "#]],
    );
}

#[test]
fn a_slot_that_failed_in_the_last_iteration_is_not_restarted_in_the_next() {
    check(
        "node n1
         svc batch mode=job:3/3 delay=0
         run
         state batch.2 failed
         update batch mode=job:1/1
         run
         show",
        expect![[r#"
            batch.0 running n1 desired=complete iteration=1
            --
        "#]],
    );
}

#[test]
fn a_task_that_completes_though_it_was_to_stop_leaves_nothing_to_do() {
    check(
        "history 1
         node n1
         node n2
         svc batch mode=job:1/2
         task batch.0 running n1 desired=complete
         node n1 drain
         decide
         show
         state batch.0/a complete
         run
         show",
        expect![[r#"
            batch.0 running n1 desired=shutdown
            batch.0 assigned n2 desired=ready
            --
            batch.0 complete n1 desired=shutdown
            batch.0 shutdown n2 desired=shutdown
            batch.1 running n2 desired=complete
            --
        "#]],
    );
}

#[test]
fn a_global_jobs_task_that_waits_for_a_node_is_taken_back_when_the_node_fits_no_more() {
    check(
        "node n1 memory=1g label.zone=a
         svc all mode=global-job constraint=node.labels.zone==a reserve-memory=2g
         decide
         show
         node n1 label.zone=b
         run
         show
         node n1 label.zone=a memory=4g
         run
         show",
        expect![[r#"
            all.n1 pending - desired=complete "insufficient resources on 1 node"
            --
            all.n1 shutdown - desired=shutdown
            --
            all.n1 shutdown - desired=shutdown
            all.n1 running n1 desired=complete
            --
        "#]],
    );
}
