//! What users write: the specs of services and of the tasks they consist of.
//!
//! Names and defaults are Swarm's (semantics parts 1.4 and 11). `None` means that nothing was
//! stated; the effective default is a constant or a method beside the field.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Bytes, Config, Id, NanoCpus, Secret};

/// The spec of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceSpec {
    /// Its name: a DNS label of at most 63 characters, unique in the swarm.
    pub name: String,
    /// Labels of the service; changing them replaces no task.
    pub labels: BTreeMap<String, String>,
    /// What each of its tasks is.
    pub task: TaskSpec,
    /// How many tasks, and where.
    pub mode: Mode,
    /// How updates roll out.
    pub update: Option<UpdateConfig>,
    /// How rollbacks roll out.
    pub rollback: Option<UpdateConfig>,
    /// How it is reached.
    pub endpoint: EndpointSpec,
}

/// How many tasks a service has, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// So many, anywhere.
    Replicated {
        /// How many.
        replicas: u64,
    },
    /// One on every eligible node.
    Global,
    /// So many that run to completion.
    ReplicatedJob {
        /// How many at once.
        max_concurrent: u64,
        /// How many in all.
        total_completions: u64,
    },
    /// One that runs to completion on every eligible node.
    GlobalJob,
}

impl Default for Mode {
    fn default() -> Self {
        Self::Replicated { replicas: 1 }
    }
}

impl Mode {
    /// Whether its tasks run to completion.
    pub const fn is_job(&self) -> bool {
        matches!(self, Self::ReplicatedJob { .. } | Self::GlobalJob)
    }

    /// The mode's name in tables: `replicated`, `global`, `replicated job`, `global job`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Replicated { .. } => "replicated",
            Self::Global => "global",
            Self::ReplicatedJob { .. } => "replicated job",
            Self::GlobalJob => "global job",
        }
    }
}

/// The spec of a task. Two tasks with equal specs are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskSpec {
    /// What runs.
    pub component: ComponentSpec,
    /// What it may use at most.
    pub limits: Resources,
    /// What is kept free for it.
    pub reservations: Resources,
    /// When a task that ended is replaced.
    pub restart: RestartPolicy,
    /// Where it may run.
    pub placement: Placement,
    /// The networks its names and addresses are on.
    pub networks: Vec<NetworkAttachment>,
    /// The log driver, kept and shown; Skep's own log files serve all of them.
    pub log_driver: Option<LogDriver>,
    /// Raised by `--force`, to make every task out of date.
    pub force_update: u64,
}

/// The component a task runs, and what it sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComponentSpec {
    /// The image; with its digest once the tag was resolved, `web:1.0@sha256:...`.
    pub image: String,
    /// `entrypoint`: replaces the program name, argument 0 of a component; kept as given.
    pub command: Vec<String>,
    /// Arguments behind the program name.
    pub args: Vec<String>,
    /// `KEY=value` lines; a bare `KEY` removes the variable.
    pub env: Vec<String>,
    /// The working folder; the root if empty.
    pub dir: String,
    /// The host name, `{{...}}` allowed.
    pub hostname: String,
    /// Labels of the task; changing them replaces it.
    pub labels: BTreeMap<String, String>,
    /// Folders.
    pub mounts: Vec<Mount>,
    /// Secrets as files.
    pub secrets: Vec<SecretRef>,
    /// Configs as files.
    pub configs: Vec<ConfigRef>,
    /// No memory-backed `/tmp`, and every folder read-only.
    pub read_only: bool,
    /// How long a task has to end by itself; ten seconds if not stated.
    pub stop_grace_period: Option<Duration>,
    /// How its health is found out.
    pub healthcheck: Option<Healthcheck>,
    /// Registry credentials that came with the request, kept for workers' pulls; never shown.
    pub registry_auth: Option<crate::SecretBytes>,
}

impl ComponentSpec {
    /// Swarm's default for [`Self::stop_grace_period`].
    pub const STOP_GRACE_DEFAULT: Duration = Duration::from_secs(10);
}

/// A folder of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What it is.
    pub kind: MountKind,
    /// Where the task sees it; absolute.
    pub target: String,
    /// Whether the task may only read.
    pub read_only: bool,
}

/// What stands behind a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A volume of the node; without a source an anonymous one, removed with the task.
    Volume {
        /// The volume's name.
        source: Option<String>,
        /// Labels for the volume if it is made.
        labels: BTreeMap<String, String>,
    },
    /// A folder of the host; refused unless the node allows it.
    Bind {
        /// The folder on the host.
        source: String,
    },
    /// A folder in memory.
    Tmpfs {
        /// How much it may hold.
        size: Option<Bytes>,
    },
}

/// Where a secret or config appears as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTarget {
    /// The file's name; relative to `/run/secrets` for a secret, to `/` for a config.
    pub name: String,
    /// Owner, kept and shown; WASI has no owners.
    pub uid: String,
    /// Group, kept and shown.
    pub gid: String,
    /// Mode bits; 0444 unless stated.
    pub mode: u32,
}

/// A secret a task uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRef {
    /// Its id.
    pub id: Id<Secret>,
    /// Its name; must be that id's.
    pub name: String,
    /// Where the task finds it.
    pub target: FileTarget,
}

/// A config a task uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigRef {
    /// Its id.
    pub id: Id<Config>,
    /// Its name; must be that id's.
    pub name: String,
    /// Where the task finds it.
    pub target: FileTarget,
}

/// How a task's health is found out. Zero durations and retries mean the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", ...]`, `["CMD-SHELL", ...]`, `["HTTP", path]`, `["TCP", port]`.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: Duration,
    /// For one check.
    pub timeout: Duration,
    /// Failures in a row that make it unhealthy.
    pub retries: u32,
    /// In which failures do not count.
    pub start_period: Duration,
    /// Between two checks in the start period.
    pub start_interval: Duration,
}

/// Amounts of resources; zero means not stated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// CPU time.
    pub cpus: NanoCpus,
    /// Memory.
    pub memory: Bytes,
    /// How many processes; kept and shown (a component has none).
    pub pids: u64,
    /// Generic resources by kind.
    pub generic: BTreeMap<String, u64>,
}

/// When a task that ended is replaced (semantics part 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// After which ends.
    pub condition: RestartCondition,
    /// How long to wait.
    pub delay: Duration,
    /// How often at most; 0 is without limit.
    pub max_attempts: u64,
    /// Over which time attempts are counted; 0 is over all.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            condition: RestartCondition::Any,
            delay: Duration::from_secs(5),
            max_attempts: 0,
            window: Duration::ZERO,
        }
    }
}

/// After which ends a task is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RestartCondition {
    /// Never.
    None,
    /// Unless it ended well.
    OnFailure,
    /// Always.
    #[default]
    Any,
}

/// Where a task may run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// `node.labels.storage == raid`; all must hold.
    pub constraints: Vec<String>,
    /// How to spread among the nodes that are left.
    pub preferences: Vec<Preference>,
    /// How many tasks of the service one node may have; 0 is without limit.
    pub max_replicas: u64,
}

/// A placement preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preference {
    /// Evenly over the values of a label, `node.labels.zone`.
    Spread(String),
}

/// A network a task is on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkAttachment {
    /// The network's name or id as given; its id once stored.
    pub target: String,
    /// Further names of the service there.
    pub aliases: Vec<String>,
}

/// A log driver's name and options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogDriver {
    /// Its name.
    pub name: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
}

/// How an update or a rollback rolls out (semantics part 4).
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateConfig {
    /// Tasks at once; 0 is all.
    pub parallelism: u64,
    /// Between two.
    pub delay: Duration,
    /// What to do when one fails.
    pub failure_action: UpdateFailureAction,
    /// How long a new task is watched.
    pub monitor: Duration,
    /// The share of tasks that may fail.
    pub max_failure_ratio: f32,
    /// Whether the old one stops before the new one runs; what is best for the service if not
    /// stated, see [`crate::Service::update_order`].
    pub order: Option<UpdateOrder>,
}

// A ratio is never NaN: admission refuses what is not in 0..=1.
impl Eq for UpdateConfig {}

impl Default for UpdateConfig {
    fn default() -> Self {
        Self {
            parallelism: 1,
            delay: Duration::ZERO,
            failure_action: UpdateFailureAction::Pause,
            monitor: Duration::from_secs(5),
            max_failure_ratio: 0.0,
            order: None,
        }
    }
}

/// What an update does when tasks fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateFailureAction {
    /// Stop and wait for the user.
    #[default]
    Pause,
    /// Go on.
    Continue,
    /// Go back to the spec before.
    Rollback,
}

/// Which of the two tasks of an update comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UpdateOrder {
    /// The old one stops before the new one starts.
    #[default]
    StopFirst,
    /// The new one runs before the old one stops.
    StartFirst,
}

/// How a service is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndpointSpec {
    /// By one virtual address or by its tasks' own.
    pub mode: EndpointMode,
    /// The published ports.
    pub ports: Vec<PortConfig>,
}

/// How a service's name resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EndpointMode {
    /// To one virtual address.
    #[default]
    Vip,
    /// To the addresses of its tasks.
    DnsRoundRobin,
}

/// A published port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortConfig {
    /// A name, kept and shown.
    pub name: String,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The port the task listens on.
    pub target: u16,
    /// The port nodes listen on; 0 in a spec means "choose one".
    pub published: u16,
    /// On which nodes.
    pub mode: PublishMode,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// On which nodes a published port listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PublishMode {
    /// On all, leading to any task.
    #[default]
    Ingress,
    /// On the task's own node only.
    Host,
}
