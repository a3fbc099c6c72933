//! What the store keeps, but for tasks, which have a file of their own.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::{Bytes, EndpointSpec, Id, NanoCpus, PortConfig, SecretBytes, ServiceSpec, Time};

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
    /// What was wanted before, for a rollback.
    pub previous: Option<Arc<ServiceSpec>>,
    /// Ports and addresses it was given.
    pub endpoint: Endpoint,
    /// How its last update went.
    pub update_status: Option<UpdateStatus>,
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
