//! Tasks that are forgotten (semantics part 2.2).
//!
//! | situation | change |
//! |---|---|
//! | a task is to be removed, and it ended or never had a node | removed |
//! | a task of a service that is gone ended or never had a node | removed |
//! | a slot has more tasks than the history limit | the oldest that ended, or are unwanted and never had a node, are removed |
//!
//! The limit counts the live task too. A policy with a number of attempts overrides it, since
//! attempts are counted from the tasks that are kept. The newest task of a slot always stays: it
//! says that the slot was given up.

use skep_api::{Task, TaskState};

use super::SlotKey;
use crate::change::{Change, Key};
use crate::store::View;

/// Swarm's default of `task-history-limit`, for a store without a swarm.
const HISTORY_DEFAULT: i64 = 5;

/// Decides about one slot.
pub(crate) fn reconcile(view: &View, (service, slot): SlotKey) -> Vec<Change> {
    let remove = |task: &Task| Change::Remove(Key::Task(task.id));
    let Some(service) = view.service(service) else {
        return view.tasks_in(service, slot).filter(|task| has_gone(task)).map(remove).collect();
    };
    let mut tasks: Vec<_> = view.tasks_in(service.id, slot).collect();
    let mut changes = Vec::new();
    tasks.retain(|task| {
        let gone = task.desired >= TaskState::Remove && has_gone(task);
        if gone {
            changes.push(remove(task));
        }
        !gone
    });
    let attempts = service.spec.task.restart.max_attempts;
    let limit = match attempts {
        0 => view.cluster().map_or(HISTORY_DEFAULT, |cluster| cluster.spec.task_history_limit),
        attempts => i64::try_from(attempts).unwrap_or(i64::MAX).saturating_add(1),
    };
    // A negative limit keeps all.
    let Ok(limit) = usize::try_from(limit) else { return changes };
    tasks.sort_by_key(|task| (task.meta.created_at, task.id));
    let surplus = tasks.len().saturating_sub(limit);
    tasks.pop();
    let old = tasks.into_iter().filter(|task| !task.is_wanted() && has_gone(task));
    changes.extend(old.take(surplus).map(remove));
    changes
}

/// Whether no node has anything of the task any more.
fn has_gone(task: &Task) -> bool {
    task.status.state.is_terminal() || task.status.state < TaskState::Assigned
}
