//! Global services: one live task on every eligible node (semantics parts 3.6 and 3.9).
//!
//! A node is *open* to a service if it meets its constraints, is neither drained nor down, and is
//! not paused. A paused node keeps what it has. Every other node is *closed*.
//!
//! | situation | change |
//! |---|---|
//! | an open node has no live task, and its slot was not given up | a task, with the node as its slot |
//! | ... and the node still stops one of its tasks | the new one is held until that ended |
//! | a closed node has live tasks | desired SHUTDOWN; nothing is made elsewhere |
//! | a node that is gone has tasks | desired REMOVE: its slot will never be filled again |
//! | a paused node | none: what fails there is not restarted until the node is active |
//! | several live tasks of one spec version on a node | all but the one that came furthest: desired SHUTDOWN |
//! | an open node has an out-of-date task, and the service's update is over | it is told to stop, a new one waits for that |
//! | ... and the update is under way or paused | none: [`super::update`] goes by its pace |
//!
//! A slot was *given up* if the restart policy lets no other task follow its newest one; only another
//! spec revives it. A task that managers ended, since its node was drained or lost, gives nothing up,
//! whatever the policy: when the node is back, it gets another one. With `--compat=swarm`, the policy
//! decides about these too.
//!
//! Two departures follow from deciding by what is stored, and not by which event came last. A node
//! that becomes active while an update is under way joins that update, instead of jumping its queue.
//! And a task object that is deleted is replaced (semantics part 14, line 25: Swarm replaces it once
//! something else makes it look at the node).

use std::collections::BTreeSet;

use skep_api::{
    Availability, Id, IdGen, Mode, Node, NodeState, Origin, Service, Slot, Task, TaskState, Time,
    UpdateState,
};

use super::outdated::Outdated;
use super::replicated::removed;
use super::restart::{self, shut};
use super::{PASS_CHANGES_MAX, constraint, update};
use crate::change::Change;
use crate::draft::{Making, new_task};
use crate::store::View;

/// What a node is to a service with one task on each node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// It gets a task.
    Open,
    /// It keeps the task it has.
    Paused,
    /// It must not have one.
    Closed,
}

/// Decides about one global service on all nodes, or on some if it makes many changes.
pub(crate) fn reconcile(view: &View, service: &Service, now: Time, ids: &mut IdGen) -> Vec<Change> {
    let outdated = Outdated::new(view, service);
    let mut changes = leave_gone_nodes(view, service);
    for node in view.nodes() {
        if changes.len() >= PASS_CHANGES_MAX {
            break;
        }
        changes.extend(one_node(view, service, &outdated, node, now, ids));
    }
    changes
}

/// Decides about all global services on one node: it came or went, or became another.
pub(crate) fn on_node(view: &View, node: Id<Node>, now: Time, ids: &mut IdGen) -> Vec<Change> {
    let mut changes = Vec::new();
    for service in view.global_services().filter(|service| service.spec.mode == Mode::Global) {
        let outdated = Outdated::new(view, service);
        changes.extend(match view.node(node) {
            Some(node) => one_node(view, service, &outdated, node, now, ids),
            None => leave(view, service, node),
        });
    }
    changes
}

/// What a node is to a service.
pub(crate) fn door(service: &Service, node: &Node) -> Door {
    let lost = node.status.state == NodeState::Down;
    match node.spec.availability {
        _ if lost || !constraint::all_hold(&service.spec, node) => Door::Closed,
        Availability::Drain => Door::Closed,
        Availability::Pause => Door::Paused,
        Availability::Active => Door::Open,
    }
}

/// Whether a task may be made in a slot now, be it a restart's or an update's. A slot without a node
/// of its own can go anywhere.
pub(crate) fn is_open(view: &View, service: &Service, slot: Slot) -> bool {
    let Some(node) = slot.node() else { return true };
    view.node(node).is_some_and(|node| door(service, node) == Door::Open)
}

/// A task for a slot whose other tasks are on their way out; held as long as they may still run.
pub(crate) fn fill(
    view: &View,
    service: &Service,
    slot: Slot,
    now: Time,
    ids: &mut IdGen,
) -> Change {
    let is_used = view.tasks_in(service.id, slot).any(|task| restart::may_run(view, task));
    let (desired, start_after) =
        if is_used { (TaskState::Ready, Some(now)) } else { (service.goal(), None) };
    new_task(ids.next(), service, Making { slot, origin: Origin::Fill, desired, start_after })
}

fn one_node(
    view: &View,
    service: &Service,
    outdated: &Outdated<'_>,
    node: &Node,
    now: Time,
    ids: &mut IdGen,
) -> Vec<Change> {
    let slot = Slot::Node(node.id);
    let wanted: Vec<_> = view.tasks_in(service.id, slot).filter(|task| task.is_wanted()).collect();
    match door(service, node) {
        Door::Closed => wanted.into_iter().map(shut).collect(),
        Door::Paused => surplus(&wanted).into_iter().map(shut).collect(),
        Door::Open if wanted.is_empty() => {
            let newest = view.newest_in(service.id, slot);
            let given_up = newest.is_some_and(|newest| {
                !restart::is_restarted(view, newest, now)
                    && !is_replaced(view, service, outdated, newest)
            });
            if given_up { Vec::new() } else { vec![fill(view, service, slot, now, ids)] }
        }
        Door::Open => {
            let mut changes: Vec<_> = surplus(&wanted).into_iter().map(shut).collect();
            // One that is up to date beside an older one is about to take over from it.
            if wanted.iter().all(|task| is_replaced(view, service, outdated, task)) {
                changes.extend(wanted.iter().map(|task| shut(task)));
                changes.push(fill(view, service, slot, now, ids));
            }
            changes
        }
    }
}

/// Whether a task is out of date and no update will replace it any more: its node was paused while
/// the others were updated. Where the update had its turn, and its task failed, it stays.
fn is_replaced(view: &View, service: &Service, outdated: &Outdated<'_>, task: &Task) -> bool {
    let over = service.update_status.as_ref().is_some_and(|update| {
        matches!(update.state, UpdateState::Completed | UpdateState::RollbackCompleted)
    });
    let had_turn = || {
        let mut tasks = view.tasks_in(service.id, task.slot);
        tasks.any(|other| update::is_made_by(service, other))
    };
    over && outdated.is_outdated(task) && !had_turn()
}

/// The tasks of a slot that another one of the same spec version makes superfluous.
fn surplus<'a>(wanted: &[&'a Task]) -> Vec<&'a Task> {
    let mut order = wanted.to_vec();
    let rank = |task: &Task| {
        let ended = task.status.state.is_terminal();
        (ended, std::cmp::Reverse(task.status.state), task.meta.created_at, task.id)
    };
    order.sort_by_key(|task| rank(task));
    let mut kept = BTreeSet::new();
    order.retain(|task| !kept.insert(task.spec_version));
    order
}

/// Tells the tasks of nodes that are gone to go.
fn leave_gone_nodes(view: &View, service: &Service) -> Vec<Change> {
    let gone = |task: &&Task| task.slot.node().is_some_and(|node| view.node(node).is_none());
    view.tasks_of(service.id).filter(gone).filter_map(removed).collect()
}

fn leave(view: &View, service: &Service, node: Id<Node>) -> Vec<Change> {
    view.tasks_in(service.id, Slot::Node(node)).filter_map(removed).collect()
}
