//! Tasks in Docker's JSON.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use skep_api::{Mode, PublishMode, TaskState};
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params, passes};
use crate::generic::{self, GenericResource};
use crate::json::{Json, Map, Meta, Version, is_zero, moment};
use crate::network::{self, Attachment, Networks};
use crate::service::{Defaults, Port, TaskSpec, required};

/// `GET /tasks`
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    const KNOWN: [&str; 8] =
        ["id", "name", "label", "service", "node", "desired-state", "_up-to-date", "runtime"];
    let mut filters = Filters::read(&params, &KNOWN)?;
    let runtimes = filters.take("runtime");
    let request = pb::ListTasksRequest {
        services: filters.take("service"),
        nodes: filters.take("node"),
        id_prefixes: filters.take("id"),
        name_prefixes: filters.take("name"),
        desired_states: desired_states(filters.take("desired-state"))?,
        labels: filters.take("label"),
        up_to_date: !filters.take("_up-to-date").is_empty(),
    };
    let answer = api.control().list_tasks(request).await?.into_inner();
    let rows = answer.tasks.into_iter().filter(|_| passes(&runtimes, |name| name == "container"));
    let rows: Vec<_> = rows.map(row).collect::<Result<_, _>>()?;
    let networks = match rows.iter().all(|(task, _)| task.addresses.is_empty()) {
        true => Networks::new(),
        false => network::all(&api).await?,
    };
    Ok(Json(rows.iter().map(|(task, spec)| Task::new(task, spec, &networks)).collect::<Vec<_>>()))
}

/// `GET /tasks/{id}`
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let (task, spec) = row(api.control().get_task(pb::ByName { name }).await?.into_inner())?;
    let networks = match task.addresses.is_empty() {
        true => Networks::new(),
        false => network::all(&api).await?,
    };
    Ok(Json(Task::new(&task, &spec, &networks)))
}

fn row(row: pb::TaskRow) -> Result<(skep_api::Task, skep_api::ServiceSpec), Failure> {
    Ok((required("TaskRow.task", row.task)?, required("TaskRow.spec", row.spec)?))
}

/// The states that a filter names, in lower case.
fn desired_states(values: Vec<String>) -> Result<Vec<String>, Failure> {
    let values = values.into_iter().filter(|value| !value.is_empty());
    values
        .map(|value| {
            let lower = value.to_lowercase();
            match TaskState::ALL.iter().any(|state| state.name() == lower) {
                true => Ok(lower),
                false => Err(Failure::invalid(format!("Invalid desired-state filter: '{value}'"))),
            }
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(rename = "ID")]
    id: String,
    #[serde(flatten)]
    meta: Meta,
    labels: Map,
    spec: TaskSpec,
    #[serde(rename = "ServiceID")]
    service_id: String,
    #[serde(skip_serializing_if = "is_zero")]
    slot: u64,
    #[serde(rename = "NodeID", skip_serializing_if = "String::is_empty")]
    node_id: String,
    status: Status,
    desired_state: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks_attachments: Vec<Attachment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    generic_resources: Vec<GenericResource>,
    // Only a task of a job has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    job_iteration: Option<Version>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    timestamp: String,
    state: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    err: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_status: Option<ContainerStatus>,
    port_status: PortStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerStatus {
    #[serde(rename = "ContainerID")]
    container_id: String,
    #[serde(rename = "PID")]
    pid: u32,
    exit_code: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PortStatus {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
}

impl Task {
    fn new(task: &skep_api::Task, spec: &skep_api::ServiceSpec, networks: &Networks) -> Self {
        let attachment = |address| Attachment::new(networks, address);
        let is_job = matches!(spec.mode, Mode::ReplicatedJob { .. } | Mode::GlobalJob);
        Self {
            id: task.id.to_string(),
            meta: (&task.meta).into(),
            labels: Map::new(),
            spec: TaskSpec::new(&spec.task, Defaults::AsStored),
            service_id: task.service.to_string(),
            slot: task.slot.number(),
            // A global service's task is meant for its node from the beginning.
            node_id: task.home().map(|node| node.to_string()).unwrap_or_default(),
            status: Status::from(task),
            desired_state: task.desired.name(),
            networks_attachments: task.addresses.iter().filter_map(attachment).collect(),
            generic_resources: generic::held(&task.generic),
            job_iteration: is_job.then_some(Version { index: task.job_iteration }),
        }
    }
}

impl From<&skep_api::Task> for Status {
    fn from(task: &skep_api::Task) -> Self {
        let status = &task.status;
        let is_there = matches!(status.state, TaskState::Starting | TaskState::Running);
        // A sandbox has no id but its task's, and no process but the node's.
        let container = ContainerStatus {
            container_id: task.id.to_string(),
            pid: 0,
            exit_code: status.exit.map_or(0, |exit| exit.code),
        };
        let host_ports = task
            .ports
            .iter()
            .filter(|port| port.mode == PublishMode::Host && port.published != 0 && is_there);
        Self {
            timestamp: moment(status.at),
            state: status.state.name(),
            message: status.message.clone().into_owned(),
            err: status.err.clone(),
            container_status: (is_there || status.exit.is_some()).then_some(container),
            port_status: PortStatus { ports: host_ports.map(Port::from).collect() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use skep_api::{ExitInfo, Generic, Id, PortConfig, ServiceSpec, SpecVersion, TaskStatus, Time};

    use super::*;

    fn running() -> skep_api::Task {
        skep_api::Task {
            id: Id::from_u128(1),
            meta: skep_api::Meta {
                version: 74,
                created_at: Time::from_secs(1_700_000_000),
                updated_at: Time::from_secs(1_700_000_001),
            },
            service: Id::from_u128(2),
            slot: skep_api::Slot::Number(1),
            node: Some(Id::from_u128(3)),
            spec_version: SpecVersion(0),
            ports: vec![
                PortConfig { target: 80, published: 8080, ..Default::default() },
                PortConfig {
                    target: 80,
                    published: 8082,
                    mode: PublishMode::Host,
                    ..Default::default()
                },
            ],
            addresses: Vec::new(),
            desired: TaskState::Running,
            status: TaskStatus {
                state: TaskState::Running,
                at: Time::from_secs(1_700_000_001),
                message: "started".into(),
                ..Default::default()
            },
            start_after: None,
            origin: Default::default(),
            job_iteration: 0,
            generic: Default::default(),
        }
    }

    #[test]
    fn a_running_task_looks_like_dockers() {
        let mut spec = ServiceSpec::default();
        spec.task.component.image = "web:1.0".to_owned();
        let expected = json!({
            "ID": "0000000000000000000000001",
            "Version": { "Index": 74 },
            "CreatedAt": "2023-11-14T22:13:20Z",
            "UpdatedAt": "2023-11-14T22:13:21Z",
            "Labels": {},
            "Spec": {
                "ContainerSpec": { "Image": "web:1.0", "DNSConfig": {}, "Isolation": "default" },
                "Resources": { "Limits": {}, "Reservations": {} },
                "Placement": {},
                "ForceUpdate": 0
            },
            "ServiceID": "0000000000000000000000002",
            "Slot": 1,
            "NodeID": "0000000000000000000000003",
            "Status": {
                "Timestamp": "2023-11-14T22:13:21Z",
                "State": "running",
                "Message": "started",
                "ContainerStatus": {
                    "ContainerID": "0000000000000000000000001",
                    "PID": 0,
                    "ExitCode": 0
                },
                "PortStatus": {
                    "Ports": [{
                        "Protocol": "tcp",
                        "TargetPort": 80,
                        "PublishedPort": 8082,
                        "PublishMode": "host"
                    }]
                }
            },
            "DesiredState": "running"
        });
        let shown = Task::new(&running(), &spec, &Networks::new());
        assert_eq!(serde_json::to_string(&shown).expect("JSON"), expected.to_string());
    }

    #[test]
    fn a_global_task_shows_its_node_and_no_slot_and_a_job_its_iteration() {
        let mut task = running();
        task.slot = skep_api::Slot::Node(Id::from_u128(3));
        task.node = None;
        let mut spec = ServiceSpec { mode: Mode::Global, ..Default::default() };
        let shown = |task: &skep_api::Task, spec: &ServiceSpec| {
            serde_json::to_value(Task::new(task, spec, &Networks::new())).expect("JSON")
        };
        let global = shown(&task, &spec);
        assert_eq!(global.get("Slot"), None);
        assert_eq!(global["NodeID"], "0000000000000000000000003");
        assert_eq!(global.get("JobIteration"), None);

        spec.mode = Mode::ReplicatedJob { max_concurrent: 1, total_completions: 2 };
        task.slot = skep_api::Slot::Number(0);
        task.job_iteration = 2;
        task.generic = BTreeMap::from([("gpu".to_owned(), Generic::Count(1))]);
        let job = shown(&task, &spec);
        assert_eq!(job.get("Slot"), None, "Docker leaves the first slot of a job out too");
        assert_eq!(job["JobIteration"], json!({ "Index": 2 }));
        let generic = json!([{ "DiscreteResourceSpec": { "Kind": "gpu", "Value": 1 } }]);
        assert_eq!(job["GenericResources"], generic);
        task.job_iteration = 0;
        assert_eq!(shown(&task, &spec)["JobIteration"], json!({ "Index": 0 }));
    }

    #[test]
    fn a_task_shows_how_it_ended_and_no_ports_of_its_past() {
        let mut task = running();
        task.status.state = TaskState::Failed;
        task.status.err = "task: non-zero exit (3)".to_owned();
        task.status.exit = Some(ExitInfo { code: 3 });
        let shown = serde_json::to_value(Status::from(&task)).expect("JSON");
        assert_eq!(shown["Err"], "task: non-zero exit (3)");
        assert_eq!(shown["ContainerStatus"]["ExitCode"], 3);
        assert_eq!(shown["PortStatus"], json!({}));
        task.status = TaskStatus { state: TaskState::Pending, ..Default::default() };
        let shown = serde_json::to_value(Status::from(&task)).expect("JSON");
        assert_eq!(shown.get("ContainerStatus"), None);
    }

    #[test]
    fn desired_states_are_checked() {
        let values = |text: &str| vec![text.to_owned()];
        assert_eq!(desired_states(values("Running")), Ok(values("running")));
        assert_eq!(desired_states(values("")), Ok(Vec::new()));
        let bad = Failure::invalid("Invalid desired-state filter: 'up'");
        assert_eq!(desired_states(values("up")), Err(bad));
    }
}
