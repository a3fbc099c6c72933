//! What the store keeps, but for tasks, which have a file of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{
    Bytes, Digest, EndpointSpec, Id, Mode, Mount, MountKind, NanoCpus, PortConfig, SecretBytes,
    ServiceSpec, TaskState, Time, UpdateConfig, UpdateOrder, WorkloadKind,
};

/// What every object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// Raised by every write of the object; a writer presents the one it read.
    pub version: u64,
    /// When it was made.
    pub created_at: Time,
    /// When it was last written.
    pub updated_at: Time,
}

/// The version of a service's spec that a task was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SpecVersion(pub u64);

/// The swarm itself; there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its id.
    pub id: Id<Cluster>,
    /// Version and times.
    pub meta: Meta,
    /// Its settings.
    pub spec: ClusterSpec,
}

/// The swarm's settings (semantics part 1.2), as far as one node has use for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpec {
    /// Tasks kept for a slot, the live one included; negative keeps all.
    pub task_history_limit: i64,
    /// Entries between two snapshots.
    pub snapshot_interval: u64,
    /// Between two heartbeats of a node. One second; Swarm's is five.
    pub heartbeat_period: Duration,
    /// How long a node certificate is good for.
    pub node_cert_expiry: Duration,
    /// Where networks take their subnets from, `10.0.0.0/8`.
    pub default_addr_pool: String,
    /// The size of those subnets.
    pub subnet_size: u8,
    /// Whose behaviour it has where ours departs from Swarm's on purpose.
    pub compat: Compat,
}

/// Whose behaviour a swarm has where ours departs from Docker Swarm's on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compat {
    /// Ours; each departure is documented where it is decided.
    #[default]
    Skep,
    /// Swarm's, to the letter.
    Swarm,
}

impl Compat {
    /// As `swarm update --compat` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skep => "skep",
            Self::Swarm => "swarm",
        }
    }
}

impl Default for ClusterSpec {
    fn default() -> Self {
        Self {
            task_history_limit: 5,
            snapshot_interval: 10_000,
            heartbeat_period: Duration::from_secs(1),
            node_cert_expiry: Duration::from_secs(90 * 24 * 3600),
            default_addr_pool: "10.0.0.0/8".to_owned(),
            subnet_size: 24,
            compat: Compat::Skep,
        }
    }
}

/// A machine of the swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: Id<Node>,
    /// Version and times.
    pub meta: Meta,
    /// What a user wants of it.
    pub spec: NodeSpec,
    /// What it says of itself.
    pub description: NodeDescription,
    /// What managers saw of it.
    pub status: NodeStatus,
    /// The address it is reached at, if it is a manager.
    pub manager_addr: Option<String>,
}

/// What a user wants of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSpec {
    /// Labels that constraints match, `node.labels.storage`.
    pub labels: BTreeMap<String, String>,
    /// Manager or worker.
    pub role: NodeRole,
    /// Whether it takes tasks.
    pub availability: Availability,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeRole {
    /// Runs tasks.
    #[default]
    Worker,
    /// Keeps the swarm's state too.
    Manager,
}

/// Whether a node takes tasks (semantics part 3.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Availability {
    /// It does.
    #[default]
    Active,
    /// It keeps those it has.
    Pause,
    /// It gives up those it has.
    Drain,
}

impl Availability {
    /// The word in tables: `Active`, `Pause`, `Drain`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Pause => "Pause",
            Self::Drain => "Drain",
        }
    }
}

/// What a node says of itself. Not trusted: a worker may lie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeDescription {
    /// Its host name.
    pub hostname: String,
    /// `linux`.
    pub os: String,
    /// `x86_64`.
    pub arch: String,
    /// What it has.
    pub cpus: NanoCpus,
    /// What it has.
    pub memory: Bytes,
    /// Skep's version there.
    pub engine_version: String,
    /// Labels from its own configuration.
    pub engine_labels: BTreeMap<String, String>,
    /// The lowest port it may listen on: 1024 for most users, 0 for root.
    pub lowest_port: u16,
    /// Its generic resources by kind.
    pub generic: BTreeMap<String, Generic>,
    /// What components it runs, as OCI images name it: `wasip2` (the `os` of a wasm image).
    pub platforms: BTreeSet<String>,
    /// The images whose compiled code it holds, by their manifests' digests; the most recent ones.
    pub compiled: BTreeSet<Digest>,
}

/// Generic resources of one kind: what a node has, or what a task was given (semantics part 6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generic {
    /// So many, one like the other.
    Count(u64),
    /// These, each with a name of its own.
    Names(BTreeSet<String>),
}

impl Generic {
    /// How many there are.
    pub fn amount(&self) -> u64 {
        match self {
            Self::Count(count) => *count,
            Self::Names(names) => names.len() as u64,
        }
    }
}

/// What managers saw of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeStatus {
    /// Up or down.
    pub state: NodeState,
    /// Why.
    pub message: String,
    /// The address it came from.
    pub addr: String,
    /// When it came into that state, in cluster time; the store's to stamp.
    pub since: Time,
    /// The version of the node that the last write of its spec replaced: a user's update is in
    /// sequence if the node was read after that, whatever managers saw of it meanwhile. The store's
    /// to stamp.
    pub spec_version: SpecVersion,
}

/// Whether a node is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeState {
    /// A new leader has not heard of it yet.
    #[default]
    Unknown,
    /// It missed its heartbeats.
    Down,
    /// It is there.
    Ready,
    /// It left for another manager.
    Disconnected,
}

impl NodeState {
    /// The word in tables: `Unknown`, `Down`, `Ready`, `Disconnected`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Down => "Down",
            Self::Ready => "Ready",
            Self::Disconnected => "Disconnected",
        }
    }
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its id.
    pub id: Id<Service>,
    /// Version and times.
    pub meta: Meta,
    /// What is wanted. Shared with the tasks made from it.
    pub spec: Arc<ServiceSpec>,
    /// The version of that spec; zero when the service is new.
    pub spec_version: SpecVersion,
    /// What was wanted before: what `service rollback` goes back to.
    pub previous: Option<Arc<ServiceSpec>>,
    /// The specs it had, oldest first, without the current one; at most as many as the task
    /// history limit.
    pub history: Vec<Revision>,
    /// How often a job ran; none if it is no job.
    pub job: Option<JobStatus>,
    /// What its image is, as far as its registry told.
    pub workload: Option<Workload>,
    /// Ports and addresses it was given.
    pub endpoint: Endpoint,
    /// How its last update went.
    pub update_status: Option<UpdateStatus>,
}

impl Service {
    /// A service that is new.
    pub fn new(id: Id<Self>, spec: ServiceSpec) -> Self {
        let is_job = matches!(spec.mode, Mode::ReplicatedJob { .. } | Mode::GlobalJob);
        Self {
            id,
            meta: Meta::default(),
            spec: Arc::new(spec),
            spec_version: SpecVersion(0),
            previous: None,
            history: Vec::new(),
            job: is_job.then(JobStatus::default),
            workload: None,
            endpoint: Endpoint::default(),
            update_status: None,
        }
    }

    /// What its tasks are for: to be RUNNING, or to become COMPLETE if it is a job.
    pub fn goal(&self) -> TaskState {
        if self.job.is_some() { TaskState::Complete } else { TaskState::Running }
    }

    /// Which of two tasks comes first when one replaces the other, under the update or rollback
    /// config given: what it states, else what suits the service. A `wasi:http` service without a
    /// writable volume starts the new task first, since it keeps nothing and starts in
    /// milliseconds; so does none under `--compat=swarm`, as in Swarm.
    pub fn update_order(&self, config: Option<&UpdateConfig>, compat: Compat) -> UpdateOrder {
        if let Some(stated) = config.and_then(|config| config.order) {
            return stated;
        }
        let serves = self.workload.as_ref().is_some_and(|w| w.kind == WorkloadKind::Http);
        let writes =
            |mount: &Mount| !mount.read_only && !matches!(mount.kind, MountKind::Tmpfs { .. });
        let keeps = self.spec.task.component.mounts.iter().any(writes);
        if serves && !keeps && compat == Compat::Skep {
            UpdateOrder::StartFirst
        } else {
            UpdateOrder::StopFirst
        }
    }
}

/// A spec that a service had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Its version.
    pub version: SpecVersion,
    /// The spec.
    pub spec: Arc<ServiceSpec>,
    /// When another took its place.
    pub until: Time,
}

/// How often a job ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobStatus {
    /// The current iteration, from 0; every update of the service begins another.
    pub iteration: u64,
    /// When that began, in cluster time; the store's to stamp.
    pub last_execution: Time,
}

/// What a service's image is, which follows from its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// What runs.
    pub kind: WorkloadKind,
    /// What it runs on, the `os` of its image: `wasip2`.
    pub platform: String,
}

/// Ports and addresses a service was given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// The spec these came from; a task whose own differs is out of date.
    pub spec: EndpointSpec,
    /// The ports, none of them 0 in ingress mode.
    pub ports: Vec<PortConfig>,
    /// An address on each network.
    pub virtual_ips: Vec<VirtualIp>,
}

/// An address of a service on one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VirtualIp {
    /// The network.
    pub network: Id<Network>,
    /// The address.
    pub addr: IpAddr,
}

/// How an update went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateStatus {
    /// Where it stands.
    pub state: UpdateState,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub completed_at: Option<Time>,
    /// In words.
    pub message: String,
    /// How many slots there were to change when it began; what a share of failures is a share of.
    pub slots: u64,
}

/// Where an update stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateState {
    /// Under way.
    Updating,
    /// Stopped by a failure.
    Paused,
    /// Done.
    Completed,
    /// Going back.
    RollbackStarted,
    /// Going back was stopped by a failure.
    RollbackPaused,
    /// Gone back.
    RollbackCompleted,
}

impl UpdateState {
    /// The word in Docker's API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Updating => "updating",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::RollbackStarted => "rollback_started",
            Self::RollbackPaused => "rollback_paused",
            Self::RollbackCompleted => "rollback_completed",
        }
    }
}

/// A network: a set of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: Id<Network>,
    /// Version and times.
    pub meta: Meta,
    /// What is wanted.
    pub spec: NetworkSpec,
    /// The subnet its addresses come from, `10.0.1.0/24`; empty until it was given one.
    pub subnet: String,
}

/// What is wanted of a network. There is no update of a network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `overlay`, or empty for it.
    pub driver: String,
    /// Driver options, kept and shown.
    pub options: BTreeMap<String, String>,
    /// Whether the world outside can't be reached from it.
    pub internal: bool,
    /// Whether single runs may join it.
    pub attachable: bool,
}

/// A secret. Its content is in no answer of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its id.
    pub id: Id<Secret>,
    /// Version and times.
    pub meta: Meta,
    /// Name, labels and content.
    pub spec: SecretSpec,
}

/// Name, labels and content of a secret: 1 to 511,999 bytes, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSpec {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The content.
    pub data: SecretBytes,
}

/// A config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Its id.
    pub id: Id<Config>,
    /// Version and times.
    pub meta: Meta,
    /// Name, labels and content.
    pub spec: ConfigSpec,
}

/// Name, labels and content of a config: 1 to 1,023,999 bytes, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSpec {
    /// Its name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The content.
    pub data: Arc<Vec<u8>>,
}
