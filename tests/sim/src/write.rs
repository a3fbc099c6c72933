//! Random specs, as users of a run's habits write them.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_api::{
    Bytes, EndpointMode, FileTarget, Id, Mode, NanoCpus, NetworkAttachment, PortConfig, Preference,
    Protocol, PublishMode, RestartCondition, RestartPolicy, SecretRef, ServiceSpec, UpdateConfig,
    UpdateFailureAction, UpdateOrder,
};
use skep_manager_core::View;

use crate::chance::Chance;
use crate::features::{Features, Habits, ModeHabit, Use};

/// The values of the label `zone` on nodes.
pub(crate) const ZONES: [&str; 3] = ["a", "b", "c"];

/// A spec of a new service.
pub(crate) fn new_spec(
    features: &Features,
    view: &View,
    name: String,
    chance: &mut Chance,
) -> ServiceSpec {
    let habits = &features.habits;
    let mut spec = ServiceSpec { name, mode: mode(habits, chance), ..ServiceSpec::default() };
    spec.task.component.image = chance.pick(&features.images).reference(chance.below(3));
    spec.task.component.stop_grace_period = Some(chance.millis(0, 5_000));
    if habits.restarts.now(chance) {
        spec.task.restart = restart(chance);
    }
    if habits.reservations.now(chance) {
        spec.task.reservations.memory = Bytes::mib(chance.between(1, 6) * 64);
        spec.task.reservations.cpus = NanoCpus(chance.between(0, 4) * 250_000_000);
    }
    if habits.devices.now(chance) {
        spec.task.reservations.generic.insert("gpu".to_owned(), chance.between(1, 2));
    }
    if habits.constraints.now(chance) {
        spec.task.placement.constraints = vec![constraint(chance)];
    }
    if habits.preferences.now(chance) {
        spec.task.placement.preferences = vec![Preference::Spread("node.labels.zone".to_owned())];
    }
    if habits.replicas_per_node.now(chance) && matches!(spec.mode, Mode::Replicated { .. }) {
        spec.task.placement.max_replicas = chance.between(1, 2);
    }
    if habits.host_ports.now(chance) {
        spec.endpoint.ports.push(port(PublishMode::Host, chance.between(8_000, 8_002)));
    }
    if habits.published_ports.now(chance) {
        let number = chance.pick(&[0, 0, 9_000, 9_001, 9_002]);
        spec.endpoint.ports.push(port(PublishMode::Ingress, number));
    } else if chance.permille(100) {
        spec.endpoint.mode = EndpointMode::DnsRoundRobin;
    }
    if habits.networks.now(chance) {
        let networks: Vec<_> = view.networks().filter(|n| n.spec.name != "ingress").collect();
        let network = chance.any(&networks);
        let attach = |network: &skep_api::Network| NetworkAttachment {
            target: network.id.to_string(),
            ..NetworkAttachment::default()
        };
        spec.task.networks = network.into_iter().map(attach).collect();
    }
    if habits.secrets.now(chance) {
        spec.task.component.secrets = secret(view, chance).into_iter().collect();
    }
    if !matches!(spec.mode, Mode::ReplicatedJob { .. } | Mode::GlobalJob) {
        spec.update = habits.updates.now(chance).then(|| update(habits, chance));
        spec.rollback = habits.rollbacks.now(chance).then(|| update(habits, chance));
    }
    if habits.options.now(chance) {
        spec.labels = options(chance);
    }
    spec
}

/// Changes a spec in some way.
pub(crate) fn change(
    features: &Features,
    view: &View,
    spec: &mut ServiceSpec,
    chance: &mut Chance,
) {
    let habits = &features.habits;
    let fresh = new_spec(features, view, spec.name.clone(), chance);
    match chance.below(14) {
        0..=3 => spec.task.component.image = fresh.task.component.image,
        4..=6 => rescale(habits, &mut spec.mode, chance),
        7 => spec.task.force_update += 1,
        8 => spec.task.placement = fresh.task.placement,
        9 => spec.task.reservations = fresh.task.reservations,
        10 => spec.endpoint = fresh.endpoint,
        11 => spec.task.restart = fresh.task.restart,
        12 if fresh.mode.name() == spec.mode.name() => {
            spec.update = fresh.update;
            spec.rollback = fresh.rollback;
        }
        _ => {
            spec.labels.insert("seen".to_owned(), chance.below(1_000).to_string());
        }
    }
}

fn rescale(habits: &Habits, mode: &mut Mode, chance: &mut Chance) {
    match mode {
        Mode::Replicated { replicas } => *replicas = chance.between(0, habits.replicas_max),
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            *total_completions = chance.between(1, habits.replicas_max);
            *max_concurrent = chance.between(1, 3);
        }
        Mode::Global | Mode::GlobalJob => {}
    }
}

fn mode(habits: &Habits, chance: &mut Chance) -> Mode {
    let mut mode = match chance.pick(&habits.modes) {
        ModeHabit::Replicated => Mode::Replicated { replicas: 0 },
        ModeHabit::Global => Mode::Global,
        ModeHabit::ReplicatedJob => Mode::ReplicatedJob { max_concurrent: 1, total_completions: 1 },
        ModeHabit::GlobalJob => Mode::GlobalJob,
    };
    rescale(habits, &mut mode, chance);
    mode
}

fn restart(chance: &mut Chance) -> RestartPolicy {
    let conditions = [RestartCondition::None, RestartCondition::OnFailure, RestartCondition::Any];
    RestartPolicy {
        condition: chance.pick(&conditions),
        delay: Duration::from_secs(chance.pick(&[0, 1, 5, 20, 60])),
        max_attempts: chance.pick(&[0, 0, 1, 3]),
        window: Duration::from_secs(chance.pick(&[0, 0, 30, 120])),
    }
}

fn update(habits: &Habits, chance: &mut Chance) -> UpdateConfig {
    let actions =
        [UpdateFailureAction::Pause, UpdateFailureAction::Continue, UpdateFailureAction::Rollback];
    let failure_action = match habits.failure_actions {
        Use::Often => chance.pick(&actions),
        Use::Never => UpdateFailureAction::Pause,
    };
    let order = habits.start_first.now(chance).then_some(UpdateOrder::StartFirst);
    UpdateConfig {
        parallelism: chance.between(0, 3),
        delay: Duration::from_secs(chance.pick(&[0, 0, 1, 10])),
        failure_action,
        monitor: Duration::from_secs(chance.pick(&[5, 5, 0, 20])),
        max_failure_ratio: chance.pick(&[0.0, 0.0, 0.3, 1.0]),
        order: order.or_else(|| chance.toss().then_some(UpdateOrder::StopFirst)),
    }
}

pub(crate) fn constraint(chance: &mut Chance) -> String {
    let operator = chance.pick(&["==", "!="]);
    format!("node.labels.zone {operator} {}", chance.pick(&ZONES))
}

fn port(mode: PublishMode, number: u64) -> PortConfig {
    PortConfig {
        name: String::new(),
        protocol: Protocol::Tcp,
        target: 80,
        published: number as u16,
        mode,
    }
}

fn secret(view: &View, chance: &mut Chance) -> Option<SecretRef> {
    let secrets: Vec<_> = view.secrets().collect();
    let secret = chance.any(&secrets)?;
    let target = FileTarget {
        name: "secret".to_owned(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        mode: 0o444,
    };
    Some(SecretRef {
        id: Id::from_u128(secret.id.as_u128()),
        name: secret.spec.name.clone(),
        target,
    })
}

fn options(chance: &mut Chance) -> BTreeMap<String, String> {
    let all =
        [("skep.start_deadline", "20s"), ("skep.rebalance", "true"), ("skep.strategy", "binpack")];
    let used = all.into_iter().filter(|_| chance.toss());
    used.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
