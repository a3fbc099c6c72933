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
//! | a dead slot that gets no new task | its tasks: desired REMOVE |
//!
//! Slots that stay are brought up to date by [`super::update`], and what ends in them is replaced by
//! [`super::restart`]. Where Swarm deletes the tasks of dead slots outright, these are told to end
//! and then deleted: a manager that forgets a task which still runs could not tell. During a rollback
//! a slot stands as at any other time; in Swarm a slot that was given up does not, and is filled at
//! once.

use std::collections::BTreeMap;

use skep_api::{Id, IdGen, Origin, Service, Slot, Task, TaskState, Time};

use super::{PASS_CHANGES_MAX, restart};
use crate::change::Change;
use crate::draft::{Making, new_task};
use crate::store::View;

/// Slots by number, with their tasks by id.
type Slots<'a> = BTreeMap<Slot, Vec<&'a Task>>;

/// Decides about one service.
pub(crate) fn reconcile(
    view: &View,
    service: &Service,
    replicas: u64,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    let mut slots = Slots::new();
    for task in view.tasks_of(service.id) {
        slots.entry(task.slot).or_default().push(task);
    }
    let (mut standing, mut dead): (Slots<'_>, Slots<'_>) =
        slots.into_iter().partition(|(_, tasks)| stands(view, tasks, now));

    let mut changes = Vec::new();
    let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
    if standing.len() > wanted {
        for slot in surplus(&standing, wanted) {
            let tasks = standing.remove(&slot).unwrap_or_default();
            changes.extend(tasks.into_iter().filter_map(removed));
        }
    }
    let free = (1..).map(Slot::Number).filter(|slot| !standing.contains_key(slot));
    let missing = wanted.saturating_sub(standing.len()).min(PASS_CHANGES_MAX);
    for slot in free.take(missing) {
        dead.remove(&slot);
        let (origin, desired) = (Origin::Fill, TaskState::Running);
        let making = Making { slot, origin, desired, start_after: None };
        changes.push(new_task(ids.next(), service, making));
    }
    if missing < PASS_CHANGES_MAX {
        changes.extend(dead.into_values().flatten().filter_map(removed));
    }
    changes
}

/// Ends every task of a service that is gone.
pub(crate) fn remove_all(view: &View, service: Id<Service>) -> Vec<Change> {
    view.tasks_of(service).filter_map(removed).collect()
}

/// Tells a task to end and to be forgotten, unless it was told.
pub(crate) fn removed(task: &Task) -> Option<Change> {
    let told = task.desired >= TaskState::Remove;
    (!told).then_some(Change::TaskDesired { task: task.id, desired: TaskState::Remove })
}

fn stands(view: &View, tasks: &[&Task], now: Time) -> bool {
    if tasks.iter().any(|task| task.is_wanted()) {
        return true;
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
    // The last ones first, so that a pass that gets no further leaves the same ones standing.
    ranked.into_iter().skip(wanted).rev().map(|(_, _, slot)| slot).collect()
}
