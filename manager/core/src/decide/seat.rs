//! Nodes as the scheduler sees them in one pass: what is left of them, with what the pass itself put
//! there.

use std::collections::BTreeMap;

use skep_api::{Bytes, Generic, Id, NanoCpus, Node, Protocol, Service, Slot, Task};

use super::filter::Want;
use super::generic::Offer;
use crate::store::{Load, Room, View};

/// A node and what is left of it.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    pub(super) id: Id<Node>,
    pub(super) node: &'a Node,
    pub(super) tasks: u64,
    pub(super) reserved_cpus: NanoCpus,
    pub(super) reserved_memory: Bytes,
    pub(super) free_cpus: NanoCpus,
    pub(super) free_memory: Bytes,
    /// Tasks of the service that is being placed.
    pub(super) of_service: u64,
    /// How many of those are to stop once the task that replaces them runs.
    pub(super) leaving: u64,
}

/// All nodes, by id, in one pass. There may be ten thousand, for one task: what few of them have is
/// kept apart from them.
pub(super) struct Seats<'a> {
    view: &'a View,
    all: Vec<Seat<'a>>,
    /// The service whose tasks are counted in `of_service`.
    service: Option<Id<Service>>,
    /// Ports that this pass gave away on nodes.
    ports: BTreeMap<usize, Vec<(Protocol, u16)>>,
    /// What nobody has of nodes' generic resources, once somebody asked.
    offers: BTreeMap<usize, Offer>,
    /// Where this pass put tasks.
    placed: BTreeMap<Id<Service>, Vec<u32>>,
}

impl<'a> Seats<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        let mut loads = view.loads().peekable();
        let seat = |room: &'a Room| {
            // Both are in the order of ids; nodes that are gone may still have loads.
            while loads.next_if(|(id, _)| *id < room.id).is_some() {}
            let load = loads.next_if(|(id, _)| *id == room.id).map(|(_, load)| load);
            Seat::new(room, load.unwrap_or_default())
        };
        let all = view.rooms().iter().map(seat).collect();
        let (ports, offers, placed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { view, all, service: None, ports, offers, placed }
    }

    pub(super) fn seat(&self, at: usize) -> &Seat<'a> {
        &self.all[at]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Seat<'a>)> {
        self.all.iter().enumerate()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The place of a node.
    pub(super) fn find(&self, node: Id<Node>) -> Option<usize> {
        self.all.binary_search_by_key(&node, |seat| seat.id).ok()
    }

    /// Counts the tasks of a service on each node; `limited` if there may be so many only.
    pub(super) fn begin(&mut self, service: Id<Service>, want: &Want<'_>) {
        if self.service == Some(service) {
            return;
        }
        self.service = Some(service);
        for seat in &mut self.all {
            (seat.of_service, seat.leaving) = (0, 0);
        }
        for (node, count) in self.view.spread_of(service) {
            if let Some(at) = self.find(node) {
                self.all[at].of_service = count;
            }
        }
        for at in self.placed.get(&service).into_iter().flatten() {
            self.all[*at as usize].of_service += 1;
        }
        if want.spec.task.placement.max_replicas > 0 {
            self.count_leaving(service);
        }
    }

    /// Counts the active tasks of a service that have a newer wanted one in their slot.
    fn count_leaving(&mut self, service: Id<Service>) {
        let mut newest: Option<(Slot, &Task)> = None;
        let mut leaving = Vec::new();
        for task in self.view.tasks_of(service).filter(|task| task.is_wanted()) {
            let older = match newest {
                Some((slot, other)) if slot == task.slot => {
                    let age = |task: &Task| (task.meta.created_at, task.id);
                    let (older, newer) =
                        if age(other) < age(task) { (other, task) } else { (task, other) };
                    newest = Some((slot, newer));
                    Some(older)
                }
                _ => {
                    newest = Some((task.slot, task));
                    None
                }
            };
            leaving.extend(older.filter(|task| task.is_active()).and_then(|task| task.node));
        }
        for at in leaving.into_iter().filter_map(|node| self.find(node)).collect::<Vec<_>>() {
            self.all[at].leaving += 1;
        }
    }

    /// How many hold a port of a node.
    pub(super) fn holders(&self, at: usize, (protocol, port): (Protocol, u16)) -> u64 {
        let given = self.ports.get(&at).into_iter().flatten();
        let given = given.filter(|held| **held == (protocol, port)).count() as u64;
        self.view.host_port_holders(self.all[at].id, protocol, port) + given
    }

    /// What nobody has of a node's generic resources.
    pub(super) fn offer(&mut self, at: usize) -> &mut Offer {
        let (seat, view) = (&self.all[at], self.view);
        let active = || view.tasks_on(seat.id).filter(|task| task.is_active());
        self.offers.entry(at).or_insert_with(|| Offer::new(seat.node, active()))
    }

    /// Counts one task of the service less on a node. What it alone held there, ports and generic
    /// resources, is not given back: whoever asks does not put it there again.
    pub(super) fn free(&mut self, at: usize, want: &Want<'_>) {
        let reserved = &want.spec.task.reservations;
        let seat = &mut self.all[at];
        seat.tasks = seat.tasks.saturating_sub(1);
        seat.of_service = seat.of_service.saturating_sub(1);
        seat.free_cpus.0 = seat.free_cpus.0.saturating_add(reserved.cpus.0);
        seat.free_memory.0 = seat.free_memory.0.saturating_add(reserved.memory.0);
    }

    /// Counts one more task of the service on a node; returns the generic resources it is given.
    pub(super) fn take(&mut self, at: usize, want: &Want<'_>) -> BTreeMap<String, Generic> {
        let reserved = &want.spec.task.reservations;
        let seat = &mut self.all[at];
        seat.tasks += 1;
        seat.of_service += 1;
        seat.reserved_cpus.0 = seat.reserved_cpus.0.saturating_add(reserved.cpus.0);
        seat.reserved_memory.0 = seat.reserved_memory.0.saturating_add(reserved.memory.0);
        seat.free_cpus.0 = seat.free_cpus.0.saturating_sub(reserved.cpus.0);
        seat.free_memory.0 = seat.free_memory.0.saturating_sub(reserved.memory.0);
        if !want.ports.is_empty() {
            self.ports.entry(at).or_default().extend(&want.ports);
        }
        if let Some(service) = self.service {
            self.placed.entry(service).or_default().push(at as u32);
        }
        if reserved.generic.is_empty() {
            return BTreeMap::new();
        }
        self.offer(at).claim(&reserved.generic)
    }
}

impl<'a> Seat<'a> {
    fn new(room: &'a Room, load: Load) -> Self {
        let Load { tasks, cpus, memory } = load;
        Self {
            id: room.id,
            node: &room.node,
            tasks,
            reserved_cpus: cpus,
            reserved_memory: memory,
            free_cpus: NanoCpus(room.cpus.0.saturating_sub(cpus.0)),
            free_memory: Bytes(room.memory.0.saturating_sub(memory.0)),
            of_service: 0,
            leaving: 0,
        }
    }
}
