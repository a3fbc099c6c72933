//! What the tests stand on: a runtime of their own, a network in memory, the lines that came out.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sha2::Digest as _;
use skep_api::{Digest, Grant, Limits};
use skep_runtime::{
    Component, Connection, Listener, ListenerHandle, Network, NetworkError, Outcome, Output,
    OutputStream, Pipe, Plan, Runtime, RuntimeConfig, Sandbox, listener,
};

/// Long enough for anything that happens at all, on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A runtime with a cache of its own.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) cache: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let cache = tempfile::tempdir().unwrap();
        Self { runtime: runtime(cache.path()), cache }
    }

    pub(crate) async fn component(&self, guest: &str) -> Component {
        let (digest, path) = guest_file(guest);
        self.runtime.prepare(digest, &path).await.unwrap()
    }

    pub(crate) async fn start(&self, guest: &str, plan: Plan) -> Sandbox {
        self.runtime.start(&self.component(guest).await, plan).unwrap()
    }

    /// Runs a command to its end, and says how it ended and what it wrote.
    pub(crate) async fn run(&self, guest: &str, args: &[&str], stage: Stage) -> (Outcome, String) {
        let output = stage.output.clone();
        let sandbox = self.start(guest, stage.plan(guest, args)).await;
        let outcome = tokio::time::timeout(LIMIT, sandbox.wait()).await.expect("it ends");
        (outcome, output.text())
    }
}

pub(crate) fn runtime(cache_dir: &Path) -> Runtime {
    Runtime::new(RuntimeConfig { cache_dir: cache_dir.to_owned() })
}

/// A built guest, with its digest.
pub(crate) fn guest_file(guest: &str) -> (Digest, PathBuf) {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests");
    let path = target.join(guest).with_extension("wasm");
    let bytes = std::fs::read(&path).unwrap_or_else(|error| {
        panic!("no guest at {} ({error}): run `cargo xtask guests`", path.display())
    });
    (digest(&bytes), path)
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest(sha2::Sha256::digest(bytes).into())
}

/// What a sandbox is put on, to be changed as the test likes.
#[derive(Default)]
pub(crate) struct Stage {
    pub(crate) grant: Grant,
    pub(crate) files: Vec<skep_runtime::PlanFile>,
    pub(crate) dirs: Vec<skep_runtime::PlanDir>,
    pub(crate) network: Arc<TestNetwork>,
    pub(crate) output: Arc<Lines>,
}

impl Stage {
    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self { grant: Grant { limits, ..Grant::default() }, ..Self::default() }
    }

    pub(crate) fn plan(self, name: &str, args: &[&str]) -> Plan {
        let args = [name].iter().chain(args).map(|arg| (*arg).to_owned()).collect();
        Plan {
            grant: Grant { args, ..self.grant },
            files: self.files,
            dirs: self.dirs,
            network: self.network,
            output: self.output,
        }
    }
}

/// The lines that came out.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Mutex<Vec<(OutputStream, String)>>,
    more: tokio::sync::Notify,
}

impl Output for Lines {
    fn line(&self, stream: OutputStream, text: &[u8]) {
        let text = String::from_utf8_lossy(text).into_owned();
        self.lines.lock().unwrap().push((stream, text));
        self.more.notify_waiters();
    }
}

impl Lines {
    /// All lines of both outputs.
    pub(crate) fn text(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }

    pub(crate) fn of(&self, stream: OutputStream) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|(of, _)| *of == stream).map(|(_, line)| line.clone()).collect()
    }

    /// Waits for a line with that text in it.
    pub(crate) async fn wait_for(&self, text: &str) {
        let found = async {
            loop {
                let more = self.more.notified();
                tokio::pin!(more);
                more.as_mut().enable();
                if self.text().contains(text) {
                    return;
                }
                more.await;
            }
        };
        let found = tokio::time::timeout(LIMIT, found).await;
        assert!(found.is_ok(), "no `{text}` in:\n{}", self.text());
    }
}

/// A network in memory: one task at 10.0.0.2, names as the test gives them.
#[derive(Default)]
pub(crate) struct TestNetwork {
    pub(crate) names: Mutex<BTreeMap<String, IpAddr>>,
    pub(crate) listeners: Mutex<BTreeMap<u16, ListenerHandle>>,
    ports: AtomicU16,
}

pub(crate) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
pub(crate) const FORBIDDEN: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub(crate) const CLIENT: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9)), 50_000);

impl TestNetwork {
    pub(crate) fn name(&self, name: &str, ip: IpAddr) {
        self.names.lock().unwrap().insert(name.to_owned(), ip);
    }

    /// A connection to a port of the task.
    pub(crate) fn dial(&self, port: u16) -> Result<Pipe, NetworkError> {
        let (near, far) = Pipe::pair();
        let at = SocketAddr::new(HERE, port);
        let listeners = self.listeners.lock().unwrap();
        let listener = listeners.get(&port).ok_or(NetworkError::ConnectionRefused)?;
        let offered = Connection { pipe: far, local: at, peer: CLIENT };
        listener.offer(offered).map_err(|_| NetworkError::ConnectionRefused)?;
        Ok(near)
    }
}

#[async_trait]
impl Network for TestNetwork {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, NetworkError> {
        tokio::task::yield_now().await;
        let names = self.names.lock().unwrap();
        names.get(name).map(|ip| vec![*ip]).ok_or(NetworkError::NameUnknown)
    }

    async fn connect(&self, to: SocketAddr) -> Result<Connection, NetworkError> {
        tokio::task::yield_now().await;
        if to.ip() == FORBIDDEN {
            return Err(NetworkError::AccessDenied);
        }
        Ok(Connection { pipe: self.dial(to.port())?, local: CLIENT, peer: to })
    }

    fn listen(&self, at: SocketAddr) -> Result<Listener, NetworkError> {
        if !at.ip().is_unspecified() && at.ip() != HERE {
            return Err(NetworkError::AddressNotBindable);
        }
        let chosen = 40_000 + self.ports.fetch_add(1, Ordering::Relaxed);
        let port = if at.port() == 0 { chosen } else { at.port() };
        let mut listeners = self.listeners.lock().unwrap();
        if listeners.get(&port).is_some_and(|taken| !taken.is_closed()) {
            return Err(NetworkError::AddressInUse);
        }
        let (handle, listener) = listener(SocketAddr::new(HERE, port), 16);
        listeners.insert(port, handle);
        Ok(listener)
    }
}
