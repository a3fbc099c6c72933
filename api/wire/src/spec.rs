//! The specs of services and of the tasks they consist of. What a component sees is in
//! `component`.

use std::time::Duration;

use skep_api::{
    Bytes, EndpointMode, EndpointSpec, LogDriver, Mode, NanoCpus, NetworkAttachment, Placement,
    PortConfig, Preference, Protocol, PublishMode, Resources, RestartCondition, RestartPolicy,
    ServiceSpec, TaskSpec, UpdateConfig, UpdateFailureAction, UpdateOrder,
};

use crate::field::{self, same_words};
use crate::{WireError, pb};

same_words!(RestartCondition, pb::RestartCondition, {
    Any = RestartAny,
    OnFailure = RestartOnFailure,
    None = RestartNone,
});
same_words!(UpdateFailureAction, pb::FailureAction, {
    Pause = FailurePause,
    Continue = FailureContinue,
    Rollback = FailureRollback,
});
same_words!(UpdateOrder, pb::UpdateOrder, { StopFirst = StopFirst, StartFirst = StartFirst });
same_words!(EndpointMode, pb::EndpointMode, { Vip = Vip, DnsRoundRobin = Dnsrr });
same_words!(Protocol, pb::Protocol, { Tcp = Tcp, Udp = Udp });
same_words!(PublishMode, pb::PublishMode, { Ingress = Ingress, Host = Host });

impl From<&ServiceSpec> for pb::ServiceSpec {
    fn from(spec: &ServiceSpec) -> Self {
        Self {
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            task: Some((&spec.task).into()),
            mode: Some((&spec.mode).into()),
            update: spec.update.as_ref().map(Into::into),
            rollback: spec.rollback.as_ref().map(Into::into),
            endpoint: Some((&spec.endpoint).into()),
        }
    }
}

impl TryFrom<pb::ServiceSpec> for ServiceSpec {
    type Error = WireError;

    fn try_from(spec: pb::ServiceSpec) -> Result<Self, WireError> {
        Ok(Self {
            name: spec.name,
            labels: spec.labels,
            task: field::message("ServiceSpec.task", spec.task)?,
            mode: field::message("ServiceSpec.mode", spec.mode)?,
            update: field::optional(spec.update)?,
            rollback: field::optional(spec.rollback)?,
            endpoint: field::message("ServiceSpec.endpoint", spec.endpoint)?,
        })
    }
}

impl From<&Mode> for pb::Mode {
    fn from(mode: &Mode) -> Self {
        use pb::mode;
        let mode = match *mode {
            Mode::Replicated { replicas } => mode::Mode::Replicated(mode::Replicated { replicas }),
            Mode::Global => mode::Mode::Global(mode::Global {}),
            Mode::ReplicatedJob { max_concurrent, total_completions } => {
                mode::Mode::ReplicatedJob(mode::ReplicatedJob { max_concurrent, total_completions })
            }
            Mode::GlobalJob => mode::Mode::GlobalJob(mode::GlobalJob {}),
        };
        Self { mode: Some(mode) }
    }
}

impl TryFrom<pb::Mode> for Mode {
    type Error = WireError;

    fn try_from(message: pb::Mode) -> Result<Self, WireError> {
        use pb::mode;
        Ok(match message.mode.ok_or(WireError::Missing { field: "Mode.mode" })? {
            mode::Mode::Replicated(mode::Replicated { replicas }) => Self::Replicated { replicas },
            mode::Mode::Global(mode::Global {}) => Self::Global,
            mode::Mode::ReplicatedJob(mode::ReplicatedJob {
                max_concurrent,
                total_completions,
            }) => Self::ReplicatedJob { max_concurrent, total_completions },
            mode::Mode::GlobalJob(mode::GlobalJob {}) => Self::GlobalJob,
        })
    }
}

impl From<&TaskSpec> for pb::TaskSpec {
    fn from(spec: &TaskSpec) -> Self {
        Self {
            component: Some((&spec.component).into()),
            limits: Some((&spec.limits).into()),
            reservations: Some((&spec.reservations).into()),
            restart: Some((&spec.restart).into()),
            placement: Some((&spec.placement).into()),
            networks: field::all(&spec.networks),
            log_driver: spec.log_driver.as_ref().map(Into::into),
            force_update: spec.force_update,
        }
    }
}

impl TryFrom<pb::TaskSpec> for TaskSpec {
    type Error = WireError;

    fn try_from(spec: pb::TaskSpec) -> Result<Self, WireError> {
        Ok(Self {
            component: field::message("TaskSpec.component", spec.component)?,
            limits: field::message("TaskSpec.limits", spec.limits)?,
            reservations: field::message("TaskSpec.reservations", spec.reservations)?,
            restart: field::message("TaskSpec.restart", spec.restart)?,
            placement: field::message("TaskSpec.placement", spec.placement)?,
            networks: field::list(spec.networks)?,
            log_driver: field::optional(spec.log_driver)?,
            force_update: spec.force_update,
        })
    }
}

impl From<&Resources> for pb::Resources {
    fn from(resources: &Resources) -> Self {
        Self {
            nano_cpus: resources.cpus.0,
            memory_bytes: resources.memory.0,
            pids: resources.pids,
            generic: resources.generic.clone(),
        }
    }
}

impl TryFrom<pb::Resources> for Resources {
    type Error = WireError;

    fn try_from(resources: pb::Resources) -> Result<Self, WireError> {
        Ok(Self {
            cpus: NanoCpus(resources.nano_cpus),
            memory: Bytes(resources.memory_bytes),
            pids: resources.pids,
            generic: resources.generic,
        })
    }
}

impl From<&RestartPolicy> for pb::RestartPolicy {
    fn from(policy: &RestartPolicy) -> Self {
        Self {
            condition: pb::RestartCondition::from(policy.condition).into(),
            delay_ns: field::nanos(policy.delay),
            max_attempts: policy.max_attempts,
            window_ns: field::nanos(policy.window),
        }
    }
}

impl TryFrom<pb::RestartPolicy> for RestartPolicy {
    type Error = WireError;

    fn try_from(policy: pb::RestartPolicy) -> Result<Self, WireError> {
        let condition =
            field::known::<pb::RestartCondition, _>("RestartPolicy.condition", policy.condition)?;
        Ok(Self {
            condition,
            delay: Duration::from_nanos(policy.delay_ns),
            max_attempts: policy.max_attempts,
            window: Duration::from_nanos(policy.window_ns),
        })
    }
}

impl From<&Placement> for pb::Placement {
    fn from(placement: &Placement) -> Self {
        let spread = |preference: &Preference| match preference {
            Preference::Spread(label) => label.clone(),
        };
        Self {
            constraints: placement.constraints.clone(),
            spread: placement.preferences.iter().map(spread).collect(),
            max_replicas: placement.max_replicas,
        }
    }
}

impl TryFrom<pb::Placement> for Placement {
    type Error = WireError;

    fn try_from(placement: pb::Placement) -> Result<Self, WireError> {
        Ok(Self {
            constraints: placement.constraints,
            preferences: placement.spread.into_iter().map(Preference::Spread).collect(),
            max_replicas: placement.max_replicas,
        })
    }
}

impl From<&NetworkAttachment> for pb::NetworkAttachment {
    fn from(network: &NetworkAttachment) -> Self {
        Self { target: network.target.clone(), aliases: network.aliases.clone() }
    }
}

impl TryFrom<pb::NetworkAttachment> for NetworkAttachment {
    type Error = WireError;

    fn try_from(network: pb::NetworkAttachment) -> Result<Self, WireError> {
        Ok(Self { target: network.target, aliases: network.aliases })
    }
}

impl From<&LogDriver> for pb::LogDriver {
    fn from(driver: &LogDriver) -> Self {
        Self { name: driver.name.clone(), options: driver.options.clone() }
    }
}

impl TryFrom<pb::LogDriver> for LogDriver {
    type Error = WireError;

    fn try_from(driver: pb::LogDriver) -> Result<Self, WireError> {
        Ok(Self { name: driver.name, options: driver.options })
    }
}

impl From<&UpdateConfig> for pb::UpdateConfig {
    fn from(config: &UpdateConfig) -> Self {
        Self {
            parallelism: config.parallelism,
            delay_ns: field::nanos(config.delay),
            failure_action: pb::FailureAction::from(config.failure_action).into(),
            monitor_ns: field::nanos(config.monitor),
            max_failure_ratio: config.max_failure_ratio,
            order: config.order.map(|order| pb::UpdateOrder::from(order).into()),
        }
    }
}

/// The only number that is not equal to itself is refused: specs are compared.
impl TryFrom<pb::UpdateConfig> for UpdateConfig {
    type Error = WireError;

    fn try_from(config: pb::UpdateConfig) -> Result<Self, WireError> {
        const RATIO: &str = "UpdateConfig.max_failure_ratio";
        if config.max_failure_ratio.is_nan() {
            return Err(WireError::malformed(RATIO, "it is not a number"));
        }
        let failure_action = field::known::<pb::FailureAction, _>(
            "UpdateConfig.failure_action",
            config.failure_action,
        )?;
        Ok(Self {
            parallelism: config.parallelism,
            delay: Duration::from_nanos(config.delay_ns),
            failure_action,
            monitor: Duration::from_nanos(config.monitor_ns),
            max_failure_ratio: config.max_failure_ratio,
            order: config
                .order
                .map(|order| field::known::<pb::UpdateOrder, _>("UpdateConfig.order", order))
                .transpose()?,
        })
    }
}

impl From<&EndpointSpec> for pb::EndpointSpec {
    fn from(spec: &EndpointSpec) -> Self {
        Self { mode: pb::EndpointMode::from(spec.mode).into(), ports: field::all(&spec.ports) }
    }
}

impl TryFrom<pb::EndpointSpec> for EndpointSpec {
    type Error = WireError;

    fn try_from(spec: pb::EndpointSpec) -> Result<Self, WireError> {
        Ok(Self {
            mode: field::known::<pb::EndpointMode, _>("EndpointSpec.mode", spec.mode)?,
            ports: field::list(spec.ports)?,
        })
    }
}

impl From<&PortConfig> for pb::PortConfig {
    fn from(port: &PortConfig) -> Self {
        Self {
            name: port.name.clone(),
            protocol: pb::Protocol::from(port.protocol).into(),
            target: u32::from(port.target),
            published: u32::from(port.published),
            mode: pb::PublishMode::from(port.mode).into(),
        }
    }
}

impl TryFrom<pb::PortConfig> for PortConfig {
    type Error = WireError;

    fn try_from(port: pb::PortConfig) -> Result<Self, WireError> {
        Ok(Self {
            name: port.name,
            protocol: field::known::<pb::Protocol, _>("PortConfig.protocol", port.protocol)?,
            target: field::narrow("PortConfig.target", port.target)?,
            published: field::narrow("PortConfig.published", port.published)?,
            mode: field::known::<pb::PublishMode, _>("PortConfig.mode", port.mode)?,
        })
    }
}
