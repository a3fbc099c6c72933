//! The flags of `skep service`, the verb that has the most.

use std::path::PathBuf;

use clap::{Args, Subcommand};

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
        /// Don't wait for it
        #[arg(short, long)]
        detach: bool,
        /// SERVICE=REPLICAS
        #[arg(required = true, value_name = "SERVICE=REPLICAS")]
        scales: Vec<String>,
    },
    /// Change a service
    Update(Box<ServiceUpdate>),
    /// Remove services
    #[command(visible_alias = "remove")]
    Rm(Names),
}

/// What `create` and `update` both set, a value each.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ServiceScalars {
    /// How many tasks
    #[arg(long)]
    pub(crate) replicas: Option<u64>,
    /// CPUs it may use at most
    #[arg(long, value_name = "CPUS")]
    pub(crate) limit_cpu: Option<String>,
    /// Memory it may use at most
    #[arg(long, value_name = "BYTES")]
    pub(crate) limit_memory: Option<String>,
    /// CPUs kept free for it
    #[arg(long, value_name = "CPUS")]
    pub(crate) reserve_cpu: Option<String>,
    /// Memory kept free for it
    #[arg(long, value_name = "BYTES")]
    pub(crate) reserve_memory: Option<String>,
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
    /// Time to end by itself before it is ended (default 10s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) stop_grace_period: Option<String>,
    /// Working folder in the task
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// No `/tmp`, and folders for reading only
    #[arg(long)]
    pub(crate) read_only: Option<Option<bool>>,
}

/// How `create`, `update` and `scale` wait.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Waiting {
    /// Don't wait until the tasks run
    #[arg(short, long)]
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
    /// replicated
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
    /// Send the registry's credentials along
    #[arg(long)]
    pub(crate) with_registry_auth: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    /// The image
    pub(crate) image: String,
    /// Arguments for the component
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    pub(crate) args: Vec<String>,
}

#[derive(Debug, Args)]
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
    /// Send the registry's credentials along
    #[arg(long)]
    pub(crate) with_registry_auth: bool,
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
