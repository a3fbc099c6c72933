use proptest::prelude::*;

use skep_api::{IdGen, Slot, TaskState};

use crate::testing::{Cluster, lint};
use crate::{Dirty, Store, decide};

/// Something that happens to a cluster.
fn step() -> impl Strategy<Value = String> {
    let service = prop::sample::select(vec!["web", "api", "db"]);
    let node = prop::sample::select(vec!["n1", "n2", "n3"]);
    let setting = prop::sample::select(vec![
        "replicas=0",
        "replicas=2",
        "replicas=5",
        "image=web:2",
        "image=web:3",
        "label=x",
        "restart=none",
        "restart=any",
        "restart=on-failure",
        "delay=0",
        "delay=5",
        "attempts=1",
        "constraint=node.labels.zone==a",
        "constraint=node.hostname!=n2",
        "reserve-memory=100m",
        "max-per-node=1",
        "force=1",
    ]);
    let life = prop::sample::select(vec![
        "down",
        "ready",
        "drain",
        "active",
        "pause",
        "label.zone=a",
        "label.zone=b",
        "unknown",
    ]);
    prop_oneof![
        4 => (service.clone(), setting).prop_map(|(name, set)| format!("update {name} {set}")),
        3 => (node, life).prop_map(|(name, life)| format!("node {name} {life}")),
        3 => (service, 1..4, prop::sample::select(vec!["failed", "complete", "rejected"]))
            .prop_map(|(name, slot, state)| format!("state {name}.{slot} {state}")),
        3 => (1..70).prop_map(|seconds| format!("wait {seconds}")),
        2 => Just("run".to_owned()),
        4 => Just("decide".to_owned()),
        1 => Just("lead".to_owned()),
    ]
}

const START: &str = "node n1 memory=300m
    node n2
    node n3 label.zone=a
    net front
    svc web replicas=3 net=front port=80
    svc api net=front host-port=81:81
    svc db replicas=2 restart=on-failure
    run";

fn play(steps: &[String]) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.run(START);
    for step in steps {
        // A report about a slot that has no task is no report.
        let words: Vec<_> = step.split(' ').collect();
        if words[0] == "state" {
            let (service, slot) = words[1].split_once('.').expect("a slot");
            let service = cluster.view().service_named(service).expect("a service").id;
            let slot = Slot::Number(slot.parse().expect("a number"));
            if cluster.view().tasks_in(service, slot).next().is_none() {
                continue;
            }
        }
        cluster.run(step);
    }
    cluster
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// `decide` in a script checks that deciding again gives nothing, lints the store, and compares
    /// it with one restored from its snapshot. Here: that all of it comes to rest, as it should.
    #[test]
    fn whatever_happens_the_cluster_comes_to_rest(steps in prop::collection::vec(step(), 0..40)) {
        let mut cluster = play(&steps);
        for _ in 0..3 {
            cluster.run("run\nwait 61");
        }
        cluster.run("run");
        let view = cluster.view();
        for service in view.services() {
            let running = view.tasks_of(service.id).filter(|task| {
                task.desired == TaskState::Running && task.status.state == TaskState::Running
            });
            let skep_api::Mode::Replicated { replicas } = service.spec.mode else { continue };
            prop_assert!(running.count() as u64 <= replicas, "never more than wanted");
            // History is bounded: five tasks a slot, or attempts and one.
            for slot in (1..=5).map(Slot::Number) {
                prop_assert!(view.tasks_in(service.id, slot).count() <= 5);
            }
        }
    }

    /// Replaying the log, restoring a snapshot of any moment and going on from there, and having
    /// been there all the time: all the same.
    #[test]
    fn restoring_equals_replaying(steps in prop::collection::vec(step(), 0..30), cut in 0_usize..100) {
        let cluster = play(&steps);
        let cut = cut.min(cluster.entries.len());
        let mut replayed = Store::new();
        for (index, entry) in (1..).zip(&cluster.entries) {
            if index as usize == cut {
                replayed = Store::restore(replayed.view().snapshot()).expect("a snapshot");
            }
            replayed.apply(index, entry).expect("it applied before");
        }
        prop_assert_eq!(replayed, cluster.store);
    }

    /// What is decided does not depend on whether one event or all of them woke the leader.
    #[test]
    fn marks_only_say_where_to_look(steps in prop::collection::vec(step(), 0..40)) {
        let mut cluster = play(&steps);
        cluster.run("wait 1\nnode n2 drain\nupdate web replicas=4");
        let view = cluster.view();
        let mut some = Dirty::new();
        some.merge(&cluster.dirty);
        let by_marks = decide(&view, &some, cluster.now, &mut IdGen::from_u64(5)).changes;
        let ids = &mut IdGen::from_u64(5);
        let by_all = decide(&view, &Dirty::everything(), cluster.now, ids).changes;
        prop_assert_eq!(by_marks, by_all);
        lint(&view);
    }
}
