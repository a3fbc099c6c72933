//! The flags of `skep service`, the verb that has the most.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand};

use super::dropped::Dropped;
use super::rollout::{RollbackFlags, UpdateFlags};
use super::{Inspect, ListArgs, Names, TaskListArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum Service {
    /// Create a service
    Create(Box<ServiceCreate>),
    /// List services
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// List the tasks of services
    Ps {
        #[command(flatten)]
        list: TaskListArgs,
        /// The services
        #[arg(required = true, value_name = "SERVICE")]
        services: Vec<String>,
    },
    /// Show services in full
    Inspect(Inspect),
    /// Show what a service or a task wrote
    Logs(Logs),
    /// Set how many tasks services have
    Scale {
        /// Don't wait until the tasks run
        #[arg(short, long, action = ArgAction::Set, num_args = 0..=1, default_value = "false",
            default_missing_value = "true", require_equals = true, value_name = "BOOL", hide_default_value = true)]
        detach: bool,
        /// SERVICE=REPLICAS
        #[arg(required = true, value_name = "SERVICE=REPLICAS")]
        scales: Vec<String>,
    },
    /// Change a service
    Update(Box<ServiceUpdate>),
    /// Go back to the spec before, or to one of `skep service history`
    Rollback {
        /// The version to go back to; the one before by default
        #[arg(long, value_name = "VERSION")]
        to: Option<u64>,
        #[command(flatten)]
        waiting: Waiting,
        /// The service
        service: String,
    },
    /// List the specs a service had
    History {
        #[command(flatten)]
        list: ListArgs,
        /// The service
        service: String,
    },
    /// Remove services
    #[command(visible_alias = "remove")]
    Rm(Names),
}

/// What `create` and `update` both set, a value each.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct ServiceScalars {
    #[command(flatten)]
    pub(crate) counts: Counts,
    #[command(flatten)]
    pub(crate) limits: Limits,
    #[command(flatten)]
    pub(crate) restart: Restart,
    #[command(flatten)]
    pub(crate) update: UpdateFlags,
    #[command(flatten)]
    pub(crate) rollback: RollbackFlags,
    #[command(flatten)]
    pub(crate) health: Health,
    #[command(flatten)]
    pub(crate) options: Options,
    /// Replace the program name, argument 0 of a component
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub(crate) entrypoint: Option<String>,
    /// Time to end by itself before it is ended (default 10s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) stop_grace_period: Option<String>,
    /// Taken for Docker's sake: components get no signals
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
    /// Working folder in the task
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Host name of the tasks; templates as `{{.Node.Hostname}}` are filled in
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// No `/tmp`, and folders for reading only
    #[arg(long, num_args = 0..=1, require_equals = true)]
    pub(crate) read_only: Option<Option<bool>>,
    /// How the service's name resolves: vip or dnsrr (default vip)
    #[arg(long, value_name = "MODE")]
    pub(crate) endpoint_mode: Option<String>,
    /// Log driver, kept and shown; Skep's own log files serve all of them
    #[arg(long, value_name = "DRIVER")]
    pub(crate) log_driver: Option<String>,
    /// Option of the log driver, KEY=VALUE
    #[arg(long = "log-opt", value_name = "OPTION")]
    pub(crate) log_opts: Vec<String>,
    /// Send the registry's credentials along
    #[arg(long)]
    pub(crate) with_registry_auth: bool,
    /// Leave the image's tag as it is: each node finds its digest out
    #[arg(long)]
    pub(crate) no_resolve_image: bool,
    #[command(flatten)]
    pub(crate) dropped: Dropped,
}

/// How many tasks.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Counts {
    /// How many tasks; of a job, how many are to complete (default 1)
    #[arg(long, value_name = "N")]
    pub(crate) replicas: Option<u64>,
    /// How many tasks of a job run at once (default: as many as --replicas)
    #[arg(long, value_name = "N")]
    pub(crate) max_concurrent: Option<u64>,
    /// How many tasks one node may have at most (default 0: without limit)
    #[arg(long, value_name = "N")]
    pub(crate) replicas_max_per_node: Option<u64>,
}

/// What tasks may use, and what is kept free for them.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Limits {
    /// CPUs it may use at most
    #[arg(long, value_name = "CPUS")]
    pub(crate) limit_cpu: Option<String>,
    /// Memory it may use at most
    #[arg(long, value_name = "BYTES")]
    pub(crate) limit_memory: Option<String>,
    /// Processes, kept and shown: a component has none (default 0: without limit)
    #[arg(long, value_name = "N")]
    pub(crate) limit_pids: Option<u64>,
    /// CPUs kept free for it
    #[arg(long, value_name = "CPUS")]
    pub(crate) reserve_cpu: Option<String>,
    /// Memory kept free for it
    #[arg(long, value_name = "BYTES")]
    pub(crate) reserve_memory: Option<String>,
}

/// When tasks that ended are replaced.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Restart {
    /// Restart after which ends: none, on-failure or any (default any)
    #[arg(long, value_name = "CONDITION")]
    pub(crate) restart_condition: Option<String>,
    /// Wait before a restart (default 5s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) restart_delay: Option<String>,
    /// Restarts at most (default without limit)
    #[arg(long, value_name = "N")]
    pub(crate) restart_max_attempts: Option<u64>,
    /// Time over which restarts are counted
    #[arg(long, value_name = "DURATION")]
    pub(crate) restart_window: Option<String>,
}

/// How the health of tasks is found out.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Health {
    /// Command to run to check health
    #[arg(long, value_name = "COMMAND")]
    pub(crate) health_cmd: Option<String>,
    /// Time between two checks (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_interval: Option<String>,
    /// Time a check may take (default 30s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_timeout: Option<String>,
    /// Failures in a row that make a task unhealthy (default 3)
    #[arg(long, value_name = "N")]
    pub(crate) health_retries: Option<u32>,
    /// Time in which failures do not count (default 0s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_start_period: Option<String>,
    /// Time between two checks in the start period (default 5s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) health_start_interval: Option<String>,
    /// Check no health, whatever the image says
    #[arg(long)]
    pub(crate) no_healthcheck: bool,
}

/// What Swarm does not have; kept as labels `skep.*` of the service.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Options {
    /// Move tasks to nodes that came back or are new, a few at a time
    #[arg(long, num_args = 0..=1, require_equals = true, value_name = "BOOL")]
    pub(crate) rebalance: Option<Option<bool>>,
    /// A task that an update made and that does not run by then has failed; 0s: never (default 10m)
    #[arg(long, value_name = "DURATION")]
    pub(crate) start_deadline: Option<String>,
    /// Which node to choose: spread, or binpack to fill nodes one after the other (default spread)
    #[arg(long, value_name = "STRATEGY")]
    pub(crate) strategy: Option<String>,
}

/// How `create`, `update` and `rollback` wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Args)]
pub(crate) struct Waiting {
    /// Don't wait until the tasks run
    #[arg(short, long, action = ArgAction::Set, num_args = 0..=1, default_value = "false",
        default_missing_value = "true", require_equals = true, value_name = "BOOL", hide_default_value = true)]
    pub(crate) detach: bool,
    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ServiceCreate {
    /// Name; a random one by default
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// replicated, global, replicated-job or global-job
    #[arg(long, default_value = "replicated")]
    pub(crate) mode: String,
    #[command(flatten)]
    pub(crate) scalars: ServiceScalars,
    /// Publish a port: [PUBLISHED:]TARGET[/PROTOCOL], or published=,target=,protocol=,mode=
    #[arg(short, long = "publish", value_name = "PORT")]
    pub(crate) ports: Vec<String>,
    /// Set a variable, KEY=VALUE, or KEY to pass on one's own
    #[arg(short, long = "env", value_name = "ENV")]
    pub(crate) env: Vec<String>,
    /// Read variables from a file
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<PathBuf>,
    /// Label of the service
    #[arg(short, long = "label", value_name = "LABEL")]
    pub(crate) labels: Vec<String>,
    /// Label of its tasks
    #[arg(long = "container-label", value_name = "LABEL")]
    pub(crate) container_labels: Vec<String>,
    /// Attach a folder: type=volume|tmpfs|bind,source=,target=[,readonly]
    #[arg(long = "mount", value_name = "MOUNT")]
    pub(crate) mounts: Vec<String>,
    /// Show a secret as a file: NAME, or source=,target=,mode=
    #[arg(long = "secret", value_name = "SECRET")]
    pub(crate) secrets: Vec<String>,
    /// Show a config as a file: NAME, or source=,target=,mode=
    #[arg(long = "config", value_name = "CONFIG")]
    pub(crate) configs: Vec<String>,
    /// Attach to a network: NAME, or name=,alias=
    #[arg(long = "network", value_name = "NETWORK")]
    pub(crate) networks: Vec<String>,
    /// Run only on nodes where this holds, `node.labels.zone == a`
    #[arg(long = "constraint", value_name = "CONSTRAINT")]
    pub(crate) constraints: Vec<String>,
    /// Spread over the values of a node label, spread=node.labels.zone
    #[arg(long = "placement-pref", value_name = "PREFERENCE")]
    pub(crate) preferences: Vec<String>,
    /// Keep generic resources free for each task, KIND=NUMBER
    #[arg(long = "generic-resource", value_name = "RESOURCE")]
    pub(crate) generic: Vec<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// The image
    pub(crate) image: String,
    /// Arguments for the component
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    pub(crate) args: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct ServiceUpdate {
    /// Another image
    #[arg(long)]
    pub(crate) image: Option<String>,
    /// Other arguments, as one line
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
    /// Replace all tasks even if nothing changed
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) scalars: ServiceScalars,
    /// Publish a port
    #[arg(long = "publish-add", value_name = "PORT")]
    pub(crate) ports_add: Vec<String>,
    /// Stop publishing a task's port
    #[arg(long = "publish-rm", value_name = "TARGET")]
    pub(crate) ports_rm: Vec<String>,
    /// Set a variable
    #[arg(long = "env-add", value_name = "ENV")]
    pub(crate) env_add: Vec<String>,
    /// Remove a variable
    #[arg(long = "env-rm", value_name = "KEY")]
    pub(crate) env_rm: Vec<String>,
    /// Set a label of the service
    #[arg(long = "label-add", value_name = "LABEL")]
    pub(crate) labels_add: Vec<String>,
    /// Remove a label of the service
    #[arg(long = "label-rm", value_name = "KEY")]
    pub(crate) labels_rm: Vec<String>,
    /// Set a label of its tasks
    #[arg(long = "container-label-add", value_name = "LABEL")]
    pub(crate) container_labels_add: Vec<String>,
    /// Remove a label of its tasks
    #[arg(long = "container-label-rm", value_name = "KEY")]
    pub(crate) container_labels_rm: Vec<String>,
    /// Attach a folder
    #[arg(long = "mount-add", value_name = "MOUNT")]
    pub(crate) mounts_add: Vec<String>,
    /// Detach a folder, by its target
    #[arg(long = "mount-rm", value_name = "TARGET")]
    pub(crate) mounts_rm: Vec<String>,
    /// Show a secret as a file
    #[arg(long = "secret-add", value_name = "SECRET")]
    pub(crate) secrets_add: Vec<String>,
    /// Stop showing a secret, by its name
    #[arg(long = "secret-rm", value_name = "NAME")]
    pub(crate) secrets_rm: Vec<String>,
    /// Show a config as a file
    #[arg(long = "config-add", value_name = "CONFIG")]
    pub(crate) configs_add: Vec<String>,
    /// Stop showing a config, by its name
    #[arg(long = "config-rm", value_name = "NAME")]
    pub(crate) configs_rm: Vec<String>,
    /// Attach to a network
    #[arg(long = "network-add", value_name = "NETWORK")]
    pub(crate) networks_add: Vec<String>,
    /// Detach from a network
    #[arg(long = "network-rm", value_name = "NETWORK")]
    pub(crate) networks_rm: Vec<String>,
    /// Add a constraint
    #[arg(long = "constraint-add", value_name = "CONSTRAINT")]
    pub(crate) constraints_add: Vec<String>,
    /// Remove a constraint, by its text
    #[arg(long = "constraint-rm", value_name = "CONSTRAINT")]
    pub(crate) constraints_rm: Vec<String>,
    /// Add a placement preference, behind those there are
    #[arg(long = "placement-pref-add", value_name = "PREFERENCE")]
    pub(crate) preferences_add: Vec<String>,
    /// Remove a placement preference
    #[arg(long = "placement-pref-rm", value_name = "PREFERENCE")]
    pub(crate) preferences_rm: Vec<String>,
    /// Keep generic resources free for each task, KIND=NUMBER
    #[arg(long = "generic-resource-add", value_name = "RESOURCE")]
    pub(crate) generic_add: Vec<String>,
    /// Keep no generic resource of a kind free
    #[arg(long = "generic-resource-rm", value_name = "KIND")]
    pub(crate) generic_rm: Vec<String>,
    /// Go back to the spec before; no other flags go with it
    #[arg(long)]
    pub(crate) rollback: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// The service
    pub(crate) service: String,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Show what comes too
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only from that time on: RFC 3339, seconds since 1970, or how long ago (`10m`)
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only the last lines of each task, or `all`
    #[arg(short = 'n', long, default_value = "all", value_name = "N")]
    pub(crate) tail: String,
    /// Show when each line came
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Only the lines, without what stands before them
    #[arg(long)]
    pub(crate) raw: bool,
    /// Leave out the tasks' ids
    #[arg(long)]
    pub(crate) no_task_ids: bool,
    /// Cut nothing short
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print ids for names
    #[arg(long)]
    pub(crate) no_resolve: bool,
    /// Service or task
    pub(crate) name: String,
}
