//! Published ports, virtual addresses, and the addresses of tasks (semantics part 7).
//!
//! | situation | change |
//! |---|---|
//! | a service's endpoint is of another spec, or lacks an address on a network | it is written: ports and addresses it had are kept, the rest is chosen |
//! | a service in dnsrr mode | no virtual addresses |
//! | a new task whose service has its endpoint | PENDING, with the service's ports and an address on each network |
//! | a new task, but a port or an address can't be had, or another service was given the port | it stays NEW and says why; tried again in every pass |
//!
//! What is chosen follows the highest one in use, so that what was just let go is not given out at
//! once; once the top is reached, the lowest gap is taken. Unlike Swarm's, services get no address
//! on the ingress network: nothing would listen there, and 253 of them would use it up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use skep_api::{
    EndpointMode, Id, Network, PortConfig, Protocol, PublishMode, Service, Task, TaskAddress,
    TaskStatus, VirtualIp,
};

use super::subnet::Subnet;
use crate::change::{Change, Object};
use crate::store::{View, networks};

/// The ports that are chosen from where a spec publishes 0, as Swarm's.
const DYNAMIC_PORTS: RangeInclusive<u16> = 30_000..=32_767;

/// Why something can't be had; shown in `service ps`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Shortage {
    #[error("no dynamic {} port left between 30000 and 32767", .0.name())]
    Ports(Protocol),
    #[error("port {port}/{} is in use by service {by}", .protocol.name())]
    Taken { port: u16, protocol: Protocol, by: Id<Service> },
    #[error("no address left on network {0} ({1})")]
    Addresses(String, String),
    #[error("network {0} has no subnet: the address pool is used up")]
    Subnet(String),
    #[error("network {0} not found")]
    Network(Id<Network>),
}

/// Gives a service the ports and virtual addresses of its spec.
pub(crate) fn allocate(view: &View, service: Id<Service>) -> Vec<Change> {
    let service = view.service(service);
    service.and_then(|service| plan(view, service).ok().flatten()).into_iter().collect()
}

/// The services whose tasks may wait for an endpoint.
pub(crate) fn waiting(view: &View) -> BTreeSet<Id<Service>> {
    view.fresh().map(|task| task.service).collect()
}

/// What a new task was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) ports: Vec<PortConfig>,
    pub(crate) addresses: Vec<TaskAddress>,
}

/// What the new tasks were given, and what those are told that were not.
#[derive(Debug, Default)]
pub(crate) struct Allocation {
    pub(crate) given: BTreeMap<Id<Task>, Given>,
    pub(crate) refused: Vec<Change>,
}

/// Gives new tasks their service's ports and an address on each of their networks.
pub(crate) fn allocate_tasks(view: &View) -> Allocation {
    let mut chooser = Chooser::new(view);
    let mut plans: BTreeMap<Id<Service>, Result<Vec<PortConfig>, Shortage>> = BTreeMap::new();
    let mut allocation = Allocation::default();
    for task in view.fresh().filter(|task| task.is_wanted()) {
        let Some(service) = view.service(task.service) else { continue };
        let ports = plans
            .entry(service.id)
            .or_insert_with(|| plan(view, service).map(|_| service.endpoint.ports.clone()));
        let given = ports
            .clone()
            .and_then(|ports| Ok(Given { ports, addresses: addresses(view, task, &mut chooser)? }));
        match given {
            Ok(given) => drop(allocation.given.insert(task.id, given)),
            Err(shortage) => {
                let status = TaskStatus { err: shortage.to_string(), ..task.status.clone() };
                if status != task.status {
                    allocation.refused.push(Change::TaskStatus { task: task.id, status });
                }
            }
        }
    }
    allocation
}

/// The service with the endpoint of its spec, or nothing if it has it.
fn plan(view: &View, service: &Service) -> Result<Option<Change>, Shortage> {
    let with_address: Vec<_> = match service.spec.endpoint.mode {
        EndpointMode::Vip => networks(&service.spec).collect(),
        EndpointMode::DnsRoundRobin => Vec::new(),
    };
    let endpoint = &service.endpoint;
    let has = endpoint.virtual_ips.iter().map(|vip| vip.network);
    if endpoint.spec == service.spec.endpoint && has.eq(with_address.iter().copied()) {
        return Ok(None);
    }
    let mut chooser = Chooser::new(view);
    let ports = ports(service, &mut chooser)?;
    let mut virtual_ips = Vec::with_capacity(with_address.len());
    for network in with_address {
        let kept = endpoint.virtual_ips.iter().find(|vip| vip.network == network);
        virtual_ips.push(match kept {
            Some(vip) => *vip,
            None => VirtualIp { network, addr: chooser.address(network)? },
        });
    }
    let mut service = service.clone();
    service.endpoint =
        skep_api::Endpoint { spec: service.spec.endpoint.clone(), ports, virtual_ips };
    Ok(Some(Change::Update(Object::Service(service))))
}

/// The ports of a spec with numbers. A port without one keeps the number it had.
fn ports(service: &Service, chooser: &mut Chooser<'_>) -> Result<Vec<PortConfig>, Shortage> {
    let mut had = service.endpoint.ports.clone();
    let mut ports = Vec::with_capacity(service.spec.endpoint.ports.len());
    for port in &service.spec.endpoint.ports {
        let mut port = port.clone();
        if port.published == 0 && port.mode == PublishMode::Ingress {
            let same = |old: &PortConfig| PortConfig { published: 0, ..old.clone() } == port;
            port.published = match had.iter().position(same) {
                Some(old) => had.remove(old).published,
                None => chooser.port(port.protocol)?,
            };
        }
        if let Some(by) = holder(chooser.view, service, &port) {
            let (port, protocol) = (port.published, port.protocol);
            return Err(Shortage::Taken { port, protocol, by });
        }
        ports.push(port);
    }
    Ok(ports)
}

/// The service that was given a port which another one's spec names too: two requests that came at
/// the same moment are each admitted without the other. Ports of hosts are the scheduler's business.
fn holder(view: &View, service: &Service, port: &PortConfig) -> Option<Id<Service>> {
    let others = view.publishers(port.protocol, port.published).map(|(_, other)| other);
    let given = |other: &Service| {
        other.endpoint.ports.iter().any(|held| {
            (held.protocol, held.published) == (port.protocol, port.published)
                && [held.mode, port.mode].contains(&PublishMode::Ingress)
        })
    };
    let mut others = others.filter(|other| *other != service.id);
    others.find(|other| port.published != 0 && view.service(*other).is_some_and(given))
}

fn addresses(
    view: &View,
    task: &Task,
    chooser: &mut Chooser<'_>,
) -> Result<Vec<TaskAddress>, Shortage> {
    let Some(spec) = view.spec_of(task) else { return Ok(Vec::new()) };
    let one = |network| Ok(TaskAddress { network, addr: chooser.address(network)? });
    networks(spec).map(one).collect()
}

/// Chooses what is free, and remembers what it chose.
struct Chooser<'a> {
    view: &'a View,
    addresses: BTreeSet<Ipv4Addr>,
    ports: BTreeSet<(Protocol, u16)>,
}

impl<'a> Chooser<'a> {
    fn new(view: &'a View) -> Self {
        Self { view, addresses: BTreeSet::new(), ports: BTreeSet::new() }
    }

    fn address(&mut self, network: Id<Network>) -> Result<IpAddr, Shortage> {
        let network = self.view.network(network).ok_or(Shortage::Network(network))?;
        let name = || network.spec.name.clone();
        let (first, last) = Subnet::parse(&network.subnet)
            .and_then(Subnet::hosts)
            .ok_or_else(|| Shortage::Subnet(name()))?;
        let end = (IpAddr::V4(last), Id::from_u128(u128::MAX));
        let stored = match self.view.addresses().last_to(&end) {
            Some((IpAddr::V4(highest), _)) => Some(*highest),
            _ => None,
        };
        let chosen = self.addresses.range(..=last).next_back().copied();
        let highest = stored.max(chosen).filter(|highest| *highest >= first);
        let next = highest.map_or(first.to_bits(), |highest| highest.to_bits() + 1);
        let next = (next..=last.to_bits()).next();
        let gap = || (first.to_bits()..=last.to_bits()).find(|addr| !self.is_taken(*addr));
        let addr = next
            .or_else(gap)
            .map(Ipv4Addr::from_bits)
            .ok_or_else(|| Shortage::Addresses(name(), network.subnet.clone()))?;
        self.addresses.insert(addr);
        Ok(IpAddr::V4(addr))
    }

    fn is_taken(&self, addr: u32) -> bool {
        let addr = Ipv4Addr::from_bits(addr);
        let from = (IpAddr::V4(addr), Id::from_u128(0));
        let stored = self.view.addresses().from(&from).next();
        self.addresses.contains(&addr) || stored.is_some_and(|(other, _)| *other == addr)
    }

    fn port(&mut self, protocol: Protocol) -> Result<u16, Shortage> {
        let is_free = |port: u16| {
            self.view.publishers(protocol, port).next().is_none()
                && !self.ports.contains(&(protocol, port))
        };
        let (first, last) = DYNAMIC_PORTS.into_inner();
        let highest = self.view.last_published(protocol, last).filter(|port| *port >= first);
        let upper = highest.map_or(first, |port| port + 1)..=last;
        let port = upper.chain(DYNAMIC_PORTS).find(|port| is_free(*port));
        let port = port.ok_or(Shortage::Ports(protocol))?;
        self.ports.insert((protocol, port));
        Ok(port)
    }
}
