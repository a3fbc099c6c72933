//! A task: one run of a service's component on one node.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::{Generic, Id, Meta, Network, Node, PortConfig, Service, SpecVersion, Time};

/// One run of a service's component. Never restarted by managers: another task replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Its id.
    pub id: Id<Task>,
    /// Version and times.
    pub meta: Meta,
    /// The service.
    pub service: Id<Service>,
    /// The place that it fills.
    pub slot: Slot,
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
    /// Why it was made.
    pub origin: Origin,
    /// The iteration of its job; 0 if its service is none.
    pub job_iteration: u64,
    /// The generic resources it was given with its node.
    pub generic: BTreeMap<String, Generic>,
}

/// The place in its service that a task fills. Several tasks may fill one in turn; at most one of
/// them is wanted at a time (two while a start-first update replaces one by the other).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// Of a replicated service, from 1; of a replicated job, from 0.
    Number(u64),
    /// Of a global service or job: one on each node.
    Node(Id<Node>),
}

impl Slot {
    /// The first of all slots in their order.
    pub const FIRST: Self = Self::Number(0);

    /// The number that Docker's API shows: 0 for a global service.
    pub const fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Node(_) => 0,
        }
    }

    /// The node that the slot belongs to.
    pub const fn node(self) -> Option<Id<Node>> {
        match self {
            Self::Number(_) => None,
            Self::Node(node) => Some(node),
        }
    }
}

impl fmt::Display for Slot {
    /// As in a task's name: `web.1`, `web.<node>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Node(node) => write!(f, "{node}"),
        }
    }
}

/// Why a task was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Origin {
    /// Its slot was to be filled.
    #[default]
    Fill,
    /// An update or a rollback replaced the task before it; an update watches the tasks it made.
    Update,
    /// The task before it ended by itself: this one counts as an attempt of the restart policy.
    Restart,
    /// The task before it lost its node or never got to run there, or was moved: no fault of its
    /// own, and no attempt (Swarm counts these too: semantics part 15, line 19).
    Move,
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
    pub message: Cow<'static, str>,
    /// What went wrong, shown in `service ps`.
    pub err: String,
    /// How it ended.
    pub exit: Option<ExitInfo>,
    /// How often the node itself started it again: after the node's own restart, or after a
    /// failed run while no manager could be reached.
    pub restarts: u64,
    /// How many of those followed a failed run; they count as attempts of the restart policy.
    pub failures: u64,
    /// When RUNNING was stored first; the store's to stamp.
    pub started_at: Option<Time>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitInfo {
    /// The exit code; 137 for a run that was killed, 134 for one that trapped.
    pub code: i32,
}

impl Task {
    /// A task of a service's current spec, just made: NEW, wanted, without a node.
    pub fn new(id: Id<Self>, service: &Service, slot: Slot) -> Self {
        Self {
            id,
            meta: Meta::default(),
            service: service.id,
            slot,
            node: None,
            spec_version: service.spec_version,
            ports: Vec::new(),
            addresses: Vec::new(),
            desired: service.goal(),
            status: TaskStatus { message: "created".into(), ..TaskStatus::default() },
            start_after: None,
            origin: Origin::Fill,
            job_iteration: service.job.map_or(0, |job| job.iteration),
            generic: BTreeMap::new(),
        }
    }

    /// Whether managers want it to live: it was not told to end, and is no job's task that did
    /// what it was made for.
    pub fn is_wanted(&self) -> bool {
        self.desired <= TaskState::Complete && !self.is_done()
    }

    /// Whether it did what a job made it for. Nothing follows it in its slot.
    pub fn is_done(&self) -> bool {
        (self.desired, self.status.state) == (TaskState::Complete, TaskState::Complete)
    }

    /// The node it is on, or the one it is meant for.
    pub fn home(&self) -> Option<Id<Node>> {
        self.node.or(self.slot.node())
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
        format!("{service_name}.{}", self.slot)
    }
}
