//! How a service is run in a swarm: `deploy`.

use std::collections::BTreeMap;

use super::service::Size;
use crate::duration::GoDuration;
use crate::{natural, number, short};

record! {
    /// How a service is run in a swarm.
    pub struct Deploy {
        /// `replicated`, `global`, `replicated-job` or `global-job`; empty for the first.
        pub mode: String,
        /// How many tasks; one if not stated.
        pub replicas: Option<u64>,
        /// Labels of the service.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub labels: BTreeMap<String, String>,
        /// How updates roll out.
        pub update_config: Option<UpdateConfig>,
        /// How rollbacks roll out.
        pub rollback_config: Option<UpdateConfig>,
        /// What each task may use, and what is kept free for it.
        pub resources: Resources,
        /// When a task that ended is replaced.
        pub restart_policy: Option<RestartPolicy>,
        /// Where tasks may run.
        pub placement: Placement,
        /// `vip` or `dnsrr`; empty for the former.
        pub endpoint_mode: String,
    }

    /// How an update or a rollback rolls out.
    pub struct UpdateConfig {
        /// Tasks at once; one if not stated, 0 for all.
        pub parallelism: Option<u64>,
        /// Between two.
        pub delay: GoDuration,
        /// `pause`, `continue` or `rollback`; empty for the first.
        pub failure_action: String,
        /// How long a new task is watched; 0 for the default.
        pub monitor: GoDuration,
        /// The share of tasks that may fail.
        #[serde(serialize_with = "number::single")]
        pub max_failure_ratio: f32,
        /// `stop-first` or `start-first`; empty for the former.
        pub order: String,
    }

    /// What each task may use, and what is kept free for it.
    pub struct Resources {
        /// At most.
        pub limits: Option<Limits>,
        /// Kept free.
        pub reservations: Option<Reservations>,
    }

    /// What a task may use at most.
    pub struct Limits {
        /// CPUs, `0.5`.
        pub cpus: String,
        /// Memory.
        pub memory: Size,
        /// Processes.
        pub pids: i64,
    }

    /// What is kept free for a task.
    pub struct Reservations {
        /// CPUs, `0.5`.
        pub cpus: String,
        /// Memory.
        pub memory: Size,
        /// What nodes say they have besides.
        pub generic_resources: Vec<GenericResource>,
    }

    /// Something a node says it has.
    pub struct GenericResource {
        /// So many of a kind.
        pub discrete_resource_spec: Option<DiscreteResource>,
    }

    /// When a task that ended is replaced.
    pub struct RestartPolicy {
        /// `any`, `on-failure` or `none`; empty for the first.
        pub condition: String,
        /// How long to wait.
        pub delay: Option<GoDuration>,
        /// How often at most.
        pub max_attempts: Option<u64>,
        /// Over which time attempts are counted.
        pub window: Option<GoDuration>,
    }

    /// Where tasks may run.
    pub struct Placement {
        /// What must hold for a node.
        pub constraints: Vec<String>,
        /// How to spread over the nodes that are left.
        pub preferences: Vec<Preference>,
        /// Tasks of the service a node may have; 0 is without limit.
        pub max_replicas_per_node: u64,
    }

    /// A way to spread.
    pub struct Preference {
        /// Evenly over the values of a label.
        pub spread: String,
    }
}

/// So many of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct DiscreteResource {
    /// The kind.
    pub kind: String,
    /// How many.
    pub value: i64,
}
