//! A port of a node is one task's; a task that replaces another takes its port over.

use std::collections::BTreeMap;

use skep_api::PublishMode;

use super::{Checked, name};
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    let view = &applied.after;
    for (_, after) in applied.tasks() {
        let Some(task) = after.filter(|task| task.is_active()) else { continue };
        let is_host = |port: &&skep_api::PortConfig| port.mode == PublishMode::Host;
        let (Some(node), true) = (task.node, task.ports.iter().any(|p| is_host(&p))) else {
            continue;
        };
        let mut taken = BTreeMap::new();
        for other in view.tasks_on(node).filter(|other| other.is_active()) {
            for port in other.ports.iter().filter(is_host).filter(|port| port.published != 0) {
                let slot = (other.service, other.slot);
                let before = taken.insert((port.protocol, port.published), slot);
                if before.is_some_and(|before| before != slot) {
                    let (number, what) = (port.published, name(view, other));
                    return Err(format!("host port {number} is held twice, once by {what}"));
                }
            }
        }
    }
    Ok(())
}
