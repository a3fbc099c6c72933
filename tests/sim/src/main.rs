//! `cargo run --release -p sim -- --seed N [--ticks T] [--seeds COUNT]`
//!
//! Runs one seed or many. A run that fails prints what happened and the command that repeats it,
//! and the exit code is 1.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a tool talks to its terminal")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::{Setting, run};

const USAGE: &str = "\
sim [--seed N] [--seeds COUNT] [--ticks T] [--without INVARIANT] [--all] [--log]

  --seed N             the seed, or the first of them; 1 unless stated
  --seeds COUNT        how many seeds, one after the other; 1 unless stated
  --ticks T            how many ticks faults go on; 700 unless stated
  --without INVARIANT  leave that one out, to look past what is known; may be repeated
  --all                go on after a failure, and list the seeds that failed
  --log                print the log of every run
";

/// How many seeds run at once: one for each core of a small CI machine.
const THREADS: u64 = 2;

thread_local! {
    /// The seed that this thread runs, for a panic to tell.
    static SEED: Cell<u64> = const { Cell::new(0) };
}

#[derive(Default)]
struct Args {
    seed: u64,
    seeds: u64,
    setting: Setting,
    failures: Failures,
    log: Log,
}

#[derive(Clone, Copy, PartialEq, Default)]
enum Log {
    #[default]
    OfFailures,
    Always,
}

#[derive(Clone, Copy, PartialEq, Default)]
enum Failures {
    #[default]
    First,
    All,
}

fn main() -> ExitCode {
    let Some(args) = parse(std::env::args().skip(1)) else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    let ticks = args.setting.ticks;
    let again = move |seed| format!("cargo run --release -p sim -- --seed {seed} --ticks {ticks}");
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        eprintln!("\nseed {} panicked\nagain: {}", SEED.get(), again(SEED.get()));
    }));
    let failed = run_all(&args);
    let Some((seed, violation)) = failed.first_key_value() else {
        let (seeds, first) = (args.seeds, args.seed);
        println!("simulator: {seeds} seeds from {first} on, {ticks} ticks each: all hold");
        return ExitCode::SUCCESS;
    };
    if args.failures == Failures::All {
        failed.iter().for_each(|(seed, violation)| println!("seed {seed}: {violation}"));
        println!("simulator: {} of {} seeds failed", failed.len(), args.seeds);
    } else {
        eprint!("{}", run(*seed, &args.setting).trace);
        eprintln!("\nseed {seed} failed: {violation}\nagain: {}", again(*seed));
    }
    ExitCode::FAILURE
}

/// Runs the seeds; returns those that failed, and why.
fn run_all(args: &Args) -> BTreeMap<u64, String> {
    let next = AtomicU64::new(args.seed);
    let end = args.seed.saturating_add(args.seeds);
    // Seeds after the first one that failed need not be run.
    let stop = AtomicU64::new(end);
    let failed = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= stop.load(Ordering::Relaxed) {
                return;
            }
            SEED.set(seed);
            let report = run(seed, &args.setting);
            if args.log == Log::Always {
                print!("{}", report.trace);
            }
            let Some(violation) = report.violation else { continue };
            let mut failed = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            failed.insert(seed, violation.to_string());
            if args.failures == Failures::First {
                stop.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(args.seeds) {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn parse(mut args: impl Iterator<Item = String>) -> Option<Args> {
    let mut parsed = Args { seed: 1, seeds: 1, ..Args::default() };
    while let Some(arg) = args.next() {
        let mut number = || args.next()?.parse::<u64>().ok();
        match arg.as_str() {
            "--seed" => parsed.seed = number()?,
            "--seeds" => parsed.seeds = number()?,
            "--ticks" => parsed.setting.ticks = number()?,
            "--without" => parsed.setting.without.push(args.next()?),
            "--all" => parsed.failures = Failures::All,
            "--log" => parsed.log = Log::Always,
            _ => return None,
        }
    }
    Some(parsed)
}
