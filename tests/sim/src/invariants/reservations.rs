//! No node has more reserved than it has.
//!
//! Looked at when tasks are placed, by what who placed them could know; and wherever a leader rests,
//! since a machine may come back with less in it.

use std::collections::BTreeSet;

use skep_api::{Availability, Generic, Id, Node, NodeState};
use skep_manager_core::View;

use super::Checked;
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    let placed = applied.tasks().filter(|(before, _)| before.is_none_or(|t| t.node.is_none()));
    let nodes: BTreeSet<Id<Node>> = placed.filter_map(|(_, after)| after?.node).collect();
    let nodes = nodes.into_iter().filter_map(|id| applied.after.node(id));
    let mut known = nodes.filter(|node| node.meta.version <= applied.seen);
    known.try_for_each(|node| fits(&applied.after, node))
}

pub(super) fn at_rest(view: &View) -> Checked {
    let mut used = view.nodes().filter(|node| {
        node.status.state == NodeState::Ready && node.spec.availability == Availability::Active
    });
    used.try_for_each(|node| fits(view, node))
}

fn fits(view: &View, node: &Node) -> Checked {
    let has = &node.description;
    let (mut cpus, mut memory, mut count) = (0, 0, 0);
    let mut names = BTreeSet::new();
    for task in view.tasks_on(node.id).filter(|task| task.is_active()) {
        let reserved = view.spec_of(task).map(|spec| &spec.task.reservations);
        cpus += reserved.map_or(0, |reserved| reserved.cpus.0);
        memory += reserved.map_or(0, |reserved| reserved.memory.0);
        match task.generic.get("gpu") {
            Some(Generic::Names(given)) => {
                if let Some(name) = given.iter().find(|name| !names.insert(*name)) {
                    return Err(format!("{} gave {name} to two tasks", has.hostname));
                }
            }
            given => count += given.map_or(0, Generic::amount),
        }
    }
    let gpus = has.generic.get("gpu").map_or(0, Generic::amount);
    if cpus > has.cpus.0 || memory > has.memory.0 || count > gpus {
        return Err(format!(
            "{} has {} MiB, {} nano CPUs and {gpus} GPUs; {}, {cpus} and {count} are reserved",
            has.hostname,
            has.memory.0 >> 20,
            has.cpus.0,
            memory >> 20,
        ));
    }
    Ok(())
}
