//! A held task is not started before its moment, nor beside the one it follows.
//!
//! The delay of a restart is stored with the task, so whoever leads keeps to it. Stop-first means
//! that the task before has ended, or its node is lost, or it was given a minute.

use std::time::Duration;

use skep_api::{Id, Node, Task, TaskState, UpdateOrder};

use super::{Checked, is_lost, name, order, others};
use crate::group::Applied;

const STOP_WAIT_MAX: Duration = Duration::from_secs(60);

pub(super) fn check(applied: &Applied) -> Checked {
    let view = &applied.after;
    for (before, after) in applied.tasks() {
        let Some(task) = after else { continue };
        let runs = |task: &Task| matches!(task.desired, TaskState::Running | TaskState::Complete);
        let released = runs(task) && before.is_none_or(|before| !runs(before));
        if !released || task.status.state.is_terminal() {
            continue;
        }
        let now = view.time();
        if let Some(start) = task.start_after.filter(|start| *start > now) {
            let early = start.since(now);
            return Err(format!("{} is started {early:?} too early", name(view, task)));
        }
        let first = view.service(task.service).map(|service| order(view, service));
        // A task that fills a slot anew waits for nobody: those there are to be forgotten.
        let waited = now.since(task.meta.created_at) >= STOP_WAIT_MAX;
        if before.is_none() || waited || first == Some(UpdateOrder::StartFirst) {
            continue;
        }
        let in_the_way = |other: &&Task| {
            other.desired == TaskState::Shutdown
                && other.meta.created_at < task.meta.created_at
                && other.status.state >= TaskState::Assigned
                && !other.status.state.is_terminal()
                && other.node.is_some_and(|node| was_there(applied, node))
        };
        if let Some(old) = others(view, task).find(in_the_way) {
            let (new, state) = (name(view, task), old.status.state.name());
            return Err(format!("{new} is started while {} before it is {state}", old.id));
        }
    }
    Ok(())
}

/// Whether a node was there as far as whoever decided could know.
fn was_there(applied: &Applied, node: Id<Node>) -> bool {
    let changed = applied.after.node(node).is_some_and(|n| n.meta.version > applied.seen);
    !is_lost(&applied.after, node) && !changed
}
