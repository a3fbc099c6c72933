//! A service.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use skep_api::{
    Bytes, ComponentSpec, Healthcheck, LogDriver, Mode, Placement, Preference, Resources,
    RestartCondition, RestartPolicy, STACK_IMAGE_LABEL, ServiceSpec, TaskSpec, UpdateConfig,
    UpdateFailureAction, UpdateOrder,
};

use super::{Stack, networks, objects, ports, volumes};
use crate::duration::GoDuration;
use crate::model::{self, Project, Service};
use crate::{ComposeError, number};

/// The key of a service that is Skep's own, and what its entries are called as service labels.
const OWN_KEY: &str = "x-skep";
const OWN_LABEL_PREFIX: &str = "skep.";

/// Converts a service; errors are put behind its name by the caller.
pub(crate) fn convert(
    stack: Stack<'_>,
    key: &str,
    service: &Service,
    project: &Project,
) -> Result<ServiceSpec, ComposeError> {
    let deploy = &service.deploy;
    let secrets = objects::secret_refs(stack, &service.secrets, project)?;
    let configs = objects::config_refs(stack, &service.configs, project)?;
    let mode = mode(deploy)?;
    let mut labels = stack.labels(&deploy.labels);
    labels.insert(STACK_IMAGE_LABEL.to_owned(), service.image.clone());
    labels.extend(own_labels(service)?);
    let component = ComponentSpec {
        image: service.image.clone(),
        command: service.entrypoint.clone(),
        args: service.command.clone(),
        env: environment(service),
        dir: service.working_dir.clone(),
        hostname: service.hostname.clone(),
        labels: stack.labels(&service.labels),
        mounts: volumes::mounts(stack, &service.volumes, &project.volumes)?,
        secrets,
        configs,
        read_only: service.read_only,
        stop_grace_period: optional("stop_grace_period", service.stop_grace_period)?,
        healthcheck: healthcheck(service.healthcheck.as_ref())?,
        registry_auth: None,
    };
    let task = TaskSpec {
        component,
        limits: limits(deploy.resources.limits.as_ref())?,
        reservations: reservations(deploy.resources.reservations.as_ref())?,
        restart: restart(service)?,
        placement: placement(&deploy.placement),
        networks: networks::attachments(stack, key, service, project)?,
        log_driver: service.logging.as_ref().map(|logging| LogDriver {
            name: logging.driver.clone(),
            options: logging.options.clone(),
        }),
        force_update: 0,
    };
    Ok(ServiceSpec {
        name: stack.scoped(key, ""),
        labels,
        task,
        mode,
        update: deploy.update_config.as_ref().map(update).transpose()?,
        rollback: deploy.rollback_config.as_ref().map(update).transpose()?,
        endpoint: ports::endpoint(service)?,
    })
}

/// `x-skep: {key: value}` as labels `skep.key=value`.
fn own_labels(service: &Service) -> Result<BTreeMap<String, String>, ComposeError> {
    let map = match service.extensions.0.get(OWN_KEY) {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(map)) => map,
        Some(_) => return Err(ComposeError::new(format!("{OWN_KEY} must be a mapping"))),
    };
    let labels = map.iter().map(|(key, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number::format_number(number),
            Value::Null => String::new(),
            // Booleans, and maps and lists as compact JSON.
            other => other.to_string(),
        };
        (format!("{OWN_LABEL_PREFIX}{key}"), text)
    });
    Ok(labels.collect())
}

/// `KEY=value` lines and bare `KEY`s, sorted.
fn environment(service: &Service) -> Vec<String> {
    let mut lines: Vec<String> = service
        .environment
        .iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        })
        .collect();
    lines.sort();
    lines
}

fn mode(deploy: &model::Deploy) -> Result<Mode, ComposeError> {
    let replicas = deploy.replicas.unwrap_or(1);
    match (deploy.mode.as_str(), deploy.replicas) {
        ("global" | "global-job", Some(_)) => Err(ComposeError::new(
            "replicas can only be used with replicated or replicated-job mode",
        )),
        ("global", None) => Ok(Mode::Global),
        ("global-job", None) => Ok(Mode::GlobalJob),
        ("replicated-job", _) => {
            Ok(Mode::ReplicatedJob { max_concurrent: replicas, total_completions: replicas })
        }
        ("replicated" | "", _) => Ok(Mode::Replicated { replicas }),
        (mode, _) => Err(ComposeError::new(format!("unknown mode: {mode}"))
            .hint("it is `replicated`, `global`, `replicated-job` or `global-job`")),
    }
}

fn duration(name: &str, value: GoDuration) -> Result<Duration, ComposeError> {
    value
        .to_std()
        .ok_or_else(|| ComposeError::new(format!("{name} must not be negative, got {value}")))
}

fn optional(name: &str, value: Option<GoDuration>) -> Result<Option<Duration>, ComposeError> {
    value.map(|value| duration(name, value)).transpose()
}

fn healthcheck(source: Option<&model::Healthcheck>) -> Result<Option<Healthcheck>, ComposeError> {
    let Some(source) = source else { return Ok(None) };
    if source.disable {
        return match source.test.is_empty() {
            true => {
                let test = vec!["NONE".to_owned()];
                Ok(Some(Healthcheck { test, ..Healthcheck::default() }))
            }
            false => Err(ComposeError::new("test and disable can't be set at the same time")),
        };
    }
    let time = |name: &str, value: Option<GoDuration>| duration(name, value.unwrap_or_default());
    let retries = source.retries.unwrap_or(0);
    Ok(Some(Healthcheck {
        test: source.test.clone(),
        interval: time("healthcheck.interval", source.interval)?,
        timeout: time("healthcheck.timeout", source.timeout)?,
        retries: u32::try_from(retries)
            .map_err(|_| ComposeError::new(format!("healthcheck.retries is too big: {retries}")))?,
        start_period: time("healthcheck.start_period", source.start_period)?,
        start_interval: time("healthcheck.start_interval", source.start_interval)?,
    }))
}

fn cpus(text: &str) -> Result<skep_api::NanoCpus, ComposeError> {
    match text {
        "" => Ok(skep_api::NanoCpus::default()),
        text => text.parse().map_err(|error: skep_api::ParseUnitError| {
            ComposeError::new(error.to_string()).hint("write a number of CPUs such as \"0.5\"")
        }),
    }
}

fn limits(source: Option<&model::Limits>) -> Result<Resources, ComposeError> {
    let Some(source) = source else { return Ok(Resources::default()) };
    let pids = u64::try_from(source.pids).map_err(|_| {
        ComposeError::new(format!("resources.limits.pids must not be negative: {}", source.pids))
    })?;
    Ok(Resources {
        cpus: cpus(&source.cpus)?,
        memory: Bytes(source.memory.0),
        pids,
        generic: BTreeMap::new(),
    })
}

fn reservations(source: Option<&model::Reservations>) -> Result<Resources, ComposeError> {
    let Some(source) = source else { return Ok(Resources::default()) };
    let mut generic = BTreeMap::new();
    let resources = source.generic_resources.iter();
    for resource in resources.filter_map(|resource| resource.discrete_resource_spec.as_ref()) {
        let value = u64::try_from(resource.value).map_err(|_| {
            let (kind, value) = (&resource.kind, resource.value);
            ComposeError::new(format!("generic resource {kind} must not be negative: {value}"))
        })?;
        generic.insert(resource.kind.clone(), value);
    }
    Ok(Resources { cpus: cpus(&source.cpus)?, memory: Bytes(source.memory.0), pids: 0, generic })
}

/// `deploy.restart_policy`, else what `restart` means in a swarm, else the default.
fn restart(service: &Service) -> Result<RestartPolicy, ComposeError> {
    let default = RestartPolicy::default();
    let Some(policy) = &service.deploy.restart_policy else {
        return single_machine_restart(&service.restart);
    };
    let condition = match policy.condition.as_str() {
        "" | "any" => RestartCondition::Any,
        "on-failure" => RestartCondition::OnFailure,
        "none" => RestartCondition::None,
        other => {
            return Err(ComposeError::new(format!("unknown restart condition: {other}"))
                .hint("it is `any`, `on-failure` or `none`"));
        }
    };
    Ok(RestartPolicy {
        condition,
        delay: optional("restart_policy.delay", policy.delay)?.unwrap_or(default.delay),
        max_attempts: policy.max_attempts.unwrap_or(default.max_attempts),
        window: optional("restart_policy.window", policy.window)?.unwrap_or(default.window),
    })
}

/// `always`, `unless-stopped`, `on-failure[:3]`. `no` gives no policy, which in a swarm is the
/// default, `any`: Docker's behaviour, and why `stack deploy` warns of the key.
fn single_machine_restart(text: &str) -> Result<RestartPolicy, ComposeError> {
    let (name, count) = match text.split_once(':') {
        Some(("", _)) => {
            return Err(ComposeError::new(
                "invalid restart policy format: no policy provided before colon",
            ));
        }
        Some((name, count)) => (name, count),
        None => (text, ""),
    };
    let count: i64 = match count {
        "" => 0,
        count => count.parse().map_err(|_| {
            ComposeError::new(
                "invalid restart policy format: maximum retry count must be an integer",
            )
        })?,
    };
    let max_attempts = u64::try_from(count).map_err(|_| {
        ComposeError::new("invalid restart policy: maximum retry count cannot be negative")
    })?;
    let default = RestartPolicy::default();
    match name {
        "" | "no" => Ok(default),
        "always" | "unless-stopped" => Ok(RestartPolicy { max_attempts, ..default }),
        "on-failure" => {
            Ok(RestartPolicy { condition: RestartCondition::OnFailure, max_attempts, ..default })
        }
        other => Err(ComposeError::new(format!("unknown restart policy: {other}"))
            .hint("set `deploy.restart_policy.condition` to `any`, `on-failure` or `none`")),
    }
}

fn placement(source: &model::Placement) -> Placement {
    let preferences = source.preferences.iter();
    Placement {
        constraints: source.constraints.clone(),
        preferences: preferences.map(|p| Preference::Spread(p.spread.clone())).collect(),
        max_replicas: source.max_replicas_per_node,
    }
}

fn update(source: &model::UpdateConfig) -> Result<UpdateConfig, ComposeError> {
    let default = UpdateConfig::default();
    let failure_action = match source.failure_action.as_str() {
        "" | "pause" => UpdateFailureAction::Pause,
        "continue" => UpdateFailureAction::Continue,
        "rollback" => UpdateFailureAction::Rollback,
        other => {
            return Err(ComposeError::new(format!("unknown failure action: {other}"))
                .hint("it is `pause`, `continue` or `rollback`"));
        }
    };
    let order = match source.order.as_str() {
        "start-first" => Some(UpdateOrder::StartFirst),
        "stop-first" => Some(UpdateOrder::StopFirst),
        // The schema lets nothing else through.
        _ => None,
    };
    Ok(UpdateConfig {
        // Not stated is one at a time; 0 really is all at once (semantics part 4).
        parallelism: source.parallelism.unwrap_or(1),
        delay: duration("update delay", source.delay)?,
        failure_action,
        monitor: match source.monitor {
            GoDuration(0) => default.monitor,
            monitor => duration("update monitor", monitor)?,
        },
        max_failure_ratio: source.max_failure_ratio,
        order,
    })
}
