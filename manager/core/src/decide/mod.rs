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
mod nodes;
mod outdated;
mod place;
mod rank;
mod reap;
mod replicated;
mod restart;
mod subnet;
#[cfg(test)]
mod tests;

use skep_api::{Id, IdGen, Service, Slot, Time};

pub use self::dirty::Dirty;
pub use self::outdated::is_up_to_date;
pub use self::restart::wake_at;
pub(crate) use self::subnet::first_subnet;
use crate::change::Change;
use crate::draft::Draft;
use crate::store::View;

/// What was decided.
#[derive(Debug, Default)]
pub struct Decision {
    /// What is to change, in the order in which it can be applied. A caller that cuts the list into
    /// entries keeps the order; what was not stored is decided again, since its keys stay dirty.
    pub changes: Vec<Change>,
    /// What is still dirty once the changes are applied: one pass makes so many changes at most
    /// that a service of a million tasks does not hold up all others, nor fill the memory.
    pub left: Dirty,
}

/// Decides what is to change.
pub fn decide(view: &View, dirty: &Dirty, now: Time, ids: &mut IdGen) -> Decision {
    #[cfg(feature = "planted-bugs")]
    let now = planted_now(view, dirty, now);
    let mut dirty = dirty.spelt_out(view);
    let mut draft = Draft::new(view, now.max(view.time()));
    if !std::mem::take(&mut dirty.networks).is_empty() {
        let view = draft.view();
        let changes = subnet::allocate(&view);
        add(&mut draft, &mut dirty, view, changes);
    }
    for node in &dirty.nodes {
        dirty.services.extend(nodes::services_to_compare(&draft.view(), *node));
    }
    for service in std::mem::take(&mut dirty.services) {
        let view = draft.view();
        let changes = replicated::reconcile(&view, service, draft.now(), ids);
        add(&mut draft, &mut dirty, view, changes);
        let view = draft.view();
        let changes = endpoint::allocate(&view, service);
        add(&mut draft, &mut dirty, view, changes);
    }
    // After the services: a task that an update replaces is to stop in order, and is not thrown out
    // for constraints that it was not made with.
    for node in std::mem::take(&mut dirty.nodes) {
        let view = draft.view();
        dirty.slots.extend(nodes::slots_of_unfit(&view, node));
        let changes = nodes::reconcile(&view, node);
        add(&mut draft, &mut dirty, view, changes);
    }
    dirty.slots.extend(restart::due(&draft.view(), draft.now()));
    for (service, slot) in dirty.slots.clone() {
        let view = draft.view();
        let changes = restart::reconcile(&view, (service, slot), draft.now(), ids);
        add(&mut draft, &mut dirty, view, changes);
    }
    for service in endpoint::waiting(&draft.view()) {
        let view = draft.view();
        let changes = endpoint::allocate(&view, service);
        add(&mut draft, &mut dirty, view, changes);
    }
    let view = draft.view();
    let changes = endpoint::allocate_tasks(&view);
    add(&mut draft, &mut dirty, view, changes);
    let view = draft.view();
    let changes = place::schedule(&view, draft.now());
    add(&mut draft, &mut dirty, view, changes);
    for (service, slot) in dirty.slots.clone() {
        let view = draft.view();
        let changes = reap::reconcile(&view, (service, slot));
        add(&mut draft, &mut dirty, view, changes);
    }
    Decision { changes: draft.finish(), left: Dirty::new() }
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

/// Adds a reconciler's changes and marks what they touch. Takes the view that it looked at, since
/// the draft is only written in place once nobody looks at it any more.
fn add(draft: &mut Draft, dirty: &mut Dirty, view: View, changes: Vec<Change>) {
    drop(view);
    for event in draft.add(changes) {
        dirty.mark(&event);
    }
}
