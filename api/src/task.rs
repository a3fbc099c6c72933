//! A task: one run of a service's component on one node.

use std::net::IpAddr;

use crate::{Id, Meta, Network, Node, PortConfig, Service, SpecVersion, Time};

/// One run of a service's component. Never restarted by managers: another task replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: Id<Task>,
    /// Version and times.
    pub meta: Meta,
    /// The service.
    pub service: Id<Service>,
    /// The slot, from 1; 0 for global services.
    pub slot: u64,
    /// The node, once assigned; never changed after that.
    pub node: Option<Id<Node>>,
    /// The version of the service's spec that it was made from. The store keeps the spec itself as
    /// long as a task refers to it: a million tasks share one.
    pub spec_version: SpecVersion,
    /// The endpoint's ports when it was made, with their numbers.
    pub ports: Vec<PortConfig>,
    /// Its address on each of its networks.
    pub addresses: Vec<TaskAddress>,
    /// What managers want; only rises.
    pub desired: TaskState,
    /// What was seen; only moves forward.
    pub status: TaskStatus,
    /// Not to be started before that moment: a restart's delay.
    pub start_after: Option<Time>,
}

/// An address of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskAddress {
    /// The network.
    pub network: Id<Network>,
    /// The address.
    pub addr: IpAddr,
}

/// The states of a task, in the order that they can only be walked in (semantics part 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u16)]
pub enum TaskState {
    /// Made.
    #[default]
    New = 0,
    /// Has its ports and addresses; waits for a node.
    Pending = 64,
    /// Has a node.
    Assigned = 192,
    /// The node knows of it.
    Accepted = 256,
    /// The node fetches and compiles its component.
    Preparing = 320,
    /// Could start; waits until it is wanted.
    Ready = 384,
    /// Starts; with a health check, until first healthy.
    Starting = 448,
    /// Runs.
    Running = 512,
    /// Ended well.
    Complete = 576,
    /// Was ended.
    Shutdown = 640,
    /// Ended badly.
    Failed = 704,
    /// Never started.
    Rejected = 768,
    /// Desired only: end it, then forget it.
    Remove = 800,
    /// Its node is gone.
    Orphaned = 832,
}

impl TaskState {
    /// All of them, in order.
    pub const ALL: [Self; 14] = [
        Self::New,
        Self::Pending,
        Self::Assigned,
        Self::Accepted,
        Self::Preparing,
        Self::Ready,
        Self::Starting,
        Self::Running,
        Self::Complete,
        Self::Shutdown,
        Self::Failed,
        Self::Rejected,
        Self::Remove,
        Self::Orphaned,
    ];

    /// The word in Docker's API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Remove => "remove",
            Self::Orphaned => "orphaned",
        }
    }

    /// Whether a task in that observed state has ended for good.
    pub fn is_terminal(self) -> bool {
        self > Self::Running
    }
}

/// What was seen of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskStatus {
    /// The state.
    pub state: TaskState,
    /// When it was reached, in cluster time of the manager that stored it.
    pub at: Time,
    /// What happened, `started`.
    pub message: String,
    /// What went wrong, shown in `service ps`.
    pub err: String,
    /// How it ended.
    pub exit: Option<ExitInfo>,
    /// How often the node itself started it again (after the node's own restart).
    pub restarts: u64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitInfo {
    /// The exit code; 137 for a run that was killed, 134 for one that trapped.
    pub code: i32,
}

impl Task {
    /// Whether managers want it to live: its desired state is at most RUNNING.
    pub fn is_wanted(&self) -> bool {
        self.desired <= TaskState::Running
    }

    /// Whether it holds its node's resources: has a node, and neither ended nor is yet to.
    pub fn is_active(&self) -> bool {
        self.status.state <= TaskState::Running && self.desired <= TaskState::Complete
    }

    /// The full name: `service.slot.id`, or `service.node.id` for a global service.
    pub fn name(&self, service_name: &str) -> String {
        format!("{}.{}", self.short_name(service_name), self.id)
    }

    /// The name in tables: `service.slot`, or `service.node` for a global service.
    pub fn short_name(&self, service_name: &str) -> String {
        match (self.slot, self.node) {
            (0, Some(node)) => format!("{service_name}.{node}"),
            (slot, _) => format!("{service_name}.{slot}"),
        }
    }
}
