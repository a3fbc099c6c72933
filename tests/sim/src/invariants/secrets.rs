//! A secret goes to nodes alone that have a living task which names it.

use skep_api::{AssignmentItem, Id, Node};
use skep_manager_core::View;

use super::Checked;
use crate::network::Message;

pub(super) fn sent(view: &View, node: Id<Node>, message: &Message) -> Checked {
    let Message::Assign(_, _, assignments) = message else { return Ok(()) };
    for item in &assignments.set {
        let AssignmentItem::Secret(secret, _) = item else { continue };
        let named = view.tasks_on(node).filter(|task| task.is_active()).any(|task| {
            let spec = view.spec_of(task);
            let mut named = spec.iter().flat_map(|spec| &spec.task.component.secrets);
            named.any(|reference| reference.id == *secret)
        });
        if !named {
            return Err(format!("node {node} is sent secret {secret}, which no task there names"));
        }
    }
    Ok(())
}
