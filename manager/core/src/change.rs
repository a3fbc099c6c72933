//! Changes: the only way that the store moves, as data.

use std::collections::BTreeMap;
use std::fmt;

use skep_api::{
    Cluster, Config, Generic, Id, Meta, Network, Node, PortConfig, Secret, Service, Task,
    TaskAddress, TaskState, TaskStatus, Time,
};

/// How many changes one raft entry holds at most. Swarm's number: an entry must stay small enough
/// to be sent and applied in one go.
pub const ENTRY_CHANGES_MAX: usize = 200;
/// How many bytes one raft entry holds at most, as Swarm's.
pub const ENTRY_BYTES_MAX: usize = 3 << 19;

/// The changes of one raft entry: applied all or not at all, at one moment of cluster time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// When; never earlier than the entry before.
    pub time: Time,
    /// What.
    pub changes: Vec<Change>,
}

/// One change of the store.
///
/// Objects that users write are replaced whole and checked against the version that the writer read.
/// A task's parts have one writer each and only move forward, so they need no version and two
/// writers never fail each other: its status is the node's, its desired state the orchestrator's,
/// its place the scheduler's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new object. Fails if the id or, where names are unique, the name is taken.
    Create(Object),
    /// An object written again. Its `meta.version` is the one that the writer read; the change fails
    /// if the stored one is another.
    Update(Object),
    /// An object gone. Nothing happens if it is gone already.
    Remove(Key),
    /// What a node saw of a task. Without effect if it would move the state back.
    TaskStatus {
        /// The task.
        task: Id<Task>,
        /// What was seen.
        status: TaskStatus,
    },
    /// What managers want of a task. Without effect if it would lower the desired state.
    TaskDesired {
        /// The task.
        task: Id<Task>,
        /// The state wanted.
        desired: TaskState,
    },
    /// The ports, addresses and node of a task that had no node. Without effect if it has one.
    TaskAssign {
        /// The task.
        task: Id<Task>,
        /// The node; none if the task has its addresses but no node fits yet.
        node: Option<Id<Node>>,
        /// Its service's ports.
        ports: Vec<PortConfig>,
        /// Its addresses.
        addresses: Vec<TaskAddress>,
        /// The node's generic resources that it has for itself.
        generic: BTreeMap<String, Generic>,
        /// PENDING with the reason, or ASSIGNED.
        status: TaskStatus,
    },
}

/// Any object of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// The swarm.
    Cluster(Cluster),
    /// A node.
    Node(Node),
    /// A service.
    Service(Service),
    /// A task.
    Task(Task),
    /// A network.
    Network(Network),
    /// A secret.
    Secret(Secret),
    /// A config.
    Config(Config),
}

/// What an object is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The swarm.
    Cluster(Id<Cluster>),
    /// A node.
    Node(Id<Node>),
    /// A service.
    Service(Id<Service>),
    /// A task.
    Task(Id<Task>),
    /// A network.
    Network(Id<Network>),
    /// A secret.
    Secret(Id<Secret>),
    /// A config.
    Config(Id<Config>),
}

impl Object {
    /// What the object is known by.
    pub fn key(&self) -> Key {
        match self {
            Self::Cluster(o) => Key::Cluster(o.id),
            Self::Node(o) => Key::Node(o.id),
            Self::Service(o) => Key::Service(o.id),
            Self::Task(o) => Key::Task(o.id),
            Self::Network(o) => Key::Network(o.id),
            Self::Secret(o) => Key::Secret(o.id),
            Self::Config(o) => Key::Config(o.id),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(id) => write!(f, "swarm {id}"),
            Self::Node(id) => write!(f, "node {id}"),
            Self::Service(id) => write!(f, "service {id}"),
            Self::Task(id) => write!(f, "task {id}"),
            Self::Network(id) => write!(f, "network {id}"),
            Self::Secret(id) => write!(f, "secret {id}"),
            Self::Config(id) => write!(f, "config {id}"),
        }
    }
}

impl Object {
    /// Version and times.
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Cluster(o) => &o.meta,
            Self::Node(o) => &o.meta,
            Self::Service(o) => &o.meta,
            Self::Task(o) => &o.meta,
            Self::Network(o) => &o.meta,
            Self::Secret(o) => &o.meta,
            Self::Config(o) => &o.meta,
        }
    }

    /// Version and times, to be written.
    pub(crate) fn meta_mut(&mut self) -> &mut Meta {
        match self {
            Self::Cluster(o) => &mut o.meta,
            Self::Node(o) => &mut o.meta,
            Self::Service(o) => &mut o.meta,
            Self::Task(o) => &mut o.meta,
            Self::Network(o) => &mut o.meta,
            Self::Secret(o) => &mut o.meta,
            Self::Config(o) => &mut o.meta,
        }
    }
}
