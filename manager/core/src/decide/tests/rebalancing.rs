use std::collections::BTreeMap;

use expect_test::expect;
use proptest::prelude::*;

use crate::testing::{Cluster, check};

#[test]
fn nothing_moves_unless_the_service_asks_for_it() {
    check(
        "node n1
         svc web replicas=4
         run
         node n2
         run
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n1
            web.3 running n1
            web.4 running n1
            --
        "#]],
    );
}

#[test]
fn tasks_move_to_a_new_node_one_after_the_other_until_nodes_are_even() {
    check(
        "node n1
         history 1
         svc web replicas=4 label=skep.rebalance:true update.delay=10
         run
         node n2
         decide
         show
         run
         show
         wake
         wait 9
         run
         wait 2
         run
         show
         wait 60
         run
         wake",
        expect![[r#"
            web.1 running n1
            web.2 running n1
            web.3 running n1
            web.4 running n1 desired=shutdown
            web.4 assigned n2 desired=ready
            --
            web.1 running n1
            web.2 running n1
            web.3 running n1
            web.4 running n2
            --
            wake in 10.0
            web.1 running n1
            web.2 running n1
            web.3 running n2
            web.4 running n2
            --
            wake never
        "#]],
    );
}

#[test]
fn as_many_move_at_once_as_an_update_takes() {
    check(
        "node n1
         svc web replicas=4 label=skep.rebalance:true update.parallelism=2
         run
         node n2
         decide
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n1
            web.3 running n1 desired=shutdown
            web.3 assigned n2 desired=ready
            web.4 running n1 desired=shutdown
            web.4 assigned n2 desired=ready
            --
        "#]],
    );
}

#[test]
fn start_first_the_new_task_runs_before_the_old_one_stops() {
    check(
        "node n1
         history 1
         svc web replicas=3 label=skep.rebalance:true update.order=start-first
         run
         node n2
         decide
         show
         run
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n1
            web.3 running n1
            web.3 assigned n2
            --
            web.1 running n1
            web.2 running n1
            web.3 running n2
            --
        "#]],
    );
}

#[test]
fn nothing_moves_during_an_update_or_while_tasks_fail_or_in_swarms_name() {
    check(
        "node n1
         svc web replicas=4 label=skep.rebalance:true
         run
         compat swarm
         node n2
         run
         show
         compat skep
         state web.1 failed
         run
         wait 6
         run
         show
         wait 300
         run
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n1
            web.3 running n1
            web.4 running n1
            --
            web.1 failed n1 desired=shutdown
            web.1 running n2
            web.2 running n1
            web.3 running n1
            web.4 running n1
            --
            web.1 failed n1 desired=shutdown
            web.1 running n2
            web.2 running n1
            web.3 running n1
            web.4 shutdown n1 desired=shutdown
            web.4 running n2
            --
        "#]],
    );
}

#[test]
fn preferences_and_constraints_come_before_even_nodes() {
    check(
        "node n1 label.zone=a
         node n2 label.zone=b
         history 1
         svc web replicas=4 spread=node.labels.zone label=skep.rebalance:true
         svc db replicas=4 constraint=node.labels.zone==a label=skep.rebalance:true
         run
         node n3 label.zone=b
         run
         show",
        expect![[r#"
            db.1 running n1
            db.2 running n1
            db.3 running n1
            db.4 running n1
            web.1 running n1
            web.2 running n2
            web.3 running n1
            web.4 running n3
            --
        "#]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Moving ends, and where nothing stands in its way, nodes are even.
    #[test]
    fn tasks_that_move_come_to_rest_on_even_nodes(
        steps in prop::collection::vec((1_usize..5, prop::sample::select(vec!["drain", "active", "pause"])), 0..6),
        order in prop::sample::select(vec!["start-first", "stop-first"]),
        replicas in 1..9,
        spread in any::<bool>(),
    ) {
        let mut cluster = Cluster::new();
        let spread = if spread { "spread=node.labels.zone" } else { "" };
        cluster.run(&format!(
            "node n1 label.zone=a\nnode n2 label.zone=b\nnode n3\nnode n4 label.zone=b\nhistory 1
             svc web replicas={replicas} label=skep.rebalance:true update.order={order} {spread}
             svc db replicas=3 reserve-memory=3g label=skep.rebalance:true
             run"
        ));
        for (node, availability) in steps {
            cluster.run(&format!("node n{node} {availability}"));
            for _ in 0..12 {
                cluster.run("run\nwait 61");
            }
        }
        cluster.run("node n1 active\nnode n2 active\nnode n3 active\nnode n4 active");
        for _ in 0..12 {
            cluster.run("run\nwait 61");
        }
        let before = cluster.view().version();
        cluster.run("lead\nrun");
        let view = cluster.view();
        prop_assert_eq!(view.tasks().filter(|task| task.meta.version > before).count(), 0);
        let service = view.service_named("web").expect("web").id;
        let mut counts: BTreeMap<_, u64> = view.nodes().map(|node| (node.id, 0)).collect();
        for task in view.tasks_of(service).filter(|task| task.is_wanted()) {
            *counts.entry(task.node.expect("it runs")).or_default() += 1;
        }
        let (least, most) = (counts.values().min(), counts.values().max());
        if spread.is_empty() {
            prop_assert!(most.expect("nodes") - least.expect("nodes") <= 1, "{:?}", counts);
        }
    }
}
