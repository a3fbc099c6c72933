//! Every behaviour that Swarm's own tests assert has a test here, or a reason why not.
//!
//! The behaviours are numbered (semantics part 14). A test carries the numbers it covers in its name:
//! `behaviour_35_...`, `behaviour_42_and_43_...`. What carries no number is in [`NOT_HERE`], with the
//! reason. A number in both is a mistake: the list is for what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;

use anyhow::{Result, ensure};
use skep_tests::{files_below, repository};

/// The last of the numbers.
const LAST: u32 = 193;

/// Where tests are.
const FOLDERS: [&str; 9] =
    ["api", "cli", "compose", "gateway", "images", "manager", "node", "tests", "worker"];

/// Behaviours that no test carries the number of.
struct Absent {
    numbers: RangeInclusive<u32>,
    reason: &'static str,
}

const fn absent(numbers: RangeInclusive<u32>, reason: &'static str) -> Absent {
    Absent { numbers, reason }
}

const NODES: &str = "work on many nodes: sessions, certificates, raft members";
const CLIENT: &str = "work on Docker's own client and its compose files";
const VOLUMES: &str = "there are no cluster volumes: a volume is a folder of its node";

const NOT_HERE: &[Absent] = &[
    absent(33..=33, "a swarm has no default log driver: Skep's own log files serve all services"),
    absent(44..=44, "nothing is batched by a timer: one pass decides about all that is dirty"),
    absent(54..=54, VOLUMES),
    absent(
        85..=85,
        "there are no plugins: networks are names, and any log driver is kept and shown",
    ),
    absent(88..=88, VOLUMES),
    absent(105..=105, NODES),
    absent(113..=113, VOLUMES),
    absent(114..=119, NODES),
    absent(123..=124, NODES),
    absent(126..=130, NODES),
    absent(135..=136, NODES),
    absent(140..=163, NODES),
    absent(164..=187, CLIENT),
    absent(189..=193, CLIENT),
];

#[test]
fn every_behaviour_has_a_test_or_a_reason() -> Result<()> {
    let sources = sources()?;
    let tests = tests(&sources);
    let covered: BTreeSet<u32> = tests.iter().flat_map(|test| numbers(test)).collect();
    let mut problems = Vec::new();
    let mut reasons: BTreeMap<u32, &str> = BTreeMap::new();
    for entry in NOT_HERE {
        for number in entry.numbers.clone() {
            if let Some(before) = reasons.insert(number, entry.reason) {
                problems.push(format!("{number} is listed twice, the first time for: {before}"));
            }
            if covered.contains(&number) {
                problems.push(format!("{number} has a test now: take it from the list"));
            }
        }
    }
    let known = |number: &u32| covered.contains(number) || reasons.contains_key(number);
    let missing: Vec<_> = (1..=LAST).filter(|number| !known(number)).collect();
    if !missing.is_empty() {
        problems.push(format!("without a test and without a reason: {missing:?}"));
    }
    let listed = reasons.keys().chain(&covered);
    let strange: BTreeSet<_> = listed.filter(|number| !(1..=LAST).contains(number)).collect();
    if !strange.is_empty() {
        problems.push(format!("there are no such behaviours: {strange:?}"));
    }
    ensure!(problems.is_empty(), "semantics part 14:\n{}", problems.join("\n"));
    Ok(())
}

#[test]
fn the_numbers_of_a_test_are_read_from_its_name() {
    for (name, expected) in [
        ("behaviour_35_an_update_pauses", &[35][..]),
        ("behaviour_42_and_43_ended_tasks_go", &[42, 43]),
        ("behaviour_1_and_2_and_3_count", &[1, 2, 3]),
        ("behaviour_7_and_more", &[7]),
        ("behaviour_of_bees", &[]),
        ("a_behaviour_7", &[]),
    ] {
        assert_eq!(numbers(name), expected, "{name}");
    }
    let source = "#[test]\nfn one() {}\nfn two() {}\n    #[tokio::test]\n    async fn three() {}\n\
                  #[test]\n#[ignore]\npub fn four() -> Result<()> {\n";
    let names = tests(&[source.to_owned()]);
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["four", "one", "three"]);
}

fn sources() -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        for file in files_below(&repository().join(folder))? {
            let is_source = file.extension().is_some_and(|extension| extension == "rs");
            if is_source && !file.components().any(|part| part.as_os_str() == "target") {
                sources.push(fs::read_to_string(file)?);
            }
        }
    }
    Ok(sources)
}

/// The names of all tests: functions with a `#[test]` of some kind among the attributes above them.
fn tests(sources: &[String]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in sources {
        let mut is_test = false;
        for line in source.lines().map(str::trim) {
            if line.starts_with("#[") {
                is_test |= line.ends_with("test]") || line.contains("::test(");
                continue;
            }
            let function = line.split_once("fn ").filter(|_| is_test);
            let name = function.and_then(|(_, rest)| rest.split_once('(')).map(|(name, _)| name);
            names.extend(name.map(str::to_owned));
            // A comment between the two parts nothing.
            is_test &= line.starts_with("//");
        }
    }
    names
}

/// The numbers in a test's name.
fn numbers(test: &str) -> Vec<u32> {
    let mut rest = test.strip_prefix("behaviour_").unwrap_or_default();
    let mut numbers = Vec::new();
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(number) = rest[..digits].parse() else { return numbers };
        numbers.push(number);
        let Some(next) = rest[digits..].strip_prefix("_and_") else { return numbers };
        rest = next;
    }
}
