//! Nodes in Docker's JSON.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use skep_api::{Availability, NodeRole, NodeState};
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params, passes};
use crate::generic::{self, GenericResource};
use crate::json::{Json, Map, Meta, is_zero};

/// `GET /nodes`
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    const KNOWN: [&str; 6] = ["id", "name", "label", "node.label", "role", "membership"];
    let mut filters = Filters::read(&params, &KNOWN)?;
    let roles = checked("role", filters.take("role"), &["worker", "manager"])?;
    let members = checked("membership", filters.take("membership"), &["accepted", "pending"])?;
    let node_labels = filters.take("node.label");
    let request = pb::ListRequest { roles, node_labels, ..filters.take_common() };
    let (nodes, leader) = all(&api, request).await?;
    // Whoever is in the swarm was accepted.
    let nodes = nodes.iter().filter(|_| passes(&members, |value| value == "accepted"));
    Ok(Json(nodes.map(|node| Node::new(node, &leader)).collect::<Vec<_>>()))
}

/// `GET /nodes/{id}`
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let node = api.control().get_node(pb::ByName { name }).await?.into_inner();
    let node = skep_api::Node::try_from(node)?;
    let leader = match node.manager_addr {
        Some(_) => api.control().get_cluster(pb::GetClusterRequest {}).await?.into_inner().leader,
        None => String::new(),
    };
    Ok(Json(Node::new(&node, &leader)))
}

/// The nodes, and the id of the one that leads.
pub(crate) async fn all(
    api: &Api,
    request: pb::ListRequest,
) -> Result<(Vec<skep_api::Node>, String), Failure> {
    let answer = api.control().list_nodes(request).await?.into_inner();
    let nodes = answer.nodes.into_iter().map(skep_api::Node::try_from);
    Ok((nodes.collect::<Result<_, _>>()?, answer.leader))
}

/// The values of a filter that takes only some words, in lower case.
fn checked(key: &str, values: Vec<String>, words: &[&str]) -> Result<Vec<String>, Failure> {
    let values = values.into_iter().filter(|value| !value.is_empty());
    values
        .map(|value| {
            let lower = value.to_lowercase();
            match words.contains(&lower.as_str()) {
                true => Ok(lower),
                false => Err(Failure::invalid(format!("Invalid {key} filter: '{value}'"))),
            }
        })
        .collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(rename = "ID")]
    id: String,
    #[serde(flatten)]
    meta: Meta,
    spec: Spec,
    description: Description,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    manager_status: Option<ManagerStatus>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    labels: Map,
    role: &'static str,
    availability: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Description {
    hostname: String,
    platform: Platform,
    resources: Resources,
    engine: Engine,
    #[serde(rename = "TLSInfo")]
    tls_info: TlsInfo,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Platform {
    architecture: String,
    #[serde(rename = "OS")]
    os: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resources {
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_zero")]
    nano_cpus: u64,
    #[serde(skip_serializing_if = "is_zero")]
    memory_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    generic_resources: Vec<GenericResource>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Engine {
    engine_version: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    labels: Map,
}

/// Empty: no node has a certificate yet.
#[derive(Serialize)]
pub(crate) struct TlsInfo {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    addr: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManagerStatus {
    #[serde(skip_serializing_if = "is_zero")]
    leader: bool,
    reachability: &'static str,
    addr: String,
}

impl Node {
    fn new(node: &skep_api::Node, leader: &str) -> Self {
        let (spec, description, status) = (&node.spec, &node.description, &node.status);
        let id = node.id.to_string();
        let manager_status = node.manager_addr.as_ref().map(|addr| ManagerStatus {
            leader: id == leader,
            reachability: reachability(status.state),
            addr: addr.clone(),
        });
        Self {
            id,
            meta: (&node.meta).into(),
            spec: Spec {
                labels: spec.labels.clone(),
                role: role(spec.role),
                availability: Availability::name(spec.availability).to_lowercase(),
            },
            description: Description {
                hostname: description.hostname.clone(),
                platform: Platform {
                    architecture: description.arch.clone(),
                    os: description.os.clone(),
                },
                resources: Resources {
                    nano_cpus: description.cpus.0,
                    memory_bytes: description.memory.0,
                    generic_resources: generic::held(&description.generic),
                },
                engine: Engine {
                    engine_version: description.engine_version.clone(),
                    labels: description.engine_labels.clone(),
                },
                tls_info: TlsInfo {},
            },
            status: Status {
                state: status.state.name().to_lowercase(),
                message: status.message.clone(),
                addr: status.addr.clone(),
            },
            manager_status,
        }
    }
}

const fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Worker => "worker",
        NodeRole::Manager => "manager",
    }
}

const fn reachability(state: NodeState) -> &'static str {
    match state {
        NodeState::Ready => "reachable",
        NodeState::Down | NodeState::Disconnected => "unreachable",
        NodeState::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use skep_api::{Bytes, Generic, Id, NanoCpus, NodeDescription, NodeSpec, NodeStatus, Time};

    use super::*;

    #[test]
    fn a_manager_looks_like_dockers() {
        let node = skep_api::Node {
            id: Id::from_u128(7),
            meta: skep_api::Meta {
                version: 17,
                created_at: Time::from_secs(1_700_000_000),
                updated_at: Time::from_nanos(1_700_000_000_636_295_400),
            },
            spec: NodeSpec { role: NodeRole::Manager, ..Default::default() },
            description: NodeDescription {
                hostname: "node1".to_owned(),
                os: "linux".to_owned(),
                arch: "x86_64".to_owned(),
                cpus: NanoCpus(2_000_000_000),
                memory: Bytes(25_276_514_304),
                engine_version: "0.1.0".to_owned(),
                generic: BTreeMap::from([("gpu".to_owned(), Generic::Count(2))]),
                ..Default::default()
            },
            status: NodeStatus {
                state: NodeState::Ready,
                addr: "10.99.0.1".to_owned(),
                ..Default::default()
            },
            manager_addr: Some("10.99.0.1:2377".to_owned()),
        };
        let shown = serde_json::to_string_pretty(&Node::new(&node, &node.id.to_string()));
        let expected = json!({
            "ID": "0000000000000000000000007",
            "Version": { "Index": 17 },
            "CreatedAt": "2023-11-14T22:13:20Z",
            "UpdatedAt": "2023-11-14T22:13:20.6362954Z",
            "Spec": { "Labels": {}, "Role": "manager", "Availability": "active" },
            "Description": {
                "Hostname": "node1",
                "Platform": { "Architecture": "x86_64", "OS": "linux" },
                "Resources": {
                    "NanoCPUs": 2_000_000_000,
                    "MemoryBytes": 25_276_514_304_u64,
                    "GenericResources": [{ "DiscreteResourceSpec": { "Kind": "gpu", "Value": 2 } }]
                },
                "Engine": { "EngineVersion": "0.1.0" },
                "TLSInfo": {}
            },
            "Status": { "State": "ready", "Addr": "10.99.0.1" },
            "ManagerStatus": { "Leader": true, "Reachability": "reachable", "Addr": "10.99.0.1:2377" }
        });
        // As text, since the order of the fields is Docker's too.
        assert_eq!(shown.expect("JSON"), serde_json::to_string_pretty(&expected).expect("JSON"));
    }

    #[test]
    fn role_filters_take_two_words() {
        let values = |text: &str| vec![text.to_owned()];
        let words = ["worker", "manager"];
        assert_eq!(checked("role", values("Manager"), &words), Ok(values("manager")));
        let bad = Failure::invalid("Invalid role filter: 'boss'");
        assert_eq!(checked("role", values("boss"), &words), Err(bad));
    }
}
