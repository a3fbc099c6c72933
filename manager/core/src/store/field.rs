//! Which nodes suit a task whatever is on them, remembered until a node changes.
//!
//! A field follows from the nodes alone, so it is an index; but which ones are asked for follows
//! from the specs there are, so it is filled by whoever asks first. Copies of the store share it:
//! ten thousand nodes are not compared with the same constraints again for every task.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use skep_api::{Bytes, Id, NanoCpus, Node};

/// How many fields are remembered: services of one swarm have few different constraints, and a field
/// holds every node.
const FIELDS_MAX: usize = 64;

/// All that a field depends on, beside the nodes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FieldKey {
    pub(crate) constraints: Vec<String>,
    pub(crate) platform: Option<String>,
    /// The labels whose values make the branches.
    pub(crate) labels: Vec<String>,
}

/// Nodes that suit, and the branches of a tree that they are in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Field {
    /// Nodes by their places among all nodes in the order of ids, with their branches.
    pub(crate) nodes: Vec<(u32, u32)>,
    /// Each branch's parent and its place among its siblings. The root comes first, and every branch
    /// after its parent.
    pub(crate) branches: Vec<(u32, u32)>,
}

/// A node, with what it has side by side with that of all others: who looks at ten thousand nodes for
/// one task does not want to look into each.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) id: Id<Node>,
    pub(crate) cpus: NanoCpus,
    pub(crate) memory: Bytes,
    pub(crate) node: Arc<Node>,
}

/// What was worked out about the nodes as they are.
#[derive(Clone, Default)]
pub(crate) struct Fields(Arc<Known>);

#[derive(Default)]
struct Known {
    rooms: OnceLock<Vec<Room>>,
    fields: Mutex<BTreeMap<FieldKey, Arc<Field>>>,
}

impl Fields {
    /// All nodes, by id.
    pub(crate) fn rooms<'a>(&self, nodes: impl Iterator<Item = &'a Arc<Node>>) -> &[Room] {
        self.0.rooms.get_or_init(|| {
            let room = |node: &Arc<Node>| Room {
                id: node.id,
                cpus: node.description.cpus,
                memory: node.description.memory,
                node: Arc::clone(node),
            };
            nodes.map(room).collect()
        })
    }

    /// The field of that key, made unless it is known.
    pub(crate) fn get(&self, key: FieldKey, make: impl FnOnce(&FieldKey) -> Field) -> Arc<Field> {
        // Whoever panicked while holding the lock left whole fields.
        let mut fields = self.0.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = fields.get(&key) {
            return Arc::clone(known);
        }
        if fields.len() >= FIELDS_MAX {
            fields.clear();
        }
        let field = Arc::new(make(&key));
        fields.insert(key, Arc::clone(&field));
        field
    }
}

impl PartialEq for Fields {
    /// What was asked for says nothing about the store.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fields")
    }
}
