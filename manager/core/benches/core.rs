//! What decisions cost: a swarm of ten thousand nodes and a million tasks, on one core.
//!
//! `cargo xtask bench core` runs it; `cargo bench -p skep-manager-core -- place` (`change`, `update`)
//! one part of it. Nothing here is a shell: changes go into entries as a leader
//! cuts them, entries into a store, and what was decided is decided again until nothing is left.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its terminal")]
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

mod swarm;

use std::time::Duration;

use skep_api::{SpecVersion, UpdateConfig};

use self::swarm::{Swarm, cpu_clock, peak_memory, spec};

/// As the goals say it.
const NODES: usize = 10_000;
/// Less memory than that and nothing was placed before.
const SMALL: u64 = 100 << 20;
const TASKS: u64 = 1_000_000;
const SERVICES_MANY: u64 = 10_000;
/// The most that admission allows a service.
const REPLICAS_MAX: u64 = 10_000;
/// How many services are changed, one after the other.
const CHANGED: usize = 200;
/// Tasks of the smallest rolling update.
const UPDATED: u64 = 10_000;
/// Nodes of the rolling updates: enough that no node is full.
const UPDATED_NODES: usize = 100;

fn main() {
    // `cargo test --benches` starts it too, to see that it starts.
    if std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let is_asked = |what: &str| only.as_ref().is_none_or(|only| only == what);
    println!("{:52} {:>14} {:>14}", "", "measured", "goal");
    if is_asked("place") {
        place(TASKS / REPLICAS_MAX);
    }
    if is_asked("change") {
        place(SERVICES_MANY);
    }
    if is_asked("update") {
        update();
    }
}

/// Places all tasks, of so many services; then changes some of the services.
fn place(services: u64) {
    let is_first = peak_memory() < SMALL;
    let mut swarm = Swarm::new(NODES);
    let begin = cpu_clock();
    for service in 0..services {
        let mut spec = spec(&format!("web-{service}"), TASKS / services);
        let placement = &mut spec.task.placement;
        placement.constraints =
            vec!["node.labels.disk != tape".to_owned(), "node.platform.os == linux".to_owned()];
        placement.preferences = ["zone", "rack"]
            .map(|label| skep_api::Preference::Spread(format!("node.labels.{label}")))
            .to_vec();
        swarm.create(spec);
        swarm.decide();
    }
    let took = cpu_clock() - begin;
    assert_eq!(swarm.assigned() as u64, TASKS, "all tasks are placed");
    let rate = |took: Duration| format!("{:.0} tasks/s", TASKS as f64 / took.as_secs_f64());
    let what = format!("{TASKS} tasks of {services} services on {NODES} nodes");
    row(&what, &rate(swarm.deciding), "100000 tasks/s");
    row("  ... with their services admitted and all stored", &rate(took), "");
    // Of all that this process did so far: only the first one says something.
    if is_first {
        row("  peak memory", &format!("{:.0} MB", peak_memory() as f64 / 1e6), "1000 MB");
    }
    swarm.run();
    if services == SERVICES_MANY {
        change(&mut swarm);
    }
}

/// Changes single services; how long one reconcile takes.
fn change(swarm: &mut Swarm) {
    let all: Vec<_> = swarm.view().services().map(|service| service.id).take(CHANGED).collect();
    for (what, write) in [
        ("  a service gets another label", 0),
        ("  a service gets one replica more", 1),
        ("  a service gets another image", 2),
    ] {
        let mut times: Vec<Duration> = Vec::with_capacity(all.len());
        for service in &all {
            swarm.update(*service, |spec| match write {
                0 => drop(spec.labels.insert("changed".to_owned(), "yes".to_owned())),
                1 => {
                    if let skep_api::Mode::Replicated { replicas } = &mut spec.mode {
                        *replicas += 1;
                    }
                }
                _ => "web:2".clone_into(&mut spec.task.component.image),
            });
            times.push(swarm.decide_once());
            // Until nothing of it is under way: it is the one changed service that counts.
            swarm.settle();
        }
        times.sort_unstable();
        let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
        row(what, &format!("{:.3} ms", median.as_secs_f64() * 1e3), "1 ms");
        row("    worst", &format!("{:.3} ms", worst.as_secs_f64() * 1e3), "");
    }
}

/// Rolling updates of services of several sizes, one of whose tasks is replaced at a time.
fn update() {
    let mut first = None;
    for times in [1, 2, 4] {
        let tasks = UPDATED * times;
        let mut swarm = Swarm::new(UPDATED_NODES);
        let mut spec = spec("web", tasks);
        spec.update = Some(UpdateConfig { parallelism: 10, ..UpdateConfig::default() });
        swarm.create(spec);
        swarm.decide();
        swarm.run();
        let service = swarm.view().services().next().unwrap().id;
        let begin = cpu_clock();
        swarm.update(service, |spec| "web:2".clone_into(&mut spec.task.component.image));
        swarm.settle();
        let took = cpu_clock() - begin;
        let view = swarm.view();
        let is_new = |task: &&skep_api::Task| {
            task.spec_version > SpecVersion(0) && task.status.state == skep_api::TaskState::Running
        };
        assert_eq!(view.tasks().filter(is_new).count() as u64, tasks, "all of them were replaced");
        let of_first = took.as_secs_f64() / first.get_or_insert(took).as_secs_f64();
        let measured = format!("{:.2} s", took.as_secs_f64());
        row(&format!("rolling update of {tasks} tasks"), &measured, &format!("{times} x"));
        row("  times the first", &format!("{of_first:.1} x"), "");
    }
}

fn row(what: &str, measured: &str, goal: &str) {
    let line = format!("{what:52} {measured:>14} {goal:>14}");
    println!("{}", line.trim_end());
}
