//! A task of this node as a place that connections come to.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skep_api::{Id, NetworkGrant, Task};
use skep_runtime::{Connection, Listener, ListenerHandle, NetworkError, Pipe, listener};

use crate::engine::Running;

/// How many connections wait for a guest to accept them, until it says otherwise. Linux's default.
const BACKLOG_DEFAULT: usize = 128;
/// Ports that are given out where a guest asks for none, as the IANA has them.
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;
/// Where an http task is reached when its service publishes no port.
const HTTP_PORT: u16 = 80;

/// A task of this node. It has all 65,535 ports to itself.
pub(crate) struct Member {
    pub(crate) task: Id<Task>,
    pub(crate) networks: Vec<NetworkGrant>,
    /// Where it is reached if it is an http task: those have no listeners of their own.
    http_ports: Vec<u16>,
    /// When it was last chosen among its like: a count of the fabric's.
    used: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    listeners: BTreeMap<u16, Vec<ListenerHandle>>,
    http: Option<Arc<dyn Running>>,
    last_port: u16,
    has_left: bool,
}

impl Member {
    pub(crate) fn new(task: Id<Task>, networks: Vec<NetworkGrant>, targets: Vec<u16>) -> Self {
        let http_ports = if targets.is_empty() { vec![HTTP_PORT] } else { targets };
        let (used, state) = (AtomicU64::new(0), Mutex::default());
        Self { task, networks, http_ports, used, state }
    }

    /// Connections to its http ports are served by `task` from now on.
    pub(crate) fn serve_http(&self, task: Arc<dyn Running>) {
        let mut state = self.lock();
        if !state.has_left {
            state.http = Some(task);
        }
    }

    /// It has ended: nothing reaches it any more, and it can't listen again.
    pub(crate) fn leave(&self) {
        let left = {
            let mut state = self.lock();
            state.has_left = true;
            (std::mem::take(&mut state.listeners), state.http.take())
        };
        // Outside the lock: this may end the sandbox, whose sockets come back here.
        drop(left);
    }

    /// A place to listen, on an address of its own.
    pub(crate) fn listen(&self, at: SocketAddr) -> Result<Listener, NetworkError> {
        let ip = at.ip();
        if !ip.is_unspecified() && !ip.is_loopback() && !self.has_addr(ip) {
            return Err(NetworkError::AddressNotBindable);
        }
        let mut state = self.lock();
        if state.has_left {
            return Err(NetworkError::Unreachable);
        }
        state.forget_closed();
        let port = match at.port() {
            0 => state.free_port().ok_or(NetworkError::AddressInUse)?,
            port if state.is_taken(ip, port) => return Err(NetworkError::AddressInUse),
            port => port,
        };
        let (handle, listener) = listener(SocketAddr::new(ip, port), BACKLOG_DEFAULT);
        state.listeners.entry(port).or_default().push(handle);
        Ok(listener)
    }

    /// A connection from `peer` to `to`, an address of this task; none if nobody answers there.
    pub(crate) fn accept(&self, to: SocketAddr, peer: SocketAddr) -> Option<Pipe> {
        let (near, far) = Pipe::pair();
        let http = {
            let state = self.lock();
            if let Some(handle) = state.listener(to) {
                return handle.offer(Connection { pipe: far, local: to, peer }).ok().map(|()| near);
            }
            state.http.clone().filter(|_| self.http_ports.contains(&to.port()))?
        };
        tokio::spawn(async move { http.serve(Box::new(far), peer).await });
        Some(near)
    }

    /// The http task behind a port, for a connection that needs no pipe.
    pub(crate) fn http(&self, port: u16) -> Option<Arc<dyn Running>> {
        self.lock().http.clone().filter(|_| self.http_ports.contains(&port))
    }

    /// An address for this end of a connection that it opens.
    pub(crate) fn ephemeral(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.lock().next_port())
    }

    /// Its address for connections from outside the networks.
    pub(crate) fn any_addr(&self) -> IpAddr {
        self.networks.first().map_or(IpAddr::from(Ipv4Addr::LOCALHOST), |network| network.addr)
    }

    /// Whether that is one of its addresses.
    pub(crate) fn has_addr(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.addr == ip)
    }

    /// When it was last chosen.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// It is chosen, as the `count`th of all.
    pub(crate) fn set_used(&self, count: u64) {
        self.used.store(count, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who listens at an address: loopback listeners hear the task itself alone.
    fn listener(&self, to: SocketAddr) -> Option<&ListenerHandle> {
        self.listeners.get(&to.port())?.iter().find(|handle| {
            let ip = handle.addr().ip();
            !handle.is_closed() && (ip.is_unspecified() || ip == to.ip())
        })
    }

    fn is_taken(&self, ip: IpAddr, port: u16) -> bool {
        let overlaps = |other: IpAddr| other == ip || other.is_unspecified() || ip.is_unspecified();
        let at_port = self.listeners.get(&port);
        at_port.is_some_and(|all| all.iter().any(|handle| overlaps(handle.addr().ip())))
    }

    fn free_port(&mut self) -> Option<u16> {
        for _ in EPHEMERAL_PORTS {
            let port = self.next_port();
            if !self.listeners.contains_key(&port) {
                return Some(port);
            }
        }
        None
    }

    fn next_port(&mut self) -> u16 {
        let next = self.last_port.checked_add(1).filter(|port| EPHEMERAL_PORTS.contains(port));
        self.last_port = next.unwrap_or(*EPHEMERAL_PORTS.start());
        self.last_port
    }

    fn forget_closed(&mut self) {
        self.listeners.retain(|_, at_port| {
            at_port.retain(|handle| !handle.is_closed());
            !at_port.is_empty()
        });
    }
}
