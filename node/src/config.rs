//! What a node is started with.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use skep_api::{Bytes, Generic};

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The folder for all that it keeps.
    pub data_root: PathBuf,
    /// Where clients reach it.
    pub listen: Vec<Listen>,
    /// Its name; the machine's host name if not stated.
    pub node_name: Option<String>,
    /// Where published ports listen.
    pub ingress_addr: IpAddr,
    /// The group that may use the unix socket.
    pub group: Option<String>,
    /// Whether `tcp://` on loopback is served in clear.
    pub insecure_loopback: bool,
    /// Certificates for `tcp://`.
    pub tls: Option<TlsFiles>,
    /// The size of each of a task's two log files.
    pub log_max: Bytes,
    /// The registry for names without one.
    pub default_registry: Option<String>,
    /// Registries that may be used over plain http.
    pub insecure_registries: Vec<String>,
    /// Further CAs to trust registries by.
    pub registry_cas: Vec<PathBuf>,
    /// What it has besides CPUs and memory; [`crate::generic_resources`] reads it.
    pub generic_resources: BTreeMap<String, Generic>,
}

impl NodeConfig {
    /// Enough to see what a task did last, little enough for a thousand tasks on a small disk.
    pub const LOG_MAX_DEFAULT: Bytes = Bytes::mib(1);
    /// Published ports are for everybody, as Docker's.
    pub const INGRESS_ADDR_DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
}

/// Where clients reach a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// A unix socket.
    Unix(PathBuf),
    /// `host:port`, with TLS and client certificates unless `insecure_loopback` allows otherwise.
    Tcp(String),
}

/// PEM files for `tcp://`.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The CA that client certificates must be signed by.
    pub ca: PathBuf,
    /// The node's certificate for its clients.
    pub cert: PathBuf,
    /// That certificate's key.
    pub key: PathBuf,
}

/// `/run/skep/skep.sock` for root, else under `$XDG_RUNTIME_DIR`.
pub fn default_socket() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/run/skep/skep.sock".into();
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) => PathBuf::from(dir).join("skep/skep.sock"),
        None => home().join(".local/run/skep/skep.sock"),
    }
}

/// `/var/lib/skep` for root, else `~/.local/share/skep`.
pub fn default_data_root() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return "/var/lib/skep".into();
    }
    match std::env::var_os("XDG_DATA_HOME") {
        Some(dir) => PathBuf::from(dir).join("skep"),
        None => home().join(".local/share/skep"),
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| "/".into(), PathBuf::from)
}
