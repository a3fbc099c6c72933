//! The machine and the process: what it is, what it allows, and what to warn of.

use std::fs;
use std::os::unix::net::UnixDatagram;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use skep_api::{Bytes, NanoCpus, NodeDescription};

use crate::config::NodeConfig;

/// One running instance takes about six memory maps: below this, a node holds fewer than ten
/// thousand.
const MAP_COUNT_WANTED: u64 = 65_530;
/// Secrets are locked into memory, a page or more each.
const MEMLOCK_WANTED: u64 = 1 << 20;

/// The components that the runtime runs, as OCI images name them.
const PLATFORMS: [&str; 1] = ["wasip2"];

/// What the node says of itself. What it has compiled is said with every session.
pub(crate) fn describe(config: &NodeConfig) -> NodeDescription {
    let name = config.node_name.as_deref();
    let uname = rustix::system::uname();
    let text = |value: &std::ffi::CStr| value.to_string_lossy().into_owned();
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    NodeDescription {
        hostname: name.map_or_else(|| text(uname.nodename()), str::to_owned),
        os: "linux".to_owned(),
        arch: text(uname.machine()),
        cpus: NanoCpus(cpus * 1_000_000_000),
        memory: memory(),
        engine_version: env!("CARGO_PKG_VERSION").to_owned(),
        engine_labels: Default::default(),
        lowest_port: lowest_port(),
        generic: config.generic_resources.clone(),
        platforms: PLATFORMS.map(str::to_owned).into(),
        compiled: Default::default(),
    }
}

/// The kernel's version.
pub(crate) fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn memory() -> Bytes {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    Bytes::kib(kib.unwrap_or(0))
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn lowest_port() -> u16 {
    if rustix::process::geteuid().is_root() {
        return 1;
    }
    let start = number("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    start.and_then(|port| u16::try_from(port).ok()).unwrap_or(1024)
}

/// Takes all the open files the machine allows, and leaves no core dumps: they would hold secrets.
pub(crate) fn set_limits() {
    let files = getrlimit(Resource::Nofile);
    let all = Rlimit { current: files.maximum, maximum: files.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, all) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps can't be switched off");
    }
}

/// What a person should know of the machine, with the remedy.
pub(crate) fn warnings() -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(maps) = number("/proc/sys/vm/max_map_count").filter(|maps| *maps < MAP_COUNT_WANTED)
    {
        warnings.push(format!(
            "WARNING: vm.max_map_count is {maps}: this node can run about {} tasks; \
             raise it with `sysctl -w vm.max_map_count=262144`",
            maps / 6
        ));
    }
    if getrlimit(Resource::Memlock).current.is_some_and(|bytes| bytes < MEMLOCK_WANTED) {
        warnings.push(
            "WARNING: too little memory may be locked: secrets could be swapped out; raise the \
             limit with `ulimit -l 65536`, or LimitMEMLOCK= in the unit file"
                .to_owned(),
        );
    }
    warnings
}

/// Tells a service manager that started the node with `Type=notify` where it stands.
pub(crate) fn notify(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let send = || -> std::io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        if let Some(name) = path.to_str().and_then(|path| path.strip_prefix('@')) {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.send_to_addr(state.as_bytes(), &address)?;
        } else {
            socket.send_to(state.as_bytes(), &path)?;
        }
        Ok(())
    };
    if let Err(error) = send() {
        tracing::warn!(%error, "the service manager was not told: {state}");
    }
}
