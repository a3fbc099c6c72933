//! Properties of global services and of jobs.

use proptest::prelude::*;

use skep_api::{Compat, Mode, Service, Slot, Task, TaskState, TaskStatus};

use crate::View;
use crate::decide::global::{Door, door};
use crate::decide::job::ended_by_itself;
use crate::testing::Cluster;

fn step() -> impl Strategy<Value = String> {
    let node = || prop::sample::select(vec!["n1", "n2", "n3", "n4"]);
    let service = prop::sample::select(vec!["all", "some", "every", "batch"]);
    let setting = prop::sample::select(vec![
        "image=web:2",
        "image=web:3",
        "label=x",
        "restart=none",
        "restart=any",
        "restart=on-failure",
        "delay=0",
        "attempts=2",
        "constraint=node.labels.zone!=b",
        "reserve-memory=100m",
        "force=1",
    ]);
    let life = prop::sample::select(vec![
        "down",
        "ready",
        "drain",
        "active",
        "pause",
        "unknown",
        "label.zone=a",
        "label.zone=b",
        "memory=50m",
        "memory=1g",
        "gone",
    ]);
    let place = prop::sample::select(vec![
        "all.n1", "all.n2", "some.n3", "every.n1", "every.n2", "batch.0", "batch.1", "batch.2",
    ]);
    let end = prop::sample::select(vec!["failed", "complete", "rejected"]);
    prop_oneof![
        3 => (service, setting).prop_map(|(name, set)| format!("update {name} {set}")),
        4 => (node(), life).prop_map(|(name, life)| format!("node {name} {life}")),
        4 => (place, end).prop_map(|(place, state)| format!("state {place} {state}")),
        1 => node().prop_map(|node| format!("rm all.{node}")),
        2 => (1..70).prop_map(|seconds| format!("wait {seconds}")),
        1 => Just("wait 86400".to_owned()),
        2 => Just("run".to_owned()),
        4 => Just("decide".to_owned()),
        1 => Just("lead".to_owned()),
        1 => prop::sample::select(vec!["compat swarm", "compat skep", "history 2"])
            .prop_map(str::to_owned),
        1 => (0..4, 0..4).prop_map(|(most, all)| format!("update batch mode=job:{most}/{all}")),
    ]
}

const START: &str = "node n1 memory=300m
    node n2
    node n3 label.zone=a
    svc all mode=global
    svc some mode=global constraint=node.labels.zone==a
    svc every mode=global-job
    svc batch mode=job:2/3
    run";

fn play(steps: &[String]) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.run(START);
    for step in steps {
        // A report about a slot that has no task is no report, and what is not there can't go.
        let words: Vec<_> = step.split(' ').collect();
        let view = cluster.view();
        let is_there = match *words {
            ["state" | "rm", place, ..] => {
                let (service, slot) = place.split_once('.').expect("a slot");
                let service = view.service_named(service).expect("a service").id;
                view.tasks_in(service, cluster.slot(slot)).next().is_some()
            }
            ["node", name, "gone"] => view.find_node(name).is_ok(),
            _ => true,
        };
        if is_there {
            cluster.run(step);
        }
        check_jobs(&cluster.view());
    }
    cluster
}

/// At no time are more of a job's slots at work than may be, nor slots that it does not have.
fn check_jobs(view: &View) {
    for service in view.services() {
        let Mode::ReplicatedJob { max_concurrent, total_completions } = service.spec.mode else {
            continue;
        };
        let iteration = service.job.expect("a job").iteration;
        let tasks = || view.tasks_of(service.id).filter(|t| t.job_iteration == iteration);
        let is_active = |task: &&Task| task.is_wanted() && !task.status.state.is_terminal();
        let active = tasks().filter(is_active).count() as u64;
        assert!(active <= max_concurrent, "{active} of {max_concurrent} at once");
        assert!(tasks().all(|task| task.slot < Slot::Number(total_completions)));
    }
}

/// Every open node has one live task unless its slot was given up; closed ones have none.
fn check_global(view: &View, service: &Service) {
    for node in view.nodes() {
        let slot = Slot::Node(node.id);
        let live = view.tasks_in(service.id, slot).filter(|task| task.is_wanted()).count();
        let newest = view.newest_in(service.id, slot);
        match door(service, node) {
            Door::Open if live == 0 => {
                // Swarm's policy decides about tasks that managers ended too.
                let given_up = |task| ended_by_itself(task) || view.compat() == Compat::Swarm;
                assert!(newest.is_some_and(given_up), "an open node without a task");
            }
            Door::Open => assert_eq!(live, 1),
            Door::Paused => assert!(live <= 1),
            Door::Closed => assert_eq!(live, 0),
        }
    }
    let on_node = |slot: Slot| slot.node().is_some_and(|node| view.node(node).is_some());
    assert!(view.tasks_of(service.id).all(|task| on_node(task.slot)), "tasks of nodes long gone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    /// `decide` in a script checks that deciding again gives nothing, with the marks and with
    /// everything marked.
    #[test]
    fn every_eligible_node_has_exactly_one_live_task(steps in prop::collection::vec(step(), 0..40)) {
        let mut cluster = play(&steps);
        for _ in 0..3 {
            cluster.run("run\nwait 61");
        }
        cluster.run("run");
        let view = cluster.view();
        for service in view.services().filter(|service| service.spec.mode == Mode::Global) {
            check_global(&view, service);
        }
        check_jobs(&view);
    }

    /// With enough nodes and no more faults, jobs come to their end.
    #[test]
    fn jobs_whose_tasks_complete_come_to_their_end(steps in prop::collection::vec(step(), 0..30)) {
        let mut cluster = play(&steps);
        cluster.run("node n9 memory=8g");
        for _ in 0..12 {
            cluster.run("wait 61\nrun");
            complete(&mut cluster);
        }
        let view = cluster.view();
        let batch = view.service_named("batch").expect("a job");
        let Mode::ReplicatedJob { total_completions, max_concurrent } = batch.spec.mode else {
            panic!("a job")
        };
        prop_assume!(max_concurrent > 0);
        for slot in (0..total_completions).map(Slot::Number) {
            let newest = view.newest_in(batch.id, slot);
            let ended = newest.is_some_and(|task| task.is_done() || ended_by_itself(task));
            prop_assert!(ended, "{newest:?}");
        }
    }
}

/// All tasks of jobs that run complete.
fn complete(cluster: &mut Cluster) {
    let view = cluster.view();
    let runs = view.tasks().filter(|task| {
        task.status.state == TaskState::Running && task.desired == TaskState::Complete
    });
    let status = |task: &Task| TaskStatus { state: TaskState::Complete, ..task.status.clone() };
    let done = runs
        .map(|task| crate::Change::TaskStatus { task: task.id, status: status(task) })
        .collect();
    cluster.apply(done);
}
