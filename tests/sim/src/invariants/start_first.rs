//! In a start-first update the task that runs is told to stop only when the new one runs.

use skep_api::{Availability, Mode, NodeState, Origin, Task, TaskState, UpdateOrder};

use super::{Checked, name, order, others};
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    let view = &applied.after;
    for (before, after) in applied.tasks() {
        let (Some(before), Some(task)) = (before, after) else { continue };
        let told = before.is_wanted() && task.desired == TaskState::Shutdown;
        let ran = before.status.state == TaskState::Running && can_stay(applied, before);
        if !told || !ran || task.status.state.is_terminal() {
            continue;
        }
        // A spec that was written meanwhile says what is next, not what was decided.
        let known = |version: u64| version <= applied.seen || version == view.version();
        let service = view.service(task.service).filter(|s| known(s.meta.version));
        let Some(service) = service else { continue };
        let replicated = matches!(service.spec.mode, Mode::Replicated { .. });
        if !replicated || order(view, service) != UpdateOrder::StartFirst {
            continue;
        }
        let newer = |other: &&Task| {
            other.origin == Origin::Update && other.meta.created_at > task.meta.created_at
        };
        let runs = |other: &Task| other.is_wanted() && other.status.state == TaskState::Running;
        let successors: Vec<_> = others(view, task).filter(newer).collect();
        // The same goes for one that ran when it was decided.
        if successors.iter().any(|other| !known(other.meta.version)) {
            continue;
        }
        if !others(view, task).any(runs) && successors.iter().any(|t| t.is_wanted()) {
            let what = name(view, task);
            return Err(format!("{what} ran and is told to stop before its successor runs"));
        }
    }
    Ok(())
}

/// Whether the task's node gives no reason to stop it, and gave none to whoever decided.
fn can_stay(applied: &Applied, task: &Task) -> bool {
    let node = task.node.and_then(|node| applied.before.node(node));
    let known = task.meta.version <= applied.seen;
    known
        && node.is_some_and(|node| {
            node.meta.version <= applied.seen
                && node.status.state == NodeState::Ready
                && node.spec.availability == Availability::Active
        })
}
