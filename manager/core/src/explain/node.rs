//! What nodes lack for a task that waits for one.

use std::cmp::Reverse;

use skep_api::{Availability, Bytes, Generic, NanoCpus, Node, NodeState, ServiceSpec, Task};

use crate::decide::constraint::Constraint;
use crate::decide::{Filter, verdicts};
use crate::store::{View, host_ports};

/// How many nodes are told of; those that lack the least come first.
const NODES_MAX: usize = 10;

/// What each node fails at first: `n2: insufficient memory (needs 2GiB, 1.2GiB free)`.
pub(super) fn lines(view: &View, task: &Task) -> Vec<String> {
    let Some(spec) = view.spec_of(task) else { return Vec::new() };
    let mut nodes = verdicts(view, task);
    if nodes.is_empty() {
        return vec!["the swarm has no node for it".to_owned()];
    }
    // The filters are asked in order: who fails at a later one has more of what is wanted.
    nodes.sort_by_key(|(node, filter)| {
        (Reverse(filter.unwrap_or(LAST)), node.description.hostname.clone(), node.id)
    });
    let told = nodes.iter().take(NODES_MAX).map(|(node, filter)| {
        let reason = match filter {
            Some(filter) => reason(view, task, spec, node, *filter),
            None => "has room, and takes it next".to_owned(),
        };
        format!("{}: {reason}", node.description.hostname)
    });
    let mut lines: Vec<_> = told.collect();
    if nodes.len() > NODES_MAX {
        lines.push(format!("and {} more nodes that lack as much", nodes.len() - NODES_MAX));
    }
    lines
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
