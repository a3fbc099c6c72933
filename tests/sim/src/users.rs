//! What users do: commands, each admitted by the core as a manager's control service would.

use std::collections::BTreeMap;

use skep_api::{
    Availability, Error, Generic, Id, IdGen, Meta, NetworkSpec, Node, NodeDescription, NodeState,
    NodeStatus, SecretBytes, SecretSpec, ServiceSpec, Workload, WorkloadKind,
};
use skep_manager_core::{
    Change, Force, Object, ServiceWrite, View, admit_create_network, admit_create_secret,
    admit_create_service, admit_remove_node, admit_remove_secret, admit_remove_service,
    admit_update_cluster, admit_update_node, admit_update_service,
};

use crate::chance::Chance;
use crate::features::{Features, Use};
use crate::write;

/// A command: what was asked for in words, and what is to be proposed, or why not.
pub(crate) struct Command {
    pub(crate) words: String,
    pub(crate) changes: Result<Vec<Change>, Error>,
}

/// What a user asks for next; none if it can't be asked for now.
pub(crate) fn command(
    features: &Features,
    view: &View,
    chance: &mut Chance,
    ids: &mut IdGen,
) -> Option<Command> {
    let habits = &features.habits;
    match chance.below(20) {
        0..=2 if view.services().count() < habits.services_max => {
            Some(create_service(features, view, chance, ids))
        }
        3..=9 => update_service(features, view, chance),
        10 if habits.rollbacks == Use::Often => roll_back(view, chance),
        18 if habits.removals == Use::Often => limit_history(view, chance),
        11 if habits.removals == Use::Often => remove_service(view, chance),
        12..=13 if habits.availability == Use::Often => availability(view, chance),
        14 if habits.labels == Use::Often => relabel(view, chance),
        15 if habits.node_changes == Use::Often => remove_node(view, chance),
        16 if habits.secrets == Use::Often => secret(view, chance, ids),
        17 if habits.networks == Use::Often => network(view, chance, ids),
        _ => None,
    }
}

fn create_service(
    features: &Features,
    view: &View,
    chance: &mut Chance,
    ids: &mut IdGen,
) -> Command {
    let free = (0..).map(|n| format!("s{n}")).find(|name| view.service_named(name).is_none());
    let spec = write::new_spec(features, view, free.unwrap_or_default(), chance);
    let words = format!("create {}: {}", spec.name, brief(&spec));
    let admitted = admit_create_service(view, spec, ids).map(|admitted| admitted.changes);
    let changes = admitted.map(|mut changes| {
        let kinds = [WorkloadKind::Http, WorkloadKind::Command];
        let workload = Workload { kind: chance.pick(&kinds), platform: "wasip2".to_owned() };
        for change in &mut changes {
            if let Change::Create(Object::Service(service)) = change {
                service.workload = Some(workload.clone());
            }
        }
        changes
    });
    Command { words, changes }
}

/// A spec in a few words.
pub(crate) fn brief(spec: &ServiceSpec) -> String {
    let image = spec.task.component.image.split('@').next().unwrap_or_default();
    let mut words = format!("{image} {:?}", spec.mode);
    if spec.task.restart != skep_api::RestartPolicy::default() {
        words += &format!(" {:?}", spec.task.restart);
    }
    if let Some(update) = &spec.update {
        words += &format!(" update {update:?}");
    }
    if let Some(rollback) = &spec.rollback {
        words += &format!(" rollback {rollback:?}");
    }
    if spec.task.placement != skep_api::Placement::default() {
        words += &format!(" {:?}", spec.task.placement);
    }
    for port in &spec.endpoint.ports {
        words += &format!(" {:?} {}", port.mode, port.published);
    }
    let reserved = &spec.task.reservations;
    words += &format!(" reserves {} {}", reserved.memory.0 >> 20, reserved.cpus.0);
    words + &format!(" {:?}", spec.labels)
}

fn update_service(features: &Features, view: &View, chance: &mut Chance) -> Option<Command> {
    let services: Vec<_> = view.services().collect();
    let service = chance.any(&services)?;
    let mut spec = service.spec.as_ref().clone();
    write::change(features, view, &mut spec, chance);
    let words = format!("update {}: {}", spec.name, brief(&spec));
    let version = stale(service.meta.version, chance);
    let write = ServiceWrite::Spec(Box::new(spec));
    Some(Command { words, changes: admit_update_service(view, service.id, version, write) })
}

/// The version that a user read: mostly the stored one.
fn stale(version: u64, chance: &mut Chance) -> u64 {
    if chance.permille(50) { version.saturating_sub(1) } else { version }
}

fn roll_back(view: &View, chance: &mut Chance) -> Option<Command> {
    let services: Vec<_> = view.services().collect();
    let service = chance.any(&services)?;
    let kept: Vec<_> = service.history.iter().map(|revision| revision.version).collect();
    let write = match chance.any(&kept).filter(|_| chance.toss()) {
        Some(version) => ServiceWrite::RollbackTo(version),
        None => ServiceWrite::Rollback,
    };
    let words = format!("rollback {} {write:?}", service.spec.name);
    let version = service.meta.version;
    Some(Command { words, changes: admit_update_service(view, service.id, version, write) })
}

fn limit_history(view: &View, chance: &mut Chance) -> Option<Command> {
    let cluster = view.cluster()?;
    let mut spec = cluster.spec.clone();
    spec.task_history_limit = chance.pick(&[5, 0, 1, 3]);
    let words = format!("swarm update --task-history-limit {}", spec.task_history_limit);
    Some(Command { words, changes: admit_update_cluster(view, cluster.meta.version, spec) })
}

fn remove_service(view: &View, chance: &mut Chance) -> Option<Command> {
    let services: Vec<_> = view.services().collect();
    let service = chance.any(&services)?;
    let words = format!("rm {}", service.spec.name);
    Some(Command { words, changes: admit_remove_service(view, service.id) })
}

fn availability(view: &View, chance: &mut Chance) -> Option<Command> {
    let nodes: Vec<_> = view.nodes().collect();
    let node = chance.any(&nodes)?;
    let all =
        [Availability::Active, Availability::Active, Availability::Pause, Availability::Drain];
    let mut spec = node.spec.clone();
    spec.availability = chance.pick(&all);
    let words = format!("node {} {}", node.description.hostname, spec.availability.name());
    let version = stale(node.meta.version, chance);
    Some(Command { words, changes: admit_update_node(view, node.id, version, spec) })
}

fn relabel(view: &View, chance: &mut Chance) -> Option<Command> {
    let nodes: Vec<_> = view.nodes().collect();
    let node = chance.any(&nodes)?;
    let mut spec = node.spec.clone();
    let zone = chance.pick(&write::ZONES);
    spec.labels.insert("zone".to_owned(), zone.to_owned());
    let words = format!("node {} zone={zone}", node.description.hostname);
    Some(Command { words, changes: admit_update_node(view, node.id, node.meta.version, spec) })
}

/// A node that is down is taken out of the swarm.
fn remove_node(view: &View, chance: &mut Chance) -> Option<Command> {
    let down: Vec<_> = view.nodes().filter(|n| n.status.state == NodeState::Down).collect();
    let node = chance.any(&down)?;
    let words = format!("node rm {}", node.description.hostname);
    let force = if chance.toss() { Force::Yes } else { Force::No };
    Some(Command { words, changes: admit_remove_node(view, node.id, force) })
}

fn secret(view: &View, chance: &mut Chance, ids: &mut IdGen) -> Option<Command> {
    let secrets: Vec<_> = view.secrets().collect();
    if secrets.len() < 3 {
        let free = (0..).map(|n| format!("x{n}")).find(|name| view.secret_named(name).is_none())?;
        let data = SecretBytes::new(b"hidden".to_vec());
        let spec = SecretSpec { name: free, labels: BTreeMap::new(), data };
        let words = format!("secret create {}", spec.name);
        let changes = admit_create_secret(view, spec, ids).map(|admitted| admitted.changes);
        return Some(Command { words, changes });
    }
    let secret = chance.any(&secrets)?;
    let words = format!("secret rm {}", secret.spec.name);
    Some(Command { words, changes: admit_remove_secret(view, secret.id) })
}

fn network(view: &View, chance: &mut Chance, ids: &mut IdGen) -> Option<Command> {
    if view.networks().count() > 3 {
        return None;
    }
    let free = (0..).map(|n| format!("w{n}")).find(|name| view.network_named(name).is_none())?;
    let words = format!("network create {free}");
    let spec = NetworkSpec { name: free, ..NetworkSpec::default() };
    let _ = chance;
    let changes = admit_create_network(view, spec, ids).map(|admitted| admitted.changes);
    Some(Command { words, changes })
}

/// A machine that joins.
pub(crate) fn new_node(id: Id<Node>, number: u64, chance: &mut Chance) -> Node {
    let mut node = Node {
        id,
        meta: Meta::default(),
        spec: skep_api::NodeSpec::default(),
        description: NodeDescription {
            hostname: format!("n{number}"),
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
            platforms: ["wasip2".to_owned()].into(),
            ..NodeDescription::default()
        },
        status: NodeStatus { state: NodeState::Unknown, ..NodeStatus::default() },
        manager_addr: None,
    };
    refit(&mut node.description, chance);
    if chance.toss() {
        node.spec.labels.insert("zone".to_owned(), chance.pick(&write::ZONES).to_owned());
    }
    node
}

/// What a machine has.
pub(crate) fn refit(machine: &mut NodeDescription, chance: &mut Chance) {
    machine.cpus = skep_api::NanoCpus(chance.between(1, 4) * 1_000_000_000);
    machine.memory = skep_api::Bytes::mib(chance.between(1, 4) * 256);
    let gpus = match chance.below(3) {
        0 => None,
        1 => Some(Generic::Count(chance.between(1, 3))),
        _ => Some(Generic::Names(["g1", "g2"].map(str::to_owned).into())),
    };
    machine.generic = gpus.into_iter().map(|gpus| ("gpu".to_owned(), gpus)).collect();
}
