//! Nodes that are drained, paused, down or unheard of get nothing new; constraints and the most
//! replicas a node may have are kept.

use std::collections::BTreeSet;

use skep_api::{Availability, Node, NodeState, ServiceSpec, Task};
use skep_manager_core::View;

use super::{Checked, name, others};
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    let view = &applied.after;
    for (before, after) in applied.tasks() {
        let (Some(task), true) = (after, before.is_none_or(|before| before.node.is_none())) else {
            continue;
        };
        let Some(id) = task.node else { continue };
        let node = view.node(id);
        // A node that changed while the entry was on its way is looked at again.
        if node.is_none_or(|node| node.meta.version > applied.seen) {
            continue;
        }
        let takes = |node: &&Node| {
            node.spec.availability == Availability::Active && node.status.state == NodeState::Ready
        };
        let Some(node) = node.filter(takes) else {
            return Err(format!("{} was put on a node that takes none", name(view, task)));
        };
        let Some(spec) = view.spec_of(task) else { continue };
        // A spec of before is as good: the task is out of date, not out of place.
        if let Some(constraint) = spec.task.placement.constraints.iter().find(|c| !holds(c, node)) {
            let (what, host) = (name(view, task), &node.description.hostname);
            return Err(format!("{what} was put on {host} in spite of {constraint}"));
        }
        most_replicas(view, task, spec)?;
    }
    Ok(())
}

/// The only kind of constraint that the simulator's users write.
fn holds(constraint: &str, node: &Node) -> bool {
    let words: Vec<&str> = constraint.split_whitespace().collect();
    let zone = node.spec.labels.get("zone").map_or("", String::as_str);
    match words.as_slice() {
        [_, "==", value] => zone == *value,
        [_, _, value] => zone != *value,
        _ => true,
    }
}

fn most_replicas(view: &View, task: &Task, spec: &ServiceSpec) -> Checked {
    let most = spec.task.placement.max_replicas;
    let Some(node) = task.node.filter(|_| most > 0) else { return Ok(()) };
    let there = view.tasks_on(node).filter(|t| t.service == task.service);
    // A task of another spec is bound by that one's number.
    let there = there.filter(|other| other.spec_version == task.spec_version);
    // One that another task is to take over from is on its way out.
    let heads = there.filter(|task| {
        let newer =
            |other: &&Task| other.is_wanted() && other.meta.created_at > task.meta.created_at;
        task.is_wanted() && task.is_active() && !others(view, task).any(|other| newer(&other))
    });
    let slots: BTreeSet<_> = heads.map(|task| task.slot).collect();
    if slots.len() as u64 > most {
        return Err(format!("{} is one more than {most} on its node", name(view, task)));
    }
    Ok(())
}
