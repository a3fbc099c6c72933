use expect_test::expect;

use crate::testing::check;

#[test]
fn behaviour_50_a_task_whose_node_no_longer_meets_the_constraints_is_rejected() {
    check(
        "node n1 label.zone=a
         node n2 label.zone=a
         svc web constraint=node.labels.zone==a delay=0
         svc batch mode=job:1/1 constraint=node.labels.zone==a delay=0
         svc once constraint=node.labels.zone==a restart=none
         task web.1 running n1
         task batch.0 running n1 desired=complete
         task once.1 running n1
         run
         node n1 label.zone=b
         run
         show",
        expect![[r#"
            batch.0 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            batch.0 running n2 desired=complete
            once.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            web.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            web.1 running n2
            --
        "#]],
    );
}

#[test]
fn behaviour_50_only_active_nodes_are_looked_at() {
    check(
        "node n1 label.zone=a
         svc web constraint=node.labels.zone==a
         run
         node n1 pause label.zone=b
         run
         show
         node n1 active
         decide
         show",
        expect![[r#"
            web.1 running n1
            --
            web.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            web.1 pending - desired=ready "no suitable node (scheduling constraints not satisfied on 1 node)"
            --
        "#]],
    );
}

#[test]
fn behaviour_51_tasks_are_rejected_until_the_rest_fits_the_newest_first() {
    check(
        "node n1 memory=1g cpu=4
         svc old reserve-memory=400m
         svc mid reserve-memory=400m
         svc new reserve-memory=100m
         svc tiny
         task old.1 running n1 ago=30
         task mid.1 running n1 ago=20
         task new.1 running n1 ago=10
         task tiny.1 running n1
         run
         node n1 memory=600m
         decide
         show
         svc busy reserve-cpu=2
         run
         node n1 cpu=1
         decide
         show",
        expect![[r#"
            mid.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            mid.1 pending - desired=ready "no suitable node (insufficient resources on 1 node)"
            new.1 running n1
            old.1 running n1
            tiny.1 running n1
            --
            busy.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            busy.1 pending - desired=ready "no suitable node (insufficient resources on 1 node)"
            mid.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            mid.1 pending - desired=ready "no suitable node (insufficient resources on 1 node)"
            new.1 running n1
            old.1 running n1
            tiny.1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_51_a_completed_jobs_task_holds_nothing() {
    check(
        "node n1 memory=1g
         svc batch mode=job:1/1 reserve-memory=800m
         run
         state batch.0 complete
         svc web reserve-memory=800m
         run
         node n1 memory=900m
         run
         show",
        expect![[r#"
            batch.0 complete n1 desired=complete
            web.1 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_52_the_services_current_constraints_count() {
    check(
        "node n1 label.zone=a
         node n2 label.zone=b
         svc web
         task web.1 running n1
         run
         update web constraint=node.labels.zone==a
         run
         show
         node n1 label.zone=c
         decide
         show",
        expect![[r#"
            web.1 running n1
            --
            web.1 running n1 desired=shutdown
            web.1 pending - desired=ready "no suitable node (scheduling constraints not satisfied on 2 nodes)"
            --
        "#]],
    );
}

#[test]
fn behaviour_53_a_task_whose_generic_resources_are_lost_is_rejected() {
    check(
        "node n1 generic=gpu:a,b generic=disk:3
         node n2 generic=gpu:c,d
         svc named
         svc kept
         svc counted
         svc typed
         task named.1 running n1 given=gpu:b
         task kept.1 running n1 given=gpu:a
         task counted.1 running n1 given=disk:3
         task typed.1 running n2 given=gpu:c
         run
         node n1 generic=gpu:a generic=disk:2
         node n2 generic=gpu:2
         decide
         show
         node n1 generic=gpu:
         decide
         show",
        expect![[r#"
            counted.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            counted.1 assigned n2 desired=ready
            kept.1 running n1
            named.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            named.1 assigned n1 desired=ready
            typed.1 rejected n2 desired=shutdown "assigned node no longer meets constraints"
            typed.1 assigned n2 desired=ready
            --
            counted.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            counted.1 assigned n2 desired=ready
            kept.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            kept.1 assigned n1 desired=ready
            named.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            named.1 assigned n1 desired=ready
            typed.1 rejected n2 desired=shutdown "assigned node no longer meets constraints"
            typed.1 assigned n2 desired=ready
            --
        "#]],
    );
}

#[test]
fn behaviour_103_the_tasks_of_a_node_that_is_gone_are_orphaned() {
    check(
        "node n1
         node n2
         svc web replicas=2 delay=0
         task web.1 running n1 ago=9
         task web.1 failed n1 ago=10 desired=shutdown
         task web.2 running n2
         run
         node n1 gone
         run
         show",
        expect![[r#"
            web.1 failed gone desired=shutdown
            web.1 orphaned gone desired=shutdown "Task belonged to a node that has been deleted"
            web.1 running n2
            web.2 running n2
            --
        "#]],
    );
}

#[test]
fn after_a_day_the_tasks_of_a_node_that_is_down_are_orphaned() {
    check(
        "node n1
         node n2
         svc web mode=global
         run
         node n1 down
         run
         wake
         wait 86399
         run
         show
         wake
         wait 1
         run
         show
         wake",
        expect![[r#"
            wake in 86400.0
            web.n1 running n1 desired=shutdown
            web.n2 running n2
            --
            wake in 1.0
            web.n1 orphaned n1 desired=shutdown "Task belonged to a node that was down for 24 hours"
            web.n2 running n2
            --
            wake never
        "#]],
    );
}

#[test]
fn an_update_goes_on_at_once_when_the_task_it_waits_for_is_rejected() {
    check(
        "node n1 memory=300m
         node n2
         svc all mode=global
         run
         update all reserve-memory=100m
         decide
         show
         node n1 memory=50m
         decide
         show",
        expect![[r#"
            all.n1 running n1 desired=shutdown
            all.n1 assigned n1 desired=ready
            all.n2 running n2
            --
            all.n1 running n1 desired=shutdown
            all.n1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            all.n1 pending - desired=ready "insufficient resources on 1 node"
            all.n2 running n2 desired=shutdown
            all.n2 assigned n2 desired=ready
            --
        "#]],
    );
}

#[test]
fn a_task_that_serves_until_its_successor_runs_is_not_rejected_for_the_new_constraints() {
    check(
        "node n1 label.zone=a
         svc web update.order=start-first
         run
         update web constraint=node.labels.zone==b
         decide
         update web constraint=node.labels.zone==b update.parallelism=2
         decide
         node n1 label.rack=1
         decide
         show",
        expect![[r#"
            web.1 running n1
            web.1 pending - "no suitable node (scheduling constraints not satisfied on 1 node)"
            --
        "#]],
    );
}
