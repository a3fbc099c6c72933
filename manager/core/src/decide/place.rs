//! The scheduler: which node a task goes to (semantics part 6).
//!
//! | situation | change |
//! |---|---|
//! | a task waits for a node and one passes all filters | ASSIGNED to the best one |
//! | a task waits and no node passes | PENDING, with how many nodes failed at which filter |
//! | a task without a node is not wanted any more | SHUTDOWN |
//!
//! A task is placed once and never moved. All tasks of one service and spec version are placed
//! together; each placement counts for the next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use skep_api::{
    Availability, Bytes, Id, NanoCpus, Node, NodeState, Protocol, Service, ServiceSpec,
    SpecVersion, Task, TaskState, TaskStatus, Time,
};

use super::constraint;
use super::rank::Ranking;
use crate::change::Change;
use crate::store::{View, host_ports};

/// Places all tasks that wait for a node.
pub(crate) fn schedule(view: &View, now: Time) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut groups: BTreeMap<(Id<Service>, SpecVersion), Vec<&Task>> = BTreeMap::new();
    let mut preassigned = Vec::new();
    for task in view.unplaced() {
        if task.is_wanted() && task.status.state == TaskState::Pending && task.slot.node().is_some()
        {
            preassigned.push(task);
        } else if task.is_wanted() && task.status.state == TaskState::Pending {
            groups.entry((task.service, task.spec_version)).or_default().push(task);
        } else if !task.is_wanted() && task.desired < TaskState::Remove {
            // Nobody else would ever end it.
            let message = "shutdown".to_owned();
            let status =
                TaskStatus { state: TaskState::Shutdown, message, ..TaskStatus::default() };
            changes.push(Change::TaskStatus { task: task.id, status });
        }
    }
    let none = groups.is_empty() && preassigned.is_empty();
    let mut seats = if none { Seats::default() } else { Seats::new(view) };
    for task in preassigned {
        changes.extend(confirm(view, &mut seats, task));
    }
    let mut waiting = Vec::new();
    for ((service, version), tasks) in groups {
        let Some(spec) = view.spec(service, version) else { continue };
        let placed = place(view, &mut seats, spec, &tasks, now);
        let left = tasks[placed.len()..].to_vec();
        changes.extend(placed);
        waiting.push((spec, left));
    }
    // Only now, since what one service took may be why another found nothing.
    for (spec, tasks) in waiting {
        changes.extend(explain(view, &mut seats, spec, &tasks));
    }
    changes
}

/// Places tasks of one service and spec version, in their order, as far as there are nodes for them.
fn place(
    view: &View,
    seats: &mut Seats<'_>,
    spec: &ServiceSpec,
    tasks: &[&Task],
    now: Time,
) -> Vec<Change> {
    let Some(first) = tasks.first() else { return Vec::new() };
    seats.begin_service(view, first);
    let want = Want::new(spec, first);
    let passing = seats.all.values().filter(|seat| want.first_failure(seat).is_none());
    let mut ranking = Ranking::new(view, spec, first, now, passing);
    let mut changes = Vec::with_capacity(tasks.len());
    for task in tasks {
        // A node that an earlier task filled up is not offered again.
        let found = loop {
            let Some(node) = ranking.best() else { return changes };
            let Some(seat) = seats.all.get_mut(&node) else { continue };
            if want.first_failure(seat).is_none() {
                want.take(seat, task);
                ranking.took(seat);
                break node;
            }
        };
        let status = TaskStatus {
            state: TaskState::Assigned,
            message: "scheduler assigned task to node".to_owned(),
            ..TaskStatus::default()
        };
        changes.push(assign(task, Some(found), status));
    }
    changes
}

fn confirm(view: &View, seats: &mut Seats<'_>, task: &Task) -> Option<Change> {
    let spec = view.spec_of(task)?;
    seats.begin_service(view, task);
    let want = Want::new(spec, task);
    let node = task.slot.node()?;
    let seat = seats.all.get_mut(&node)?;
    let Some(failure) = want.first_failure(seat) else {
        want.take(seat, task);
        let status = TaskStatus {
            state: TaskState::Assigned,
            message: "scheduler confirmed task can run on preassigned node".to_owned(),
            ..TaskStatus::default()
        };
        return Some(assign(task, Some(node), status));
    };
    let err = format!("no suitable node ({})", failure.explain(1));
    let said = task.status.err == err;
    (!said).then(|| assign(task, None, TaskStatus { err, ..task.status.clone() }))
}

/// Says why no node takes these tasks: what most nodes failed at comes first (semantics part 6.2).
fn explain(view: &View, seats: &mut Seats<'_>, spec: &ServiceSpec, tasks: &[&Task]) -> Vec<Change> {
    let Some(first) = tasks.first() else { return Vec::new() };
    seats.begin_service(view, first);
    let want = Want::new(spec, first);
    let mut failures: BTreeMap<Filter, usize> = BTreeMap::new();
    for filter in seats.all.values().filter_map(|seat| want.first_failure(seat)) {
        *failures.entry(filter).or_default() += 1;
    }
    let mut failures: Vec<_> = failures.into_iter().collect();
    failures.sort_by_key(|(_, nodes)| Reverse(*nodes));
    let parts: Vec<_> = failures.into_iter().map(|(filter, n)| filter.explain(n)).collect();
    let err = match parts.as_slice() {
        [] => "no suitable node".to_owned(),
        parts => format!("no suitable node ({})", parts.join("; ")),
    };
    let unsaid = tasks.iter().filter(|task| task.status.err != err);
    let say =
        |task: &&Task| assign(task, None, TaskStatus { err: err.clone(), ..task.status.clone() });
    unsaid.map(say).collect()
}

fn assign(task: &Task, node: Option<Id<Node>>, status: TaskStatus) -> Change {
    let (ports, addresses) = (task.ports.clone(), task.addresses.clone());
    let generic = BTreeMap::new();
    Change::TaskAssign { task: task.id, node, ports, addresses, generic, status }
}

/// A node and what is left of it.
#[derive(Debug, Clone)]
pub(super) struct Seat<'a> {
    pub(super) node: &'a Node,
    pub(super) tasks: u64,
    /// Tasks of the service that is being placed.
    pub(super) of_service: u64,
    free_cpus: NanoCpus,
    free_memory: Bytes,
    /// What this pass put there.
    placed: BTreeMap<Id<Service>, u64>,
    taken_ports: BTreeSet<(Protocol, u16)>,
    /// Whether a port that the service wants is held there already.
    held_ports: bool,
}

/// All nodes.
#[derive(Default)]
struct Seats<'a> {
    all: BTreeMap<Id<Node>, Seat<'a>>,
}

impl<'a> Seats<'a> {
    fn new(view: &'a View) -> Self {
        let seat = |node: &'a Node| {
            let load = view.load(node.id);
            Seat {
                node,
                tasks: load.tasks,
                of_service: 0,
                free_cpus: NanoCpus(node.description.cpus.0.saturating_sub(load.cpus.0)),
                free_memory: Bytes(node.description.memory.0.saturating_sub(load.memory.0)),
                placed: BTreeMap::new(),
                taken_ports: BTreeSet::new(),
                held_ports: false,
            }
        };
        Self { all: view.nodes().map(|node| (node.id, seat(node))).collect() }
    }

    /// Looks up what the filters want to know of each node about one service.
    fn begin_service(&mut self, view: &View, task: &Task) {
        for (id, seat) in &mut self.all {
            let placed = seat.placed.get(&task.service).copied().unwrap_or(0);
            seat.of_service = view.spread(task.service, *id) + placed;
            seat.held_ports = host_ports(&task.ports).any(|(protocol, port)| {
                seat.taken_ports.contains(&(protocol, port))
                    || view.host_port_taken(*id, protocol, port)
            });
        }
    }
}

/// What a node can fail at, in the order in which it is asked. Swarm's plugin, platform and volume
/// filters have no object here: every node runs every component, and networks are names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Filter {
    Ready,
    Resources,
    Constraints,
    HostPorts,
    MaxReplicas,
}

impl Filter {
    /// Swarm's words for so many nodes that failed here.
    fn explain(self, nodes: usize) -> String {
        let on = match nodes {
            1 => "1 node".to_owned(),
            n => format!("{n} nodes"),
        };
        match self {
            Self::Ready => format!("{on} not available for new tasks"),
            Self::Resources => format!("insufficient resources on {on}"),
            Self::Constraints => format!("scheduling constraints not satisfied on {on}"),
            Self::HostPorts => format!("host-mode port already in use on {on}"),
            Self::MaxReplicas => "max replicas per node limit exceed".to_owned(),
        }
    }
}

/// What the tasks of a group want of a node.
struct Want<'a> {
    spec: &'a ServiceSpec,
    ports: Vec<(Protocol, u16)>,
}

impl<'a> Want<'a> {
    fn new(spec: &'a ServiceSpec, task: &Task) -> Self {
        Self { spec, ports: host_ports(&task.ports).collect() }
    }

    fn first_failure(&self, seat: &Seat<'_>) -> Option<Filter> {
        let node = seat.node;
        let reserved = &self.spec.task.reservations;
        let max_replicas = self.spec.task.placement.max_replicas;
        // Nodes advertise no generic resources yet, so that a task that reserves one waits.
        let lacks = reserved.cpus > seat.free_cpus
            || reserved.memory > seat.free_memory
            || reserved.generic.values().any(|amount| *amount > 0);
        let is_ready =
            node.status.state == NodeState::Ready && node.spec.availability == Availability::Active;
        [
            (Filter::Ready, !is_ready),
            (Filter::Resources, lacks),
            (Filter::Constraints, is_ready && !lacks && !constraint::all_hold(self.spec, node)),
            (Filter::HostPorts, seat.held_ports),
            (Filter::MaxReplicas, max_replicas > 0 && seat.of_service >= max_replicas),
        ]
        .into_iter()
        .find_map(|(filter, fails)| fails.then_some(filter))
    }

    /// Counts one more task of the group on a node.
    fn take(&self, seat: &mut Seat<'_>, task: &Task) {
        let reserved = &self.spec.task.reservations;
        seat.tasks += 1;
        seat.of_service += 1;
        *seat.placed.entry(task.service).or_default() += 1;
        seat.free_cpus.0 = seat.free_cpus.0.saturating_sub(reserved.cpus.0);
        seat.free_memory.0 = seat.free_memory.0.saturating_sub(reserved.memory.0);
        seat.taken_ports.extend(&self.ports);
        seat.held_ports |= !self.ports.is_empty();
    }
}
