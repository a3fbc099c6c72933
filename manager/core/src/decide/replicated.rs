//! Replicated services: as many slots with a live task as there are to be replicas.
//!
//! A slot *stands* if a task in it is wanted (desired state up to RUNNING), or if its newest task
//! ended and the restart policy leaves it at that; every other slot is *dead* (semantics part 3.2).
//!
//! | situation | change |
//! |---|---|
//! | the service is gone | every task: desired REMOVE |
//! | fewer slots stand than replicas | tasks in the lowest numbers where no slot stands, to run at once |
//! | more slots stand than replicas | every task of the surplus slots: desired REMOVE (part 3.3) |
//! | a slot that stays has only out-of-date tasks | they are told to stop, a new one waits for that |
//! | a slot that stays has tasks old and new | the out-of-date ones are told to stop |
//! | a dead slot that gets no new task | its tasks: desired REMOVE |
//!
//! Updates replace all tasks at once, whatever the update config says; each slot by itself stops
//! its old task first. Where Swarm deletes the tasks of dead slots outright, these are told to end
//! and then deleted: a manager that forgets a task which still runs could not tell.

use std::collections::BTreeMap;

use skep_api::{Id, IdGen, Mode, Origin, Service, Slot, Task, TaskState, Time, UpdateState};

use super::{outdated::Outdated, restart};
use crate::change::Change;
use crate::draft::{Making, new_task};
use crate::store::View;

/// Slots by number, with their tasks by id.
type Slots<'a> = BTreeMap<Slot, Vec<&'a Task>>;

/// Decides about one service.
pub(crate) fn reconcile(
    view: &View,
    service: Id<Service>,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    let Some(service) = view.service(service) else {
        return view.tasks_of(service).filter_map(removed).collect();
    };
    let Mode::Replicated { replicas } = service.spec.mode else { return Vec::new() };
    let mut slots = Slots::new();
    for task in view.tasks_of(service.id) {
        slots.entry(task.slot).or_default().push(task);
    }
    let (mut standing, mut dead): (Slots<'_>, Slots<'_>) =
        slots.into_iter().partition(|(_, tasks)| stands(view, service, tasks, now));

    let mut changes = Vec::new();
    let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
    if standing.len() > wanted {
        for slot in surplus(&standing, wanted) {
            let tasks = standing.remove(&slot).unwrap_or_default();
            changes.extend(tasks.into_iter().filter_map(removed));
        }
    }
    let outdated = Outdated::new(view, service);
    for (slot, tasks) in &standing {
        changes.extend(update_slot(&outdated, service, *slot, tasks, now, ids));
    }
    let free = (1..).map(Slot::Number).filter(|slot| !standing.contains_key(slot));
    for slot in free.take(wanted.saturating_sub(standing.len())) {
        dead.remove(&slot);
        let (origin, desired) = (Origin::Fill, TaskState::Running);
        let making = Making { slot, origin, desired, start_after: None };
        changes.push(new_task(ids.next(), service, making));
    }
    changes.extend(dead.into_values().flatten().filter_map(removed));
    changes
}

/// Tells a task to end and to be forgotten, unless it was told.
fn removed(task: &Task) -> Option<Change> {
    let told = task.desired >= TaskState::Remove;
    (!told).then_some(Change::TaskDesired { task: task.id, desired: TaskState::Remove })
}

fn stands(view: &View, service: &Service, tasks: &[&Task], now: Time) -> bool {
    if tasks.iter().any(|task| task.is_wanted()) {
        return true;
    }
    // A service that is going back gets tasks of the old spec even where new ones gave up.
    let update = service.update_status.as_ref();
    if update.is_some_and(|update| update.state == UpdateState::RollbackStarted) {
        return false;
    }
    let newest = tasks.iter().max_by_key(|task| (task.meta.created_at, task.id));
    newest.is_some_and(|task| {
        task.desired < TaskState::Remove && !restart::is_restarted(view, task, now)
    })
}

/// The slots to give up (semantics part 3.3): those without exactly one live task on a node go
/// first, then those on the most crowded nodes, there the ones that do not run yet, then the higher
/// numbers.
fn surplus(standing: &Slots<'_>, wanted: usize) -> Vec<Slot> {
    let runs = |tasks: &[&Task]| tasks.iter().any(|t| t.status.state == TaskState::Running);
    let mut order: Vec<_> = standing.iter().collect();
    order.sort_by_key(|(slot, tasks)| (!runs(tasks), **slot));

    let mut on_node: BTreeMap<_, u64> = BTreeMap::new();
    let mut ranked = Vec::with_capacity(order.len());
    for (place, (slot, tasks)) in order.into_iter().enumerate() {
        let mut live = tasks.iter().filter(|task| task.is_wanted());
        let node = match (live.next(), live.next()) {
            (Some(task), None) => task.node,
            _ => None,
        };
        let nth = node.map_or(u64::MAX, |node| {
            let count = on_node.entry(node).or_default();
            *count += 1;
            *count
        });
        ranked.push((nth, place, *slot));
    }
    ranked.sort_unstable();
    ranked.into_iter().skip(wanted).map(|(_, _, slot)| slot).collect()
}

/// Brings one slot that stays up to date.
fn update_slot(
    outdated: &Outdated<'_>,
    service: &Service,
    slot: Slot,
    tasks: &[&Task],
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    let wanted = || tasks.iter().filter(|task| task.is_wanted());
    let is_old = |task: &&&Task| outdated.is_outdated(task);
    let mut changes: Vec<_> = wanted()
        .filter(is_old)
        .map(|task| Change::TaskDesired { task: task.id, desired: TaskState::Shutdown })
        .collect();
    // Without a wanted task the slot stands for its newest one, which ended for good.
    let newest = tasks.iter().max_by_key(|task| (task.meta.created_at, task.id));
    let replace = match wanted().next() {
        Some(_) => wanted().all(|task| outdated.is_outdated(task)),
        None => newest.is_some_and(|task| outdated.is_outdated(task)),
    };
    if replace {
        let (origin, desired) = (Origin::Update, TaskState::Ready);
        let making = Making { slot, origin, desired, start_after: Some(now) };
        changes.push(new_task(ids.next(), service, making));
    }
    changes
}
