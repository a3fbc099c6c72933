//! What users may want of a node (semantics part 1.3).

use skep_api::{Error, ErrorKind, Id, Node, NodeRole, NodeSpec, Result};

use super::{name, out_of_sequence};
use crate::change::{Change, Object};
use crate::store::{View, not_found};

/// Admits a node's new labels and availability. `version` is the one the user read.
pub fn admit_update_node(
    view: &View,
    id: Id<Node>,
    version: u64,
    spec: NodeSpec,
) -> Result<Vec<Change>> {
    let node = view.node(id).ok_or_else(|| not_found("node", &id.to_string()))?;
    if node.meta.version != version {
        return Err(out_of_sequence());
    }
    name::check_labels(&spec.labels)?;
    match (node.spec.role, spec.role) {
        (NodeRole::Manager, NodeRole::Worker) => {
            let message = "attempting to demote the last manager of the swarm";
            return Err(Error::new(ErrorKind::FailedPrecondition, message));
        }
        (NodeRole::Worker, NodeRole::Manager) => {
            let message = "promoting a node is not supported yet";
            return Err(Error::new(ErrorKind::Unimplemented, message)
                .hint("this version has one manager: the node that made the swarm"));
        }
        _ => {}
    }
    if spec == node.spec {
        return Ok(Vec::new());
    }
    Ok(vec![Change::Update(Object::Node(Node { spec, ..node.clone() }))])
}
