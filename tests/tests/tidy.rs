//! Files and functions stay small enough to be read: a ratchet.
//!
//! Nothing may cross a line, and what is over it already, listed in `tidy.allow`, may only shrink.
//! When something listed became smaller, the test says what its line is to be.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use skep_tests::{files_below, repository};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// A file, or a function in it as `path::name`, and its lines.
type Sizes = BTreeMap<String, usize>;

#[test]
fn files_and_functions_stay_small() -> Result<()> {
    let over = over_the_lines()?;
    let allowed = allowed()?;
    let mut problems = Vec::new();
    for (what, lines) in &over {
        match allowed.get(what) {
            None => problems.push(format!("{what} has {lines} lines")),
            Some(limit) if lines > limit => {
                problems.push(format!("{what} has {lines} lines and may have {limit}: it grew"));
            }
            Some(limit) if lines < limit => {
                problems
                    .push(format!("tests/tidy.allow: {what} shrank, write {lines} for {limit}"));
            }
            Some(_) => {}
        }
    }
    for what in allowed.keys().filter(|what| !over.contains_key(*what)) {
        problems.push(format!("tests/tidy.allow: {what} is small now, take it out"));
    }
    ensure!(
        problems.is_empty(),
        "a file has at most {FILE_LINES_MAX} lines, a function {FUNCTION_LINES_MAX}:\n{}",
        problems.join("\n")
    );
    Ok(())
}

fn allowed() -> Result<Sizes> {
    let text = fs::read_to_string(repository().join("tests/tidy.allow"))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (count, what) = line.split_once(' ').with_context(|| line.to_owned())?;
            Ok((what.to_owned(), count.parse()?))
        })
        .collect()
}

fn over_the_lines() -> Result<Sizes> {
    let mut over = Sizes::new();
    for entry in fs::read_dir(repository())? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && !path.ends_with("target") {
            for file in files_below(&path)? {
                let rust = file.extension().is_some_and(|extension| extension == "rs");
                if rust && !file.components().any(|part| part.as_os_str() == "target") {
                    measure(&file, &mut over)?;
                }
            }
        }
    }
    Ok(over)
}

fn measure(file: &Path, over: &mut Sizes) -> Result<()> {
    let text = fs::read_to_string(file)?;
    let name = file.strip_prefix(repository())?.display().to_string();
    let lines = text.lines().count();
    for (function, lines) in functions(&text) {
        if lines > FUNCTION_LINES_MAX {
            over.insert(format!("{name}::{function}"), lines);
        }
    }
    if lines > FILE_LINES_MAX {
        over.insert(name, lines);
    }
    Ok(())
}

/// The functions of a file and how many lines each has. The sources are formatted, so a function ends
/// with the first `}` that stands as far left as its `fn`.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = line.len() - line.trim_start().len();
        let rest = lines[at..].iter().enumerate();
        let end = rest.skip(1).find(|(_, line)| {
            let at_left = line.len() - line.trim_start().len() == indent;
            at_left && line.trim_start().starts_with('}')
        });
        // A declaration, or a body on one line, ends where it starts.
        let short = line.trim_end().ends_with([';', '}']);
        found.push((name, if short { 1 } else { end.map_or(1, |(count, _)| count + 1) }));
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let before = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern", "\"C\""];
    let word = words.by_ref().find(|word| !before.contains(word))?;
    if word != "fn" {
        return None;
    }
    let name = words.next()?;
    Some(name.split(['(', '<']).next()?.to_owned())
}

#[test]
fn functions_are_measured_as_people_count_them() {
    let text = "impl X {\n    pub async fn long(\n        a: u8,\n    ) {\n        if a {\n        }\n    }\n\n    fn short() {}\n}\n";
    let sizes = [("long".to_owned(), 6), ("short".to_owned(), 1)];
    assert_eq!(functions(text), sizes);
}
