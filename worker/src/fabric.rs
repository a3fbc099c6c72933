//! The network between the tasks of this node: names, addresses and connections in memory.
//!
//! There is no host network in here. A task resolves the names of the services it shares a network
//! with, and connects to their addresses and its own; nothing else can be reached. What the names
//! mean comes from the managers' tables alone, and is replaced whole when one changes. A connection
//! is a pipe to a task that runs here: the one among its service's tasks that was chosen least
//! recently, of those that listen at the port.

mod member;
mod names;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use async_trait::async_trait;
use skep_api::{Assignment, Id, NameTable, Network, Node, Task};
use skep_runtime::{Connection, Listener, NetworkError};

pub(crate) use member::Member;
use names::{Names, Target};

/// The network between the tasks of this node.
pub(crate) struct Fabric {
    node: Id<Node>,
    state: RwLock<State>,
    /// Counts choices, so that the least recent one is known.
    chosen: AtomicU64,
}

#[derive(Default)]
struct State {
    names: BTreeMap<Id<Network>, Arc<Names>>,
    members: BTreeMap<Id<Task>, Arc<Member>>,
}

/// A task's way into the fabric.
pub(crate) struct TaskNetwork {
    fabric: Arc<Fabric>,
    member: Arc<Member>,
}

impl Fabric {
    pub(crate) fn new(node: Id<Node>) -> Arc<Self> {
        Arc::new(Self { node, state: RwLock::default(), chosen: AtomicU64::new(0) })
    }

    /// What the names of a network mean from now on.
    pub(crate) fn set_names(&self, table: &NameTable) {
        let names = Arc::new(Names::new(table));
        self.write().names.insert(table.network, names);
    }

    /// No task here is on that network any more.
    pub(crate) fn remove_names(&self, network: Id<Network>) {
        self.write().names.remove(&network);
    }

    /// A task is about to run here.
    pub(crate) fn join(self: &Arc<Self>, task: &Assignment) -> TaskNetwork {
        let targets = task.ports.iter().map(|port| port.target).collect();
        let member = Arc::new(Member::new(task.task, task.grant.networks.clone(), targets));
        self.write().members.insert(task.task, member.clone());
        TaskNetwork { fabric: self.clone(), member }
    }

    /// A task has ended: nothing reaches it any more.
    pub(crate) fn leave(&self, task: Id<Task>) {
        let member = self.write().members.remove(&task);
        if let Some(member) = member {
            member.leave();
        }
    }

    /// The members among these tasks, the one chosen least recently first.
    pub(crate) fn members(&self, tasks: impl Iterator<Item = Id<Task>>) -> Vec<Arc<Member>> {
        let state = self.read();
        let mut members: Vec<_> = tasks.filter_map(|t| state.members.get(&t).cloned()).collect();
        drop(state);
        members.sort_by_key(|member| member.used());
        members
    }

    /// A member was chosen.
    pub(crate) fn choose(&self, member: &Member) {
        member.set_used(self.chosen.fetch_add(1, Ordering::Relaxed) + 1);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskNetwork {
    /// The task as a place that connections come to.
    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// The tables of its networks, the first network's first; none for one that has not come yet.
    fn names(&self) -> Vec<(IpAddr, Option<Arc<Names>>)> {
        let state = self.fabric.read();
        let networks = self.member.networks.iter();
        networks.map(|n| (n.addr, state.names.get(&n.id).cloned())).collect()
    }

    fn connect_own(&self, to: SocketAddr) -> Result<Connection, NetworkError> {
        let local = self.member.ephemeral(to.ip());
        let pipe = self.member.accept(to, local).ok_or(NetworkError::ConnectionRefused)?;
        Ok(Connection { pipe, local, peer: to })
    }

    fn connect_to(
        &self,
        targets: &[Target],
        own_addr: IpAddr,
        to: SocketAddr,
    ) -> Result<Connection, NetworkError> {
        let local = self.member.ephemeral(own_addr);
        let here: BTreeMap<Id<Task>, IpAddr> = targets
            .iter()
            .filter(|target| target.node == self.fabric.node)
            .map(|target| (target.task, target.addr))
            .collect();
        for member in self.fabric.members(here.keys().copied()) {
            let addr = here.get(&member.task).copied().unwrap_or(to.ip());
            if let Some(pipe) = member.accept(SocketAddr::new(addr, to.port()), local) {
                self.fabric.choose(&member);
                return Ok(Connection { pipe, local, peer: to });
            }
        }
        // Tasks on other nodes can't be reached yet; refusing would say that nobody listens there.
        if here.is_empty() && !targets.is_empty() {
            return Err(NetworkError::Unreachable);
        }
        Err(NetworkError::ConnectionRefused)
    }
}

#[async_trait]
impl skep_runtime::Network for TaskNetwork {
    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, NetworkError> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        if name == "localhost" {
            return Ok(vec![Ipv4Addr::LOCALHOST.into()]);
        }
        let networks = self.names();
        let known = networks.iter().filter_map(|(_, names)| names.as_ref()?.resolve(&name));
        let mut found: Option<Vec<IpAddr>> = None;
        for addrs in known {
            let found = found.get_or_insert_default();
            found.extend(addrs.iter().filter(|addr| !found.contains(addr)).collect::<Vec<_>>());
        }
        match found {
            Some(addrs) if !addrs.is_empty() => Ok(addrs),
            // A service without running tasks and without a virtual address.
            Some(_) => Err(NetworkError::NameUnavailable),
            None if networks.iter().any(|(_, names)| names.is_none()) => {
                tracing::warn!(task = %self.member.task, name, "the names of a network are missing");
                Err(NetworkError::NameUnavailable)
            }
            None => Err(NetworkError::NameUnknown),
        }
    }

    async fn connect(&self, to: SocketAddr) -> Result<Connection, NetworkError> {
        if to.ip().is_loopback() || self.member.has_addr(to.ip()) {
            return self.connect_own(to);
        }
        for (own_addr, names) in self.names() {
            let Some(names) = names else { continue };
            if let Some(targets) = names.targets(to.ip()) {
                return self.connect_to(targets, own_addr, to);
            }
        }
        Err(NetworkError::AccessDenied)
    }

    fn listen(&self, at: SocketAddr) -> Result<Listener, NetworkError> {
        self.member.listen(at)
    }
}

#[cfg(test)]
mod tests;
