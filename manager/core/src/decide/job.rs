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
//! | a slot is given up | none: it stays taken, and its job never completes |
//! | a task failed, or lost its node | none here: [`super::restart`] replaces it, or gives its slot up |
//!
//! A slot whose task was told to stop, since its node was drained, is filled again. Slots that were
//! given up take nothing from those that may be active at once: the other slots still get their turn.
//! Nodes that join a swarm later run its global jobs too.

use std::collections::BTreeSet;

use skep_api::{Id, IdGen, Mode, NodeState, Service, Slot, Task, TaskState, Time};

use super::global::{Door, door, fill};
use super::replicated::removed;
use super::{PASS_CHANGES_MAX, SlotKey, restart};
use crate::change::Change;
use crate::store::View;

/// Decides about one job; not about all of it if it makes many changes.
pub(crate) fn reconcile(view: &View, service: &Service, now: Time, ids: &mut IdGen) -> Vec<Change> {
    let Some(job) = service.job else { return Vec::new() };
    let is_old = |task: &&Task| task.job_iteration != job.iteration;
    let old = view.tasks_of(service.id).filter(is_old).filter_map(removed);
    let mut changes: Vec<_> = old.take(PASS_CHANGES_MAX).collect();
    // A slot gets no new task before its old ones were told to go.
    let left = PASS_CHANGES_MAX - changes.len();
    let slots = Slots::of(view, service, now);
    let free: Vec<_> = match service.spec.mode {
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            let more = max_concurrent.saturating_sub(slots.active);
            let free = (0..total_completions).map(Slot::Number).filter(|slot| slots.is_free(*slot));
            free.take(usize::try_from(more).map_or(left, |more| more.min(left))).collect()
        }
        Mode::GlobalJob => {
            let open = view.nodes().filter(|node| {
                node.status.state == NodeState::Ready && door(service, node) == Door::Open
            });
            let open = open.map(|node| Slot::Node(node.id));
            open.filter(|slot| slots.is_free(*slot)).take(left).collect()
        }
        Mode::Replicated { .. } | Mode::Global => Vec::new(),
    };
    changes.extend(free.into_iter().map(|slot| fill(view, service, slot, now, ids)));
    changes
}

/// The jobs among these services and slots, and the global ones if nodes changed.
pub(crate) fn jobs<'a>(
    view: &View,
    services: impl IntoIterator<Item = &'a Id<Service>>,
    slots: impl IntoIterator<Item = &'a SlotKey>,
) -> BTreeSet<Id<Service>> {
    let services = services.into_iter().copied();
    let of_slots = slots.into_iter().map(|(service, _)| *service);
    let all: BTreeSet<_> = services.chain(of_slots).collect();
    let is_job = |id: &Id<Service>| view.service(*id).is_some_and(|service| service.job.is_some());
    all.into_iter().filter(is_job).collect()
}

/// The jobs that run on every node.
pub(crate) fn on_all_nodes(view: &View) -> impl Iterator<Item = Id<Service>> {
    view.global_services().filter(|service| service.job.is_some()).map(|service| service.id)
}

/// The slots of the current iteration.
struct Slots {
    taken: BTreeSet<Slot>,
    active: u64,
}

impl Slots {
    fn of(view: &View, service: &Service, now: Time) -> Self {
        let iteration = service.job.map(|job| job.iteration);
        let current = |task: &&Task| Some(task.job_iteration) == iteration;
        let tasks: Vec<_> = view.tasks_of(service.id).filter(current).collect();
        let mut found = Self { taken: BTreeSet::new(), active: 0 };
        for tasks in tasks.chunk_by(|a, b| a.slot == b.slot) {
            let done = tasks.iter().any(|task| task.status.state == TaskState::Complete);
            let active = !done && tasks.iter().any(|task| task.is_wanted());
            let newest = tasks.iter().max_by_key(|task| (task.meta.created_at, task.id));
            let given_up = newest.is_some_and(|newest| {
                ended_by_itself(newest) && !restart::is_restarted(view, newest, now)
            });
            found.active += u64::from(active);
            if done || active || given_up {
                found.taken.extend(newest.map(|newest| newest.slot));
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
