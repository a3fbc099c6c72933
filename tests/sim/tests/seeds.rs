//! A few runs with every test, and that they repeat. Many more: `cargo run --release -p sim`.

use sim::{Setting, run};

/// Few enough for a build without optimisation.
const SEEDS: u64 = 20;

#[test]
fn some_seeds_hold_every_invariant_and_come_to_rest() {
    for seed in 1..=SEEDS {
        let report = run(seed, &Setting::default());
        if let Some(violation) = report.violation {
            panic!("{}\nseed {seed}: {violation}", report.trace);
        }
    }
}

#[test]
fn two_runs_of_one_seed_are_byte_equal() {
    for seed in 1..=5 {
        let (first, again) = (run(seed, &Setting::default()), run(seed, &Setting::default()));
        assert!(!first.trace.is_empty());
        assert_eq!(first.trace.digest(), again.trace.digest(), "seed {seed}");
        assert_eq!(first.trace.to_string(), again.trace.to_string(), "seed {seed}");
        assert_ne!(first.trace.digest(), run(seed + 100, &Setting::default()).trace.digest());
    }
}
