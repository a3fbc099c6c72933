//! The progress of jobs: how many of their tasks have completed.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{Slot, Task, TaskState};

use super::screen::Line;
use super::{SLOTS_SHOWN_MAX, Step, error_line};

/// What is remembered of a job from one look to the next.
#[derive(Debug)]
pub(super) struct Job {
    /// The iteration that is waited for; tasks of others are not looked at.
    iteration: u64,
    kind: Kind,
    started: bool,
}

#[derive(Debug)]
enum Kind {
    Replicated {
        concurrent: u64,
        total: u64,
    },
    /// The slots of the nodes there were at the start: nodes that come later run the job too, but
    /// nobody waits for them.
    Global(BTreeSet<Slot>),
}

impl Job {
    pub(super) const fn replicated(iteration: u64, concurrent: u64, total: u64) -> Self {
        Self { iteration, kind: Kind::Replicated { concurrent, total }, started: false }
    }

    pub(super) const fn global(iteration: u64) -> Self {
        Self { iteration, kind: Kind::Global(BTreeSet::new()), started: false }
    }

    /// Looks at the service's tasks.
    pub(super) fn step(&mut self, tasks: &[Task]) -> Step {
        let slots = self.by_slot(tasks);
        let mut lines = Vec::new();
        let first = !std::mem::replace(&mut self.started, true);
        let complete = match &mut self.kind {
            Kind::Replicated { concurrent, total } => {
                let (concurrent, total) = (*concurrent, *total);
                if first {
                    replicated_lines(&mut lines, 0, 0, concurrent, total);
                    if total <= SLOTS_SHOWN_MAX {
                        lines
                            .extend((1..=total).map(|at| Line::told(format!("{at}/{total}"), " ")));
                    }
                }
                if total <= SLOTS_SHOWN_MAX {
                    lines.extend(slots.values().map(|task| {
                        task_line(format!("{}/{total}", task.slot.number() + 1), task)
                    }));
                }
                let complete = count(&slots, |state| state == TaskState::Complete);
                let active = count(&slots, |state| state < TaskState::Complete);
                replicated_lines(&mut lines, complete, active, concurrent, total);
                complete == total
            }
            Kind::Global(nodes) => {
                if first {
                    nodes.extend(slots.keys());
                    if nodes.is_empty() {
                        self.started = false;
                        return Step::going([Line::told("job progress", "waiting for tasks")]);
                    }
                    lines.push(done_line(0, nodes.len() as u64));
                }
                let ours: BTreeMap<Slot, &Task> =
                    slots.into_iter().filter(|(slot, _)| nodes.contains(slot)).collect();
                let shown = ours.values().filter(|_| ours.len() as u64 <= SLOTS_SHOWN_MAX);
                lines.extend(shown.filter_map(|task| Some(task_line(task.home()?.short(), task))));
                let complete = count(&ours, |state| state == TaskState::Complete);
                lines.push(done_line(complete, nodes.len() as u64));
                complete == nodes.len() as u64
            }
        };
        Step { lines, converged: complete }
    }

    /// The newest task of each slot: of several, the one in the lower state.
    fn by_slot<'a>(&self, tasks: &'a [Task]) -> BTreeMap<Slot, &'a Task> {
        let mut slots: BTreeMap<Slot, &Task> = BTreeMap::new();
        let gone = |state| matches!(state, TaskState::Remove | TaskState::Orphaned);
        let ours = tasks.iter().filter(|task| task.job_iteration == self.iteration);
        for task in ours.filter(|task| !gone(task.desired) && !gone(task.status.state)) {
            if slots.get(&task.slot).is_none_or(|old| task.status.state < old.status.state) {
                slots.insert(task.slot, task);
            }
        }
        slots
    }
}

fn count(slots: &BTreeMap<Slot, &Task>, is: impl Fn(TaskState) -> bool) -> u64 {
    slots.values().filter(|task| is(task.status.state)).count() as u64
}

/// Numbers are as wide as the widest, so that the line does not jump.
fn replicated_lines(
    lines: &mut Vec<Line>,
    complete: u64,
    active: u64,
    concurrent: u64,
    total: u64,
) {
    lines.push(done_line(complete, total));
    let at_once = concurrent.min(total - complete.min(total));
    let width = concurrent.min(total).to_string().len();
    lines
        .push(Line::told("active tasks", format!("{active:width$} out of {at_once:width$} tasks")));
}

fn done_line(complete: u64, total: u64) -> Line {
    let width = total.to_string().len();
    Line::told("job progress", format!("{complete:width$} out of {total} complete"))
}

fn task_line(name: String, task: &Task) -> Line {
    if task.status.err.is_empty() {
        return Line::passing(name, task.status.state.name());
    }
    error_line(name, task)
}
