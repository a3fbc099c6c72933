//! What nodes lack for a task that waits for one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use skep_api::{
    Availability, Bytes, Generic, NanoCpus, Node, NodeState, ServiceSpec, SpecVersion, Task,
};

use crate::decide::constraint::Constraint;
use crate::decide::{Filter, is_forgotten, verdicts};
use crate::store::{View, host_ports};

/// How many nodes are told of; those that lack the least come first.
const NODES_MAX: usize = 10;

/// A node, and what it fails at first.
type Verdict<'a> = (&'a Node, Option<Filter>);

/// What nodes said already: all tasks of one service and spec version wait for the same.
#[derive(Default)]
pub(super) struct Asked<'a> {
    verdicts: BTreeMap<SpecVersion, Vec<Verdict<'a>>>,
    lines: BTreeMap<SpecVersion, Vec<String>>,
}

impl<'a> Asked<'a> {
    /// What each node fails at first: `n2: insufficient memory (needs 2GiB, 1.2GiB free)`. Only the
    /// slot's own node for a task of a global service.
    pub(super) fn lines(&mut self, view: &'a View, task: &Task) -> Vec<String> {
        if is_forgotten(view, task) {
            let line =
                "is not tried again since its service was updated: as in Swarm, by --compat=swarm";
            return vec![line.to_owned()];
        }
        let version = task.spec_version;
        let verdicts = self.verdicts.entry(version).or_insert_with(|| verdicts(view, task));
        match task.slot.node() {
            Some(own) => {
                let at = verdicts.binary_search_by_key(&own, |(node, _)| node.id).ok();
                let own = at.and_then(|at| verdicts.get(at));
                own.map(|verdict| line(view, task, verdict)).into_iter().collect()
            }
            None => {
                let lines = self.lines.entry(version);
                lines.or_insert_with(|| nearest(view, task, verdicts)).clone()
            }
        }
    }
}

/// The nodes that lack the least, and how many there are besides.
fn nearest(view: &View, task: &Task, verdicts: &[Verdict<'_>]) -> Vec<String> {
    if verdicts.is_empty() {
        return vec!["the swarm has no node for it".to_owned()];
    }
    let mut nodes: Vec<_> = verdicts.iter().collect();
    // The filters are asked in order: who fails at a later one has more of what is wanted.
    nodes.sort_by_key(|(node, filter)| {
        (Reverse(filter.unwrap_or(LAST)), &node.description.hostname, node.id)
    });
    let told = nodes.iter().take(NODES_MAX);
    let mut lines: Vec<_> = told.map(|verdict| line(view, task, verdict)).collect();
    if nodes.len() > NODES_MAX {
        lines.push(format!("and {} more nodes that lack as much or more", nodes.len() - NODES_MAX));
    }
    lines
}

fn line(view: &View, task: &Task, (node, filter): &Verdict<'_>) -> String {
    let reason = match (filter, view.spec_of(task)) {
        (Some(filter), Some(spec)) => reason(view, task, spec, node, *filter),
        _ => "has room, and takes it next".to_owned(),
    };
    format!("{}: {reason}", node.description.hostname)
}

/// The last filter that is asked.
const LAST: Filter = Filter::MaxReplicas;

fn reason(view: &View, task: &Task, spec: &ServiceSpec, node: &Node, filter: Filter) -> String {
    match filter {
        Filter::Ready => not_ready(node),
        Filter::Resources => lacking(view, spec, node).join(", "),
        Filter::Constraints => {
            let texts = spec.task.placement.constraints.iter();
            let mut failing =
                texts.filter(|text| Constraint::parse(text).is_ok_and(|one| !one.holds(node)));
            format!("does not meet {}", failing.next().map_or("a constraint", String::as_str))
        }
        Filter::Platform => {
            let workload = view.service(task.service).and_then(|service| service.workload.as_ref());
            let platform = workload.map_or("this component", |workload| &workload.platform);
            format!("does not run {platform}")
        }
        Filter::HostPorts => {
            let mut taken = host_ports(&task.ports)
                .filter(|(protocol, port)| view.host_port_holders(node.id, *protocol, *port) > 0)
                .map(|(protocol, port)| format!("port {port}/{} is in use", protocol.name()));
            taken.next().unwrap_or_else(|| "a port is in use".to_owned())
        }
        Filter::MaxReplicas => format!(
            "has {} tasks of the service, and may have {}",
            view.spread(task.service, node.id),
            spec.task.placement.max_replicas
        ),
    }
}

/// Why a global service has no new task there.
pub(super) fn closed(node: &Node) -> String {
    let takes =
        node.status.state == NodeState::Ready && node.spec.availability == Availability::Active;
    if takes { "does not meet the constraints".to_owned() } else { not_ready(node) }
}

fn not_ready(node: &Node) -> String {
    let state = match (node.status.state, node.spec.availability) {
        (NodeState::Ready, Availability::Pause) => return "is paused".to_owned(),
        (NodeState::Ready, _) => return "is drained".to_owned(),
        (state, _) => state.name().to_lowercase(),
    };
    match node.status.message.as_str() {
        "" => format!("is {state}"),
        message => format!("is {state} ({message})"),
    }
}

/// What of a node's resources is short.
fn lacking(view: &View, spec: &ServiceSpec, node: &Node) -> Vec<String> {
    let (has, load) = (&node.description, view.load(node.id));
    let wants = &spec.task.reservations;
    let mut lacking = Vec::new();
    let cpus = NanoCpus(has.cpus.0.saturating_sub(load.cpus.0));
    if wants.cpus > cpus {
        lacking.push(insufficient("CPU", wants.cpus, cpus));
    }
    let memory = Bytes(has.memory.0.saturating_sub(load.memory.0));
    if wants.memory > memory {
        lacking.push(insufficient("memory", wants.memory, memory));
    }
    for (kind, wanted) in &wants.generic {
        let given = view.tasks_on(node.id).filter(|task| task.is_active());
        let used: u64 = given.filter_map(|task| task.generic.get(kind)).map(Generic::amount).sum();
        let free = has.generic.get(kind).map_or(0, Generic::amount).saturating_sub(used);
        if *wanted > free {
            lacking.push(insufficient(kind, wanted, free));
        }
    }
    lacking
}

fn insufficient(
    what: &str,
    wanted: impl std::fmt::Display,
    free: impl std::fmt::Display,
) -> String {
    format!("insufficient {what} (needs {wanted}, {free} free)")
}
