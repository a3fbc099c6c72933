//! The swarm itself in Docker's JSON: as `docker swarm` sees it and as `docker info` shows it.

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use skep_api::{ClusterSpec, Compat};
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::json::{Json, Map, Meta, is_zero, nanos};
use crate::node::{self, TlsInfo};
use crate::service::required;

/// The port of the traffic between tasks on different nodes.
const DATA_PATH_PORT: u32 = 7946;
/// The label of a swarm that behaves like Docker's to the letter.
const COMPAT_LABEL: &str = "skep.compat";

/// `GET /swarm`
pub(crate) async fn inspect(State(api): State<Api>) -> Result<impl IntoResponse, Failure> {
    let cluster = cluster(&api).await?;
    // No node can join yet, so there is nothing to join with.
    Ok(Json(Swarm { cluster, join_tokens: JoinTokens { worker: "", manager: "" } }))
}

async fn cluster(api: &Api) -> Result<Cluster, Failure> {
    Ok(Cluster::from(&stored(api).await?))
}

/// The swarm as it is stored.
pub(crate) async fn stored(api: &Api) -> Result<skep_api::Cluster, Failure> {
    let answer = api.control().get_cluster(pb::GetClusterRequest {}).await?.into_inner();
    required("GetClusterResponse.cluster", answer.cluster)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    #[serde(flatten)]
    cluster: Cluster,
    join_tokens: JoinTokens,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct JoinTokens {
    worker: &'static str,
    manager: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    #[serde(rename = "ID")]
    id: String,
    #[serde(flatten)]
    meta: Meta,
    spec: Spec,
    #[serde(rename = "TLSInfo")]
    tls_info: TlsInfo,
    root_rotation_in_progress: bool,
    default_addr_pool: Option<Vec<String>>,
    subnet_size: u8,
    data_path_port: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: &'static str,
    labels: Map,
    orchestration: Orchestration,
    raft: Raft,
    dispatcher: Dispatcher,
    #[serde(rename = "CAConfig")]
    ca_config: CaConfig,
    task_defaults: TaskDefaults,
    encryption_config: EncryptionConfig,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Orchestration {
    task_history_retention_limit: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Raft {
    snapshot_interval: u64,
    keep_old_snapshots: u64,
    log_entries_for_slow_followers: u64,
    election_tick: u64,
    heartbeat_tick: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Dispatcher {
    heartbeat_period: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CaConfig {
    #[serde(skip_serializing_if = "is_zero")]
    node_cert_expiry: u64,
}

#[derive(Serialize)]
struct TaskDefaults {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EncryptionConfig {
    auto_lock_managers: bool,
}

impl From<&skep_api::Cluster> for Cluster {
    fn from(cluster: &skep_api::Cluster) -> Self {
        let (spec, default) = (&cluster.spec, ClusterSpec::default());
        let pool = &spec.default_addr_pool;
        Self {
            id: cluster.id.to_string(),
            meta: (&cluster.meta).into(),
            spec: Spec::from(spec),
            tls_info: TlsInfo {},
            root_rotation_in_progress: false,
            // Docker shows a pool only if one was asked for.
            default_addr_pool: (*pool != default.default_addr_pool).then(|| vec![pool.clone()]),
            subnet_size: spec.subnet_size,
            data_path_port: DATA_PATH_PORT,
        }
    }
}

impl From<&ClusterSpec> for Spec {
    fn from(spec: &ClusterSpec) -> Self {
        Self {
            name: "default",
            labels: compat_label(spec.compat),
            orchestration: Orchestration { task_history_retention_limit: spec.task_history_limit },
            // Swarm's own numbers where Skep has no such setting: clients expect to see them.
            raft: Raft {
                snapshot_interval: spec.snapshot_interval,
                keep_old_snapshots: 0,
                log_entries_for_slow_followers: 500,
                election_tick: 10,
                heartbeat_tick: 1,
            },
            dispatcher: Dispatcher { heartbeat_period: nanos(spec.heartbeat_period) },
            ca_config: CaConfig { node_cert_expiry: nanos(spec.node_cert_expiry) },
            task_defaults: TaskDefaults {},
            encryption_config: EncryptionConfig { auto_lock_managers: false },
        }
    }
}

/// Docker's spec has no field for whose behaviour a swarm has, and clients that write back what
/// they read keep labels. The default needs none.
fn compat_label(compat: Compat) -> Map {
    match compat {
        Compat::Skep => Map::new(),
        Compat::Swarm => Map::from([(COMPAT_LABEL.to_owned(), compat.name().to_owned())]),
    }
}

/// The `Swarm` part of `GET /info`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct SwarmInfo {
    #[serde(rename = "NodeID")]
    node_id: String,
    node_addr: String,
    local_node_state: String,
    control_available: bool,
    error: String,
    remote_managers: Option<Vec<Peer>>,
    #[serde(skip_serializing_if = "is_zero")]
    nodes: usize,
    #[serde(skip_serializing_if = "is_zero")]
    managers: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Cluster>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Peer {
    #[serde(rename = "NodeID")]
    node_id: String,
    addr: String,
}

/// What `docker info` shows of the swarm. A swarm that does not answer is no reason to show
/// nothing: what went wrong stands in `Error`.
pub(crate) async fn info(api: &Api, info: &pb::InfoResponse) -> SwarmInfo {
    let mut shown = SwarmInfo {
        node_id: info.node_id.clone().unwrap_or_default(),
        node_addr: info.node_addr.clone(),
        local_node_state: info.state.clone(),
        control_available: info.manager,
        error: String::new(),
        remote_managers: None,
        nodes: 0,
        managers: 0,
        cluster: None,
    };
    if info.state != "active" {
        return SwarmInfo { node_addr: String::new(), control_available: false, ..shown };
    }
    if info.manager
        && let Err(failure) = shown.ask(api).await
    {
        failure.message().clone_into(&mut shown.error);
    }
    shown
}

impl SwarmInfo {
    /// Adds what only managers know.
    async fn ask(&mut self, api: &Api) -> Result<(), Failure> {
        self.cluster = Some(cluster(api).await?);
        let (nodes, _) = node::all(api, pb::ListRequest::default()).await?;
        let managers = nodes.iter().filter_map(|node| {
            let addr = node.manager_addr.clone()?;
            Some(Peer { node_id: node.id.to_string(), addr })
        });
        let managers: Vec<_> = managers.collect();
        (self.nodes, self.managers) = (nodes.len(), managers.len());
        self.remote_managers = Some(managers);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skep_api::{Id, Time};

    use super::*;

    #[test]
    fn a_cluster_looks_like_dockers() {
        let mut cluster = skep_api::Cluster {
            id: Id::from_u128(9),
            meta: skep_api::Meta {
                version: 10,
                created_at: Time::from_secs(1_700_000_000),
                updated_at: Time::from_secs(1_700_000_001),
            },
            spec: ClusterSpec::default(),
        };
        let expected = json!({
            "ID": "0000000000000000000000009",
            "Version": { "Index": 10 },
            "CreatedAt": "2023-11-14T22:13:20Z",
            "UpdatedAt": "2023-11-14T22:13:21Z",
            "Spec": {
                "Name": "default",
                "Labels": {},
                "Orchestration": { "TaskHistoryRetentionLimit": 5 },
                "Raft": {
                    "SnapshotInterval": 10_000,
                    "KeepOldSnapshots": 0,
                    "LogEntriesForSlowFollowers": 500,
                    "ElectionTick": 10,
                    "HeartbeatTick": 1
                },
                "Dispatcher": { "HeartbeatPeriod": 1_000_000_000 },
                "CAConfig": { "NodeCertExpiry": 7_776_000_000_000_000_u64 },
                "TaskDefaults": {},
                "EncryptionConfig": { "AutoLockManagers": false }
            },
            "TLSInfo": {},
            "RootRotationInProgress": false,
            "DefaultAddrPool": null,
            "SubnetSize": 24,
            "DataPathPort": 7946
        });
        let shown = serde_json::to_string(&Cluster::from(&cluster)).expect("JSON");
        assert_eq!(shown, expected.to_string());
        cluster.spec.default_addr_pool = "10.20.0.0/16".to_owned();
        let shown = serde_json::to_value(Cluster::from(&cluster)).expect("JSON");
        assert_eq!(shown["DefaultAddrPool"], json!(["10.20.0.0/16"]));
        cluster.spec.compat = Compat::Swarm;
        let shown = serde_json::to_value(Cluster::from(&cluster)).expect("JSON");
        assert_eq!(shown["Spec"]["Labels"], json!({ "skep.compat": "swarm" }));
    }
}
