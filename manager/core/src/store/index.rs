//! What can be counted from the objects, kept up to date with every write of them.
//!
//! All of it follows from the tables: a restored store builds the same. Whoever writes an object
//! takes the old one out here and puts the new one in.

use std::net::IpAddr;

use skep_api::{
    Bytes, Id, Mode, NanoCpus, Network, Node, NodeState, Origin, PortConfig, Protocol, PublishMode,
    Service, ServiceOptions, ServiceSpec, Slot, SpecVersion, Task, TaskAddress, TaskState, Time,
    UpdateState,
};

use super::map::{Counts, Map, Set};

/// The indexes of the store.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Indexes {
    /// Slots by the spec version of their newest task: what an update has still to do, without
    /// looking at what it has done.
    pub(crate) heads: Set<(Id<Service>, SpecVersion, Slot)>,
    /// Tasks that updates made, by how far they got.
    pub(crate) made: Set<Made>,
    /// Services whose update or rollback is under way.
    pub(crate) updating: Set<Id<Service>>,
    /// Services with one task on each node, jobs included.
    pub(crate) global: Set<Id<Service>>,
    /// Nodes that are down, by when they went down.
    pub(crate) down: Set<(Time, Id<Node>)>,
    /// Tasks by node.
    pub(crate) on_node: Set<(Id<Node>, Id<Task>)>,
    /// Tasks that wait for ports and addresses, and then for a node.
    pub(crate) fresh: Set<(Id<Service>, Slot, Id<Task>)>,
    /// Other tasks without a node that have not ended: some wait for a place, some are to be
    /// forgotten. Those of global services wait here too, until the scheduler confirms their slots'
    /// node.
    pub(crate) pending: Set<(Id<Service>, Slot, Id<Task>)>,
    /// Tasks that may be prepared but not started yet, by when they may.
    pub(crate) held: Set<(Time, Id<Task>)>,
    /// Addresses of services and of tasks that have not ended.
    pub(crate) addresses: Counts<(IpAddr, Id<Network>)>,
    /// Services by the networks of their specs.
    pub(crate) attached: Counts<(Id<Network>, Id<Service>)>,
    /// Published ports: those of the specs, and those that were chosen.
    pub(crate) published: Counts<(Protocol, u16, PublishMode, Id<Service>)>,
    /// Services that ask to be rebalanced.
    pub(crate) rebalanced: Set<Id<Service>>,
    /// Tasks that were moved, by when they ran, ended, or were made.
    pub(crate) moved: Set<(Id<Service>, Time, Id<Task>)>,
    /// Tasks that failed or were rejected on a node that the scheduler chose, by when.
    pub(crate) failed: Set<(Id<Service>, SpecVersion, Time, Id<Task>)>,
    /// What the active tasks of a node keep for themselves.
    pub(crate) loads: Map<Id<Node>, Load>,
    /// Active tasks of a service on a node.
    pub(crate) spread: Counts<(Id<Service>, Id<Node>)>,
    /// Ports that active tasks hold on their nodes.
    pub(crate) host_ports: Counts<(Id<Node>, Protocol, u16)>,
}

/// What the active tasks of a node keep for themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) tasks: u64,
    pub(crate) cpus: NanoCpus,
    pub(crate) memory: Bytes,
}

/// A task that an update made: its service and spec version, how far it got, since when, and itself.
pub(crate) type Made = (Id<Service>, SpecVersion, Progress, Time, Id<Task>);

/// How far a task that an update made got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Progress {
    /// It ended; since it ran first, or ended without having run.
    Ended,
    /// It runs, since then.
    Runs,
    /// It has not run yet; since it was made.
    Starts,
}

/// Where a task stands in [`Indexes::made`]; nowhere unless an update made it.
fn made(task: &Task) -> Option<Made> {
    let state = task.status.state;
    let (progress, since) = match task.status.started_at {
        Some(started) if state.is_terminal() => (Progress::Ended, started),
        Some(started) => (Progress::Runs, started),
        None if state.is_terminal() => (Progress::Ended, task.status.at),
        None => (Progress::Starts, task.meta.created_at),
    };
    let key = (task.service, task.spec_version, progress, since, task.id);
    (task.origin == Origin::Update).then_some(key)
}

/// Whether an update or a rollback of the service is under way.
fn is_updating(service: &Service) -> bool {
    let state = service.update_status.as_ref().map(|status| status.state);
    matches!(state, Some(UpdateState::Updating | UpdateState::RollbackStarted))
}

/// The moment from which a held task may be started, if nothing else holds it.
pub(crate) fn held_until(task: &Task) -> Option<Time> {
    let held = task.desired == TaskState::Ready;
    held.then(|| task.start_after.unwrap_or(task.meta.created_at))
}

impl Indexes {
    pub(crate) fn add_service(&mut self, service: &Service) {
        for (address, network) in vips(service) {
            self.addresses.add((address, network));
        }
        for network in networks(&service.spec) {
            self.attached.add((network, service.id));
        }
        for (protocol, port, mode) in ports(service) {
            self.published.add((protocol, port, mode, service.id));
        }
        if is_updating(service) {
            self.updating.add(service.id);
        }
        if is_global(service) {
            self.global.add(service.id);
        }
        if is_rebalanced(service) {
            self.rebalanced.add(service.id);
        }
    }

    pub(crate) fn take_service(&mut self, service: &Service) {
        for (address, network) in vips(service) {
            self.addresses.take(&(address, network));
        }
        for network in networks(&service.spec) {
            self.attached.take(&(network, service.id));
        }
        for (protocol, port, mode) in ports(service) {
            self.published.take(&(protocol, port, mode, service.id));
        }
        if is_updating(service) {
            self.updating.take(&service.id);
        }
        if is_global(service) {
            self.global.take(&service.id);
        }
        if is_rebalanced(service) {
            self.rebalanced.take(&service.id);
        }
    }

    pub(crate) fn add_node(&mut self, node: &Node) {
        if node.status.state == NodeState::Down {
            self.down.add((node.status.since, node.id));
        }
    }

    pub(crate) fn take_node(&mut self, node: &Node) {
        if node.status.state == NodeState::Down {
            self.down.take(&(node.status.since, node.id));
        }
    }

    /// Counts a task as it is now in place of what it was, if it was there; `spec` is the one that it
    /// was made from. What did not change is not touched: most writes move one key or two.
    pub(crate) fn move_task(
        &mut self,
        before: Option<&Task>,
        after: Option<&Task>,
        spec: &ServiceSpec,
    ) {
        let slot = |task: &Task| (task.service, task.slot, task.id);
        let unplaced = |task: &Task| task.node.is_none() && !task.status.state.is_terminal();
        let is_new = |task: &Task| task.status.state == TaskState::New;
        let fresh = |task: &Task| (unplaced(task) && is_new(task)).then(|| slot(task));
        let pending = |task: &Task| (unplaced(task) && !is_new(task)).then(|| slot(task));
        let on_node = |task: &Task| task.node.map(|node| (node, task.id));
        let held = |task: &Task| held_until(task).map(|time| (time, task.id));
        self.made.shift(before.and_then(made), after.and_then(made));
        self.moved.shift(before.and_then(moved), after.and_then(moved));
        self.failed.shift(before.and_then(failed), after.and_then(failed));
        self.held.shift(before.and_then(held), after.and_then(held));
        self.fresh.shift(before.and_then(fresh), after.and_then(fresh));
        self.pending.shift(before.and_then(pending), after.and_then(pending));
        self.on_node.shift(before.and_then(on_node), after.and_then(on_node));
        let (old, new) = (before.map_or(&[][..], addresses), after.map_or(&[][..], addresses));
        if old != new {
            old.iter().for_each(|a| self.addresses.take(&(a.addr, a.network)));
            new.iter().for_each(|a| self.addresses.add((a.addr, a.network)));
        }
        let (old, new) = (before.filter(is_seated), after.filter(is_seated));
        if old.map(seat) != new.map(seat) {
            old.into_iter().for_each(|task| self.unseat(task, spec));
            new.into_iter().for_each(|task| self.seat(task, spec));
        }
        #[cfg(feature = "planted-bugs")]
        self.free_again(before, after, spec);
    }

    /// A task that was told to stop gave back what it held; with this bug it does so twice.
    #[cfg(feature = "planted-bugs")]
    fn free_again(&mut self, before: Option<&Task>, after: Option<&Task>, spec: &ServiceSpec) {
        use crate::planted::{Bug, is_planted};
        let over = |task: &Task| task.status.state.is_terminal();
        let ended = before.is_some_and(|t| !t.is_active() && !over(t)) && after.is_none_or(over);
        let node = before.and_then(|task| task.node);
        if let Some(node) = node.filter(|_| ended && is_planted(Bug::FreedTwice)) {
            let mut load = self.loads.get(&node).copied().unwrap_or_default();
            let reserved = &spec.task.reservations;
            load.memory.0 = load.memory.0.saturating_sub(reserved.memory.0);
            load.cpus.0 = load.cpus.0.saturating_sub(reserved.cpus.0);
            self.loads.insert(node, load);
        }
    }

    /// Counts a task in on its node.
    fn seat(&mut self, task: &Task, spec: &ServiceSpec) {
        let Some(node) = task.node else { return };
        let mut load = self.loads.get(&node).copied().unwrap_or_default();
        load.tasks += 1;
        load.cpus.0 = load.cpus.0.wrapping_add(spec.task.reservations.cpus.0);
        load.memory.0 = load.memory.0.wrapping_add(spec.task.reservations.memory.0);
        self.loads.insert(node, load);
        self.spread.add((task.service, node));
        host_ports(&task.ports).for_each(|(proto, port)| self.host_ports.add((node, proto, port)));
    }

    /// Takes a task out on its node that was counted in just like that.
    fn unseat(&mut self, task: &Task, spec: &ServiceSpec) {
        let Some(node) = task.node else { return };
        let mut load = self.loads.get(&node).copied().unwrap_or_default();
        load.tasks = load.tasks.saturating_sub(1);
        // Wrapping, as it was added: sums of absurd reservations come back to zero too.
        load.cpus.0 = load.cpus.0.wrapping_sub(spec.task.reservations.cpus.0);
        load.memory.0 = load.memory.0.wrapping_sub(spec.task.reservations.memory.0);
        if load == Load::default() {
            self.loads.remove(&node);
        } else {
            self.loads.insert(node, load);
        }
        self.spread.take(&(task.service, node));
        host_ports(&task.ports)
            .for_each(|(proto, port)| self.host_ports.take(&(node, proto, port)));
    }
}

/// Where a task stands in [`Indexes::moved`].
fn moved(task: &Task) -> Option<(Id<Service>, Time, Id<Task>)> {
    let ended = task.status.state.is_terminal().then_some(task.status.at);
    let at = ended.or(task.status.started_at).unwrap_or(task.meta.created_at);
    (task.origin == Origin::Move).then_some((task.service, at, task.id))
}

fn is_rebalanced(service: &Service) -> bool {
    ServiceOptions::parse(&service.spec.labels).is_ok_and(|options| options.rebalance)
}

/// Where a task stands in [`Indexes::failed`].
fn failed(task: &Task) -> Option<(Id<Service>, SpecVersion, Time, Id<Task>)> {
    let failed = matches!(task.status.state, TaskState::Failed | TaskState::Rejected);
    let chosen = task.node.is_some() && task.slot.node().is_none();
    (failed && chosen).then_some((task.service, task.spec_version, task.status.at, task.id))
}

/// Whether a task holds resources of a node.
fn is_seated(task: &&Task) -> bool {
    task.node.is_some() && task.is_active()
}

/// All that a task's hold on its node's resources depends on, beside its spec, which never changes.
fn seat(task: &Task) -> (Option<Id<Node>>, &[PortConfig]) {
    (task.node, &task.ports)
}

/// The addresses that a task holds: until it ended, or until it is not wanted and never had a node.
fn addresses(task: &Task) -> &[TaskAddress] {
    let holds = !task.status.state.is_terminal() && (task.node.is_some() || task.is_wanted());
    if holds { &task.addresses } else { &[] }
}

fn is_global(service: &Service) -> bool {
    matches!(service.spec.mode, Mode::Global | Mode::GlobalJob)
}

fn vips(service: &Service) -> impl Iterator<Item = (IpAddr, Id<Network>)> {
    service.endpoint.virtual_ips.iter().map(|vip| (vip.addr, vip.network))
}

/// The networks of a spec: admission replaced their names by ids.
pub(crate) fn networks(spec: &ServiceSpec) -> impl Iterator<Item = Id<Network>> {
    spec.task.networks.iter().filter_map(|attachment| attachment.target.parse().ok())
}

fn ports(service: &Service) -> impl Iterator<Item = (Protocol, u16, PublishMode)> {
    let all = service.spec.endpoint.ports.iter().chain(&service.endpoint.ports);
    all.filter(|port| port.published != 0).map(|port| (port.protocol, port.published, port.mode))
}

/// The ports a task holds on its node.
pub(crate) fn host_ports(ports: &[PortConfig]) -> impl Iterator<Item = (Protocol, u16)> {
    let held = ports.iter().filter(|p| p.mode == PublishMode::Host && p.published != 0);
    held.map(|port| (port.protocol, port.published))
}
