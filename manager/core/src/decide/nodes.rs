//! What becomes of the tasks of a node that changed (semantics parts 3.4, 3.9 and 8).
//!
//! | situation | change |
//! |---|---|
//! | the node is gone | its tasks that had not ended: ORPHANED |
//! | the node has been down for a day | its tasks from ASSIGNED to RUNNING: ORPHANED, which lets go of their addresses and resources |
//! | the node is down or drained | none here: [`super::restart`] looks at the slots of its tasks, [`super::global`] at global services |
//! | a node changed, and has tasks of an older spec | none here: their services compare them again |
//! | an active node no longer meets the constraints of a task's service | the task: REJECTED |
//! | an active node has less than its tasks reserve | the newest of those that do not fit: REJECTED |
//! | an active node lost generic resources that a task was given | the task: REJECTED |
//! | a node is paused, unknown or disconnected | none |
//! | a node came back, or takes tasks again | none here: what waits for a place is tried in every pass |
//!
//! The constraints that count are the service's current ones, not those the task was made with. But
//! a task that an update has still to replace may meet its own instead: the update takes it away in order,
//! and a start-first one keeps it until its successor runs, even if the update is over before that.
//! Tasks hold what they reserve as long as they are wanted; a job's task that is COMPLETE holds
//! nothing. The older tasks keep their place, so that the same ones are rejected whoever decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_api::{
    Availability, Bytes, Generic, Id, NanoCpus, Node, NodeState, Service, ServiceSpec, Slot, Task,
    TaskState, TaskStatus, Time, UpdateState,
};

use super::{SlotKey, constraint};
use crate::change::Change;
use crate::store::View;

/// How long a node is down before its tasks are given up for good, as in Swarm.
const DOWN_MAX: Duration = Duration::from_secs(24 * 3600);

/// Decides about the tasks of one node.
pub(crate) fn reconcile(view: &View, id: Id<Node>, now: Time) -> Vec<Change> {
    let Some(node) = view.node(id) else {
        let live = view.tasks_on(id).filter(|task| !task.status.state.is_terminal());
        return live.map(|task| status(task, TaskState::Orphaned, GONE)).collect();
    };
    let mut changes = Vec::new();
    if is_given_up(node, now) {
        let placed = orphans(view, id);
        changes.extend(placed.map(|task| status(task, TaskState::Orphaned, LONG_DOWN)));
    } else if node.spec.availability == Availability::Active {
        let unfit = misfits(view, node);
        changes.extend(unfit.into_iter().map(|task| status(task, TaskState::Rejected, UNFIT)));
    }
    changes
}

/// The nodes whose tasks are to be given up by now.
pub(crate) fn due(view: &View, now: Time) -> Vec<Id<Node>> {
    let due = view.nodes_down().take_while(|(since, _)| since.after(DOWN_MAX) <= now);
    due.map(|(_, node)| node).filter(|node| orphans(view, *node).next().is_some()).collect()
}

/// When the tasks of a node that is down are to be given up.
pub(crate) fn wake_at(view: &View) -> Option<(Time, &'static str)> {
    let next = view.nodes_down().find(|(_, node)| orphans(view, *node).next().is_some());
    next.map(|(since, _)| (since.after(DOWN_MAX), "the tasks of a node that is down are given up"))
}

/// The services with tasks of an older spec on the node, ended ones too: these were left alone as long
/// as the node met the new constraints (see [`super::outdated`]).
pub(crate) fn services_to_compare(view: &View, node: Id<Node>) -> BTreeSet<Id<Service>> {
    let is_older = |task: &&Task| {
        view.service(task.service).is_some_and(|s| s.spec_version != task.spec_version)
    };
    // Those that were not confirmed yet are on no node, but have one.
    let slot = Slot::Node(node);
    let meant = view.global_services().flat_map(|service| view.tasks_in(service.id, slot));
    let older = view.tasks_on(node).chain(meant).filter(is_older);
    older.map(|task| task.service).collect()
}

/// The slots of the tasks of a node that can't be counted on.
pub(crate) fn slots_of_unfit(view: &View, node: Id<Node>) -> Vec<SlotKey> {
    let drained = |node: &Node| node.spec.availability == Availability::Drain;
    // A node that is gone or back matters too: tasks that wait for one there to stop are held.
    if !view.is_lost(node) && !view.node(node).is_some_and(drained) {
        return Vec::new();
    }
    let there = view.tasks_on(node).map(|task| (task.service, task.slot));
    // Those that were not confirmed yet are on no node, but have one.
    let meant = view.global_services().map(|service| (service.id, Slot::Node(node)));
    there.chain(meant).collect()
}

/// Swarm's words: message and error. It has none for a node that was down for long.
type Words = (&'static str, &'static str);
const GONE: Words = ("", "Task belonged to a node that has been deleted");
const LONG_DOWN: Words = ("", "Task belonged to a node that was down for 24 hours");
pub(super) const UNFIT: Words =
    ("task rejected by constraint enforcer", "assigned node no longer meets constraints");

fn is_given_up(node: &Node, now: Time) -> bool {
    node.status.state == NodeState::Down && node.status.since.after(DOWN_MAX) <= now
}

fn orphans(view: &View, node: Id<Node>) -> impl Iterator<Item = &Task> {
    let placed = TaskState::Assigned..=TaskState::Running;
    view.tasks_on(node).filter(move |task| placed.contains(&task.status.state))
}

/// The tasks that an active node can't have any more.
fn misfits<'a>(view: &'a View, node: &Node) -> Vec<&'a Task> {
    let wanted = |task: &&Task| task.is_wanted() && !task.status.state.is_terminal();
    let mut tasks: Vec<_> = view.tasks_on(node.id).filter(wanted).collect();
    tasks.sort_by_key(|task| (task.meta.created_at, task.id));
    let mut room = Room::of(node);
    tasks.retain(|task| {
        let Some(spec) = view.spec_of(task) else { return false };
        let fits = suits(view, task, spec, node) && room.fits(task, spec);
        if fits {
            room.take(task, spec);
        }
        !fits
    });
    tasks
}

/// Whether a node meets the constraints that count for a task. One that is being replaced may stay
/// until then if it meets those of either spec.
fn suits(view: &View, task: &Task, own: &ServiceSpec, node: &Node) -> bool {
    let Some(service) = view.service(task.service) else {
        return constraint::all_hold(own, node);
    };
    constraint::all_hold(&service.spec, node)
        || (is_replaced(view, service, task) && constraint::all_hold(own, node))
}

/// Whether an update is to replace a task, or has put the one there that is to take over from it.
fn is_replaced(view: &View, service: &Service, task: &Task) -> bool {
    let under_way = service.update_status.as_ref().is_some_and(|update| {
        !matches!(update.state, UpdateState::Completed | UpdateState::RollbackCompleted)
    });
    let made = |task: &Task| (task.meta.created_at, task.id);
    let takes_over = |other: &Task| other.is_wanted() && made(other) > made(task);
    task.spec_version != service.spec_version
        && (under_way || view.tasks_in(task.service, task.slot).any(takes_over))
}

/// What is left of a node while its tasks are counted.
struct Room {
    cpus: NanoCpus,
    memory: Bytes,
    generic: BTreeMap<String, Generic>,
}

impl Room {
    fn of(node: &Node) -> Self {
        let has = &node.description;
        Self { cpus: has.cpus, memory: has.memory, generic: has.generic.clone() }
    }

    fn fits(&self, task: &Task, spec: &ServiceSpec) -> bool {
        let reserved = &spec.task.reservations;
        reserved.cpus <= self.cpus
            && reserved.memory <= self.memory
            && task.generic.iter().all(|(kind, given)| self.has(kind, given))
    }

    /// Whether these are there, and are still of that sort.
    fn has(&self, kind: &str, given: &Generic) -> bool {
        match (self.generic.get(kind), given) {
            (Some(Generic::Count(left)), Generic::Count(given)) => given <= left,
            (Some(Generic::Names(left)), Generic::Names(given)) => given.is_subset(left),
            _ => given.amount() == 0,
        }
    }

    fn take(&mut self, task: &Task, spec: &ServiceSpec) {
        let reserved = &spec.task.reservations;
        self.cpus.0 = self.cpus.0.saturating_sub(reserved.cpus.0);
        self.memory.0 = self.memory.0.saturating_sub(reserved.memory.0);
        for (kind, given) in &task.generic {
            match (self.generic.get_mut(kind), given) {
                (Some(Generic::Count(left)), Generic::Count(given)) => {
                    *left = left.saturating_sub(*given);
                }
                (Some(Generic::Names(left)), Generic::Names(given)) => {
                    left.retain(|name| !given.contains(name));
                }
                _ => {}
            }
        }
    }
}

fn status(task: &Task, state: TaskState, (message, err): Words) -> Change {
    let status =
        TaskStatus { state, message: message.into(), err: err.to_owned(), ..task.status.clone() };
    Change::TaskStatus { task: task.id, status }
}
