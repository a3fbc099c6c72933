//! What managers do by themselves.
//!
//! [`decide`] is called by the one loop of a leader: with a view, with what events marked, and with
//! the time. It returns changes and keeps nothing. It runs the reconcilers in a fixed order over a
//! draft, so that one pass turns a new service into tasks that have their addresses and nodes; a
//! task is running two status reports later. Applying what it returned and deciding again gives
//! nothing new.

pub(crate) mod constraint;
mod dirty;
mod endpoint;
mod filter;
mod flight;
mod generic;
pub(crate) mod global;
mod job;
mod nodes;
mod outdated;
mod place;
mod rank;
mod reap;
mod rebalance;
mod replicated;
pub(crate) mod restart;
mod seat;
mod subnet;
#[cfg(test)]
mod tests;
mod update;

use std::collections::BTreeSet;

use skep_api::{Id, IdGen, Mode, Node, Service, Slot, Time, UpdateState};

pub use self::dirty::Dirty;
pub(crate) use self::filter::Filter;
pub use self::outdated::is_up_to_date;
pub(crate) use self::place::{is_forgotten, verdicts};
pub use self::restart::start_at;
pub(crate) use self::subnet::first_subnet;
pub(crate) use self::update::outdated_slots;
pub use self::update::{UpdateReason, UpdateWait, waits_for};
use crate::change::Change;
use crate::draft::Draft;
use crate::store::View;

/// How many changes a pass makes before it leaves the rest to the next one (a few more, since what
/// was begun is finished): 50 raft entries, so that a service of a million tasks neither fills the
/// memory nor keeps all others waiting.
pub const PASS_CHANGES_MAX: usize = 10_000;

/// What was decided.
#[derive(Debug, Default)]
pub struct Decision {
    /// What is to change, in the order in which it can be applied. A caller that cuts the list into
    /// entries keeps the order; what was not stored is decided again, since its keys stay dirty.
    pub changes: Vec<Change>,
    /// What is still dirty once the changes are applied, [`PASS_CHANGES_MAX`] being reached or a
    /// service having gone back to the spec before.
    pub left: Dirty,
}

/// Decides what is to change.
pub fn decide(view: &View, dirty: &Dirty, now: Time, ids: &mut IdGen) -> Decision {
    #[cfg(feature = "planted-bugs")]
    let now = planted_now(view, dirty, now);
    let mut pass = Pass {
        draft: Draft::new(view, now.max(view.time())),
        dirty: dirty.spelt_out(view),
        left: Dirty::new(),
        ids,
    };
    if !std::mem::take(&mut pass.dirty.networks).is_empty() {
        pass.step(|view, _, _| subnet::allocate(view));
    }
    // Before all else: an update that goes back writes its service.
    pass.updates();
    let services = pass.services();
    let nodes = pass.nodes();
    pass.slots();
    // After the restarts: what these gave up makes room for the slots that wait for their turn.
    pass.jobs(&services, &nodes);
    // Again: what the restarts told to stop is no longer in flight.
    pass.updates();
    pass.step(|view, _, _| place::end(view));
    let placed = pass.place();
    pass.reap();
    pass.draft.close(placed);
    pass.rebalance();
    // What else was decided may be what an update waited for: a task that never got a node and was
    // ended, or was forgotten.
    let view = pass.draft.view();
    let due = view.updating().filter(|service| update::is_due(&view, service, pass.draft.now()));
    pass.left.updates.extend(due.map(|service| service.id));
    drop(view);
    pass.left.services.append(&mut pass.dirty.services);
    Decision { changes: pass.draft.finish(), left: pass.left }
}

/// When [`decide`] is to be called though nothing happened, and why.
pub fn wake_at(view: &View) -> Option<(Time, &'static str)> {
    [restart::wake_at(view), update::wake_at(view), nodes::wake_at(view), rebalance::wake_at(view)]
        .into_iter()
        .flatten()
        .min()
}

/// To a leader that forgets delays, every delay of a held task is over when it begins.
#[cfg(feature = "planted-bugs")]
fn planted_now(view: &View, dirty: &Dirty, now: Time) -> Time {
    use crate::planted::{Bug, is_planted};
    let forgets = is_planted(Bug::DelayForgotten) && *dirty == Dirty::everything();
    let last = view.held().map(|(time, _)| time).max();
    last.filter(|_| forgets).map_or(now, |last| now.max(last))
}

/// A slot of a service.
type SlotKey = (Id<Service>, Slot);

/// One pass: what it decided so far, and what it has still to look at.
struct Pass<'a> {
    draft: Draft,
    dirty: Dirty,
    left: Dirty,
    ids: &'a mut IdGen,
}

impl Pass<'_> {
    /// Adds what a reconciler decides and marks what that touches. Returns how many changes it were.
    fn step(&mut self, decide: impl FnOnce(&View, Time, &mut IdGen) -> Vec<Change>) -> usize {
        // The draft is only written in place once nobody looks at it any more.
        let view = self.draft.view();
        let changes = decide(&view, self.draft.now(), self.ids);
        drop(view);
        let made = changes.len();
        for event in self.draft.add(changes) {
            self.dirty.mark(&event);
        }
        made
    }

    /// Takes the updates that are under way further. There are few, each costs what is in flight,
    /// and any of them may have waited for just this moment: so all of them are looked at.
    fn updates(&mut self) {
        let all: Vec<_> = self.draft.view().updating().map(|service| service.id).collect();
        for id in all {
            self.update(id);
        }
    }

    fn update(&mut self, id: Id<Service>) {
        let made = self.step(|view, now, ids| {
            view.service(id).map_or_else(Vec::new, |s| update::reconcile(view, s, now, ids))
        });
        if made >= update::STEP_SLOTS_MAX {
            self.left.updates.insert(id);
        }
        let view = self.draft.view();
        let Some(service) = view.service(id).filter(|_| made > 0) else { return };
        self.left.nodes.extend(update::left_behind(&view, service, view.tasks_of(id)));
        let state = service.update_status.as_ref().map(|update| update.state);
        if state == Some(UpdateState::RollbackPaused) {
            // What failed before the rollback is no longer left to it.
            self.left.services.insert(id);
        }
    }

    /// Decides about services; returns those that it looked at.
    fn services(&mut self) -> BTreeSet<Id<Service>> {
        let view = self.draft.view();
        self.dirty.nodes.extend(nodes::due(&view, self.draft.now()));
        for node in &self.dirty.nodes {
            self.dirty.services.extend(nodes::services_to_compare(&view, *node));
        }
        drop(view);
        let services = std::mem::take(&mut self.dirty.services);
        for id in services.iter().copied() {
            if self.draft.len() >= PASS_CHANGES_MAX {
                self.left.services.insert(id);
                continue;
            }
            let made = self.step(|view, now, ids| service(view, id, now, ids));
            if made >= PASS_CHANGES_MAX {
                self.left.services.insert(id);
            }
            self.step(|view, now, _| {
                view.service(id).map_or_else(Vec::new, |s| update::begin(view, s, now))
            });
            self.update(id);
            self.dirty.slots.extend(restart::crowded(&self.draft.view(), id));
            self.step(|view, _, _| endpoint::allocate(view, id));
        }
        services
    }

    /// Decides about nodes; returns those that it looked at. After the services: a task that an update replaces is to stop in order,
    /// and is not thrown out for constraints that it was not made with.
    fn nodes(&mut self) -> BTreeSet<Id<Node>> {
        let nodes = std::mem::take(&mut self.dirty.nodes);
        for node in nodes.iter().copied() {
            if self.draft.len() >= PASS_CHANGES_MAX {
                self.left.nodes.insert(node);
                continue;
            }
            self.step(|view, now, ids| global::on_node(view, node, now, ids));
            self.dirty.slots.extend(nodes::slots_of_unfit(&self.draft.view(), node));
            self.step(|view, now, _| nodes::reconcile(view, node, now));
        }
        nodes
    }

    /// Replaces what ended or lost its node, and starts what waited for long enough.
    fn slots(&mut self) {
        self.dirty.slots.extend(restart::due(&self.draft.view(), self.draft.now()));
        for slot in self.dirty.slots.clone() {
            if self.draft.len() >= PASS_CHANGES_MAX {
                self.left.slots.insert(slot);
                continue;
            }
            let made = self.step(|view, now, ids| restart::reconcile(view, slot, now, ids));
            let view = self.draft.view();
            if restart::is_bare(&view, slot, self.draft.now()) {
                self.left.services.insert(slot.0);
            }
            // Only if something became of the slot: looking at its node looks at the slot again.
            if let Some(service) = view.service(slot.0).filter(|_| made > 0) {
                let tasks = view.tasks_in(slot.0, slot.1);
                self.left.nodes.extend(update::left_behind(&view, service, tasks));
            }
        }
    }

    /// Decides about jobs, given the services and nodes that were looked at.
    fn jobs(&mut self, services: &BTreeSet<Id<Service>>, nodes: &BTreeSet<Id<Node>>) {
        for part in job::parts(&self.draft.view(), services, &self.dirty.slots, nodes) {
            let made = if self.draft.len() < PASS_CHANGES_MAX {
                self.step(|view, now, ids| job::reconcile(view, part, now, ids))
            } else {
                PASS_CHANGES_MAX
            };
            let (job::Part::All(service) | job::Part::OnNode(service, _)) = part;
            if made >= PASS_CHANGES_MAX {
                self.left.services.insert(service);
            }
        }
    }

    /// Gives addresses and nodes to what has none. Nothing that follows looks at it, so that a task
    /// that is made and placed in one pass is tried once.
    fn place(&mut self) -> Vec<Change> {
        for service in endpoint::waiting(&self.draft.view()) {
            self.step(|view, _, _| endpoint::allocate(view, service));
        }
        let view = self.draft.view();
        let allocation = endpoint::allocate_tasks(&view);
        let scheduled = place::schedule(&view, allocation, self.draft.now());
        drop(view);
        self.left.slots.extend(scheduled.left);
        scheduled.changes
    }

    /// Moves tasks, of one service at a time, once there is nothing else to do: what a move is weighed
    /// against is what there is.
    fn rebalance(&mut self) {
        let all: Vec<_> = self.draft.view().rebalanced().map(|service| service.id).collect();
        let mut moved = false;
        if self.draft.len() == 0 {
            moved = all.iter().any(|id| {
                self.step(|view, now, ids| rebalance::reconcile(view, *id, now, ids)) > 0
            });
        }
        if moved {
            let placed = self.place();
            self.draft.close(placed);
        }
        if self.draft.len() > 0 {
            self.left.updates.extend(all);
        }
    }

    /// Forgets the tasks that slots have too many of.
    fn reap(&mut self) {
        for slot in self.dirty.slots.clone() {
            if self.draft.len() >= PASS_CHANGES_MAX {
                self.left.slots.insert(slot);
                continue;
            }
            self.step(|view, _, _| reap::reconcile(view, slot));
        }
    }
}

/// What its mode makes of a service. Jobs have their turn after the restarts.
fn service(view: &View, id: Id<Service>, now: Time, ids: &mut IdGen) -> Vec<Change> {
    let changes = match view.service(id) {
        None => replicated::remove_all(view, id),
        Some(service) => match service.spec.mode {
            Mode::Replicated { replicas } => {
                replicated::reconcile(view, service, replicas, now, ids)
            }
            Mode::Global => global::reconcile(view, service, now, ids),
            Mode::ReplicatedJob { .. } | Mode::GlobalJob => Vec::new(),
        },
    };
    cut(changes)
}

/// As many changes as a pass may make; each of them stands on its own.
fn cut(mut changes: Vec<Change>) -> Vec<Change> {
    changes.truncate(PASS_CHANGES_MAX);
    changes
}
