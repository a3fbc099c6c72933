//! Docker Swarm's walk-throughs against a real node: the same commands, states, history rows,
//! messages and exit codes, with components in place of container images.
//!
//! A scenario is a file in `transcripts/`, read from top to bottom:
//!
//! line | meaning
//! --- | ---
//! `# text` | for the reader; after `# Departures:` comes each difference to Docker and its reason
//! `load GUEST TAG` | puts a guest into the node's store
//! `$ skep ...` | runs the client once; words are split at blanks, `'...'` is one word
//! `$? skep ...` | runs the client until it says and does what is expected
//! `! text` | a line of standard error, after the lines of standard output
//! `= CODE` | ends a step: the exit code
//!
//! Before they are compared, both sides lose what no two runs share. Ids become `<id>`, times
//! `<ago>`, digests are cut, columns stand three blanks apart. Of progress, which depends on how
//! fast the machine is, the lines that can't depend on it are left: the first and the full counts,
//! not those between, and not the passing errors of single slots. `<any>` in an expected line
//! stands for any text.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use skep_tests::{Daemon, Finished, Setup, repository, wait_for};

macro_rules! scenarios {
    ($($test:ident: $file:literal,)*) => {
        $(
            #[test]
            fn $test() -> Result<()> {
                play($file)
            }
        )*

        /// A file that no test plays proves nothing.
        #[test]
        fn every_scenario_is_played() -> Result<()> {
            let mut files: Vec<String> = Vec::new();
            for entry in fs::read_dir(folder())? {
                files.push(entry?.file_name().to_string_lossy().into_owned());
            }
            files.sort();
            let mut played = vec![$(format!("{}.txt", $file)),*];
            played.sort();
            assert_eq!(files, played);
            Ok(())
        }
    };
}

scenarios! {
    services_are_scaled_as_in_swarm: "scale",
    an_update_and_its_rollback_go_as_in_swarm: "update",
    a_failing_update_pauses_as_in_swarm: "update-pause",
    a_failing_update_rolls_back_as_in_swarm: "update-rollback",
    a_failing_update_goes_on_if_told_so_as_in_swarm: "update-continue",
    restart_conditions_are_kept_as_in_swarm: "restart",
    global_services_and_tasks_that_fit_nowhere_are_shown_as_in_swarm: "global",
    jobs_run_to_completion_as_in_swarm: "jobs",
    a_drained_node_comes_back_as_in_swarm: "drain",
    former_specs_are_listed_and_restored: "history",
    the_history_limit_holds_as_in_swarm: "history-limit",
}

fn folder() -> PathBuf {
    repository().join("tests/tests/transcripts")
}

/// One thing to do, and what is expected of it.
#[derive(Debug)]
enum Step {
    Load { guest: String, tag: String },
    Run { line: usize, words: Vec<String>, how: How, expected: Said },
}

/// How often a command runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Once,
    /// Until it says what is expected: the cluster gets there in its own time.
    Until,
}

/// What a command says and does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Said {
    out: Vec<String>,
    err: Vec<String>,
    code: i32,
}

fn play(name: &str) -> Result<()> {
    let file = folder().join(format!("{name}.txt"));
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let steps = parse(&text).with_context(|| file.display().to_string())?;
    let args = ["--node-name", "node1"].map(str::to_owned).to_vec();
    let daemon = Daemon::start_with(Setup { args, ..Setup::default() })?;
    daemon.skep(&["swarm", "init"])?.ok()?;
    for step in &steps {
        match step {
            Step::Load { guest, tag } => daemon.load(guest, tag)?,
            Step::Run { line, words, how, expected } => {
                run(&daemon, words, *how, expected)
                    .with_context(|| format!("{}:{line}: {}", file.display(), words.join(" ")))?;
            }
        }
    }
    Ok(())
}

fn run(daemon: &Daemon, words: &[String], how: How, expected: &Said) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match how {
        How::Once => {
            let said = normal(&daemon.skep(&words)?);
            ensure!(
                matches(expected, &said),
                "expected:\n{}said:\n{}",
                shown(expected),
                shown(&said)
            );
        }
        How::Until => {
            let look = || Ok(normal(&daemon.skep(&words)?));
            wait_for(&format!("this:\n{}", shown(expected)), look, |said| matches(expected, said))?;
        }
    }
    Ok(())
}

fn shown(said: &Said) -> String {
    let err = said.err.iter().map(|line| format!("! {line}"));
    let lines: Vec<String> = said.out.iter().cloned().chain(err).collect();
    format!("{}\n= {}\n", lines.join("\n"), said.code)
}

fn matches(expected: &Said, said: &Said) -> bool {
    let all = |expected: &[String], said: &[String]| {
        let same = expected.len() == said.len();
        same && expected.iter().zip(said).all(|(wanted, line)| fits(wanted, line))
    };
    expected.code == said.code && all(&expected.out, &said.out) && all(&expected.err, &said.err)
}

/// Whether a line is as wanted, where `<any>` stands for any text.
fn fits(wanted: &str, line: &str) -> bool {
    let Some((start, rest)) = wanted.split_once("<any>") else { return wanted == line };
    let Some(behind) = line.strip_prefix(start) else { return false };
    let ends = behind.char_indices().map(|(at, _)| at).chain([behind.len()]);
    ends.into_iter().any(|at| fits(rest, &behind[at..]))
}

fn parse(text: &str) -> Result<Vec<Step>> {
    ensure!(text.contains("\n# Departures:"), "a scenario lists its departures, or says `none`");
    let mut steps = Vec::new();
    let mut open: Option<(usize, Vec<String>, How, Said)> = None;
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim_end())) {
        if let Some((number, words, how, mut said)) = open.take() {
            if let Some(code) = line.strip_prefix("= ") {
                said.code = code.parse().with_context(|| format!("line {at}"))?;
                said.out = folded(said.out);
                steps.push(Step::Run { line: number, words, how, expected: said });
                continue;
            }
            match line.strip_prefix('!') {
                Some(err) => said.err.push(squeezed(err.strip_prefix(' ').unwrap_or(err))),
                None => said.out.push(squeezed(line)),
            }
            open = Some((number, words, how, said));
        } else if let Some(command) = line.strip_prefix("$? skep ") {
            open = Some((at, split(command)?, How::Until, Said::default()));
        } else if let Some(command) = line.strip_prefix("$ skep ") {
            open = Some((at, split(command)?, How::Once, Said::default()));
        } else if let Some(what) = line.strip_prefix("load ") {
            let (guest, tag) = what.split_once(' ').with_context(|| format!("line {at}"))?;
            steps.push(Step::Load { guest: guest.to_owned(), tag: tag.to_owned() });
        } else if !line.is_empty() && !line.starts_with('#') {
            bail!("line {at} is nothing: {line}");
        }
    }
    ensure!(open.is_none(), "the last step has no `= CODE`");
    Ok(steps)
}

/// Words at blanks; `'...'` keeps its blanks.
fn split(command: &str) -> Result<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in command.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    ensure!(!quoted, "a quote is open: {command}");
    words.extend(word);
    Ok(words)
}

/// What a command said, without what no two runs share.
fn normal(finished: &Finished) -> Said {
    let lines =
        |text: &str| -> Vec<String> { text.lines().map(|line| squeezed(&masked(line))).collect() };
    Said { out: folded(lines(&finished.stdout)), err: lines(&finished.stderr), code: finished.code }
}

/// Columns three blanks apart, nothing behind the last.
fn squeezed(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut blanks = 0;
    for letter in line.trim_end().chars() {
        if letter == ' ' {
            blanks += 1;
            continue;
        }
        text.push_str(if blanks > 1 { "   " } else { &" "[..blanks] });
        blanks = 0;
        text.push(letter);
    }
    text
}

/// Ids, times and digests masked.
fn masked(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let is_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_id(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        let long = word.len() == 25;
        let short = word.len() == 12 && text.is_empty();
        text.push_str(if long || short { "<id>" } else { word });
        let next = behind.find(is_id).unwrap_or(behind.len());
        text.push_str(&behind[..next]);
        rest = &behind[next..];
    }
    without_digests(&without_times(&text))
}

fn without_digests(line: &str) -> String {
    let mut parts = line.split("@sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

fn without_times(line: &str) -> String {
    let (mut text, mut rest) = (String::new(), line);
    while let Some((before, behind)) = rest.split_once(" ago") {
        text.push_str(before_time(before));
        text.push_str("<ago>");
        rest = behind;
    }
    text + rest
}

/// What stands before `5 seconds`, `less than a second`, ... at the end of a text.
fn before_time(text: &str) -> &str {
    let lower = text.to_lowercase();
    for words in ["less than a second", "about a minute", "about an hour"] {
        if lower.ends_with(words) {
            return &text[..text.len() - words.len()];
        }
    }
    let without_unit = text.trim_end_matches(|c: char| c.is_ascii_lowercase()).trim_end();
    without_unit.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Progress without what depends on how fast the machine is.
fn folded(lines: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for line in lines {
        let name = line.split(": ").next().unwrap_or_default();
        let counted = ["overall progress", "job progress", "active tasks"].contains(&name);
        let first = !kept.iter().any(|old| old.starts_with(&format!("{name}: ")));
        let full = full_count(&line) && name != "active tasks";
        let slot_error = name.split_once('/').is_some_and(|(at, of)| {
            let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            number(at) && number(of) && line.len() > name.len() + 1
        });
        if slot_error || (counted && !first && !full) || kept.last() == Some(&line) {
            continue;
        }
        kept.push(line);
    }
    kept
}

/// Whether a line counts as many as there are: `3 out of 3 tasks`.
fn full_count(line: &str) -> bool {
    let Some((before, behind)) = line.split_once(" out of ") else { return false };
    let count = before.rsplit(' ').next();
    count.is_some() && count == behind.split(' ').next()
}

#[test]
fn what_no_two_runs_share_is_masked() {
    for (line, expected) in [
        (
            "tgplza5you1x   web.1       echo:1.1   node1     Running         Running 13 seconds ago",
            "<id>   web.1   echo:1.1   node1   Running   Running <ago>",
        ),
        (
            "hzxox2gwn0c1    \\_ web.1   echo:1.0@sha256:ff5f   Shutdown about a minute ago",
            "<id>   \\_ web.1   echo:1.0   Shutdown <ago>",
        ),
        (
            "glob.sny4lxqiqrljaxp7dje577jaq Pending less than a second ago  ",
            "glob.<id> Pending <ago>",
        ),
        (" Started:\t17 seconds ago", " Started:\t<ago>"),
        (" Completed:\tLess than a second ago", " Completed:\t<ago>"),
        ("of task 0123456789012345678901234: x", "of task <id>: x"),
    ] {
        assert_eq!(squeezed(&masked(line)), expected);
    }
}

#[test]
fn progress_is_folded_to_what_each_run_shares() {
    let lines = "overall progress: 0 out of 2 tasks|1/2:|2/2:|overall progress: 1 out of 2 tasks|\
                 1/2: task: non-zero exit (1)|overall progress: 2 out of 2 tasks|verify: x";
    let folded = folded(lines.split('|').map(str::to_owned).collect());
    let expected =
        "overall progress: 0 out of 2 tasks|1/2:|2/2:|overall progress: 2 out of 2 tasks|verify: x";
    assert_eq!(folded.join("|"), expected);
}

#[test]
fn any_text_fits_where_the_scenario_says_so() {
    assert!(fits("a <any> c", "a b b c") && fits("a<any>", "a") && fits("<any>b<any>", "abc"));
    assert!(!fits("a <any> c", "a b d") && !fits("a", "ab") && !fits("<any>b", "abc"));
}

#[test]
fn a_scenario_is_read_step_by_step() -> Result<()> {
    let text = "# x\n# Departures: none\nload echo echo:1\n$? skep service ls --format 'a b'\n\
                one   two\n! three\n= 1\n";
    let steps = parse(text)?;
    let [Step::Load { .. }, Step::Run { words, how: How::Until, expected, .. }] = &steps[..] else {
        bail!("{steps:?}");
    };
    assert_eq!(words[..], ["service", "ls", "--format", "a b"]);
    let said = Said { out: vec!["one   two".into()], err: vec!["three".into()], code: 1 };
    assert_eq!(*expected, said);
    assert!(parse("$ skep x\n# Departures: none\n= 0").is_err() || parse("x").is_err());
    Ok(())
}
