//! The node's part in its swarm: a manager and a worker once `swarm init` was said, nothing before.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};

use skep_api::{ClusterSpec, Error, ErrorKind, Id, Node, NodeDescription, Result};
use skep_images::ImageStore;
use skep_manager::{Genesis, Manager, ManagerConfig};
use skep_runtime::Runtime;
use skep_wire::pb;
use skep_worker::{Worker, WorkerConfig};
use tokio::sync::RwLock;
use tonic::service::Routes as Services;

use crate::config::NodeConfig;
use crate::control::Service;
use crate::folder::{Folder, Identity};
use crate::images::Resolver;
use crate::routes::{Routes, no_swarm};
use crate::{memory, system};

/// The port that managers of a swarm speak to each other on, Swarm's.
const SWARM_PORT: u16 = 2377;

/// What a node has before it is in a swarm.
pub(crate) struct Machine {
    pub(crate) folder: Folder,
    pub(crate) images: ImageStore,
    pub(crate) runtime: Runtime,
    pub(crate) config: NodeConfig,
}

/// The node's part in its swarm.
pub(crate) struct Swarm {
    machine: Machine,
    description: NodeDescription,
    routes: Routes,
    listening: OnceLock<Vec<String>>,
    active: RwLock<Option<Active>>,
}

struct Active {
    identity: Identity,
    manager: Manager,
    worker: Worker,
}

impl Swarm {
    /// Goes on where the node was when it stopped.
    pub(crate) async fn start(machine: Machine, routes: Routes) -> Result<Arc<Self>> {
        let description = system::describe(&machine.config);
        let identity = machine.folder.identity()?;
        let listening = OnceLock::new();
        let swarm =
            Arc::new(Self { machine, description, routes, listening, active: RwLock::new(None) });
        swarm.routes.set_grpc(Services::new(Service::server(swarm.clone())).into_axum_router());
        if let Some(identity) = identity {
            let manager = Manager::open(swarm.manager_config(identity.node_id)).await?;
            let mut active = swarm.active.write().await;
            *active = Some(swarm.activate(identity, manager)?);
        }
        Ok(swarm)
    }

    fn manager_config(&self, node: Id<Node>) -> ManagerConfig {
        let images = Arc::new(Resolver::new(self.machine.images.clone()));
        ManagerConfig { dir: self.machine.folder.manager(), node, images }
    }

    /// Puts the manager's services on the routes and starts the worker, which reaches them by gRPC.
    fn activate(self: &Arc<Self>, identity: Identity, manager: Manager) -> Result<Active> {
        let dispatcher = Services::new(manager.dispatcher_server()).into_axum_router();
        let worker = Worker::start(
            WorkerConfig {
                root: self.machine.folder.worker(),
                node_id: identity.node_id,
                description: self.description.clone(),
                ingress_addr: self.machine.config.ingress_addr,
                log_max: self.machine.config.log_max,
            },
            self.machine.images.clone(),
            self.machine.runtime.clone(),
            memory::channel(dispatcher),
        )?;
        let services = Services::new(Service::server(self.clone()))
            .add_service(manager.control_server())
            .add_service(worker.logs().server());
        self.routes.set_grpc(services.into_axum_router());
        Ok(Active { identity, manager, worker })
    }

    /// Starts a swarm of this one node.
    pub(crate) async fn init(
        self: Arc<Self>,
        advertise_addr: &str,
        task_history_limit: Option<i64>,
    ) -> Result<Id<Node>> {
        let mut active = self.active.write().await;
        if active.is_some() {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "This node is already part of a swarm.",
            )
            .hint(
                "`skep info` shows which; a node with another --data-root can start one of its own",
            ));
        }
        let advertise_addr = advertised(advertise_addr)?;
        let dir = self.machine.folder.manager();
        // The rest of an init that was cut short: nobody was told of that swarm.
        if dir.exists() {
            std::fs::remove_dir_all(&dir).map_err(|error| {
                Error::new(
                    ErrorKind::Unavailable,
                    format!("can't clear {}: {error}", dir.display()),
                )
            })?;
        }
        let mut seed = [0; 16];
        getrandom::fill(&mut seed)
            .map_err(|error| Error::internal(format!("no random numbers: {error}")))?;
        let node_id = Id::from_u128(u128::from_le_bytes(seed));
        let mut cluster = ClusterSpec::default();
        if let Some(limit) = task_history_limit {
            cluster.task_history_limit = limit;
        }
        let genesis = Genesis {
            cluster,
            description: self.description.clone(),
            advertise_addr: advertise_addr.to_string(),
            ..Genesis::default()
        };
        let manager = Manager::bootstrap(self.manager_config(node_id), genesis).await?;
        let identity = Identity { node_id, advertise_addr: advertise_addr.to_string() };
        self.machine.folder.remember(&identity)?;
        *active = Some(self.activate(identity, manager)?);
        Ok(node_id)
    }

    /// What the node listens on, told once it does.
    pub(crate) fn set_listening(&self, places: Vec<String>) {
        // It is told once; a second telling would change nothing.
        let _ = self.listening.set(places);
    }

    /// What the node is and does.
    pub(crate) async fn info(&self) -> pb::InfoResponse {
        let active = self.active.read().await;
        let mut listening = self.listening.get().cloned().unwrap_or_default();
        let mut info = pb::InfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node_name: self.description.hostname.clone(),
            state: if active.is_some() { "active" } else { "inactive" }.to_owned(),
            data_root: self.machine.folder.root().display().to_string(),
            cpus: self.description.cpus.0 / 1_000_000_000,
            memory_bytes: self.description.memory.0,
            os: self.description.os.clone(),
            arch: self.description.arch.clone(),
            kernel: system::kernel(),
            images: self.machine.images.list().len() as u64,
            warnings: system::warnings(),
            insecure_registries: self.machine.config.insecure_registries.clone(),
            ..Default::default()
        };
        if let Some(active) = active.as_ref() {
            info.node_id = Some(active.identity.node_id.to_string());
            info.cluster_id = active.manager.view().cluster().map(|cluster| cluster.id.to_string());
            info.manager = true;
            info.node_addr = host_of(&active.identity.advertise_addr);
            info.tasks_running = active.worker.running() as u64;
            let ingress = self.machine.config.ingress_addr;
            let view = active.manager.view();
            listening.extend(view.services().flat_map(|service| {
                service.endpoint.ports.iter().map(move |port| {
                    let at = SocketAddr::new(ingress, port.published);
                    format!("{}://{at} (published by {})", port.protocol.name(), service.spec.name)
                })
            }));
        }
        info.listening = listening;
        info
    }

    /// The node's images.
    pub(crate) fn images(&self) -> &ImageStore {
        &self.machine.images
    }

    /// Refuses to remove an image that a service runs.
    pub(crate) async fn refuse_used_image(&self, name: &str) -> Result<()> {
        let Ok(image) = self.machine.images.inspect(name) else { return Ok(()) };
        let active = self.active.read().await;
        let Some(active) = active.as_ref() else { return Ok(()) };
        let digest = image.digest.to_string();
        let view = active.manager.view();
        let user =
            view.services().find(|service| service.spec.task.component.image.ends_with(&digest));
        match user {
            None => Ok(()),
            Some(service) => Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("conflict: image {name} is used by service {}", service.spec.name),
            )
            .hint(format!("remove the service first: skep service rm {}", service.spec.name))),
        }
    }

    /// The node's volumes; there are none before it is in a swarm.
    pub(crate) async fn volumes(&self) -> Result<Vec<pb::Volume>> {
        let active = self.active.read().await;
        let Some(active) = active.as_ref() else { return Ok(Vec::new()) };
        let volumes = active.worker.volumes().list();
        Ok(volumes
            .into_iter()
            .map(|volume| pb::Volume {
                name: volume.name,
                mountpoint: volume.mountpoint.display().to_string(),
                labels: volume.labels,
                created_secs: volume.created_secs,
                anonymous: volume.anonymous_of.is_some(),
                used_by: volume.used_by.iter().map(ToString::to_string).collect(),
            })
            .collect())
    }

    /// Removes a volume that no task uses.
    pub(crate) async fn remove_volume(&self, name: &str) -> Result<()> {
        let active = self.active.read().await;
        let active = active.as_ref().ok_or_else(no_swarm)?;
        Ok(active.worker.volumes().remove(name).await?)
    }

    /// Ends the tasks, each within its grace period, then the manager. The store keeps them as they
    /// were: the next start starts them again.
    pub(crate) async fn stop(&self) {
        if let Some(active) = self.active.write().await.take() {
            active.worker.stop().await;
            active.manager.shutdown().await;
        }
    }
}

fn host_of(address: &str) -> String {
    address.parse::<SocketAddr>().map_or_else(|_| address.to_owned(), |a| a.ip().to_string())
}

/// The address to tell the swarm: as given, with Swarm's port unless another is named; else the one
/// that the machine would use to reach another network.
fn advertised(text: &str) -> Result<SocketAddr> {
    let bad = || {
        Error::invalid(
            "advertise address must be a non-zero IP address or network interface (with optional port number)",
        )
        .hint("give an address of this machine, such as --advertise-addr 192.0.2.7")
    };
    let address = match text {
        "" => SocketAddr::new(own_address(), SWARM_PORT),
        text => match (text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
            (Ok(address), _) => address,
            (_, Ok(ip)) => SocketAddr::new(ip, SWARM_PORT),
            _ => return Err(bad()),
        },
    };
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err(bad());
    }
    Ok(address)
}

/// Connecting a UDP socket sends nothing: it only asks the routing table which address would be used.
fn own_address() -> IpAddr {
    let ask = || -> std::io::Result<IpAddr> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), SWARM_PORT))?;
        Ok(socket.local_addr()?.ip())
    };
    ask().ok().filter(|ip| !ip.is_unspecified()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_addresses_are_read() {
        let read = |text| advertised(text).map(|a| a.to_string()).ok();
        assert_eq!(read("10.0.0.1"), Some("10.0.0.1:2377".into()));
        assert_eq!(read("10.0.0.1:99"), Some("10.0.0.1:99".into()));
        assert_eq!(read("::1"), Some("[::1]:2377".into()));
        assert!(read("").is_some());
        for bad in ["nosuchif", "0.0.0.0", "10.0.0.1:0", "300.1.1.1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
