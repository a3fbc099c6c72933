//! Services in Docker's JSON.

mod component;
mod spec;

pub(crate) use self::spec::{Defaults, Port, TaskSpec};

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use skep_wire::pb;

use self::spec::{EndpointSpec, ServiceSpec};
use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params, flag, passes};
use crate::json::{Json, Meta, Version, moment};
use crate::network::{self, Networks};
use crate::swarm;

/// `GET /services`
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    let mut filters = Filters::read(&params, &["id", "name", "label", "mode", "runtime"])?;
    let (modes, runtimes) = (filters.take("mode"), filters.take("runtime"));
    let answer = api.control().list_services(filters.take_common()).await?.into_inner();
    let mut rows = Vec::new();
    for row in answer.services {
        let status = Status {
            running_tasks: row.running,
            desired_tasks: row.desired,
            completed_tasks: row.completed,
        };
        let service: skep_api::Service = required("ServiceRow.service", row.service)?;
        let mode = service.spec.mode.name().replace(' ', "-");
        if passes(&modes, |name| name == mode) && passes(&runtimes, |name| name == "container") {
            rows.push((service, status));
        }
    }
    let networks = match rows.iter().any(|(service, _)| has_address(service)) {
        true => network::all(&api).await?,
        false => Networks::new(),
    };
    let with_status = flag(&params, "status");
    let shown = rows.into_iter().map(|(service, status)| Service {
        service_status: with_status.then_some(status),
        ..Service::new(&service, Defaults::AsStored, &networks)
    });
    Ok(Json(shown.collect::<Vec<_>>()))
}

/// `GET /services/{id}`
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(name): Path<String>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    let service = api.control().get_service(pb::ByName { name }).await?.into_inner();
    let service = skep_api::Service::try_from(service)?;
    let defaults = match flag(&params, "insertDefaults") {
        true => Defaults::Insert(swarm::stored(&api).await?.spec.compat),
        false => Defaults::AsStored,
    };
    let networks = match has_address(&service) {
        true => network::all(&api).await?,
        false => Networks::new(),
    };
    Ok(Json(Service::new(&service, defaults, &networks)))
}

fn has_address(service: &skep_api::Service) -> bool {
    !service.endpoint.virtual_ips.is_empty()
}

/// A message that must be there.
pub(crate) fn required<P, D>(field: &'static str, message: Option<P>) -> Result<D, Failure>
where
    D: TryFrom<P, Error = skep_wire::WireError>,
{
    Ok(message.ok_or(skep_wire::WireError::Missing { field })?.try_into()?)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    #[serde(flatten)]
    meta: Meta,
    spec: ServiceSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_spec: Option<ServiceSpec>,
    endpoint: Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_status: Option<UpdateStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_status: Option<JobStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct JobStatus {
    job_iteration: Version,
    last_execution: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    running_tasks: u64,
    desired_tasks: u64,
    completed_tasks: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStatus {
    state: &'static str,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    spec: EndpointSpec,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
    #[serde(rename = "VirtualIPs", skip_serializing_if = "Vec::is_empty")]
    virtual_ips: Vec<VirtualIp>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VirtualIp {
    #[serde(rename = "NetworkID")]
    network_id: String,
    addr: String,
}

impl Service {
    fn new(service: &skep_api::Service, defaults: Defaults, networks: &Networks) -> Self {
        let previous = service.previous.as_deref();
        Self {
            id: service.id.to_string(),
            meta: (&service.meta).into(),
            spec: ServiceSpec::current(service, defaults),
            // Docker inserts defaults into the current spec alone.
            previous_spec: previous.map(|spec| ServiceSpec::new(spec, Defaults::AsStored)),
            endpoint: Endpoint::new(&service.endpoint, networks),
            update_status: service.update_status.as_ref().map(UpdateStatus::from),
            service_status: None,
            job_status: service.job.as_ref().map(JobStatus::from),
        }
    }
}

impl From<&skep_api::JobStatus> for JobStatus {
    fn from(job: &skep_api::JobStatus) -> Self {
        Self {
            job_iteration: Version { index: job.iteration },
            last_execution: moment(job.last_execution),
        }
    }
}

impl From<&skep_api::UpdateStatus> for UpdateStatus {
    fn from(status: &skep_api::UpdateStatus) -> Self {
        Self {
            state: status.state.name(),
            started_at: moment(status.started_at),
            completed_at: status.completed_at.map(moment),
            message: status.message.clone(),
        }
    }
}

impl Endpoint {
    fn new(endpoint: &skep_api::Endpoint, networks: &Networks) -> Self {
        let vip = |vip: &skep_api::VirtualIp| VirtualIp {
            network_id: vip.network.to_string(),
            addr: network::cidr(networks, vip.network, vip.addr),
        };
        // Swarm leaves the endpoint of a service empty that has neither a port nor a network.
        let spec = if *endpoint == skep_api::Endpoint::default() {
            EndpointSpec::empty()
        } else {
            EndpointSpec::from(&endpoint.spec)
        };
        Self {
            spec,
            ports: endpoint.ports.iter().map(Port::from).collect(),
            virtual_ips: endpoint.virtual_ips.iter().map(vip).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
