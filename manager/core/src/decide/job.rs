//! Jobs: tasks that run to completion (semantics parts 3.7 and 3.8).
//!
//! Every change of a job's spec begins another *iteration* of it, which starts over. A slot of the
//! current iteration is *done* once one of its tasks is COMPLETE, *active* while one of them is
//! wanted, and *given up* if its newest task failed and the restart policy leaves it at that.
//!
//! | situation | change |
//! |---|---|
//! | a task of an older iteration | desired REMOVE, be it at work or done |
//! | a replicated job has fewer active slots than it may have at once, and slots left | tasks in the lowest of these, desired COMPLETE |
//! | a global job, an open and READY node whose slot is neither done, active nor given up | a task there, desired COMPLETE |
//! | a task of an older iteration still runs in such a slot | the new one is held until that ended |
//! | a slot is done, and another task of it is wanted | that one is told to stop |
//! | a slot is given up | none: it stays taken, and its job never completes |
//! | a task failed, or lost its node | none here: [`super::restart`] replaces it, or gives its slot up |
//!
//! A slot whose task was told to stop, since its node was drained, is filled again. Slots that were
//! given up take nothing from those that may be active at once: the other slots still get their turn.
//! Nodes that join a swarm later run its global jobs too.

use std::collections::BTreeSet;

use skep_api::{Id, IdGen, Mode, Node, NodeState, Service, Slot, Task, TaskState, Time};

use super::global::{Door, door, fill};
use super::replicated::removed;
use super::{PASS_CHANGES_MAX, SlotKey, restart};
use crate::change::Change;
use crate::store::View;

/// What is to be looked at of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    All(Id<Service>),
    /// One node, if it is a global one: what happens there has no effect on other nodes.
    OnNode(Id<Service>, Id<Node>),
}

/// The parts of jobs among these services, slots and nodes.
pub(crate) fn parts(
    view: &View,
    services: &BTreeSet<Id<Service>>,
    slots: &BTreeSet<SlotKey>,
    nodes: &BTreeSet<Id<Node>>,
) -> Vec<Part> {
    let job = |id: Id<Service>| view.service(id).filter(|service| service.job.is_some());
    let mut all: BTreeSet<_> = services.iter().filter(|id| job(**id).is_some()).copied().collect();
    let mut on_node = BTreeSet::new();
    for (service, slot) in slots {
        match (job(*service), slot) {
            (Some(_), Slot::Number(_)) => drop(all.insert(*service)),
            (Some(_), Slot::Node(node)) => drop(on_node.insert((*service, *node))),
            (None, _) => {}
        }
    }
    for service in view.global_services().filter(|s| s.job.is_some() && !all.contains(&s.id)) {
        on_node.extend(nodes.iter().map(|node| (service.id, *node)));
    }
    on_node.retain(|(service, _)| !all.contains(service));
    let on_node = on_node.into_iter().map(|(service, node)| Part::OnNode(service, node));
    all.into_iter().map(Part::All).chain(on_node).collect()
}

/// Decides about a part of a job; not about all of it if it makes many changes.
pub(crate) fn reconcile(view: &View, part: Part, now: Time, ids: &mut IdGen) -> Vec<Change> {
    let (Part::All(id) | Part::OnNode(id, _)) = part;
    let Some((service, job)) = view.service(id).and_then(|service| Some((service, service.job?)))
    else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    if let Part::All(_) = part {
        let old = view.tasks_of(id).filter(|task| task.job_iteration != job.iteration);
        changes.extend(old.filter_map(removed).take(PASS_CHANGES_MAX));
    }
    changes.extend(superfluous(view, service, part));
    changes.truncate(PASS_CHANGES_MAX);
    // A slot gets no new task before its old ones were told to go.
    let left = PASS_CHANGES_MAX - changes.len();
    let free = match (service.spec.mode, part) {
        (Mode::ReplicatedJob { max_concurrent, total_completions }, _) => {
            let slots = Slots::of(view, service, now);
            let more = max_concurrent.saturating_sub(slots.active);
            let more = usize::try_from(more).map_or(left, |more| more.min(left));
            let free = (0..total_completions).map(Slot::Number).filter(|slot| slots.is_free(*slot));
            free.take(more).collect()
        }
        (_, Part::All(_)) => {
            let nodes = view.nodes().filter(|node| is_missing(view, service, node, now));
            nodes.map(|node| Slot::Node(node.id)).take(left).collect()
        }
        (_, Part::OnNode(_, node)) => {
            let node = view.node(node).filter(|node| is_missing(view, service, node, now));
            node.map(|node| Slot::Node(node.id)).into_iter().collect::<Vec<_>>()
        }
    };
    changes.extend(free.into_iter().map(|slot| fill(view, service, slot, now, ids)));
    changes
}

/// Tells the tasks to stop whose slot is done (one that was to stop itself, and was replaced, came to
/// its end all the same), and those that wait for a node that is not theirs any more.
fn superfluous(view: &View, service: &Service, part: Part) -> Vec<Change> {
    let current = |task: &&Task| is_current(service, task);
    let tasks: Vec<_> = match part {
        Part::All(id) => view.tasks_of(id).filter(current).collect(),
        Part::OnNode(id, node) => view.tasks_in(id, Slot::Node(node)).filter(current).collect(),
    };
    let slots = tasks.chunk_by(|a, b| a.slot == b.slot);
    let is_done = |tasks: &&[&Task]| tasks.iter().any(|t| t.status.state == TaskState::Complete);
    let done = slots.filter(is_done).flatten();
    let misplaced = tasks.iter().filter(|task| is_misplaced(view, service, task));
    let superfluous: BTreeSet<_> = done.chain(misplaced).map(|task| task.id).collect();
    let wanted = tasks.iter().filter(|task| task.is_wanted() && superfluous.contains(&task.id));
    wanted.map(|task| restart::shut(task)).collect()
}

/// Whether a task waits for a node that it may not go to any more. One that is on its node is judged
/// with all others there.
fn is_misplaced(view: &View, service: &Service, task: &Task) -> bool {
    let closed = |node| view.node(node).is_none_or(|node| door(service, node) == Door::Closed);
    task.node.is_none() && task.slot.node().is_some_and(closed)
}

/// Whether a node is to run a global job and does not.
fn is_missing(view: &View, service: &Service, node: &Node, now: Time) -> bool {
    if node.status.state != NodeState::Ready || door(service, node) != Door::Open {
        return false;
    }
    let tasks = view.tasks_in(service.id, Slot::Node(node.id));
    let tasks: Vec<_> = tasks.filter(|task| is_current(service, task)).collect();
    state(view, &tasks, now) == SlotState::Free
}

fn is_current(service: &Service, task: &Task) -> bool {
    service.job.is_some_and(|job| job.iteration == task.job_iteration)
}

/// What the tasks of the current iteration make of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotState {
    Free,
    Active,
    Done,
    GivenUp,
}

fn state(view: &View, tasks: &[&Task], now: Time) -> SlotState {
    let newest = tasks.iter().max_by_key(|task| (task.meta.created_at, task.id));
    let gave_up = |task: &&&Task| ended_by_itself(task) && !restart::is_restarted(view, task, now);
    if tasks.iter().any(|task| task.status.state == TaskState::Complete) {
        SlotState::Done
    } else if tasks.iter().any(|task| task.is_wanted()) {
        SlotState::Active
    } else if newest.is_some_and(|task| gave_up(&task)) {
        SlotState::GivenUp
    } else {
        SlotState::Free
    }
}

/// The slots of a replicated job.
struct Slots {
    taken: BTreeSet<Slot>,
    active: u64,
}

impl Slots {
    fn of(view: &View, service: &Service, now: Time) -> Self {
        let current = view.tasks_of(service.id).filter(|task| is_current(service, task));
        let tasks: Vec<_> = current.collect();
        let mut found = Self { taken: BTreeSet::new(), active: 0 };
        for tasks in tasks.chunk_by(|a, b| a.slot == b.slot) {
            let state = state(view, tasks, now);
            found.active += u64::from(state == SlotState::Active);
            if state != SlotState::Free {
                found.taken.insert(tasks[0].slot);
            }
        }
        found
    }

    fn is_free(&self, slot: Slot) -> bool {
        !self.taken.contains(&slot)
    }
}

/// Whether a task ended, and not because it was told to or lost its node.
pub(crate) fn ended_by_itself(task: &Task) -> bool {
    let state = task.status.state;
    matches!(state, TaskState::Complete | TaskState::Failed | TaskState::Rejected)
}
