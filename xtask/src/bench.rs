//! `cargo xtask bench`: what the release binary costs, beside the goals and Docker Swarm's figures.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use skep_tests::{Daemon, Setup, free_port, http};

use crate::command::{cargo, run as run_command};
use crate::{guests, release};

/// How often each time is taken.
const RUNS: usize = 20;

/// Nothing takes longer, unless it is broken.
const RUN_LIMIT: Duration = Duration::from_secs(30);

/// How long the node idles before its memory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idle {
    /// As the goals say it.
    Minute,
    /// For a look in between.
    Moment,
}

/// A line of the table.
struct Row {
    what: &'static str,
    measured: String,
    goal: &'static str,
    docker: &'static str,
}

/// Measures and prints.
pub(crate) fn run(idle: Idle) -> Result<()> {
    guests::build()?;
    let binary = release::build()?;
    let size = fs::metadata(&binary)?.len();
    let setup = Setup { binary: Some(binary), ..Setup::default() };
    let mut daemon = Daemon::start_with(setup)?;
    daemon.skep(&["swarm", "init"])?.ok()?;
    let wait = Duration::from_secs(if idle == Idle::Minute { 60 } else { 5 });
    println!("idling for {} s", wait.as_secs());
    std::thread::sleep(wait);
    let memory = memory(&daemon)?;
    daemon.load("hello-http", "hello:1.0")?;
    // Once before it counts: the component is compiled and the engine made.
    start(&daemon, "warm-up", Seen::Answer)?;
    println!("creating {RUNS} services, twice");
    let running = times(&daemon, "running", Seen::Running)?;
    let answer = times(&daemon, "answer", Seen::Answer)?;
    daemon.stop()?;
    print(&[
        Row {
            what: "memory when idle, PSS",
            measured: format!("{:.1} MB", memory.pss_kb / 1000.0),
            goal: "16 MB",
            docker: "118 MB",
        },
        Row {
            what: "  of it not file-backed",
            measured: format!("{:.1} MB", memory.anonymous_kb / 1000.0),
            goal: "4 MB",
            docker: "",
        },
        time_row("create to RUNNING, median", median(&running), "43 ms", "0.43 s"),
        time_row("create to RUNNING, worst", worst(&running), "", ""),
        time_row("create to first HTTP answer, median", median(&answer), "130 ms", "1.3 s"),
        time_row("create to first HTTP answer, worst", worst(&answer), "", ""),
        Row {
            what: "binary",
            measured: format!("{:.1} MB", size as f64 / 1e6),
            goal: "20 MB",
            docker: "144 MB",
        },
    ]);
    Ok(())
}

/// Measures what decisions cost: the core alone, no node.
pub(crate) fn core() -> Result<()> {
    run_command(cargo().args(["bench", "--quiet", "-p", "skep-manager-core", "--bench", "core"]))
}

struct Memory {
    pss_kb: f64,
    anonymous_kb: f64,
}

fn memory(daemon: &Daemon) -> Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", daemon.pid()?))?;
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("no {name} in {text}"))
    };
    Ok(Memory { pss_kb: value("Pss:")?, anonymous_kb: value("Pss_Anon:")? })
}

/// What a service is waited for.
#[derive(Debug, Clone, Copy)]
enum Seen {
    /// A task of it that runs.
    Running,
    /// An answer on its port.
    Answer,
}

fn times(daemon: &Daemon, name: &str, seen: Seen) -> Result<Vec<Duration>> {
    (0..RUNS).map(|run| start(daemon, &format!("{name}-{run}"), seen)).collect()
}

/// Creates a service, from the client's start to what is to be seen, and removes it.
fn start(daemon: &Daemon, name: &str, seen: Seen) -> Result<Duration> {
    let port = free_port()?;
    let publish = format!("{port}:80");
    let begin = Instant::now();
    daemon.skep(&["service", "create", "-d", "--name", name, "-p", &publish, "hello:1.0"])?.ok()?;
    let is_seen = || match seen {
        Seen::Running => daemon
            .tasks(name)
            .is_ok_and(|tasks| tasks.iter().any(|task| task["Status"]["State"] == "running")),
        Seen::Answer => http::get(port, "/").is_ok_and(|answer| answer.status == 200),
    };
    while !is_seen() {
        anyhow::ensure!(begin.elapsed() < RUN_LIMIT, "{name} did not start");
        std::thread::sleep(Duration::from_micros(500));
    }
    let took = begin.elapsed();
    daemon.skep(&["service", "rm", name])?.ok()?;
    Ok(took)
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn worst(times: &[Duration]) -> Duration {
    times.iter().max().copied().unwrap_or_default()
}

fn time_row(what: &'static str, time: Duration, goal: &'static str, docker: &'static str) -> Row {
    Row { what, measured: format!("{:.1} ms", time.as_secs_f64() * 1e3), goal, docker }
}

fn print(rows: &[Row]) {
    println!("\n{:36} {:>10} {:>8} {:>13}", "", "measured", "goal", "Docker Swarm");
    for Row { what, measured, goal, docker } in rows {
        let line = format!("{what:36} {measured:>10} {goal:>8} {docker:>13}");
        println!("{}", line.trim_end());
    }
}
