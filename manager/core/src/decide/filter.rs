//! What a node can fail at, in Swarm's order and words (semantics part 6.2).
//!
//! Swarm's plugin filter has no object here: networks are names, volumes are folders, and Skep's own
//! log files serve every log driver. Nor has its filter for cluster volumes: there are none, and
//! admission refuses them.

use std::collections::BTreeMap;

use skep_api::{
    Availability, Compat, Node, NodeState, PortConfig, Protocol, Service, ServiceSpec, Task,
};

use super::constraint::Constraint;
use super::seat::Seats;
use crate::store::{View, host_ports};

/// What a node can fail at, in the order in which it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Filter {
    Ready,
    Resources,
    Constraints,
    Platform,
    HostPorts,
    MaxReplicas,
}

impl Filter {
    /// Swarm's words for so many nodes that failed here.
    pub(super) fn explain(self, nodes: usize) -> String {
        let on = match nodes {
            1 => "1 node".to_owned(),
            n => format!("{n} nodes"),
        };
        match self {
            Self::Ready => format!("{on} not available for new tasks"),
            Self::Resources => format!("insufficient resources on {on}"),
            Self::Constraints => format!("scheduling constraints not satisfied on {on}"),
            Self::Platform => format!("unsupported platform on {on}"),
            Self::HostPorts => format!("host-mode port already in use on {on}"),
            Self::MaxReplicas => "max replicas per node limit exceed".to_owned(),
        }
    }
}

/// What the tasks of a service and spec version want of a node.
pub(super) struct Want<'a> {
    pub(super) spec: &'a ServiceSpec,
    pub(super) constraints: Vec<Constraint<'a>>,
    /// What the component runs on; none if nobody knows yet, then any node will do.
    pub(super) platform: Option<&'a str>,
    pub(super) ports: Vec<(Protocol, u16)>,
    compat: Compat,
}

impl<'a> Want<'a> {
    /// What a task wants, and all others of its service and spec version.
    pub(super) fn new(
        view: &'a View,
        spec: &'a ServiceSpec,
        task: &Task,
        ports: &[PortConfig],
    ) -> Self {
        let constraints = spec.task.placement.constraints.iter();
        let workload = view.service(task.service).and_then(|service| service.workload.as_ref());
        let platform = workload.map(|workload| workload.platform.as_str());
        Self {
            spec,
            // One that can't be read is none: admission refuses it.
            constraints: constraints.filter_map(|text| Constraint::parse(text).ok()).collect(),
            platform: platform.filter(|platform| !platform.is_empty()),
            ports: host_ports(ports).collect(),
            compat: view.compat(),
        }
    }

    /// What the node fails at first. `heir_of` is a task that the one to be placed replaces there: a
    /// host port that it holds is passed on (not in Swarm).
    pub(super) fn first_failure(
        &self,
        seats: &mut Seats<'a>,
        seat: usize,
        heir_of: Option<&Task>,
    ) -> Option<Filter> {
        let node = seats.seat(seat).node;
        if !is_ready(node) {
            Some(Filter::Ready)
        } else if !self.has_room(seats, seat) {
            Some(Filter::Resources)
        } else if !self.constraints.iter().all(|one| one.holds(node)) {
            Some(Filter::Constraints)
        } else if !self.runs_on(node) {
            Some(Filter::Platform)
        } else {
            self.first_change(seats, seat, heir_of)
        }
    }

    /// The same for a node that is known to pass what no placement changes.
    pub(super) fn next_failure(&self, seats: &mut Seats<'a>, seat: usize) -> Option<Filter> {
        if !self.has_room(seats, seat) {
            return Some(Filter::Resources);
        }
        self.first_change(seats, seat, None)
    }

    /// Whether the node passes what no placement changes.
    pub(super) fn suits(&self, node: &Node) -> bool {
        is_ready(node) && self.constraints.iter().all(|one| one.holds(node)) && self.runs_on(node)
    }

    /// A node that says nothing of what it runs takes nothing that asks for it.
    fn runs_on(&self, node: &Node) -> bool {
        self.platform.is_none_or(|platform| node.description.platforms.contains(platform))
    }

    fn has_room(&self, seats: &mut Seats<'a>, seat: usize) -> bool {
        let reserved = &self.spec.task.reservations;
        let at = seats.seat(seat);
        reserved.cpus <= at.free_cpus
            && reserved.memory <= at.free_memory
            && (reserves_nothing(&reserved.generic) || seats.offer(seat).covers(&reserved.generic))
    }

    fn first_change(
        &self,
        seats: &Seats<'a>,
        seat: usize,
        heir_of: Option<&Task>,
    ) -> Option<Filter> {
        let at = seats.seat(seat);
        let heir_of = heir_of.filter(|task| task.node == Some(at.id));
        if self.ports.iter().any(|port| seats.holders(seat, *port) > inherited(heir_of, *port)) {
            return Some(Filter::HostPorts);
        }
        // Swarm counts tasks that an update is about to stop too, so that start-first updates wait
        // for ever at the limit.
        let leaving = if self.compat == Compat::Swarm { 0 } else { at.leaving };
        let limit = self.spec.task.placement.max_replicas;
        let full = limit > 0 && at.of_service.saturating_sub(leaving) >= limit;
        full.then_some(Filter::MaxReplicas)
    }

    /// The task that holds, on its node, host ports that `task` is to have after it: an older one in
    /// its slot that is wanted until the new one runs. Not in Swarm: there, a service with a host
    /// port and as many replicas as nodes can't be updated start-first.
    pub(super) fn predecessor(&self, view: &'a View, task: &Task) -> Option<&'a Task> {
        if self.ports.is_empty() || self.compat == Compat::Swarm {
            return None;
        }
        let holds = |other: &&Task| {
            other.id != task.id
                && other.is_wanted()
                && other.is_active()
                && other.node.is_some()
                && host_ports(&other.ports).any(|port| self.ports.contains(&port))
        };
        view.tasks_in(task.service, task.slot).find(holds)
    }
}

/// Whether a node takes tasks at all.
pub(super) fn is_ready(node: &Node) -> bool {
    node.status.state == NodeState::Ready && node.spec.availability == Availability::Active
}

fn reserves_nothing(generic: &BTreeMap<String, u64>) -> bool {
    generic.values().all(|amount| *amount == 0)
}

/// How many holders of a port a task may overlook.
fn inherited(heir_of: Option<&Task>, port: (Protocol, u16)) -> u64 {
    heir_of.map_or(0, |task| u64::from(host_ports(&task.ports).any(|held| held == port)))
}

/// Whether a task was tried in vain and its service has moved on: Swarm forgets it then, and so do
/// we under its name. Otherwise a label-only update leaves no task behind.
pub(super) fn is_stranded(service: Option<&Service>, task: &Task, compat: Compat) -> bool {
    let moved_on = service.is_some_and(|service| service.spec_version > task.spec_version);
    compat == Compat::Swarm && moved_on && !task.status.err.is_empty()
}
