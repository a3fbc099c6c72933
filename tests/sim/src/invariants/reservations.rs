//! No node has more reserved than it has.

use std::collections::BTreeSet;

use skep_api::{Id, Node};

use super::Checked;
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    let view = &applied.after;
    let placed = applied.tasks().filter_map(|(_, after)| after?.node);
    let nodes: BTreeSet<Id<Node>> = placed.collect();
    for node in nodes.into_iter().filter_map(|id| view.node(id)) {
        let (mut cpus, mut memory) = (0, 0);
        for task in view.tasks_on(node.id).filter(|task| task.is_active()) {
            let reserved = view.spec_of(task).map(|spec| &spec.task.reservations);
            cpus += reserved.map_or(0, |reserved| reserved.cpus.0);
            memory += reserved.map_or(0, |reserved| reserved.memory.0);
        }
        let has = &node.description;
        if cpus > has.cpus.0 || memory > has.memory.0 {
            return Err(format!(
                "{} has {} MiB and {} nano CPUs, {} and {cpus} are reserved",
                has.hostname,
                has.memory.0 >> 20,
                has.cpus.0,
                memory >> 20,
            ));
        }
    }
    Ok(())
}
