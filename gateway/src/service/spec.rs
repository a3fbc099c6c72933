//! The specs of services and of the tasks they consist of, in Docker's JSON. What a component
//! sees is in `component`.

use serde::Serialize;
use skep_api::{
    Compat, EndpointMode, Mode as ServiceMode, Preference, PublishMode, RestartCondition,
    UpdateFailureAction, UpdateOrder,
};

use super::component::ContainerSpec;
use crate::generic::{self, GenericResource};
use crate::json::{Map, is_zero, nanos, ratio};

/// Whether what a user did not state is shown as what it means. `service inspect` asks for that;
/// `service update`, which writes back what it read, does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defaults {
    /// It is, as it is in a swarm of that behaviour.
    Insert(Compat),
    /// It is left out.
    AsStored,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServiceSpec {
    name: String,
    labels: Map,
    task_template: TaskSpec,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_config: Option<UpdateConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_config: Option<UpdateConfig>,
    endpoint_spec: EndpointSpec,
}

impl ServiceSpec {
    /// The spec that a service has. Which order an update has if none is stated follows from the
    /// service, and Docker has a default there: what is shown is what would happen.
    pub(super) fn current(service: &skep_api::Service, defaults: Defaults) -> Self {
        let mut shown = Self::new(&service.spec, defaults);
        if let Defaults::Insert(compat) = defaults {
            let effective = |config: &Option<skep_api::UpdateConfig>| skep_api::UpdateConfig {
                order: Some(service.update_order(config.as_ref(), compat)),
                ..config.clone().unwrap_or_default()
            };
            shown.update_config = Some(effective(&service.spec.update).into());
            shown.rollback_config = Some(effective(&service.spec.rollback).into());
        }
        shown
    }

    /// A spec by itself.
    pub(super) fn new(spec: &skep_api::ServiceSpec, defaults: Defaults) -> Self {
        let mut task_template = TaskSpec::new(&spec.task, defaults);
        task_template.runtime = Some("container");
        Self {
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            task_template,
            mode: spec.mode.into(),
            update_config: spec.update.clone().map(UpdateConfig::from),
            rollback_config: spec.rollback.clone().map(UpdateConfig::from),
            endpoint_spec: (&spec.endpoint).into(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all_fields = "PascalCase")]
pub(super) enum Mode {
    Replicated { replicas: u64 },
    Global {},
    ReplicatedJob { max_concurrent: u64, total_completions: u64 },
    GlobalJob {},
}

impl From<ServiceMode> for Mode {
    fn from(mode: ServiceMode) -> Self {
        match mode {
            ServiceMode::Replicated { replicas } => Self::Replicated { replicas },
            ServiceMode::Global => Self::Global {},
            ServiceMode::ReplicatedJob { max_concurrent, total_completions } => {
                Self::ReplicatedJob { max_concurrent, total_completions }
            }
            ServiceMode::GlobalJob => Self::GlobalJob {},
        }
    }
}

/// The spec of a task. Only a service's says which runtime it is for.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TaskSpec {
    container_spec: ContainerSpec,
    resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_policy: Option<RestartPolicy>,
    placement: Placement,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<NetworkAttachment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_driver: Option<LogDriver>,
    force_update: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<&'static str>,
}

impl TaskSpec {
    pub(crate) fn new(spec: &skep_api::TaskSpec, defaults: Defaults) -> Self {
        // Whether the default was stated is not kept; it means the same.
        let restart_is_shown =
            defaults != Defaults::AsStored || spec.restart != skep_api::RestartPolicy::default();
        let network = |network: &skep_api::NetworkAttachment| NetworkAttachment {
            target: network.target.clone(),
            aliases: network.aliases.clone(),
        };
        let log_driver = |driver: &skep_api::LogDriver| LogDriver {
            name: driver.name.clone(),
            options: driver.options.clone(),
        };
        Self {
            container_spec: ContainerSpec::new(&spec.component, defaults),
            resources: Resources {
                limits: (&spec.limits).into(),
                reservations: (&spec.reservations).into(),
            },
            restart_policy: restart_is_shown.then(|| (&spec.restart).into()),
            placement: (&spec.placement).into(),
            networks: spec.networks.iter().map(network).collect(),
            log_driver: spec.log_driver.as_ref().map(log_driver),
            force_update: spec.force_update,
            runtime: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resources {
    limits: Amounts,
    reservations: Amounts,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Amounts {
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_zero")]
    nano_cpus: u64,
    #[serde(skip_serializing_if = "is_zero")]
    memory_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pids: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    generic_resources: Vec<GenericResource>,
}

impl From<&skep_api::Resources> for Amounts {
    fn from(resources: &skep_api::Resources) -> Self {
        Self {
            nano_cpus: resources.cpus.0,
            memory_bytes: resources.memory.0,
            pids: resources.pids,
            generic_resources: generic::reserved(&resources.generic),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    condition: &'static str,
    delay: u64,
    max_attempts: u64,
    #[serde(skip_serializing_if = "is_zero")]
    window: u64,
}

impl From<&skep_api::RestartPolicy> for RestartPolicy {
    fn from(policy: &skep_api::RestartPolicy) -> Self {
        Self {
            condition: match policy.condition {
                RestartCondition::None => "none",
                RestartCondition::OnFailure => "on-failure",
                RestartCondition::Any => "any",
            },
            delay: nanos(policy.delay),
            max_attempts: policy.max_attempts,
            window: nanos(policy.window),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Placement {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preferences: Vec<SpreadPreference>,
    #[serde(skip_serializing_if = "is_zero")]
    max_replicas: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SpreadPreference {
    spread: Spread,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spread {
    spread_descriptor: String,
}

impl From<&skep_api::Placement> for Placement {
    fn from(placement: &skep_api::Placement) -> Self {
        let preference = |preference: &Preference| match preference {
            Preference::Spread(label) => {
                SpreadPreference { spread: Spread { spread_descriptor: label.clone() } }
            }
        };
        Self {
            constraints: placement.constraints.clone(),
            preferences: placement.preferences.iter().map(preference).collect(),
            max_replicas: placement.max_replicas,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkAttachment {
    target: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogDriver {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    options: Map,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateConfig {
    parallelism: u64,
    #[serde(skip_serializing_if = "is_zero")]
    delay: u64,
    failure_action: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    monitor: u64,
    #[serde(serialize_with = "ratio")]
    max_failure_ratio: f32,
    // What a user did not state is left out, so that what is read can be written back as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'static str>,
}

impl From<skep_api::UpdateConfig> for UpdateConfig {
    fn from(config: skep_api::UpdateConfig) -> Self {
        Self {
            parallelism: config.parallelism,
            delay: nanos(config.delay),
            failure_action: match config.failure_action {
                UpdateFailureAction::Pause => "pause",
                UpdateFailureAction::Continue => "continue",
                UpdateFailureAction::Rollback => "rollback",
            },
            monitor: nanos(config.monitor),
            max_failure_ratio: config.max_failure_ratio,
            order: config.order.map(|order| match order {
                UpdateOrder::StopFirst => "stop-first",
                UpdateOrder::StartFirst => "start-first",
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EndpointSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
}

impl EndpointSpec {
    /// The spec of an endpoint that was not needed.
    pub(super) const fn empty() -> Self {
        Self { mode: None, ports: Vec::new() }
    }
}

impl From<&skep_api::EndpointSpec> for EndpointSpec {
    fn from(spec: &skep_api::EndpointSpec) -> Self {
        let mode = match spec.mode {
            EndpointMode::Vip => "vip",
            EndpointMode::DnsRoundRobin => "dnsrr",
        };
        Self { mode: Some(mode), ports: spec.ports.iter().map(Port::from).collect() }
    }
}

/// A published port.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Port {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    protocol: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    target_port: u16,
    #[serde(skip_serializing_if = "is_zero")]
    published_port: u16,
    publish_mode: &'static str,
}

impl From<&skep_api::PortConfig> for Port {
    fn from(port: &skep_api::PortConfig) -> Self {
        Self {
            name: port.name.clone(),
            protocol: port.protocol.name(),
            target_port: port.target,
            published_port: port.published,
            publish_mode: match port.mode {
                PublishMode::Ingress => "ingress",
                PublishMode::Host => "host",
            },
        }
    }
}
