//! What users may want of a node, and when it may go (semantics parts 1.3 and 9).

use skep_api::{Error, ErrorKind, Id, Node, NodeRole, NodeSpec, NodeState, Result};

use super::{check_sequence, name};
use crate::change::{Change, Key, Object};
use crate::store::{View, not_found};

/// Whether a node may be removed although it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// Only one that is not READY goes.
    #[default]
    No,
    /// It goes all the same.
    Yes,
}

/// Admits a node's new labels and availability. `version` is one that the user read since the
/// node's spec was last written; its state and its description may have changed meanwhile.
pub fn admit_update_node(
    view: &View,
    id: Id<Node>,
    version: u64,
    spec: NodeSpec,
) -> Result<Vec<Change>> {
    let node = view.node(id).ok_or_else(|| not_found("node", &id.to_string()))?;
    check_sequence(version, &node.meta, node.status.spec_version)?;
    name::check_labels(&spec.labels)?;
    match (node.spec.role, spec.role) {
        (NodeRole::Manager, NodeRole::Worker) => return Err(demoted(view)),
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

/// Admits that a node goes. What runs there becomes ORPHANED by the leader's loop.
pub fn admit_remove_node(view: &View, id: Id<Node>, force: Force) -> Result<Vec<Change>> {
    let node = view.node(id).ok_or_else(|| not_found("node", &id.to_string()))?;
    let refuse = |message| Err(Error::new(ErrorKind::FailedPrecondition, message));
    // Not even by force: the swarm would wait for its vote for ever.
    if node.spec.role == NodeRole::Manager {
        return refuse(format!(
            "node {id} is a cluster manager and is a member of the raft cluster. It must be \
             demoted to worker before removal"
        ));
    }
    if node.status.state == NodeState::Ready && force == Force::No {
        return refuse(format!("node {id} is not down and can't be removed"))
            .map_err(|error: Error| error.hint("let it leave the swarm first, or say `--force`"));
    }
    Ok(vec![Change::Remove(Key::Node(id))])
}

/// Why a manager stays one.
fn demoted(view: &View) -> Error {
    let managers = view.nodes().filter(|node| node.spec.role == NodeRole::Manager).count();
    if managers > 1 {
        return Error::new(ErrorKind::Unimplemented, "demoting a node is not supported yet");
    }
    let message = "attempting to demote the last manager of the swarm";
    Error::new(ErrorKind::FailedPrecondition, message)
}
