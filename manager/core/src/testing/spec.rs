//! Specs as words: `replicas=2 image=web:2 port=80:8080/udp restart=none`.

use std::sync::Arc;
use std::time::Duration;

use skep_api::{
    ConfigRef, ConfigSpec, EndpointMode, FileTarget, Id, LogDriver, Mode, NetworkAttachment,
    PortConfig, Preference, Protocol, PublishMode, RestartCondition, SecretBytes, SecretRef,
    SecretSpec, ServiceSpec, TaskState, UpdateConfig, UpdateFailureAction, UpdateOrder,
};

pub(crate) fn service_spec(name: &str, settings: &[&str]) -> ServiceSpec {
    let mut spec = ServiceSpec { name: name.to_owned(), ..ServiceSpec::default() };
    spec.task.component.image = "web:1".to_owned();
    set_all(&mut spec, settings);
    spec
}

pub(crate) fn set_all(spec: &mut ServiceSpec, settings: &[&str]) {
    for setting in settings {
        let (key, value) = setting.split_once('=').expect(setting);
        set(spec, key, value);
    }
}

fn set(spec: &mut ServiceSpec, key: &str, value: &str) {
    if let Some(key) = key.strip_prefix("update.") {
        return set_pace(spec.update.get_or_insert_default(), key, value);
    }
    if let Some(key) = key.strip_prefix("rollback.") {
        return set_pace(spec.rollback.get_or_insert_default(), key, value);
    }
    let number = || value.parse::<u64>().expect(value);
    let task = &mut spec.task;
    match key {
        "replicas" => spec.mode = Mode::Replicated { replicas: number() },
        "image" => value.clone_into(&mut task.component.image),
        "label" => {
            let (label, value) = value.split_once(':').unwrap_or((value, ""));
            spec.labels.insert(label.to_owned(), value.to_owned());
        }
        "log" => {
            let driver = LogDriver { name: value.to_owned(), ..LogDriver::default() };
            task.log_driver = Some(driver);
        }
        "force" => task.force_update = number(),
        "env" => task.component.env.push(value.to_owned()),
        "auth" => {
            task.component.registry_auth = Some(SecretBytes::new(value.as_bytes().to_vec()));
        }
        "restart" => {
            task.restart.condition = match value {
                "none" => RestartCondition::None,
                "on-failure" => RestartCondition::OnFailure,
                _ => RestartCondition::Any,
            }
        }
        "delay" => task.restart.delay = Duration::from_secs(number()),
        "attempts" => task.restart.max_attempts = number(),
        "window" => task.restart.window = Duration::from_secs(number()),
        "constraint" => task.placement.constraints = vec![value.to_owned()],
        "spread" => task.placement.preferences.push(Preference::Spread(value.to_owned())),
        "max-per-node" => task.placement.max_replicas = number(),
        "reserve-memory" => task.reservations.memory = value.parse().expect(value),
        "reserve-cpu" => task.reservations.cpus = value.parse().expect(value),
        "generic" => drop(task.reservations.generic.insert(value.to_owned(), 1)),
        "limit-cpu" => task.limits.cpus = value.parse().expect(value),
        "limit-memory" => task.limits.memory = value.parse().expect(value),
        "net" => {
            let (target, alias) = value.split_once(':').unwrap_or((value, ""));
            let aliases = alias.split(',').filter(|alias| !alias.is_empty());
            let aliases = aliases.map(str::to_owned).collect();
            task.networks.push(NetworkAttachment { target: target.to_owned(), aliases });
        }
        "no-net" => task.networks.retain(|_| false),
        "secret" => {
            let (name, target) = value.split_once(':').unwrap_or((value, value));
            let (id, name) = (Id::from_u128(0), name.to_owned());
            task.component.secrets.push(SecretRef { id, name, target: file(target) });
        }
        "config" => {
            let (name, target) = value.split_once(':').unwrap_or((value, value));
            let (id, name) = (Id::from_u128(0), name.to_owned());
            task.component.configs.push(ConfigRef { id, name, target: file(target) });
        }
        "mode" if value == "dnsrr" => spec.endpoint.mode = EndpointMode::DnsRoundRobin,
        "mode" => spec.mode = mode(value),
        "no-port" => spec.endpoint.ports.clear(),
        "port" => spec.endpoint.ports.push(port(value, PublishMode::Ingress)),
        "host-port" => spec.endpoint.ports.push(port(value, PublishMode::Host)),
        _ => panic!("what is `{key}`?"),
    }
}

/// `8080`, `80:8080`, `80:8080/udp`.
fn port(value: &str, mode: PublishMode) -> PortConfig {
    let (value, protocol) = match value.strip_suffix("/udp") {
        Some(value) => (value, Protocol::Udp),
        None => (value, Protocol::Tcp),
    };
    let (published, target) = value.split_once(':').unwrap_or(("0", value));
    PortConfig {
        protocol,
        published: published.parse().expect(value),
        target: target.parse().expect(value),
        mode,
        name: String::new(),
    }
}

/// `update.parallelism=2`, `rollback.order=start-first`.
fn set_pace(config: &mut UpdateConfig, key: &str, value: &str) {
    let seconds = || Duration::from_secs(value.parse().expect(value));
    match (key, value) {
        ("parallelism", _) => config.parallelism = value.parse().expect(value),
        ("delay", _) => config.delay = seconds(),
        ("monitor", _) => config.monitor = seconds(),
        ("ratio", _) => config.max_failure_ratio = value.parse().expect(value),
        ("action", "pause") => config.failure_action = UpdateFailureAction::Pause,
        ("action", "continue") => config.failure_action = UpdateFailureAction::Continue,
        ("action", "rollback") => config.failure_action = UpdateFailureAction::Rollback,
        ("order", "start-first") => config.order = Some(UpdateOrder::StartFirst),
        ("order", "stop-first") => config.order = Some(UpdateOrder::StopFirst),
        _ => panic!("what is `{key}={value}`?"),
    }
}

/// `global`, `global-job`, or `job:2/5`: two at once, five in all.
fn mode(value: &str) -> Mode {
    match value {
        "global" => Mode::Global,
        "global-job" => Mode::GlobalJob,
        _ => {
            let (_, numbers) = value.split_once(':').expect(value);
            let (at_once, in_all) = numbers.split_once('/').expect(value);
            let number = |text: &str| text.parse().expect(value);
            let (max_concurrent, total_completions) = (number(at_once), number(in_all));
            Mode::ReplicatedJob { max_concurrent, total_completions }
        }
    }
}

pub(crate) fn file(name: &str) -> FileTarget {
    let owner = "0".to_owned();
    FileTarget { name: name.to_owned(), uid: owner.clone(), gid: owner, mode: 0o444 }
}

pub(crate) fn secret_spec(name: &str, data: &str) -> SecretSpec {
    let data = SecretBytes::new(data.as_bytes().to_vec());
    SecretSpec { name: name.to_owned(), labels: Default::default(), data }
}

pub(crate) fn config_spec(name: &str, data: &str) -> ConfigSpec {
    let data = Arc::new(data.as_bytes().to_vec());
    ConfigSpec { name: name.to_owned(), labels: Default::default(), data }
}

pub(crate) fn state(name: &str) -> TaskState {
    TaskState::ALL.into_iter().find(|state| state.name() == name).expect(name)
}
