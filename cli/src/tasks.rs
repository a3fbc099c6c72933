//! The table of tasks: `service ps`, `stack ps`, `node ps`.

use std::cmp::Reverse;

use serde_json::Value;
use skep_api::{PublishMode, Task, TaskState};
use skep_wire::pb;

use crate::ago::ago;
use crate::args::TaskListArgs;
use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::out::{Column, List, row};
use crate::waits::{Waits, Whose};

const COLUMNS: &[Column] = &[
    ("ID", "ID"),
    ("Name", "NAME"),
    ("Image", "IMAGE"),
    ("Node", "NODE"),
    ("DesiredState", "DESIRED STATE"),
    ("CurrentState", "CURRENT STATE"),
    ("Error", "ERROR"),
    ("Ports", "PORTS"),
];

/// For templates: all that is known about why a task is where it is, or nowhere.
const FURTHER: &[Column] = &[("Why", "WHY")];

/// Docker cuts errors there.
const ERROR_CHARS_MAX: usize = 30;

/// Prints tasks with what those wait for that wait.
pub(crate) async fn print(
    client: &Client,
    rows: Vec<pb::TaskRow>,
    args: &TaskListArgs,
) -> CliResult<()> {
    let whose = if explains(args) || args.no_trunc { Whose::All } else { Whose::Waiting };
    let waits = Waits::of_rows(client, &rows, whose).await?;
    print_rows(rows, &waits, args)
}

/// Whether all there is to say is asked for. It is in no JSON line: those are Docker's.
fn explains(args: &TaskListArgs) -> bool {
    args.list.format.as_ref().is_some_and(|format| format.contains(".Why"))
}

/// Prints tasks by name and slot, the newest of each slot first.
fn print_rows(rows: Vec<pb::TaskRow>, waits: &Waits, args: &TaskListArgs) -> CliResult<()> {
    let mut tasks = rows.into_iter().map(Shown::try_from).collect::<CliResult<Vec<_>>>()?;
    tasks.sort_by_cached_key(|shown| {
        (
            natural(&shown.service),
            shown.task.slot,
            Reverse((shown.task.meta.created_at, shown.task.spec_version)),
        )
    });
    // What `-q` and templates get is whole: rows are cut for the eye only.
    let mut last_name = String::new();
    let mut rows = Vec::with_capacity(tasks.len());
    for shown in &tasks {
        let name = shown.name(args.no_resolve);
        let repeated = name == last_name && args.list.format.is_none() && !args.list.quiet;
        let shown_name = if repeated { format!(" \\_ {name}") } else { name.clone() };
        last_name = name;
        rows.push(shown.row(shown_name, waits, args));
    }
    let list = List { columns: COLUMNS, further: FURTHER, quiet_key: "ID", rows };
    list.print(args.list.format.as_deref(), args.list.quiet)
}

/// A key that sorts `web2` before `web10`.
pub(crate) fn natural(name: &str) -> Vec<(String, Option<u64>)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(words);
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        let (number, next) = behind.split_at(digits);
        // No number comes before any; one that is too long for a u64 after all.
        let number = (!number.is_empty()).then(|| number.parse().unwrap_or(u64::MAX));
        parts.push((word.to_owned(), number));
        rest = next;
    }
    parts
}

struct Shown {
    task: Task,
    service: String,
    node: String,
    image: String,
}

impl TryFrom<pb::TaskRow> for Shown {
    type Error = CliError;

    fn try_from(row: pb::TaskRow) -> CliResult<Self> {
        let task = Task::try_from(row.task.unwrap_or_default())?;
        let spec = row.spec.unwrap_or_default();
        let image = spec.task.and_then(|t| t.component).map(|c| c.image).unwrap_or_default();
        let service = if row.service_name.is_empty() { spec.name } else { row.service_name };
        let service = if service.is_empty() { task.service.to_string() } else { service };
        Ok(Self { task, service, node: row.node_name, image })
    }
}

impl Shown {
    fn name(&self, ids: bool) -> String {
        if ids {
            return self.task.short_name(&self.task.service.to_string());
        }
        self.task.short_name(&self.service)
    }

    /// What went wrong, or what the task waits for. Uncut, it says for each node why the task is not
    /// there, and why one that ended is not started again. Docker has what went wrong alone.
    fn reason(&self, waits: &Waits, whole: bool) -> String {
        let err = &self.task.status.err;
        if err.is_empty() {
            return waits.of(&self.task).join("; ");
        }
        let more = if whole { waits.about(&self.task) } else { &[] };
        let more = more.iter().filter(|line| !line.contains(err.as_str()));
        std::iter::once(err).chain(more).map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    fn row(
        &self,
        name: String,
        waits: &Waits,
        args: &TaskListArgs,
    ) -> serde_json::Map<String, Value> {
        let task = &self.task;
        let full = args.no_trunc || args.list.quiet;
        let id = if full { task.id.to_string() } else { task.id.short() };
        let image = match self.image.split_once('@') {
            Some((name, _)) if !args.no_trunc => name,
            _ => &self.image,
        };
        let node = match (args.no_resolve, task.node) {
            (true, Some(node)) => node.to_string(),
            _ => self.node.clone(),
        };
        let since = task.status.at;
        let mut row = row([
            ("ID", id.into()),
            ("Name", name.into()),
            ("Image", image.into()),
            ("Node", node.into()),
            ("DesiredState", capital(task.desired.name()).into()),
            (
                "CurrentState",
                format!("{} {}", capital(task.status.state.name()), ago(since).to_lowercase())
                    .into(),
            ),
            ("Error", error_text(&self.reason(waits, args.no_trunc), args.no_trunc).into()),
            ("Ports", host_ports(task).into()),
        ]);
        if explains(args) {
            row.insert("Why".to_owned(), waits.about(task).join("; ").into());
        }
        row
    }
}

fn host_ports(task: &Task) -> String {
    if task.status.state != TaskState::Running {
        return String::new();
    }
    let host = task.ports.iter().filter(|port| port.mode == PublishMode::Host);
    let ports: Vec<String> = host
        .map(|port| format!("*:{}->{}/{}", port.published, port.target, port.protocol.name()))
        .collect();
    ports.join(",")
}

fn error_text(err: &str, whole: bool) -> String {
    if err.is_empty() {
        return String::new();
    }
    let cut = !whole && err.chars().count() > ERROR_CHARS_MAX;
    if cut {
        let kept: String = err.chars().take(ERROR_CHARS_MAX - 1).collect();
        return format!("\"{kept}…\"");
    }
    format!("\"{err}\"")
}

/// `running` as `Running`.
pub(crate) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_their_numbers() {
        let mut names = ["web10", "web2", "db", "web"];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["db", "web", "web2", "web10"]);
    }

    #[test]
    fn long_errors_are_cut_and_quoted() {
        assert_eq!(error_text("", false), "");
        assert_eq!(error_text("task: non-zero exit (1)", false), "\"task: non-zero exit (1)\"");
        let long = "no suitable node (host-mode port already in use on 1 node)";
        assert_eq!(error_text(long, false).chars().count(), 32);
        assert_eq!(error_text(long, true), format!("\"{long}\""));
    }
}
