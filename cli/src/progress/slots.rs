//! The progress of replicated and global services: how many slots have a task that runs.

use std::collections::BTreeMap;

use skep_api::{Slot, Task, TaskState};

use super::screen::Line;
use super::{SLOTS_SHOWN_MAX, Step, Way, error_line};

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub(super) struct Slots {
    started: bool,
    /// Once all ran, lines are left alone until one does not.
    done: bool,
    /// In which line a slot is shown: in the order in which the slots came up.
    lines: BTreeMap<Slot, u64>,
}

impl Slots {
    /// Looks at the service's tasks that are up to date. A global service states no replicas: it is
    /// to have as many tasks as there are slots.
    pub(super) fn step(&mut self, tasks: &[Task], replicas: Option<u64>, way: Way) -> Step {
        let slots = by_slot(tasks);
        let wanted = replicas.unwrap_or(slots.len() as u64);
        let mut lines = Vec::new();
        if !self.started {
            if replicas.is_none() && slots.is_empty() {
                // Either the managers have not made them yet, or no node is fit.
                return Step::going([Line::told("overall progress", "waiting for new tasks")]);
            }
            self.started = true;
            lines.push(overall(0, wanted, way));
            if replicas.is_some() && wanted <= SLOTS_SHOWN_MAX {
                lines.extend((1..=wanted).map(|at| Line::told(format!("{at}/{wanted}"), " ")));
            }
        }
        self.done &= slots.values().all(|task| task.status.state == TaskState::Running);
        let running = slots.values().filter(|task| runs(task)).count() as u64;
        if !self.done {
            for task in slots.values() {
                lines.extend(self.slot_line(task, wanted));
            }
            lines.push(overall(running, wanted, way));
            self.done = running == wanted;
        }
        Step { lines, converged: running == wanted }
    }

    fn slot_line(&mut self, task: &Task, wanted: u64) -> Option<Line> {
        if wanted > SLOTS_SHOWN_MAX {
            return None;
        }
        let name = match task.slot.node() {
            Some(node) => node.short(),
            None => {
                let next = self.lines.len() as u64 + 1;
                let at = *self.lines.entry(task.slot).or_insert(next);
                (at <= wanted).then(|| format!("{at}/{wanted}"))?
            }
        };
        if !task.status.err.is_empty() {
            return Some(error_line(name, task));
        }
        let lives = task.is_wanted() && !task.status.state.is_terminal();
        lives.then(|| Line::passing(name, task.status.state.name()))
    }
}

fn overall(running: u64, wanted: u64, way: Way) -> Line {
    let what = match way {
        Way::Forward => "",
        Way::Back => "rolling back update: ",
    };
    Line::told("overall progress", format!("{what}{running} out of {wanted} tasks"))
}

fn runs(task: &Task) -> bool {
    task.is_wanted() && task.status.state == TaskState::Running
}

/// The task that counts in each slot: the one that is wanted most, and of two that are wanted alike
/// the one that is behind, since it is the newer one. Docker leaves out tasks on nodes that are down
/// too; here they are no longer wanted once their node is.
fn by_slot(tasks: &[Task]) -> BTreeMap<Slot, &Task> {
    let mut slots: BTreeMap<Slot, &Task> = BTreeMap::new();
    let gone = |state| matches!(state, TaskState::Remove | TaskState::Orphaned);
    for task in tasks.iter().filter(|task| !gone(task.desired) && !gone(task.status.state)) {
        let key = |task: &Task| (task.desired, task.status.state);
        if slots.get(&task.slot).is_none_or(|old| key(task) < key(old)) {
            slots.insert(task.slot, task);
        }
    }
    slots
}
