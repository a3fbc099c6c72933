//! The published ports: where the world outside reaches tasks.
//!
//! The node listens on a port exactly as long as managers say that it is published. Each connection
//! goes to one running task of this node, the one chosen least recently, as it does in Swarm: an
//! http connection that is kept alive stays with its task. Where nobody answers, it is closed.
//!
//! A port that can't be opened is a trouble of the tasks behind it, told in their status, and is
//! tried again; it never keeps a task from running.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use skep_api::{Id, Node, PortConfig, PortRoute, Protocol};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::fabric::Fabric;

/// How many connections one port has at once; more wait in the kernel. Each costs some 20 KB with
/// its buffers, and a file descriptor.
const CONNECTIONS_MAX: usize = 4096;
/// How many connections wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;
/// How long to pause when the machine can't give another descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The published ports of a node.
pub(crate) struct Publisher {
    addr: IpAddr,
    entrance: Entrance,
    routes: BTreeMap<PortKey, PortRoute>,
    open: BTreeMap<u16, OpenPort>,
    troubles: BTreeMap<PortKey, String>,
}

/// A published port.
type PortKey = (Protocol, u16);

/// Whether what is wrong with ports is another thing than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Troubles {
    /// It is.
    Changed,
    /// It is not.
    Same,
}

/// Where connections come in.
#[derive(Clone)]
struct Entrance {
    node: Id<Node>,
    fabric: Arc<Fabric>,
}

struct OpenPort {
    route: watch::Sender<PortRoute>,
    accepting: AbortOnDropHandle<()>,
}

impl Publisher {
    /// No port yet; those to come are opened on `addr`.
    pub(crate) fn new(addr: IpAddr, node: Id<Node>, fabric: Arc<Fabric>) -> Self {
        Self {
            addr,
            entrance: Entrance { node, fabric },
            routes: BTreeMap::new(),
            open: BTreeMap::new(),
            troubles: BTreeMap::new(),
        }
    }

    /// These are the published ports now. Says whether their troubles are others than before.
    pub(crate) async fn set(&mut self, routes: impl Iterator<Item = PortRoute>) -> Troubles {
        self.routes = routes.map(|route| ((route.protocol, route.published), route)).collect();
        self.retry().await
    }

    /// Closes what is published no more, and opens what is not open yet.
    pub(crate) async fn retry(&mut self) -> Troubles {
        self.close_unpublished().await;
        let before = std::mem::take(&mut self.troubles);
        self.open_published();
        if before == self.troubles { Troubles::Same } else { Troubles::Changed }
    }

    /// What is wrong with a task's ports; empty if nothing.
    pub(crate) fn trouble_of(&self, ports: &[PortConfig]) -> String {
        let troubles = ports.iter().filter_map(|p| self.troubles.get(&(p.protocol, p.published)));
        troubles.map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    /// Whether a port may be opened later that can't be now.
    pub(crate) fn wants_retry(&self) -> bool {
        self.troubles.keys().any(|(protocol, _)| *protocol == Protocol::Tcp)
    }

    async fn close_unpublished(&mut self) {
        let routes = &self.routes;
        let gone =
            self.open.extract_if(.., |port, _| !routes.contains_key(&(Protocol::Tcp, *port)));
        for (_, port) in gone.collect::<Vec<_>>() {
            port.accepting.abort();
            // Once that has ended, the port is closed: the next to open it must find it free.
            let _ = port.accepting.await;
        }
    }

    fn open_published(&mut self) {
        for (key, route) in &self.routes {
            if key.0 == Protocol::Udp {
                let text = format!("port {}/udp: UDP is not served yet", key.1);
                self.troubles.insert(*key, text);
            } else if let Some(open) = self.open.get(&key.1) {
                open.route.send_replace(route.clone());
            } else {
                match self.entrance.open(self.addr, route.clone()) {
                    Ok(open) => drop(self.open.insert(key.1, open)),
                    Err(error) => drop(self.troubles.insert(*key, words(key.1, &error))),
                }
            }
        }
    }
}

impl Entrance {
    fn open(&self, addr: IpAddr, route: PortRoute) -> io::Result<OpenPort> {
        let at = SocketAddr::new(addr, route.published);
        let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A port that was ours a moment ago may have connections in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        socket.bind(at)?;
        let listener = socket.listen(BACKLOG)?;
        let (route, changes) = watch::channel(route);
        let accepting = tokio::spawn(self.clone().accept(listener, changes));
        Ok(OpenPort { route, accepting: AbortOnDropHandle::new(accepting) })
    }

    async fn accept(self, listener: TcpListener, route: watch::Receiver<PortRoute>) {
        let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = connections.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((socket, peer)) => {
                    let (entrance, route) = (self.clone(), route.borrow().clone());
                    // It outlives the listener: what is under way when a port closes is the
                    // task's to end.
                    tokio::spawn(async move {
                        entrance.serve(socket, peer, &route).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Leads a connection to a running task; closes it if nobody answers.
    async fn serve(&self, mut socket: TcpStream, peer: SocketAddr, route: &PortRoute) {
        // Small answers must not wait for more to come.
        let _ = socket.set_nodelay(true);
        let here = route.tasks.iter().filter(|task| task.node == self.node).map(|task| task.task);
        for member in self.fabric.members(here) {
            if let Some(http) = member.http(route.target) {
                self.fabric.choose(&member);
                return http.serve(Box::new(socket), peer).await;
            }
            let at = SocketAddr::new(member.any_addr(), route.target);
            if let Some(mut pipe) = member.accept(at, peer) {
                self.fabric.choose(&member);
                // Either end may break off; there is nobody to tell.
                let _ = copy_bidirectional(&mut socket, &mut pipe).await;
                return;
            }
        }
    }
}

/// A port that can't be opened, for `service ps`.
fn words(port: u16, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is in use by another program on this node")
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {port} is below the lowest that this node's user may listen on")
        }
        _ => format!("port {port} can't be opened on this node: {error}"),
    }
}

#[cfg(test)]
mod tests;
