//! What must be looked at again.

use std::collections::BTreeSet;

use skep_api::{Id, Network, Node, Service, Slot};

use crate::change::Key;
use crate::store::{Event, Happened, TaskEvent, TaskHappened, View};

/// What must be looked at again. Events only mark; the decision looks at the view alone, so marking
/// too much costs time and changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    everything: bool,
    pub(super) services: BTreeSet<Id<Service>>,
    /// Services whose update has more to do right away.
    pub(super) updates: BTreeSet<Id<Service>>,
    pub(super) slots: BTreeSet<(Id<Service>, Slot)>,
    pub(super) nodes: BTreeSet<Id<Node>>,
    pub(super) networks: BTreeSet<Id<Network>>,
}

impl Dirty {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// All there is: where a new leader starts. There is no other start-up path.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Whether nothing is marked. Deadlines may still have passed: see [`crate::wake_at`].
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Marks what an event may have changed decisions about.
    pub fn mark(&mut self, event: &Event) {
        match *event {
            // What managers write of a service makes no difference to its tasks, and updates that
            // are under way are looked at in every pass.
            Event::Object { key: Key::Service(_), happened: Happened::Noted } => {}
            Event::Object { key: Key::Service(id), .. } => drop(self.services.insert(id)),
            Event::Object { key: Key::Node(id), .. } => drop(self.nodes.insert(id)),
            // A new network wants a subnet; one that is gone leaves a subnet.
            Event::Object { key: Key::Network(id), happened } if happened != Happened::Updated => {
                self.networks.insert(id);
            }
            // Its settings say how everything is decided.
            Event::Object { key: Key::Cluster(_), .. } => self.everything = true,
            Event::Object { .. } => {}
            Event::Task(TaskEvent { service, slot, happened, .. }) => {
                self.slots.insert((service, slot));
                if happened == (TaskHappened::Removed { wanted: true }) {
                    self.services.insert(service);
                }
            }
        }
    }

    /// Marks what another set has marked; for a loop whose proposal failed.
    pub fn merge(&mut self, other: &Self) {
        self.everything |= other.everything;
        self.services.extend(&other.services);
        self.updates.extend(&other.updates);
        self.slots.extend(&other.slots);
        self.nodes.extend(&other.nodes);
        self.networks.extend(&other.networks);
    }

    /// The same with "everything" spelt out.
    pub(super) fn spelt_out(&self, view: &View) -> Self {
        let mut all = self.clone();
        if std::mem::take(&mut all.everything) {
            all.services.extend(view.services().map(|service| service.id));
            all.slots.extend(view.slots());
            // Tasks whose services are gone are ended by looking at those services.
            all.services.extend(view.slots().map(|(service, _)| service));
            all.nodes.extend(view.nodes().map(|node| node.id));
            all.nodes.extend(view.nodes_of_tasks());
            all.networks.extend(view.networks().map(|network| network.id));
        }
        all
    }
}
