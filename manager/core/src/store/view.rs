//! Questions to the store.

use std::net::IpAddr;
use std::sync::Arc;

use skep_api::{
    Cluster, Compat, Config, Error, Id, Network, Node, NodeState, Protocol, PublishMode,
    STACK_LABEL, Secret, Service, ServiceSpec, Slot, SpecVersion, Task, Time,
};

use super::map::Counts;
use super::table::ambiguous;
use super::{Field, FieldKey, Load, Progress, Room, Tables};

/// What was stored at one moment. Cheap to copy and to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct View(Arc<Tables>);

impl View {
    pub(super) fn new(tables: Arc<Tables>) -> Self {
        Self(tables)
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.0
    }

    /// The index of the last entry that was applied.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// The time of the last entry that was applied.
    pub fn time(&self) -> Time {
        self.0.time
    }

    /// The swarm, once there is one.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.0.clusters.iter().next().map(Arc::as_ref)
    }

    /// The node of that id.
    pub fn node(&self, id: Id<Node>) -> Option<&Node> {
        self.0.nodes.get(id).map(Arc::as_ref)
    }

    /// All nodes, by id.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> + Clone {
        self.0.nodes.iter().map(Arc::as_ref)
    }

    /// The node that a user means: by id, by host name, or by the first characters of its id. Host
    /// names are not unique.
    pub fn find_node(&self, input: &str) -> Result<&Node, Error> {
        if let Some(node) = input.parse().ok().and_then(|id| self.node(id)) {
            return Ok(node);
        }
        let named = || self.nodes().filter(|n| n.description.hostname.eq_ignore_ascii_case(input));
        match (named().next(), named().count()) {
            (Some(node), 1) => Ok(node),
            (Some(_), more) => Err(ambiguous("node", input, more)),
            (None, _) => self.0.nodes.find(input).map(Arc::as_ref),
        }
    }

    /// Whether a node lost its tasks: it is gone or down.
    pub(crate) fn is_lost(&self, node: Id<Node>) -> bool {
        self.node(node).is_none_or(|node| node.status.state == NodeState::Down)
    }

    /// The service of that id.
    pub fn service(&self, id: Id<Service>) -> Option<&Service> {
        self.0.services.get(id).map(Arc::as_ref)
    }

    /// The service of that name.
    pub fn service_named(&self, name: &str) -> Option<&Service> {
        self.0.services.named(name).map(Arc::as_ref)
    }

    /// All services, by id.
    pub fn services(&self) -> impl Iterator<Item = &Service> + Clone {
        self.0.services.iter().map(Arc::as_ref)
    }

    /// The service that a user means: by id, by name, or by the first characters of its id.
    pub fn find_service(&self, input: &str) -> Result<&Service, Error> {
        self.0.services.find(input).map(Arc::as_ref)
    }

    /// A spec that a service has, or that a task was made from.
    pub fn spec(&self, service: Id<Service>, version: SpecVersion) -> Option<&Arc<ServiceSpec>> {
        self.0.specs.get(&(service, version)).map(|shared| &shared.spec)
    }

    /// The spec that a task was made from.
    pub fn spec_of(&self, task: &Task) -> Option<&Arc<ServiceSpec>> {
        self.spec(task.service, task.spec_version)
    }

    /// The task of that id.
    pub fn task(&self, id: Id<Task>) -> Option<&Task> {
        self.0.tasks.get(id).map(Arc::as_ref)
    }

    /// All tasks, by id.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> + Clone {
        self.0.tasks.iter().map(Arc::as_ref)
    }

    /// How many tasks there are.
    pub fn tasks_len(&self) -> usize {
        self.0.tasks.len()
    }

    /// The task that a user means: by id, or by the first characters of its id.
    pub fn find_task(&self, input: &str) -> Result<&Task, Error> {
        self.0.tasks.find(input).map(Arc::as_ref)
    }

    /// The tasks of a service, by slot, then by id.
    pub fn tasks_of(&self, service: Id<Service>) -> impl Iterator<Item = &Task> + Clone {
        let rows = self.0.tasks.from(&(service, Slot::FIRST, Id::from_u128(0)));
        rows.take_while(move |(place, _)| place.0 == service).map(|(_, task)| task.as_ref())
    }

    /// The tasks of a slot, by id.
    pub fn tasks_in(
        &self,
        service: Id<Service>,
        slot: Slot,
    ) -> impl Iterator<Item = &Task> + Clone {
        let rows = self.0.tasks.from(&(service, slot, Id::from_u128(0)));
        rows.take_while(move |(place, _)| (place.0, place.1) == (service, slot))
            .map(|(_, task)| task.as_ref())
    }

    /// Every slot that has a task, of services that are there or gone.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (Id<Service>, Slot)> {
        self.0.tasks.places().map(|place| (place.0, place.1))
    }

    /// The newest task of a slot.
    pub(crate) fn newest_in(&self, service: Id<Service>, slot: Slot) -> Option<&Task> {
        self.tasks_in(service, slot).max_by_key(|task| (task.meta.created_at, task.id))
    }

    /// The slots of a service by the spec version of their newest task, from a version and slot on.
    /// To skip a version, ask again from the next.
    pub(crate) fn heads(
        &self,
        service: Id<Service>,
        from: (SpecVersion, Slot),
    ) -> impl Iterator<Item = (SpecVersion, Slot)> + Clone {
        let keys = self.0.index.heads.from(&(service, from.0, from.1));
        keys.take_while(move |key| key.0 == service).map(|key| (key.1, key.2))
    }

    /// The tasks that updates to this version of the service's spec made and that are that far,
    /// since `from` or later, by that moment.
    pub(crate) fn made(
        &self,
        service: Id<Service>,
        version: SpecVersion,
        progress: Progress,
        from: Time,
    ) -> impl Iterator<Item = (Time, &Task)> + Clone {
        let keys = self.0.index.made.from(&(service, version, progress, from, Id::from_u128(0)));
        keys.take_while(move |key| (key.0, key.1, key.2) == (service, version, progress))
            .filter_map(|key| self.task(key.4).map(|task| (key.3, task)))
    }

    /// The one of those that got that far last.
    pub(crate) fn last_made(
        &self,
        service: Id<Service>,
        version: SpecVersion,
        progress: Progress,
    ) -> Option<(Time, &Task)> {
        let end =
            (service, version, progress, Time::from_nanos(u64::MAX), Id::from_u128(u128::MAX));
        let last = self.0.index.made.last_to(&end)?;
        let same = (last.0, last.1, last.2) == (service, version, progress);
        self.task(last.4).filter(|_| same).map(|task| (last.3, task))
    }

    /// The tasks that updates to older versions of the service's spec made and that are that far.
    pub(crate) fn made_before(
        &self,
        service: Id<Service>,
        version: SpecVersion,
        progress: Progress,
    ) -> Vec<&Task> {
        let mut found = Vec::new();
        let mut from = SpecVersion(0);
        while from < version {
            let first = (service, from, Progress::Ended, Time::ZERO, Id::from_u128(0));
            let older = self.0.index.made.from(&first).next().map(|key| (key.0, key.1));
            let Some((_, older)) = older.filter(|key| key.0 == service && key.1 < version) else {
                break;
            };
            found.extend(self.made(service, older, progress, Time::ZERO).map(|(_, task)| task));
            from = SpecVersion(older.0.saturating_add(1));
        }
        found
    }

    /// The services whose update or rollback is under way, by id.
    pub(crate) fn updating(&self) -> impl Iterator<Item = &Service> + Clone {
        self.0.index.updating.keys().filter_map(|id| self.service(*id))
    }

    /// The services with one task on each node, jobs included, by id.
    pub(crate) fn global_services(&self) -> impl Iterator<Item = &Service> + Clone {
        self.0.index.global.keys().filter_map(|id| self.service(*id))
    }

    /// The nodes that are down, with the moment since when, by that moment.
    pub(crate) fn nodes_down(&self) -> impl Iterator<Item = (Time, Id<Node>)> + Clone {
        self.0.index.down.keys().copied()
    }

    /// Whose behaviour the swarm has where ours departs from Swarm's.
    pub fn compat(&self) -> Compat {
        self.cluster().map_or(Compat::Skep, |cluster| cluster.spec.compat)
    }

    /// The tasks of a node, by id.
    pub fn tasks_on(&self, node: Id<Node>) -> impl Iterator<Item = &Task> + Clone {
        let keys = self.0.index.on_node.from(&(node, Id::from_u128(0)));
        keys.take_while(move |key| key.0 == node).filter_map(|key| self.task(key.1))
    }

    /// The nodes that tasks name, there or gone.
    pub(crate) fn nodes_of_tasks(&self) -> impl Iterator<Item = Id<Node>> {
        self.0.index.on_node.keys().map(|key| key.0)
    }

    /// The tasks that have neither a node nor their addresses, and have not ended; by service, slot
    /// and id.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = &Task> + Clone {
        self.0.index.fresh.keys().filter_map(|place| self.0.tasks.at(place)).map(Arc::as_ref)
    }

    /// The tasks without a node that have not ended: those without addresses first, both by service,
    /// slot and id.
    pub fn unplaced(&self) -> impl Iterator<Item = &Task> + Clone {
        let index = &self.0.index;
        let places = index.fresh.keys().chain(index.pending.keys());
        places.filter_map(|place| self.0.tasks.at(place)).map(Arc::as_ref)
    }

    /// The tasks that must not be started yet, with the moment from which they may, by moment.
    pub(crate) fn held(&self) -> impl Iterator<Item = (Time, &Task)> {
        let held = self.0.index.held.keys();
        held.filter_map(|&(time, task)| self.task(task).map(|task| (time, task)))
    }

    /// The network of that id.
    pub fn network(&self, id: Id<Network>) -> Option<&Network> {
        self.0.networks.get(id).map(Arc::as_ref)
    }

    /// The network of that name.
    pub fn network_named(&self, name: &str) -> Option<&Network> {
        self.0.networks.named(name).map(Arc::as_ref)
    }

    /// All networks, by id.
    pub fn networks(&self) -> impl Iterator<Item = &Network> + Clone {
        self.0.networks.iter().map(Arc::as_ref)
    }

    /// The network that a user means: by id, by name, or by the first characters of its id.
    pub fn find_network(&self, input: &str) -> Result<&Network, Error> {
        self.0.networks.find(input).map(Arc::as_ref)
    }

    /// The services whose specs name a network, by id.
    pub fn services_on(&self, network: Id<Network>) -> impl Iterator<Item = &Service> + Clone {
        let keys = self.0.index.attached.from(&(network, Id::from_u128(0)));
        keys.take_while(move |key| key.0 == network).filter_map(|key| self.service(key.1))
    }

    /// The secret of that id.
    pub fn secret(&self, id: Id<Secret>) -> Option<&Secret> {
        self.0.secrets.get(id).map(Arc::as_ref)
    }

    /// The secret of that name.
    pub fn secret_named(&self, name: &str) -> Option<&Secret> {
        self.0.secrets.named(name).map(Arc::as_ref)
    }

    /// All secrets, by id.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.0.secrets.iter().map(Arc::as_ref)
    }

    /// The secret that a user means: by id, by name, or by the first characters of its id.
    pub fn find_secret(&self, input: &str) -> Result<&Secret, Error> {
        self.0.secrets.find(input).map(Arc::as_ref)
    }

    /// The config of that id.
    pub fn config(&self, id: Id<Config>) -> Option<&Config> {
        self.0.configs.get(id).map(Arc::as_ref)
    }

    /// The config of that name.
    pub fn config_named(&self, name: &str) -> Option<&Config> {
        self.0.configs.named(name).map(Arc::as_ref)
    }

    /// All configs, by id.
    pub fn configs(&self) -> impl Iterator<Item = &Config> + Clone {
        self.0.configs.iter().map(Arc::as_ref)
    }

    /// The config that a user means: by id, by name, or by the first characters of its id.
    pub fn find_config(&self, input: &str) -> Result<&Config, Error> {
        self.0.configs.find(input).map(Arc::as_ref)
    }

    /// The services of a stack, by id. A stack is the objects that carry its label.
    pub fn stack_services<'a>(&'a self, stack: &'a str) -> impl Iterator<Item = &'a Service> + 'a {
        self.services()
            .filter(move |s| s.spec.labels.get(STACK_LABEL).is_some_and(|name| name == stack))
    }

    /// The services that publish a port, and how.
    pub(crate) fn publishers(
        &self,
        protocol: Protocol,
        port: u16,
    ) -> impl Iterator<Item = (PublishMode, Id<Service>)> {
        let first = (protocol, port, PublishMode::Ingress, Id::from_u128(0));
        let keys = self.0.index.published.from(&first);
        keys.take_while(move |key| (key.0, key.1) == (protocol, port)).map(|key| (key.2, key.3))
    }

    /// Every published port.
    pub(crate) fn published(
        &self,
    ) -> impl Iterator<Item = (Protocol, u16, PublishMode, Id<Service>)> {
        self.0.index.published.keys().copied()
    }

    /// The highest port that is published, up to `port`.
    pub(crate) fn last_published(&self, protocol: Protocol, port: u16) -> Option<u16> {
        let end = (protocol, port, PublishMode::Host, Id::from_u128(u128::MAX));
        let last = self.0.index.published.last_to(&end)?;
        (last.0 == protocol).then_some(last.1)
    }

    /// Every address that a service or a living task holds, with its network.
    pub(crate) fn addresses(&self) -> &Counts<(IpAddr, Id<Network>)> {
        &self.0.index.addresses
    }

    /// What the active tasks of a node keep for themselves.
    pub(crate) fn load(&self, node: Id<Node>) -> Load {
        self.0.index.loads.get(&node).copied().unwrap_or_default()
    }

    /// How many active tasks of a service a node has.
    pub(crate) fn spread(&self, service: Id<Service>, node: Id<Node>) -> u64 {
        self.0.index.spread.get(&(service, node)).into()
    }

    /// What the active tasks of each node keep for themselves, by node; not of nodes without any.
    pub(crate) fn loads(&self) -> impl Iterator<Item = (Id<Node>, Load)> {
        self.0.index.loads.iter().map(|(node, load)| (*node, *load))
    }

    /// All nodes, by id, with what they have.
    pub(crate) fn rooms(&self) -> &[Room] {
        self.0.fields.rooms(self.0.nodes.iter())
    }

    /// The nodes that suit what the key says, as `make` finds out if nobody did since a node changed.
    pub(crate) fn field(&self, key: FieldKey, make: impl FnOnce(&FieldKey) -> Field) -> Arc<Field> {
        self.0.fields.get(key, make)
    }

    /// On which nodes a service has active tasks, and how many.
    pub(crate) fn spread_of(
        &self,
        service: Id<Service>,
    ) -> impl Iterator<Item = (Id<Node>, u64)> + Clone {
        let counts = self.0.index.spread.counts_from(&(service, Id::from_u128(0)));
        counts
            .take_while(move |(key, _)| key.0 == service)
            .map(|(key, count)| (key.1, count.into()))
    }

    /// The nodes where tasks of that version of a service's spec failed or were rejected since then,
    /// once a failure. A task that was meant for its node is none of the node's failures.
    pub(crate) fn failures(
        &self,
        service: Id<Service>,
        version: SpecVersion,
        since: Time,
    ) -> impl Iterator<Item = Id<Node>> {
        let keys = self.0.index.failed.from(&(service, version, since, Id::from_u128(0)));
        keys.take_while(move |key| (key.0, key.1) == (service, version))
            .filter_map(|key| self.task(key.3).and_then(|task| task.node))
    }

    /// When a task of that version of a service's spec last failed or was rejected.
    pub(crate) fn last_failure(&self, service: Id<Service>, version: SpecVersion) -> Option<Time> {
        let end = (service, version, Time::from_nanos(u64::MAX), Id::from_u128(u128::MAX));
        let last = self.0.index.failed.last_to(&end)?;
        ((last.0, last.1) == (service, version)).then_some(last.2)
    }

    /// When a task of a service last moved to another node.
    pub(crate) fn last_move(&self, service: Id<Service>) -> Option<Time> {
        let last = self.0.index.moved.last_to(&(
            service,
            Time::from_nanos(u64::MAX),
            Id::from_u128(u128::MAX),
        ))?;
        (last.0 == service).then_some(last.1)
    }

    /// The services that ask to be rebalanced, by id.
    pub(crate) fn rebalanced(&self) -> impl Iterator<Item = &Service> + Clone {
        self.0.index.rebalanced.keys().filter_map(|id| self.service(*id))
    }

    /// How many active tasks hold a port on a node.
    pub(crate) fn host_port_holders(&self, node: Id<Node>, protocol: Protocol, port: u16) -> u64 {
        self.0.index.host_ports.get(&(node, protocol, port)).into()
    }
}

#[cfg(test)]
mod tests {
    use skep_api::{Meta, NetworkSpec};

    use crate::testing::cluster;
    use crate::{Change, Object};

    use super::*;

    #[test]
    fn a_user_means_an_id_then_a_name_then_the_start_of_an_id() {
        let mut cluster = cluster("node n1");
        for (raw, name) in [(5, "front"), (6, "back")] {
            let spec = NetworkSpec { name: name.to_owned(), ..NetworkSpec::default() };
            let id = Id::from_u128(raw);
            let network = Network { id, meta: Meta::default(), spec, subnet: String::new() };
            cluster.apply(vec![Change::Create(Object::Network(network))]);
        }
        let view = cluster.view();
        let name = |found: Result<&Network, Error>| match found {
            Ok(network) => network.spec.name.clone(),
            Err(error) => error.message,
        };
        assert_eq!(name(view.find_network("0000000000000000000000005")), "front");
        assert_eq!(name(view.find_network("BACK")), "back", "names are compared in lower case");
        assert_eq!(name(view.find_network("nope")), "network nope not found");
        assert_eq!(name(view.find_network("")), "network  not found");
        let several = "network 0000 is ambiguous (2 matches found)";
        assert_eq!(name(view.find_network("0000")), several);
        assert_eq!(view.find_node("n1").map(|n| n.description.hostname.as_str()), Ok("n1"));
        let id = view.find_node("n1").expect("n1").id.to_string();
        assert!(view.find_node(&id[..10]).is_ok(), "the start of a random id");
    }
}
