//! The command line: Docker's grammar, verb by verb.
//!
//! Doc comments here are the help texts. What Docker's client calls a flag is called the same here;
//! defaults are Swarm's.

mod dropped;
mod rollout;
mod service;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use rollout::Rollout;
pub(crate) use service::{
    Counts, Health, Logs, Options, Restart, Service, ServiceCreate, ServiceScalars, ServiceUpdate,
    Waiting,
};

/// Swarms of WebAssembly components
#[derive(Debug, Parser)]
#[command(name = "skep", version, disable_help_subcommand = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connect: Connect,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// How to reach the daemon.
#[derive(Debug, Clone, Args)]
pub(crate) struct Connect {
    /// Daemon socket, `unix:///path` or `tcp://host:port`
    ///
    /// For `skep daemon` the sockets to listen on; may be given several times there.
    #[arg(short = 'H', long = "host", env = "SKEP_HOST", global = true, value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Trust certificates signed by this CA only (`tcp://`)
    #[arg(long, global = true, value_name = "FILE", env = "SKEP_TLS_CA_CERT")]
    pub(crate) tlscacert: Option<PathBuf>,
    /// Own certificate (`tcp://`)
    #[arg(long, global = true, value_name = "FILE", env = "SKEP_TLS_CERT")]
    pub(crate) tlscert: Option<PathBuf>,
    /// Own private key (`tcp://`)
    #[arg(long, global = true, value_name = "FILE", env = "SKEP_TLS_KEY")]
    pub(crate) tlskey: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a node
    Daemon(Box<Daemon>),
    /// Manage the swarm
    #[command(subcommand, arg_required_else_help = true)]
    Swarm(Swarm),
    /// Manage nodes
    #[command(subcommand, arg_required_else_help = true)]
    Node(Node),
    /// Manage services
    #[command(subcommand, arg_required_else_help = true)]
    Service(Box<Service>),
    /// Manage stacks
    #[command(subcommand, arg_required_else_help = true)]
    Stack(Stack),
    /// Manage configs
    #[command(subcommand, arg_required_else_help = true)]
    Config(Objects),
    /// Manage secrets
    #[command(subcommand, arg_required_else_help = true)]
    Secret(Objects),
    /// Manage volumes
    #[command(subcommand, arg_required_else_help = true)]
    Volume(Volume),
    /// Manage images
    #[command(subcommand, arg_required_else_help = true)]
    Image(Image),
    /// Sign in to a registry; the password is read from standard input
    Login {
        /// User name
        #[arg(short, long)]
        username: String,
        /// Read the password from standard input, which is done in any case
        #[arg(long)]
        password_stdin: bool,
        /// The registry
        registry: String,
    },
    /// Sign out of a registry
    Logout {
        /// The registry
        registry: String,
    },
    /// Show what the node is and does
    Info(FormatOnly),
    /// Show the versions of client and daemon
    Version(FormatOnly),
    /// Print a shell's completion script
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Flags of the daemon; the same names are the keys of `--config FILE` (TOML).
#[derive(Debug, Clone, Args)]
pub(crate) struct Daemon {
    /// Read settings from a TOML file whose keys are these flags' names
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder for all that the node keeps
    #[arg(long, value_name = "DIR")]
    pub(crate) data_root: Option<PathBuf>,
    /// Name of the node; the machine's host name by default
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// Address that published ports listen on
    #[arg(long, value_name = "IP")]
    pub(crate) ingress_addr: Option<std::net::IpAddr>,
    /// How to write the daemon's own log: text or json
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    pub(crate) log_format: Option<String>,
    /// Group that may use the unix socket
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// Serve `tcp://` on loopback in clear and without client certificates
    #[arg(long)]
    pub(crate) insecure_loopback: bool,
    /// Size of each of a task's two log files
    #[arg(long, value_name = "SIZE")]
    pub(crate) log_max: Option<String>,
    /// Registry for image names that name none, once the local store has no such image
    #[arg(long, value_name = "HOST")]
    pub(crate) default_registry: Option<String>,
    /// Registry that may be used over plain http
    #[arg(long = "insecure-registry", value_name = "HOST")]
    pub(crate) insecure_registries: Vec<String>,
    /// Further CA certificates to trust registries by
    #[arg(long = "registry-ca", value_name = "FILE")]
    pub(crate) registry_cas: Vec<PathBuf>,
    /// What the node has of a kind of its own: KIND=NUMBER, or KIND=ID once for each
    #[arg(long = "node-generic-resource", value_name = "RESOURCE")]
    pub(crate) node_generic_resources: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Swarm {
    /// Start a swarm with this node as its manager
    Init {
        /// Address other nodes reach this one at
        #[arg(long, value_name = "IP[:PORT]")]
        advertise_addr: Option<String>,
        /// Tasks kept for a slot
        #[arg(long, value_name = "N", allow_hyphen_values = true)]
        task_history_limit: Option<i64>,
    },
    /// Change the swarm's settings
    #[command(arg_required_else_help = true)]
    Update(SwarmUpdate),
}

/// The settings of a swarm that can be changed.
#[derive(Debug, Clone, Args)]
pub(crate) struct SwarmUpdate {
    /// Tasks kept for a slot, and specs kept of a service; negative keeps all (default 5)
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) task_history_limit: Option<i64>,
    /// Time between two heartbeats of a node (default 1s)
    #[arg(long, value_name = "DURATION")]
    pub(crate) dispatcher_heartbeat: Option<String>,
    /// How long a node's certificate is good for (default 2160h)
    #[arg(long, value_name = "DURATION")]
    pub(crate) cert_expiry: Option<String>,
    /// Log entries between two snapshots (default 10000)
    #[arg(long, value_name = "N")]
    pub(crate) snapshot_interval: Option<u64>,
    /// Behave as skep, or as swarm where Skep departs from Docker Swarm on purpose (default skep)
    #[arg(long, value_name = "WHOSE")]
    pub(crate) compat: Option<String>,
}

/// How a list is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Filter, as KEY=VALUE
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// A Go template, `table TEMPLATE`, or `json`
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) format: Option<String>,
    /// Only ids (of volumes and stacks, names)
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How a list of tasks is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct TaskListArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    /// Print ids for names
    #[arg(long)]
    pub(crate) no_resolve: bool,
    /// Cut nothing short
    #[arg(long)]
    pub(crate) no_trunc: bool,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FormatOnly {
    /// A Go template, or `json`
    #[arg(short, long, value_name = "TEMPLATE")]
    pub(crate) format: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Inspect {
    /// A Go template, or `json`
    #[arg(short, long, value_name = "TEMPLATE", conflicts_with = "pretty")]
    pub(crate) format: Option<String>,
    /// For people to read
    #[arg(long)]
    pub(crate) pretty: bool,
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Names {
    /// Names or ids
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Node {
    /// List nodes
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show nodes in full; `self` is the node that is asked
    Inspect(Inspect),
    /// List the tasks of nodes
    Ps {
        #[command(flatten)]
        list: TaskListArgs,
        /// The nodes; the one that is asked by default
        #[arg(value_name = "NODE")]
        nodes: Vec<String>,
    },
    /// Change a node
    Update(NodeUpdate),
    /// Remove nodes that are down
    #[command(visible_alias = "remove")]
    Rm {
        /// Remove them even if they are not down
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        names: Names,
    },
}

/// What can be changed of a node.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeUpdate {
    /// Whether it takes tasks: active, pause or drain
    #[arg(long)]
    pub(crate) availability: Option<String>,
    /// Add or change a label, KEY=VALUE
    #[arg(long = "label-add", value_name = "LABEL")]
    pub(crate) labels_add: Vec<String>,
    /// Remove a label
    #[arg(long = "label-rm", value_name = "KEY")]
    pub(crate) labels_rm: Vec<String>,
    /// What it does: worker or manager
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// The node
    pub(crate) node: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Stack {
    /// Create or update a stack from compose files
    #[command(visible_alias = "up")]
    Deploy {
        /// Compose file, `-` for standard input; may be given several times
        #[arg(short = 'c', long = "compose-file", value_name = "FILE", value_delimiter = ',')]
        files: Vec<String>,
        /// Wait until the services run: --detach=false
        #[arg(short, long, default_value = "true", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
        detach: bool,
        /// Remove services that are no longer in the files
        #[arg(long)]
        prune: bool,
        /// Show no progress
        #[arg(short, long)]
        quiet: bool,
        /// Look up digests: always, changed or never
        #[arg(long, default_value = "always", value_name = "WHEN")]
        resolve_image: String,
        /// Send the registry's credentials along
        #[arg(long)]
        with_registry_auth: bool,
        /// The stack's name
        stack: String,
    },
    /// Print the merged and complete compose file
    Config {
        /// Compose file, `-` for standard input; may be given several times
        #[arg(short = 'c', long = "compose-file", value_name = "FILE", value_delimiter = ',')]
        files: Vec<String>,
        /// Leave variables as they are written
        #[arg(long)]
        skip_interpolation: bool,
    },
    /// List stacks
    #[command(visible_alias = "list")]
    Ls(FormatOnly),
    /// List the tasks of a stack
    Ps {
        #[command(flatten)]
        list: TaskListArgs,
        /// The stack
        stack: String,
    },
    /// List the services of a stack
    Services {
        #[command(flatten)]
        list: ListArgs,
        /// The stack
        stack: String,
    },
    /// Remove stacks
    #[command(visible_aliases = ["down", "remove"])]
    Rm(Names),
}

/// The verbs of configs and secrets, which are the same.
#[derive(Debug, Subcommand)]
pub(crate) enum Objects {
    /// Create one from a file, or `-` for standard input
    Create {
        /// Label
        #[arg(short, long = "label", value_name = "LABEL")]
        labels: Vec<String>,
        /// Its name
        name: String,
        /// The file
        file: String,
    },
    /// List them
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show them in full
    Inspect(Inspect),
    /// Remove them
    #[command(visible_alias = "remove")]
    Rm(Names),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Volume {
    /// List the node's volumes
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show volumes in full
    Inspect(Inspect),
    /// Remove volumes
    #[command(visible_alias = "remove")]
    Rm {
        /// Say nothing of volumes that are not there
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        names: Names,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Put a component from a file into the node's store
    Load {
        /// Its name, `web:1.0`
        #[arg(short, long, value_name = "NAME")]
        tag: String,
        /// The file, `-` for standard input
        file: PathBuf,
    },
    /// Fetch an image from a registry
    Pull {
        /// Show no progress
        #[arg(short, long)]
        quiet: bool,
        /// The image
        image: String,
    },
    /// Send an image to its registry
    Push {
        /// Show no progress
        #[arg(short, long)]
        quiet: bool,
        /// The image
        image: String,
    },
    /// List images
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show images in full: imports, exports, size, digest, kind
    Inspect(Inspect),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm {
        /// Remove it even if it has other names
        #[arg(short, long)]
        force: bool,
        #[command(flatten)]
        names: Names,
    },
}
