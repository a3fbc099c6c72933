//! The node itself in Docker's JSON: its version and all that `docker info` shows.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::response::IntoResponse;
use serde::Serialize;
use skep_api::Time;
use skep_wire::pb::InfoResponse;

use crate::api::Api;
use crate::failure::Failure;
use crate::json::{Json, Map, moment};
use crate::swarm::{self, SwarmInfo};
use crate::version::{API_VERSION, API_VERSION_MIN};

/// `GET /version`
pub(crate) async fn version(State(api): State<Api>) -> Result<impl IntoResponse, Failure> {
    Ok(Json(Version::from(api.info().await?)))
}

/// `GET /info`
pub(crate) async fn info(State(api): State<Api>) -> Result<impl IntoResponse, Failure> {
    let info = api.info().await?;
    let swarm = swarm::info(&api, &info).await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = Time::ZERO.after(now.unwrap_or(Duration::ZERO));
    Ok(Json(Info::new(info, swarm, now)))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    platform: Platform,
    components: [Component; 1],
    version: String,
    api_version: &'static str,
    #[serde(rename = "MinAPIVersion")]
    min_api_version: &'static str,
    git_commit: &'static str,
    go_version: &'static str,
    os: &'static str,
    arch: String,
    kernel_version: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Platform {
    name: String,
}

/// Named `Engine`, as the one component that clients look for.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: &'static str,
    version: String,
    details: BTreeMap<&'static str, String>,
}

impl From<InfoResponse> for Version {
    fn from(info: InfoResponse) -> Self {
        let arch = go_arch(&info.arch);
        let details = BTreeMap::from([
            ("ApiVersion", API_VERSION.to_owned()),
            ("Arch", arch.clone()),
            ("Experimental", "false".to_owned()),
            ("GitCommit", String::new()),
            ("GoVersion", String::new()),
            ("KernelVersion", info.kernel.clone()),
            ("MinAPIVersion", API_VERSION_MIN.to_owned()),
            ("Os", "linux".to_owned()),
        ]);
        Self {
            platform: Platform { name: format!("Skep {}", info.version) },
            components: [Component { name: "Engine", version: info.version.clone(), details }],
            version: info.version,
            api_version: API_VERSION,
            min_api_version: API_VERSION_MIN,
            git_commit: "",
            go_version: "",
            os: "linux",
            arch,
            kernel_version: info.kernel,
        }
    }
}

/// A machine's kind in Go's words.
fn go_arch(arch: &str) -> String {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
    .to_owned()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(rename = "ID")]
    id: String,
    containers: u64,
    containers_running: u64,
    containers_paused: u64,
    containers_stopped: u64,
    images: u64,
    driver: &'static str,
    driver_status: Option<Vec<[String; 2]>>,
    plugins: Plugins,
    #[serde(flatten)]
    kernel: Kernel,
    debug: bool,
    #[serde(rename = "NFd")]
    n_fd: u64,
    oom_kill_disable: bool,
    #[serde(rename = "NGoroutines")]
    n_goroutines: u64,
    system_time: String,
    logging_driver: &'static str,
    cgroup_driver: &'static str,
    #[serde(rename = "NEventsListener")]
    n_events_listener: u64,
    kernel_version: String,
    operating_system: String,
    #[serde(rename = "OSVersion")]
    os_version: &'static str,
    #[serde(rename = "OSType")]
    os_type: &'static str,
    architecture: String,
    index_server_address: &'static str,
    registry_config: RegistryConfig,
    #[serde(rename = "NCPU")]
    n_cpu: u64,
    mem_total: u64,
    generic_resources: Option<Vec<String>>,
    docker_root_dir: String,
    http_proxy: &'static str,
    https_proxy: &'static str,
    no_proxy: &'static str,
    name: String,
    labels: Vec<String>,
    experimental_build: bool,
    server_version: String,
    runtimes: BTreeMap<&'static str, Map>,
    default_runtime: &'static str,
    swarm: SwarmInfo,
    live_restore_enabled: bool,
    isolation: &'static str,
    init_binary: &'static str,
    containerd_commit: Commit,
    runc_commit: Commit,
    init_commit: Commit,
    security_options: Vec<String>,
    #[serde(rename = "CDISpecDirs")]
    cdi_spec_dirs: Vec<String>,
    warnings: Vec<String>,
    skep_listening: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Plugins {
    volume: [&'static str; 1],
    network: [&'static str; 1],
    authorization: Option<Vec<String>>,
    log: [&'static str; 1],
}

/// What an engine needs of a kernel. A sandbox needs none of it; "no" would make older clients
/// warn of limits that do not hold.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Kernel {
    memory_limit: bool,
    swap_limit: bool,
    cpu_cfs_period: bool,
    cpu_cfs_quota: bool,
    #[serde(rename = "CPUShares")]
    cpu_shares: bool,
    #[serde(rename = "CPUSet")]
    cpu_set: bool,
    pids_limit: bool,
    #[serde(rename = "IPv4Forwarding")]
    ipv4_forwarding: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryConfig {
    #[serde(rename = "InsecureRegistryCIDRs")]
    insecure_registry_cidrs: [&'static str; 2],
    index_configs: BTreeMap<String, IndexConfig>,
    mirrors: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IndexConfig {
    name: String,
    mirrors: Vec<String>,
    secure: bool,
    official: bool,
}

#[derive(Serialize)]
struct Commit {
    #[serde(rename = "ID")]
    id: &'static str,
}

const NO_COMMIT: Commit = Commit { id: "" };

impl Info {
    fn new(info: InfoResponse, swarm: SwarmInfo, now: Time) -> Self {
        Self {
            id: info.node_id.unwrap_or_default(),
            containers: info.tasks_running,
            containers_running: info.tasks_running,
            containers_paused: 0,
            containers_stopped: 0,
            images: info.images,
            driver: "skep",
            driver_status: None,
            plugins: PLUGINS,
            kernel: KERNEL,
            debug: false,
            n_fd: 0,
            oom_kill_disable: false,
            n_goroutines: 0,
            system_time: moment(now),
            logging_driver: "skep",
            cgroup_driver: "none",
            n_events_listener: 0,
            kernel_version: info.kernel,
            operating_system: info.os,
            os_version: "",
            os_type: "linux",
            architecture: info.arch,
            index_server_address: "",
            registry_config: RegistryConfig::new(info.insecure_registries),
            n_cpu: info.cpus,
            mem_total: info.memory_bytes,
            generic_resources: None,
            docker_root_dir: info.data_root,
            http_proxy: "",
            https_proxy: "",
            no_proxy: "",
            name: info.node_name,
            labels: Vec::new(),
            experimental_build: false,
            server_version: info.version,
            runtimes: BTreeMap::from([("wasmtime", Map::new())]),
            default_runtime: "wasmtime",
            swarm,
            live_restore_enabled: false,
            isolation: "",
            init_binary: "",
            containerd_commit: NO_COMMIT,
            runc_commit: NO_COMMIT,
            init_commit: NO_COMMIT,
            security_options: Vec::new(),
            cdi_spec_dirs: Vec::new(),
            warnings: info.warnings,
            skep_listening: info.listening,
        }
    }
}

const PLUGINS: Plugins =
    Plugins { volume: ["local"], network: ["overlay"], authorization: None, log: ["skep"] };

const KERNEL: Kernel = Kernel {
    memory_limit: true,
    swap_limit: true,
    cpu_cfs_period: true,
    cpu_cfs_quota: true,
    cpu_shares: true,
    cpu_set: true,
    pids_limit: true,
    ipv4_forwarding: true,
};

impl RegistryConfig {
    fn new(insecure: Vec<String>) -> Self {
        let config = |name: String| {
            let config = IndexConfig {
                name: name.clone(),
                mirrors: Vec::new(),
                secure: false,
                official: false,
            };
            (name, config)
        };
        Self {
            // Plain HTTP to the node itself needs no asking.
            insecure_registry_cidrs: ["::1/128", "127.0.0.0/8"],
            index_configs: insecure.into_iter().map(config).collect(),
            mirrors: None,
        }
    }
}
