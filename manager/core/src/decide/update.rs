//! Updates and rollbacks: the tasks of a service are replaced, a few slots at a time (semantics
//! part 4).
//!
//! | situation | change |
//! |---|---|
//! | a spec was written and slots are out of date | UPDATING, with how many they are |
//! | a slot is out of date, and fewer are in flight than may be | a new task in it |
//! | ... stop-first | the old tasks are told to stop, the new one is held until they did, or for a minute |
//! | ... start-first | the new one is to run at once; [`super::restart`] tells the old one to stop once it does |
//! | more of the new tasks failed than may | paused, or back to the spec before |
//! | a rollback's tasks fail | paused, whatever its config says |
//! | no slot is out of date, and the last new task was watched for long enough | COMPLETED |
//! | paused, completed, or no update | nothing, until the spec is written |
//!
//! Nothing is remembered between two calls. What an update has still to do are the slots whose newest
//! task is of another spec; what it has done are the tasks that it made; both are indexes of the
//! store, so that a step costs what is in flight, and not what the service is. The slots that these
//! miss are looked for once nothing is in flight: a start-first update may have left its failed task
//! on top of an old one that still runs.
//!
//! While a slot has its new task it is left to [`super::restart`], whatever becomes of that task.
//! Slots whose task gave up are replaced at the update's pace, in a rollback too, where Swarm fills
//! them at once.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use skep_api::{
    Id, IdGen, Node, Origin, Service, Slot, SpecVersion, Task, TaskState, Time,
    UpdateFailureAction, UpdateOrder, UpdateState, UpdateStatus,
};

use super::flight::{Flights, Pace};
use super::outdated::{Difference, Outdated};
use super::{global, restart};
use crate::change::{Change, Object};
use crate::draft::{Making, new_task};
use crate::revise::revise;
use crate::store::View;

/// How many slots one step takes at most, if parallelism does not bound it: a pass stays short, and
/// the next one goes on.
pub(super) const STEP_SLOTS_MAX: usize = 2_500;

/// Begins the update of a service whose spec was written, if any of its slots is out of date.
pub(crate) fn begin(view: &View, service: &Service, now: Time) -> Vec<Change> {
    // All tasks of a service whose spec was never written again are up to date.
    let is_first = service.spec_version == SpecVersion(0) && service.history.is_empty();
    if service.update_status.is_some() || service.spec.mode.is_job() || is_first {
        return Vec::new();
    }
    let slots = outdated_slots(view, service);
    let status = UpdateStatus {
        state: UpdateState::Updating,
        started_at: now,
        completed_at: None,
        message: "update in progress".to_owned(),
        slots,
    };
    let begun = (slots > 0).then(|| with_status(service, status));
    begun.into_iter().collect()
}

/// Takes the update or rollback of a service that is under way one step further.
pub(crate) fn reconcile(view: &View, service: &Service, now: Time, ids: &mut IdGen) -> Vec<Change> {
    let Some(status) = &service.update_status else { return Vec::new() };
    match next(view, service, now) {
        Next::Nothing | Next::Wait(_) => Vec::new(),
        Next::Replace(slots, order) => {
            let replace = |slot: Slot| replace(view, service, slot, order, now, ids);
            slots.into_iter().flat_map(replace).collect()
        }
        Next::Stop(task, action) => stop(view, service, status, task, action),
        Next::Complete => {
            let (state, message) = match status.state {
                UpdateState::RollbackStarted => {
                    (UpdateState::RollbackCompleted, "rollback completed")
                }
                _ => (UpdateState::Completed, "update completed"),
            };
            let message = message.to_owned();
            let status = UpdateStatus { state, message, completed_at: Some(now), ..status.clone() };
            vec![with_status(service, status)]
        }
    }
}

/// Whether the update of a service has something to do.
pub(crate) fn is_due(view: &View, service: &Service, now: Time) -> bool {
    matches!(next(view, service, now), Next::Replace(..) | Next::Stop(..) | Next::Complete)
}

/// When the next update that waits for a moment goes on.
pub(crate) fn wake_at(view: &View) -> Option<(Time, &'static str)> {
    // From the moment of the view on, the first one at which a step would change something.
    let moments = view.updating().filter_map(|service| match next(view, service, view.time()) {
        Next::Wait(wait) => wait.until,
        Next::Nothing => None,
        Next::Replace(..) | Next::Stop(..) | Next::Complete => Some(view.time()),
    });
    moments.min().map(|time| (time, "an update waits"))
}

/// What the update or rollback of a service that is under way waits for.
pub fn waits_for(view: &View, service: &Service, now: Time) -> Option<UpdateWait> {
    match next(view, service, now) {
        Next::Wait(wait) => Some(wait),
        _ => None,
    }
}

/// What an update that is under way waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateWait {
    /// For what.
    pub reason: UpdateReason,
    /// Until when at the latest, if it does not wait for ever.
    pub until: Option<Time>,
}

/// For what an update waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateReason {
    /// For new tasks to run.
    Tasks {
        /// The oldest of them.
        first: Id<Task>,
        /// How many there are besides.
        more: usize,
    },
    /// For the delay between two slots to pass.
    Delay,
    /// For the monitoring period after its last task to pass.
    Monitor,
}

impl fmt::Display for UpdateWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            UpdateReason::Tasks { first, more: 0 } => write!(f, "waiting for task {first} to run"),
            UpdateReason::Tasks { first, more } => {
                write!(f, "waiting for task {first} and {more} more to run")
            }
            UpdateReason::Delay => write!(f, "waiting for the update delay to pass"),
            UpdateReason::Monitor => write!(f, "watching the new tasks for failures"),
        }
    }
}

/// How many slots of a service are out of date: what a share of failures is a share of.
pub(crate) fn outdated_slots(view: &View, service: &Service) -> u64 {
    let outdated = Outdated::new(view, service);
    let is_dirty = |slot: &Slot| {
        let wanted = || view.tasks_in(service.id, *slot).filter(|task| task.is_wanted());
        // A task that moves start-first is beside the old one too, and is no update's business.
        let moves = wanted().any(|task| task.origin == Origin::Move);
        (wanted().count() > 1 && !moves) || is_work(view, service, &outdated, *slot, view.time())
    };
    slots(view, service).filter(is_dirty).count() as u64
}

/// What an update does next.
enum Next {
    /// It is not under way.
    Nothing,
    /// These slots get new tasks, in that order of new and old.
    Replace(Vec<Slot>, UpdateOrder),
    /// Too many tasks failed, this one last.
    Stop(Id<Task>, UpdateFailureAction),
    /// It is over.
    Complete,
    /// Nothing, until then.
    Wait(UpdateWait),
}

/// What the update of a service does next. If it waits until some moment, it does something else
/// from that moment on, though nothing else may happen: who waits for it never waits in vain.
fn next(view: &View, service: &Service, now: Time) -> Next {
    let Some(pace) = Pace::of(view, service) else { return Next::Nothing };
    let flights = Flights::of(view, service, &pace, now);
    if let Some(task) = flights.failed(&pace, now) {
        return Next::Stop(task, pace.action);
    }
    let outdated = Outdated::new(view, service);
    let is_due = |slot: &Slot| is_work(view, service, &outdated, *slot, now);
    let busy = flights.busy(now);
    let overtaken = flights.overtaken(now).count();
    let room = pace.parallelism.saturating_sub(busy - overtaken).min(STEP_SLOTS_MAX);
    // A set: a slot that was overtaken more than once is one slot still.
    let overtaken: BTreeSet<_> = flights.overtaken(now).filter(is_due).collect();
    let taken: BTreeSet<_> = overtaken.into_iter().take(room).collect();
    let mut due: Vec<_> = taken.iter().copied().collect();
    let room = pace.parallelism.saturating_sub(busy).min(STEP_SLOTS_MAX - due.len());
    // Without room it still matters whether there is work: what is waited for differs.
    let work = work(view, service, &outdated, flights.farthest(), now, room.max(1) + due.len());
    due.extend(work.iter().copied().filter(|slot| !taken.contains(slot)).take(room));
    let until = if !due.is_empty() {
        return Next::Replace(due, pace.order);
    } else if !work.is_empty() {
        let takes_over = flights.overtaken(now).any(|slot| is_due(&slot));
        let takeover = takes_over.then(|| flights.takeover_at(&pace, now)).flatten();
        takeover.into_iter().chain(flights.room_at(&pace, now)).min()
    } else if flights.is_over(&pace, now) {
        let missed = slots(view, service).filter(is_due);
        let missed: Vec<_> = missed.take(pace.parallelism.min(STEP_SLOTS_MAX)).collect();
        return if missed.is_empty() { Next::Complete } else { Next::Replace(missed, pace.order) };
    } else {
        flights.over_at(&pace)
    };
    let waited_for = flights.waited_for();
    let reason = match (waited_for.clone().next(), busy) {
        (Some(first), _) => UpdateReason::Tasks { first, more: waited_for.count() - 1 },
        (None, 0) => UpdateReason::Monitor,
        (None, _) => UpdateReason::Delay,
    };
    let until = until.into_iter().chain(flights.fails_at(&pace)).min();
    Next::Wait(UpdateWait { reason, until })
}

/// The first slots that are still to be updated. Where each task of a spec has to be looked at, it
/// goes on `from` the slot that the update got to, so as not to look at all tasks in each step.
fn work(
    view: &View,
    service: &Service,
    outdated: &Outdated<'_>,
    from: Option<Slot>,
    now: Time,
    limit: usize,
) -> Vec<Slot> {
    let mut found = Vec::new();
    let mut version = SpecVersion(0);
    while let Some((old, _)) = view.heads(service.id, (version, Slot::FIRST)).next() {
        version = SpecVersion(old.0.saturating_add(1));
        let first = match outdated.difference(old) {
            Difference::Nothing => continue,
            Difference::Task => Slot::FIRST,
            Difference::Placement | Difference::Credentials => from.unwrap_or(Slot::FIRST),
        };
        let slots = view.heads(service.id, (old, first)).take_while(|head| head.0 == old);
        let slots = slots.map(|(_, slot)| slot);
        let due = slots.filter(|slot| is_work(view, service, outdated, *slot, now));
        found.extend(due.take(limit - found.len()));
        if found.len() == limit || old == SpecVersion(u64::MAX) {
            break;
        }
    }
    found
}

/// Every slot of a service that has tasks.
fn slots(view: &View, service: &Service) -> impl Iterator<Item = Slot> {
    let mut before = None;
    view.tasks_of(service.id)
        .map(|task| task.slot)
        .filter(move |slot| before.replace(*slot) != Some(*slot))
}

/// Whether a slot is to get a new task from an update: all its wanted tasks are out of date, or it
/// has none and its newest one gave up and is. A slot gets one from each update.
fn is_work(view: &View, service: &Service, outdated: &Outdated<'_>, slot: Slot, now: Time) -> bool {
    let tasks = || view.tasks_in(service.id, slot);
    let mut wanted = tasks().filter(|task| task.is_wanted()).peekable();
    let needs = if wanted.peek().is_some() {
        wanted.all(|task| outdated.is_outdated(task))
    } else {
        view.newest_in(service.id, slot).is_some_and(|newest| {
            newest.desired < TaskState::Remove
                && outdated.is_outdated(newest)
                && !restart::is_restarted(view, newest, now)
        })
    };
    needs && !tasks().any(|task| is_made_by(service, task)) && global::is_open(view, service, slot)
}

/// The nodes of the out-of-date tasks among these that an update which is over left as they are, and
/// that no newer one is to take over from. From then on the service's constraints judge them.
pub(crate) fn left_behind<'a>(
    view: &View,
    service: &Service,
    tasks: impl Iterator<Item = &'a Task>,
) -> BTreeSet<Id<Node>> {
    let over = service.update_status.as_ref().is_some_and(|update| {
        matches!(update.state, UpdateState::Completed | UpdateState::RollbackCompleted)
    });
    if !over {
        return BTreeSet::new();
    }
    let outdated = Outdated::new(view, service);
    let age = |task: &Task| (task.meta.created_at, task.id);
    let is_followed = |task: &Task| {
        let mut others = view.tasks_in(task.service, task.slot);
        others.any(|other| other.is_wanted() && age(other) > age(task))
    };
    let older = tasks.filter(|task| task.is_wanted() && !is_followed(task));
    older.filter(|task| outdated.is_outdated(task)).filter_map(|task| task.node).collect()
}

/// Whether the update to the service's current spec made a task.
pub(crate) fn is_made_by(service: &Service, task: &Task) -> bool {
    task.origin == Origin::Update && task.spec_version == service.spec_version
}

/// Puts a new task into a slot.
fn replace(
    view: &View,
    service: &Service,
    slot: Slot,
    order: UpdateOrder,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    let mut old: Vec<_> = view.tasks_in(service.id, slot).filter(|t| t.is_wanted()).collect();
    let keeps = order == UpdateOrder::StartFirst;
    #[cfg(feature = "planted-bugs")]
    let keeps = keeps && !crate::planted::is_planted(crate::planted::Bug::OldStopsFirst);
    if keeps {
        let keep = old.iter().filter(|task| may_serve(view, task));
        let keep = keep.max_by_key(|task| (task.status.state, task.meta.created_at, task.id));
        let keep = keep.map(|task| task.id);
        old.retain(|task| Some(task.id) != keep);
    }
    let (desired, start_after) = match order {
        UpdateOrder::StopFirst if !restart::is_clear(view, service.id, slot) => {
            (TaskState::Ready, Some(now))
        }
        UpdateOrder::StopFirst | UpdateOrder::StartFirst => (TaskState::Running, None),
    };
    let making = Making { slot, origin: Origin::Update, desired, start_after };
    let stops = old.into_iter().map(restart::shut);
    stops.chain([new_task(ids.next(), service, making)]).collect()
}

/// Whether a task is worth keeping until the one that replaces it runs.
fn may_serve(view: &View, task: &Task) -> bool {
    task.desired == TaskState::Running && restart::may_run(view, task)
}

/// Ends an update with too many failures.
fn stop(
    view: &View,
    service: &Service,
    status: &UpdateStatus,
    task: Id<Task>,
    action: UpdateFailureAction,
) -> Vec<Change> {
    let because = format!("due to failure or early termination of task {task}");
    let is_update = status.state == UpdateState::Updating;
    if let (true, UpdateFailureAction::Rollback, Some(previous)) =
        (is_update, action, &service.previous)
    {
        let mut back = revise(view, service, Arc::clone(previous));
        // There is nothing to go back to from here: doing it again would be an update.
        back.previous = None;
        back.update_status = Some(UpdateStatus {
            state: UpdateState::RollbackStarted,
            message: format!("update rolled back {because}"),
            slots: outdated_slots(view, &back),
            ..status.clone()
        });
        return vec![Change::Update(Object::Service(back))];
    }
    let (state, what) = if is_update {
        (UpdateState::Paused, "update")
    } else {
        (UpdateState::RollbackPaused, "rollback")
    };
    let message = format!("{what} paused {because}");
    vec![with_status(service, UpdateStatus { state, message, ..status.clone() })]
}

fn with_status(service: &Service, status: UpdateStatus) -> Change {
    let next = Service { update_status: Some(status), ..service.clone() };
    Change::Update(Object::Service(next))
}
