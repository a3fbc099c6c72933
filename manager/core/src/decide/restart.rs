//! Slots whose task ended, or whose node can't be counted on (semantics part 5).
//!
//! A task is never started again: another one takes its slot. The new one is placed and prepared at
//! once and held in desired READY; only its start waits.
//!
//! | situation | change |
//! |---|---|
//! | a wanted task ended, or its node is gone, down or drained | it is told to stop |
//! | ... and the policy lets another one follow | a new task in the slot, to start after the delay |
//! | ... and it ended while its own start was still held | nothing until that moment: no tight loop |
//! | ... and another wanted task of the slot is as new, or up to date | nothing more: the slot has its task |
//! | ... and the slot's node may get no new task | nothing more: a global service fills it again later |
//! | a held task's moment came, and the tasks told to stop ended, or are on lost nodes, or a minute passed | desired RUNNING, COMPLETE for a job |
//! | an up-to-date task runs beside older or out-of-date wanted ones | these are told to stop: start-first |
//! | a job's task is COMPLETE | nothing |
//! | a task failed under a spec that its service is going back from | nothing: the rollback replaces it |
//!
//! What became of a task decides whether and how another one follows:
//!
//! | | condition | counts as an attempt | delay |
//! |---|---|---|---|
//! | COMPLETE or FAILED | asked | yes | yes |
//! | REJECTED: by its node, which could not run it, or since its node no longer met its constraints | asked | no | yes |
//! | told to stop, ORPHANED, or on a node that is gone, down or drained | not asked | no | only if the node is still good |
//!
//! With `--compat=swarm` it is as in Swarm: the condition is always asked (so that `none` shrinks a
//! service whose node is lost), everything counts, and only drained nodes spare the delay.
//!
//! Attempts are counted from the stored tasks of the slot, which the reaper keeps for that, and from
//! what their nodes restarted themselves; so every leader counts the same. A new spec version counts
//! from zero.

use std::time::Duration;

use skep_api::{
    Availability, Compat, Id, IdGen, Mode, Node, NodeState, Origin, RestartCondition,
    RestartPolicy, Service, Slot, Task, TaskState, Time, UpdateState,
};

use super::{SlotKey, global, nodes, outdated::Outdated};
use crate::change::Change;
use crate::draft::{Making, new_task};
use crate::store::{View, held_until};

/// How long a new task waits for the one before it to stop, as in Swarm.
pub(crate) const STOP_WAIT_MAX: Duration = Duration::from_secs(60);

/// Decides about one slot.
pub(crate) fn reconcile(
    view: &View,
    (service, slot): SlotKey,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    // The tasks of a service that is gone are told to end elsewhere, and so are those of a job's
    // older iterations.
    let Some(service) = view.service(service) else { return Vec::new() };
    let iteration = service.job.map_or(0, |job| job.iteration);
    let wanted = view
        .tasks_in(service.id, slot)
        .filter(|task| task.is_wanted() && task.job_iteration == iteration);
    let (lost, live): (Vec<_>, Vec<_>) = wanted.partition(|task| is_lost(view, task, now));

    let mut changes: Vec<_> = lost.iter().map(|task| shut(task)).collect();
    changes.extend(succeeded(view, service, &live).map(shut));
    let last = lost.iter().max_by_key(|task| (task.meta.created_at, task.id));
    if let Some(last) = last.filter(|last| {
        is_restarted(view, last, now)
            && global::is_open(view, service, slot)
            && !has_successor(view, service, last, &live)
    }) {
        changes.push(follow(view, service, last, &lost, now, ids));
    }
    for task in live {
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

/// When the next held task may start.
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

/// From when a held task may start, at the latest: after its restart's delay, and once the tasks
/// before it stopped or a minute passed. None if it is not held.
pub fn start_at(view: &View, task: &Task) -> Option<Time> {
    let earliest = held_until(task)?;
    if view.tasks_in(task.service, task.slot).any(|other| stops(view, other)) {
        return Some(earliest.max(task.meta.created_at.after(STOP_WAIT_MAX)));
    }
    Some(earliest)
}

/// Whether nothing of a slot runs any more, as far as managers can know.
pub(crate) fn is_clear(view: &View, service: Id<Service>, slot: Slot) -> bool {
    !view.tasks_in(service, slot).any(|task| may_run(view, task))
}

/// The slots of a service with several wanted tasks: which of them stays depends on its spec.
pub(crate) fn crowded(view: &View, service: Id<Service>) -> impl Iterator<Item = SlotKey> {
    let mut before = None;
    view.tasks_of(service)
        .filter(|task| task.is_wanted())
        .map(|task| task.slot)
        .filter(move |slot| before.replace(*slot) == Some(*slot))
        .map(move |slot| (service, slot))
}

/// Whether a slot has no wanted task and was not given up either: its service is to fill it, or to
/// clear it away.
pub(crate) fn is_bare(view: &View, (service, slot): SlotKey, now: Time) -> bool {
    let Some(service) = view.service(service).filter(|s| s.job.is_none()) else { return false };
    if view.tasks_in(service.id, slot).any(|task| task.is_wanted()) {
        return false;
    }
    let newest = view.newest_in(service.id, slot);
    global::is_open(view, service, slot)
        && newest.is_none_or(|newest| {
            newest.desired < TaskState::Remove && is_restarted(view, newest, now)
        })
}

/// Whether a task may still run.
pub(crate) fn may_run(view: &View, task: &Task) -> bool {
    !task.status.state.is_terminal() && task.node.is_some_and(|node| !view.is_lost(node))
}

fn stops(view: &View, task: &Task) -> bool {
    !task.is_wanted() && may_run(view, task)
}

/// Whether the policy lets another task follow this one in its slot.
pub(crate) fn is_restarted(view: &View, task: &Task, now: Time) -> bool {
    let Some(spec) = view.spec_of(task) else { return false };
    let policy = &spec.task.restart;
    let complete = task.status.state == TaskState::Complete;
    let by_condition = match policy.condition {
        RestartCondition::None => false,
        RestartCondition::OnFailure => !complete,
        // A job that is done is done.
        RestartCondition::Any => !spec.mode.is_job() || !complete,
    };
    // Swarm looks a global job's attempts up under another key than it notes them, and finds none.
    let unlimited = policy.max_attempts == 0
        || (view.compat() == Compat::Swarm && spec.mode == Mode::GlobalJob);
    let may_try = || unlimited || attempts(view, task, policy, now) < policy.max_attempts;
    match fate(task) {
        Fate::Moved if view.compat() == Compat::Skep => true,
        Fate::Ended | Fate::Rejected if is_left_behind(view, task) => false,
        Fate::Rejected if view.compat() == Compat::Skep => by_condition,
        Fate::Ended | Fate::Rejected | Fate::Moved => by_condition && may_try(),
    }
}

/// Whether a task failed under a spec that its service is going back from. What follows it is the
/// rollback's, which does not wait for the restart's delay and watches what it makes.
fn is_left_behind(view: &View, task: &Task) -> bool {
    let Some(service) = view.service(task.service) else { return false };
    let state = service.update_status.as_ref().map(|update| update.state);
    state == Some(UpdateState::RollbackStarted) && Outdated::new(view, service).is_outdated(task)
}

/// What became of a task that another one is to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It ended by itself.
    Ended,
    /// Its node could not run it, or no longer met its constraints.
    Rejected,
    /// Its node was lost or drained.
    Moved,
}

/// What became of a task that ended or whose node can't be counted on.
pub(crate) fn fate(task: &Task) -> Fate {
    match task.status.state {
        TaskState::Complete | TaskState::Failed => Fate::Ended,
        TaskState::Rejected => Fate::Rejected,
        _ => Fate::Moved,
    }
}

/// Whether managers ended a task since its node no longer met its constraints.
pub(crate) fn is_thrown_out(task: &Task) -> bool {
    task.status.state == TaskState::Rejected && task.status.message == nodes::UNFIT.0
}

/// How many attempts of the task's spec version the slot has seen, within the policy's window before
/// the task's end.
pub(crate) fn attempts(view: &View, task: &Task, policy: &RestartPolicy, now: Time) -> u64 {
    let end =
        if task.status.state.is_terminal() { task.status.at } else { lost_at(view, task, now) };
    let in_window = |moment: Time| policy.window.is_zero() || end.since(moment) < policy.window;
    let same = view.tasks_in(task.service, task.slot).filter(|other| {
        (other.spec_version, other.job_iteration) == (task.spec_version, task.job_iteration)
    });
    let counts = same.map(|other| {
        let made = other.meta.created_at;
        let attempt = is_attempt(view, other) && made <= end && in_window(made);
        // When its node restarted it is not known; it was before its end.
        let failures = if in_window(other.status.at) { other.status.failures } else { 0 };
        u64::from(attempt) + failures
    });
    counts.sum()
}

/// When a task that did not end was lost: with its node. Never a moment that moves on with the
/// time: what is decided now would be decided otherwise later, and nothing would say when.
fn lost_at(view: &View, task: &Task, now: Time) -> Time {
    let node = task.home().and_then(|node| view.node(node));
    node.map_or(now, |node| match node.status.state {
        NodeState::Down => node.status.since,
        _ => node.meta.updated_at,
    })
}

/// Whether a task is one that the policy's attempts count.
pub(crate) fn is_attempt(view: &View, task: &Task) -> bool {
    match task.origin {
        Origin::Restart => true,
        Origin::Move => view.compat() == Compat::Swarm,
        Origin::Fill | Origin::Update => false,
    }
}

/// Whether a wanted task ended or its node can't be counted on. One that ended while it was still
/// held counts only once its own moment came.
fn is_lost(view: &View, task: &Task, now: Time) -> bool {
    if task.status.state.is_terminal() {
        return held_until(task).is_none_or(|time| time <= now);
    }
    task.home().is_some_and(|node| view.is_lost(node) || is_drained(view, node))
}

fn is_drained(view: &View, node: Id<Node>) -> bool {
    view.node(node).is_some_and(|node| node.spec.availability == Availability::Drain)
}

/// Whether a wanted task of the slot stands in for one that was lost: it is as new, or up to date
/// though older, as when a service went back to what it was in the middle of a start-first update.
fn has_successor(view: &View, service: &Service, lost: &Task, live: &[&Task]) -> bool {
    live.iter().any(|other| {
        other.spec_version >= lost.spec_version || !Outdated::new(view, service).is_outdated(other)
    })
}

/// The wanted tasks of a slot that another one has taken over from: it is up to date, and runs.
fn succeeded<'a>(
    view: &View,
    service: &Service,
    live: &'a [&'a Task],
) -> impl Iterator<Item = &'a Task> {
    let several = (live.len() > 1).then(|| Outdated::new(view, service));
    let is_old = |task: &Task| several.as_ref().is_some_and(|outdated| outdated.is_outdated(task));
    let age = |task: &Task| (task.meta.created_at, task.id);
    let runs = live.iter().filter(|task| {
        several.is_some() && task.status.state == TaskState::Running && !is_old(task)
    });
    let heir = runs.max_by_key(|task| age(task)).map(|task| age(task));
    let over = live.iter().filter(|task| {
        heir.is_some_and(|heir| age(task) < heir || (age(task) > heir && is_old(task)))
    });
    over.copied().collect::<Vec<_>>().into_iter()
}

/// The task that follows the last one of those that were lost.
fn follow(
    view: &View,
    service: &Service,
    last: &Task,
    lost: &[&Task],
    now: Time,
    ids: &mut IdGen,
) -> Change {
    let start_after = now.after(delay(view, last));
    // Wanted tasks beside it are no reason to wait: it is to take over from them.
    let stops = |task: &Task| stops(view, task) || lost.iter().any(|lost| lost.id == task.id);
    let waits = view.tasks_in(service.id, last.slot).any(|t| stops(t) && may_run(view, t));
    // If nothing holds it, a task that may start at once is not held to begin with.
    let free = start_after <= now && !waits;
    let desired = if free { service.goal() } else { TaskState::Ready };
    let origin = if fate(last) == Fate::Ended { Origin::Restart } else { Origin::Move };
    let making = Making { slot: last.slot, origin, desired, start_after: Some(start_after) };
    new_task(ids.next(), service, making)
}

/// The delay before the task that follows `task`; none where its node can't be counted on, but in
/// Swarm only drained nodes spare it.
fn delay(view: &View, task: &Task) -> Duration {
    let spared = task.home().is_some_and(|node| {
        is_drained(view, node) || (view.is_lost(node) && view.compat() == Compat::Skep)
    });
    match view.spec_of(task) {
        Some(spec) if !spared => spec.task.restart.delay,
        _ => Duration::ZERO,
    }
}

pub(crate) fn shut(task: &Task) -> Change {
    Change::TaskDesired { task: task.id, desired: TaskState::Shutdown }
}
