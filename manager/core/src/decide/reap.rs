//! Tasks that are forgotten (semantics part 2.2).
//!
//! | situation | change |
//! |---|---|
//! | a task is to be removed, and it ended or never had a node | removed |
//! | a task of a service that is gone ended or never had a node | removed |
//! | a slot has more tasks than the history limit | the oldest that ended, or are unwanted and never had a node, are removed |
//! | several tasks of a slot are live | none: the slot is in the middle of something |
//!
//! The limit counts the live task too. A policy with a number of attempts overrides it, since
//! attempts are counted from the tasks that are kept. Whatever the limit, these stay:
//! - the newest task of a slot: it says that the slot was given up;
//! - tasks that count as attempts of the slot's spec version, as many as there may be;
//! - the task that the last update made: that one may be under way, and count its failures;
//! - what a job completed.
//!
//! A job's other tasks are trimmed like those of any service, since a task that fails for ever must
//! not fill the managers' memory. With `--compat=swarm`, they all stay until the next iteration.

use skep_api::{Compat, Origin, Task, TaskState};

use super::{SlotKey, restart};
use crate::change::{Change, Key};
use crate::store::View;

/// Swarm's default of `task-history-limit`, for a store without a swarm.
const HISTORY_DEFAULT: i64 = 5;
/// How many tasks of a slot are kept to be counted. A slot that was restarted that often is as good
/// as restarted without limit: a higher number of attempts is never reached.
const COUNTED_MAX: usize = 1000;

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
    let live = tasks.iter().filter(|task| task.is_wanted() && !task.status.state.is_terminal());
    // In Swarm such a slot keeps all. A start-first update whose new task fails again and again
    // would make it grow for ever.
    let is_busy = live.count() > 1 && view.compat() == Compat::Swarm;
    tasks.sort_by_key(|task| (task.meta.created_at, task.id));
    let number = tasks.len();
    let Some(newest) = tasks.pop() else { return changes };
    let Some(limit) = limit(view, newest).filter(|_| !is_busy) else { return changes };
    let surplus = number.saturating_sub(limit);
    let kept = Kept::new(view, newest);
    let mut counted = 0;
    // From the newest on, so that of those to be counted the oldest are let go first.
    let mut old: Vec<_> = tasks.into_iter().rev().collect();
    old.retain(|task| {
        let stays = kept.counts(task) && counted < kept.counted_max;
        counted += usize::from(stays);
        !stays && !kept.is_watched(task) && !task.is_wanted() && has_gone(task)
    });
    changes.extend(old.into_iter().rev().take(surplus).map(remove));
    changes
}

/// How many tasks a slot keeps; none if all. What counts is the policy of its newest task, since that
/// is the one that its attempts are counted under: a new spec changes nothing in a slot by itself.
fn limit(view: &View, newest: &Task) -> Option<usize> {
    let spec = view.spec_of(newest)?;
    if spec.mode.is_job() && view.compat() == Compat::Swarm {
        return None;
    }
    let limit = match spec.task.restart.max_attempts {
        0 => view.cluster().map_or(HISTORY_DEFAULT, |cluster| cluster.spec.task_history_limit),
        attempts => i64::try_from(attempts.saturating_add(1)).unwrap_or(i64::MAX),
    };
    // A negative limit keeps all.
    usize::try_from(limit).ok()
}

/// What stays in a slot whatever the limit.
struct Kept<'a> {
    view: &'a View,
    newest: &'a Task,
    counted_max: usize,
}

impl<'a> Kept<'a> {
    fn new(view: &'a View, newest: &'a Task) -> Self {
        let attempts = view.spec_of(newest).map_or(0, |spec| spec.task.restart.max_attempts);
        let attempts = usize::try_from(attempts).unwrap_or(COUNTED_MAX);
        Self { view, newest, counted_max: attempts.min(COUNTED_MAX) }
    }

    /// Whether the restart policy counts the task: it is an attempt, or was restarted by its node.
    fn counts(&self, task: &Task) -> bool {
        let is_counted = restart::is_attempt(self.view, task) || task.status.failures > 0;
        let (version, iteration) = (self.newest.spec_version, self.newest.job_iteration);
        is_counted && (task.spec_version, task.job_iteration) == (version, iteration)
    }

    fn is_watched(&self, task: &Task) -> bool {
        let by_update =
            task.origin == Origin::Update && task.spec_version == self.newest.spec_version;
        // Whatever was wanted of it in the end: its slot is done.
        let is_job = self.view.service(task.service).is_some_and(|service| service.job.is_some());
        by_update || (is_job && task.status.state == TaskState::Complete)
    }
}

/// Whether no node has anything of the task any more.
fn has_gone(task: &Task) -> bool {
    task.status.state.is_terminal() || task.status.state < TaskState::Assigned
}
