//! What a manager tells a worker, and what a worker answers.
//!
//! A worker learns only what its own tasks need: their grants, the secrets and configs these name,
//! the names of the networks they are on, and the published ports that every node listens on.

use std::net::IpAddr;
use std::sync::Arc;

use crate::{
    Config, Grant, Id, Network, Node, PortConfig, Protocol, RestartPolicy, Secret, SecretBytes,
    Service, Task, TaskState, TaskStatus, Time,
};

/// One message of the assignments stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignments {
    /// All there is, or what changed.
    pub kind: AssignmentsKind,
    /// Items that are new or changed.
    pub set: Vec<AssignmentItem>,
    /// Items that are gone; empty in a complete message, which replaces all.
    pub remove: Vec<AssignmentKey>,
}

/// Whether a message replaces what was known or adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignmentsKind {
    /// All there is: what is not in it, is to be ended and forgotten.
    Complete,
    /// What changed since the message before.
    Incremental,
}

/// Something a worker was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssignmentItem {
    /// A task to run or to end.
    Task(Box<Assignment>),
    /// A secret's content, while a task here uses it.
    Secret(Id<Secret>, SecretBytes),
    /// A config's content.
    Config(Id<Config>, Arc<Vec<u8>>),
    /// The names of a network that a task here is on.
    Names(NameTable),
    /// A published port.
    Port(PortRoute),
}

/// What an item is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AssignmentKey {
    /// A task.
    Task(Id<Task>),
    /// A secret.
    Secret(Id<Secret>),
    /// A config.
    Config(Id<Config>),
    /// A network's names.
    Names(Id<Network>),
    /// A published port.
    Port(Protocol, u16),
}

impl AssignmentItem {
    /// What the item is known by.
    pub fn key(&self) -> AssignmentKey {
        match self {
            Self::Task(task) => AssignmentKey::Task(task.task),
            Self::Secret(id, _) => AssignmentKey::Secret(*id),
            Self::Config(id, _) => AssignmentKey::Config(*id),
            Self::Names(table) => AssignmentKey::Names(table.network),
            Self::Port(route) => AssignmentKey::Port(route.protocol, route.published),
        }
    }
}

/// A task as its node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The task.
    pub task: Id<Task>,
    /// Its service.
    pub service: Id<Service>,
    /// Its full name, `service.slot.id`.
    pub name: String,
    /// What managers want.
    pub desired: TaskState,
    /// What managers know; after the node's restart, where it goes on from.
    pub status: TaskStatus,
    /// All it may touch.
    pub grant: Grant,
    /// The ports its service publishes.
    pub ports: Vec<PortConfig>,
    /// Credentials for the registry, if the request brought some.
    pub registry_auth: Option<SecretBytes>,
    /// How its node may start it again by itself after a failed run, while no manager can be
    /// reached: its service's policy, with the attempts that its slot has left. None: not at all.
    pub restart: Option<RestartPolicy>,
}

/// The names that resolve on one network. The same table on every node that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTable {
    /// The network.
    pub network: Id<Network>,
    /// Its services.
    pub services: Vec<NamedService>,
}

/// A service on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedService {
    /// The service.
    pub service: Id<Service>,
    /// Its name and its aliases there, in lower case.
    pub names: Vec<String>,
    /// The address its names resolve to; without one, they resolve to the tasks'.
    pub vip: Option<IpAddr>,
    /// Its running, healthy tasks.
    pub tasks: Vec<NamedTask>,
}

/// A running task on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTask {
    /// The task.
    pub task: Id<Task>,
    /// Where it runs.
    pub node: Id<Node>,
    /// Its address there.
    pub addr: IpAddr,
    /// Its own name, `service.slot.id`, in lower case.
    pub name: String,
}

/// Where connections to a published port go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRoute {
    /// The port nodes listen on.
    pub published: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port tasks listen on.
    pub target: u16,
    /// The service.
    pub service: Id<Service>,
    /// Its running, healthy tasks.
    pub tasks: Vec<RoutedTask>,
}

/// A task behind a published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoutedTask {
    /// The task.
    pub task: Id<Task>,
    /// Where it runs.
    pub node: Id<Node>,
}

/// What a worker says of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskReport {
    /// The task.
    pub task: Id<Task>,
    /// The newest status; its time is the manager's to stamp.
    pub status: TaskStatus,
    /// When it was seen, by the worker's clock; for display.
    pub seen_at: Time,
}
