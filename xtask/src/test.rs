//! `cargo xtask test`: everything that has to hold before a change is taken, and `fix`.

use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo, repository};
use crate::{guests, install};

/// Workspaces beside the main one; their code is tested on the host as well.
const GUEST_WORKSPACES: [&str; 2] = ["samples", "tests/guests"];

/// What the names of the tests with Docker's own client begin with.
const DOCKER_TESTS: &str = "dockers_own_client";

/// How many seeds the simulator runs: what two cores do within five minutes, with room to spare.
const SEEDS: &str = "2000";

/// How many tests did what, added up over all test programs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// Runs everything, the cheapest part first, up to the first part that fails.
pub(crate) fn run() -> Result<()> {
    let mut counts = Counts::default();
    part("formatting", format_check)?;
    part("programs the tests need", install::test_programs)?;
    part("guests", || guests::build().map(|_| ()))?;
    part("lints", lints)?;
    let samples = part("tests of the samples", || {
        let mut samples = guest_cargo("samples");
        test(samples.arg("test"), &mut counts)
    });
    let all = part("tests", || {
        // Tests with processes run the binary that stands beside them. Built with all the rest, it
        // shares its dependencies: alone it would take them with other features.
        command::run(tool().args(["build", "--quiet", "--workspace", "--all-targets"]))?;
        let mut all = tool();
        all.args(["test", "--workspace", "--no-fail-fast"]);
        if !command::found("docker") {
            println!("skipped: the tests with Docker's own client, for there is no `docker` here");
            all.args(["--", "--skip", DOCKER_TESTS]);
        }
        test(&mut all, &mut counts)
    });
    let simulated = part("simulator", || simulator(&mut counts));
    println!("\n{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
    samples.and(all).and(simulated)
}

/// The simulator finds what is planted, and nothing in so many seeds; both as fast as they can be.
fn simulator(counts: &mut Counts) -> Result<()> {
    let planted = ["test", "--release", "-p", "sim", "--features", "planted-bugs"];
    test(tool().args(planted).args(["--test", "planted"]), counts)?;
    command::run(tool().args(["run", "--quiet", "--release", "-p", "sim", "--", "--seeds", SEEDS]))
}

/// Writes what can be put right without thinking.
pub(crate) fn fix() -> Result<()> {
    run_all(&["fmt", "--all"], &[])?;
    let clippy = ["clippy", "--fix", "--allow-dirty", "--allow-staged", "--all-targets"];
    command::run(tool().args(clippy).arg("--workspace"))?;
    run_all(&["fmt", "--all"], &[])?;
    // Expectations stand in the sources of unit tests; those with processes have none.
    let renew = ["test", "--workspace", "--exclude", "skep-tests", "--no-fail-fast"];
    command::run(tool().args(renew).env("UPDATE_EXPECT", "1"))
}

fn format_check() -> Result<()> {
    run_all(&["fmt", "--all", "--check"], &[])
}

fn lints() -> Result<()> {
    run_all(&["clippy", "--quiet", "--workspace", "--all-targets"], &["--", "-D", "warnings"])
}

/// Runs cargo with those arguments in every workspace.
fn run_all(args: &[&str], last: &[&str]) -> Result<()> {
    run_in(&mut tool(), args, last)?;
    GUEST_WORKSPACES
        .iter()
        .try_for_each(|workspace| run_in(&mut guest_cargo(workspace), args, last))
}

fn run_in(cargo: &mut Command, args: &[&str], last: &[&str]) -> Result<()> {
    command::run(cargo.args(args).args(last))
}

/// Cargo in the main workspace, with colours where somebody sees them.
fn tool() -> Command {
    let seen = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut command = cargo();
    command.env("CARGO_TERM_COLOR", if seen { "always" } else { "never" });
    // Errors of tests say what was seen and what was waited for; where is in the name.
    command.env("RUST_LIB_BACKTRACE", "0");
    command
}

/// Cargo in a guest workspace, for the host, with a target folder outside of it.
fn guest_cargo(workspace: &str) -> Command {
    let mut command = tool();
    command
        .current_dir(repository().join(workspace))
        .env("CARGO_TARGET_DIR", repository().join("target/guests/host"));
    command
}

/// Runs one part and prints how long it took.
fn part(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n== {name}");
    let start = Instant::now();
    let done = work().with_context(|| format!("{name} failed"));
    let end = if done.is_ok() { "done" } else { "FAILED" };
    println!("== {name}: {end} in {:.1} s", start.elapsed().as_secs_f32());
    done
}

/// Runs tests, passes on what they print, and adds up the runner's closing lines.
fn test(command: &mut Command, counts: &mut Counts) -> Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo can't be started")?;
    let stdout = child.stdout.take().context("cargo has an output")?;
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let text = String::from_utf8_lossy(&line);
        add(&text, counts);
        writeln!(std::io::stdout(), "{text}")?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("not all passed ({status})");
    }
    Ok(())
}

/// `test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; ...`
fn add(line: &str, counts: &mut Counts) {
    let Some((_, result)) = line.split_once("test result: ") else { return };
    let count = |word: &str| {
        let before = result.split_once(word).map_or("", |(before, _)| before);
        before.split_whitespace().next_back().and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    counts.passed += count(" passed");
    counts.failed += count(" failed");
    counts.skipped += count(" ignored") + count(" filtered out");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_added_up() {
        let mut counts = Counts::default();
        add(
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished",
            &mut counts,
        );
        add("test result: \u{1b}[31mFAILED\u{1b}[0m. 2 passed; 3 failed; 0 ignored", &mut counts);
        add("test a::b ... ok", &mut counts);
        assert_eq!(counts, Counts { passed: 6, failed: 3, skipped: 3 });
    }
}
