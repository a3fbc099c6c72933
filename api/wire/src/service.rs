//! Services as the store keeps them.

use std::sync::Arc;

use skep_api::{
    Endpoint, JobStatus, Revision, Service, ServiceSpec, SpecVersion, Time, UpdateState,
    UpdateStatus, VirtualIp, Workload,
};

use crate::field::{self, same_words};
use crate::image::kind;
use crate::{WireError, pb};

same_words!(UpdateState, pb::UpdateState, {
    Updating = Updating,
    Paused = Paused,
    Completed = Completed,
    RollbackStarted = RollbackStarted,
    RollbackPaused = RollbackPaused,
    RollbackCompleted = RollbackCompleted,
});

impl From<&Service> for pb::Service {
    fn from(service: &Service) -> Self {
        Self {
            id: service.id.to_string(),
            meta: Some((&service.meta).into()),
            spec: Some(service.spec.as_ref().into()),
            spec_version: service.spec_version.0,
            previous: service.previous.as_deref().map(Into::into),
            endpoint: Some((&service.endpoint).into()),
            update_status: service.update_status.as_ref().map(Into::into),
            history: field::all(&service.history),
            job: service.job.as_ref().map(Into::into),
            workload: service.workload.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<pb::Service> for Service {
    type Error = WireError;

    fn try_from(service: pb::Service) -> Result<Self, WireError> {
        let spec: ServiceSpec = field::message("Service.spec", service.spec)?;
        Ok(Self {
            id: field::id("Service.id", &service.id)?,
            meta: field::message("Service.meta", service.meta)?,
            spec: Arc::new(spec),
            spec_version: SpecVersion(service.spec_version),
            previous: field::optional(service.previous)?.map(Arc::new),
            endpoint: field::message("Service.endpoint", service.endpoint)?,
            update_status: field::optional(service.update_status)?,
            history: field::list(service.history)?,
            job: field::optional(service.job)?,
            workload: field::optional(service.workload)?,
        })
    }
}

impl From<&Revision> for pb::Revision {
    fn from(revision: &Revision) -> Self {
        Self {
            version: revision.version.0,
            spec: Some(revision.spec.as_ref().into()),
            until: revision.until.as_nanos(),
        }
    }
}

impl TryFrom<pb::Revision> for Revision {
    type Error = WireError;

    fn try_from(revision: pb::Revision) -> Result<Self, WireError> {
        let spec: ServiceSpec = field::message("Revision.spec", revision.spec)?;
        Ok(Self {
            version: SpecVersion(revision.version),
            spec: Arc::new(spec),
            until: Time::from_nanos(revision.until),
        })
    }
}

impl From<&JobStatus> for pb::JobStatus {
    fn from(job: &JobStatus) -> Self {
        Self { iteration: job.iteration, last_execution: job.last_execution.as_nanos() }
    }
}

impl TryFrom<pb::JobStatus> for JobStatus {
    type Error = WireError;

    fn try_from(job: pb::JobStatus) -> Result<Self, WireError> {
        let last_execution = Time::from_nanos(job.last_execution);
        Ok(Self { iteration: job.iteration, last_execution })
    }
}

impl From<&Workload> for pb::Workload {
    fn from(workload: &Workload) -> Self {
        Self { kind: workload.kind.to_string(), platform: workload.platform.clone() }
    }
}

impl TryFrom<pb::Workload> for Workload {
    type Error = WireError;

    fn try_from(workload: pb::Workload) -> Result<Self, WireError> {
        Ok(Self { kind: kind(&workload.kind)?, platform: workload.platform })
    }
}

impl From<&Endpoint> for pb::Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            spec: Some((&endpoint.spec).into()),
            ports: field::all(&endpoint.ports),
            virtual_ips: field::all(&endpoint.virtual_ips),
        }
    }
}

impl TryFrom<pb::Endpoint> for Endpoint {
    type Error = WireError;

    fn try_from(endpoint: pb::Endpoint) -> Result<Self, WireError> {
        Ok(Self {
            spec: field::message("Endpoint.spec", endpoint.spec)?,
            ports: field::list(endpoint.ports)?,
            virtual_ips: field::list(endpoint.virtual_ips)?,
        })
    }
}

impl From<&VirtualIp> for pb::VirtualIp {
    fn from(vip: &VirtualIp) -> Self {
        Self { network: vip.network.to_string(), addr: vip.addr.to_string() }
    }
}

impl TryFrom<pb::VirtualIp> for VirtualIp {
    type Error = WireError;

    fn try_from(vip: pb::VirtualIp) -> Result<Self, WireError> {
        Ok(Self {
            network: field::id("VirtualIp.network", &vip.network)?,
            addr: field::addr("VirtualIp.addr", &vip.addr)?,
        })
    }
}

impl From<&UpdateStatus> for pb::UpdateStatus {
    fn from(status: &UpdateStatus) -> Self {
        Self {
            state: pb::UpdateState::from(status.state).into(),
            started_at: status.started_at.as_nanos(),
            completed_at: status.completed_at.map(Time::as_nanos),
            message: status.message.clone(),
            slots: status.slots,
        }
    }
}

impl TryFrom<pb::UpdateStatus> for UpdateStatus {
    type Error = WireError;

    fn try_from(status: pb::UpdateStatus) -> Result<Self, WireError> {
        Ok(Self {
            state: field::known::<pb::UpdateState, _>("UpdateStatus.state", status.state)?,
            started_at: Time::from_nanos(status.started_at),
            completed_at: status.completed_at.map(Time::from_nanos),
            message: status.message,
            slots: status.slots,
        })
    }
}
