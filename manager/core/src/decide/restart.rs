//! Slots whose task ended, or whose node can't be counted on (semantics part 5).
//!
//! A task is never started again: another one takes its slot. The new one is placed and prepared at
//! once and held in desired READY; only its start waits.
//!
//! | situation | change |
//! |---|---|
//! | a wanted task ended, or its node is gone, down or drained | it is told to stop |
//! | ... and the policy restarts it | a new task in the slot, to start after the delay |
//! | ... and it ended while its own start was still held | nothing until that moment: no tight loop |
//! | a held task's moment came, and the tasks before it ended, or are on lost nodes, or were told to stop a minute ago | desired RUNNING |
//!
//! Attempts are counted from the stored tasks of the slot, which the reaper keeps for that; so every
//! leader counts the same. A new spec version counts from zero. There is no delay on a drained node.

use std::time::Duration;

use skep_api::{
    Availability, Id, IdGen, Mode, Node, Origin, RestartCondition, RestartPolicy, Service, Slot,
    Task, TaskState, Time,
};

use super::{SlotKey, global};
use crate::change::Change;
use crate::draft::{Making, new_task};
use crate::store::{View, held_until};

/// How long a new task waits for the one before it to stop, as in Swarm.
const STOP_WAIT_MAX: Duration = Duration::from_secs(60);

/// Decides about one slot.
pub(crate) fn reconcile(
    view: &View,
    (service, slot): SlotKey,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    // The tasks of a service that is gone are told to end elsewhere.
    let Some(service) = view.service(service) else { return Vec::new() };
    let is_lost = |task: &&Task| ended_or_unfit(view, task, now);
    let wanted = || view.tasks_in(service.id, slot).filter(|task| task.is_wanted());

    let mut changes: Vec<_> = wanted()
        .filter(is_lost)
        .map(|task| Change::TaskDesired { task: task.id, desired: TaskState::Shutdown })
        .collect();
    let lost = wanted().filter(is_lost).max_by_key(|task| (task.meta.created_at, task.id));
    let has_other = wanted().any(|task| !is_lost(&task));
    let has_place = global::is_open(view, service, slot);
    let is_followed = |task: &&Task| has_place && !has_other && is_restarted(view, task, now);
    if let Some(lost) = lost.filter(is_followed) {
        let start_after = now.after(delay(view, lost));
        // If nothing else holds it, a task that may start at once is not held to begin with.
        let old_ones: Vec<_> = view.tasks_in(service.id, slot).collect();
        let desired = if start_after <= now && all_gone(view, &old_ones) {
            service.goal()
        } else {
            TaskState::Ready
        };
        let origin = Origin::Restart;
        let making = Making { slot, origin, desired, start_after: Some(start_after) };
        changes.push(new_task(ids.next(), service, making));
    }
    for task in wanted().filter(|task| !is_lost(task)) {
        if start_at(view, task).is_some_and(|start| start <= now) {
            changes.push(Change::TaskDesired { task: task.id, desired: service.goal() });
        }
    }
    changes
}

/// The slots whose held tasks may have waited long enough.
pub(crate) fn due(view: &View, now: Time) -> Vec<SlotKey> {
    let due = view.held().take_while(|(time, _)| *time <= now);
    due.map(|(_, task)| (task.service, task.slot)).collect()
}

/// When a held task may start.
pub(crate) fn wake_at(view: &View) -> Option<(Time, &'static str)> {
    let mut next: Option<Time> = None;
    for (time, task) in view.held() {
        // Held tasks come in the order of their earliest moments.
        if next.is_some_and(|next| next <= time) {
            break;
        }
        let moment =
            if task.status.state.is_terminal() { Some(time) } else { start_at(view, task) };
        next = moment.into_iter().chain(next).min();
    }
    next.map(|time| (time, "a held task may start"))
}

/// Whether the policy puts another task in the slot of this one (semantics part 5).
pub(crate) fn is_restarted(view: &View, task: &Task, now: Time) -> bool {
    let Some(spec) = view.spec_of(task) else { return false };
    let policy = &spec.task.restart;
    let is_job = matches!(spec.mode, Mode::ReplicatedJob { .. } | Mode::GlobalJob);
    let by_condition = match policy.condition {
        RestartCondition::None => false,
        RestartCondition::Any if is_job => task.status.state != TaskState::Complete,
        RestartCondition::OnFailure => task.status.state != TaskState::Complete,
        RestartCondition::Any => true,
    };
    by_condition
        && (policy.max_attempts == 0 || attempts(view, task, policy, now) < policy.max_attempts)
}

/// How many restarts of the task's spec version the slot has seen, within the policy's window
/// before the task's end. Of the tasks that are kept, the oldest one may have been no restart.
pub(crate) fn attempts(view: &View, task: &Task, policy: &RestartPolicy, now: Time) -> u64 {
    let end = if task.status.state.is_terminal() { task.status.at } else { now };
    let mut made: Vec<_> = view
        .tasks_in(task.service, task.slot)
        .filter(|other| other.spec_version == task.spec_version)
        .map(|other| other.meta.created_at)
        .collect();
    made.sort_unstable();
    let counted = made.into_iter().skip(1).filter(|made| {
        *made <= end && (policy.window.is_zero() || end.since(*made) < policy.window)
    });
    counted.count() as u64
}

/// Whether a wanted task ended or its node can't be counted on. One that ended while it was still
/// held counts only once its own moment came.
fn ended_or_unfit(view: &View, task: &Task, now: Time) -> bool {
    if task.status.state.is_terminal() {
        return held_until(task).is_none_or(|time| time <= now);
    }
    task.home().is_some_and(|node| {
        let drained = |node: &Node| node.spec.availability == Availability::Drain;
        view.is_lost(node) || view.node(node).is_some_and(drained)
    })
}

/// The delay before the task that follows `task`; none where a node is being emptied.
fn delay(view: &View, task: &Task) -> Duration {
    let drained = task
        .node
        .and_then(|node| view.node(node))
        .is_some_and(|node| node.spec.availability == Availability::Drain);
    match view.spec_of(task) {
        Some(spec) if !drained => spec.task.restart.delay,
        _ => Duration::ZERO,
    }
}

/// From when a held task may start; none if it is not held.
pub(crate) fn start_at(view: &View, task: &Task) -> Option<Time> {
    let earliest = held_until(task)?;
    let others: Vec<_> =
        view.tasks_in(task.service, task.slot).filter(|other| other.id != task.id).collect();
    if all_gone(view, &others) {
        return Some(earliest);
    }
    Some(earliest.max(task.meta.created_at.after(STOP_WAIT_MAX)))
}

/// Whether nothing of a slot runs any more, as far as managers can know.
pub(crate) fn is_clear(view: &View, service: Id<Service>, slot: Slot) -> bool {
    let tasks: Vec<_> = view.tasks_in(service, slot).collect();
    all_gone(view, &tasks)
}

/// Whether these tasks run nowhere any more, as far as managers can know.
fn all_gone(view: &View, tasks: &[&Task]) -> bool {
    tasks.iter().all(|task| {
        task.status.state.is_terminal() || task.node.is_none_or(|node| view.is_lost(node))
    })
}
