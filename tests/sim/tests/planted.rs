//! The simulator finds bugs: three that are planted in the core, each within 200 seeds.
//!
//! `cargo test --release -p sim --features planted-bugs`

use sim::planted::{Bug, plant};
use sim::{Setting, run};

/// How many seeds a bug may stay hidden in.
const SEEDS: u64 = 200;

/// The first seed that shows the bug, and the invariant that fell.
fn find(bug: Bug) -> Option<(u64, &'static str)> {
    // That one looks at everything at every rest, as a new leader does: it would be the first to
    // fall, whatever the bug does to users.
    let setting = Setting { without: vec!["deadlines".to_owned()], ..Setting::default() };
    plant(Some(bug));
    let found = (1..=SEEDS).find_map(|seed| Some((seed, run(seed, &setting).violation?.invariant)));
    plant(None);
    found
}

#[test]
fn planted_bugs_are_found_within_200_seeds() {
    for (bug, invariant) in [
        (Bug::DelayForgotten, "release"),
        (Bug::OldStopsFirst, "start_first"),
        (Bug::FreedTwice, "reservations"),
    ] {
        let (seed, by) = find(bug).unwrap_or_else(|| panic!("{bug:?} stayed hidden"));
        assert_eq!(by, invariant, "{bug:?} was found by another invariant, at seed {seed}");
    }
}
