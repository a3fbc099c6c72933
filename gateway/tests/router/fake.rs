//! A small node over an in-memory connection: it knows one of everything.

use std::pin::Pin;

use hyper_util::rt::TokioIo;
use skep_wire::pb;
use skep_wire::pb::control_server::{Control, ControlServer};
use skep_wire::pb::node_control_server::{NodeControl, NodeControlServer};
use tokio_stream::Stream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

/// A stream that no test reads.
type Never<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a node is made to answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fake {
    pub(crate) info: pb::InfoResponse,
    pub(crate) nodes: Vec<pb::Node>,
    pub(crate) services: Vec<pb::ServiceRow>,
    pub(crate) tasks: Vec<pb::TaskRow>,
    pub(crate) secrets: Vec<pb::Secret>,
    pub(crate) configs: Vec<pb::Config>,
    pub(crate) networks: Vec<pb::Network>,
    pub(crate) images: Vec<pb::Image>,
    pub(crate) volumes: Vec<pb::Volume>,
}

impl Fake {
    /// Starts to answer; the channel leads here.
    pub(crate) fn serve(self) -> Channel {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(server));
        let server = Server::builder()
            .add_service(ControlServer::new(self.clone()))
            .add_service(NodeControlServer::new(self));
        tokio::spawn(server.serve_with_incoming(incoming));
        let mut client = Some(client);
        Endpoint::from_static("http://fake").connect_with_connector_lazy(tower::service_fn(
            move |_| {
                let client = client.take().map(TokioIo::new);
                async { client.ok_or_else(|| std::io::Error::other("connected before")) }
            },
        ))
    }

    fn leader(&self) -> String {
        self.nodes.first().map(|node| node.id.clone()).unwrap_or_default()
    }

    fn list_nodes(&self, _: pb::ListRequest) -> Result<pb::ListNodesResponse, Status> {
        Ok(pb::ListNodesResponse { nodes: self.nodes.clone(), leader: self.leader() })
    }

    fn get_node(&self, asked: pb::ByName) -> Result<pb::Node, Status> {
        find("node", &self.nodes, &asked.name, |node| (&node.id, hostname(node)))
    }

    fn get_cluster(&self, _: pb::GetClusterRequest) -> Result<pb::GetClusterResponse, Status> {
        if self.info.state != "active" {
            return Err(Status::unavailable("This node is not a swarm manager."));
        }
        let cluster = skep_api::Cluster {
            id: skep_api::Id::from_u128(1),
            meta: skep_api::Meta::default(),
            spec: skep_api::ClusterSpec::default(),
        };
        Ok(pb::GetClusterResponse { cluster: Some((&cluster).into()), leader: self.leader() })
    }

    fn list_services(&self, asked: pb::ListRequest) -> Result<pb::ListServicesResponse, Status> {
        let matches = |row: &&pb::ServiceRow| {
            let Some(service) = &row.service else { return false };
            begins(&asked.id_prefixes, &service.id)
                && begins(&asked.name_prefixes, service_name(service))
        };
        Ok(pb::ListServicesResponse {
            services: self.services.iter().filter(matches).cloned().collect(),
        })
    }

    fn get_service(&self, asked: pb::ByName) -> Result<pb::Service, Status> {
        let services: Vec<_> = self.services.iter().filter_map(|row| row.service.clone()).collect();
        find("service", &services, &asked.name, |service| (&service.id, service_name(service)))
    }

    fn list_tasks(&self, asked: pb::ListTasksRequest) -> Result<pb::ListTasksResponse, Status> {
        let matches = |row: &&pb::TaskRow| {
            let Some(task) = &row.task else { return false };
            begins(&asked.services, &task.service)
        };
        Ok(pb::ListTasksResponse { tasks: self.tasks.iter().filter(matches).cloned().collect() })
    }

    fn get_task(&self, asked: pb::ByName) -> Result<pb::TaskRow, Status> {
        let id = |row: &pb::TaskRow| row.task.clone().unwrap_or_default().id;
        self.tasks.iter().find(|row| id(row) == asked.name).cloned().ok_or_else(|| {
            let error = skep_api::Error::not_found(format!("task {} not found", asked.name));
            skep_wire::to_status(&error.hint("`skep service ps`"))
        })
    }

    fn list_secrets(&self, _: pb::ListRequest) -> Result<pb::ListSecretsResponse, Status> {
        Ok(pb::ListSecretsResponse { secrets: self.secrets.clone() })
    }

    fn list_configs(&self, _: pb::ListRequest) -> Result<pb::ListConfigsResponse, Status> {
        Ok(pb::ListConfigsResponse { configs: self.configs.clone() })
    }

    fn list_networks(&self, _: pb::ListRequest) -> Result<pb::ListNetworksResponse, Status> {
        Ok(pb::ListNetworksResponse { networks: self.networks.clone() })
    }

    fn info(&self, _: pb::InfoRequest) -> Result<pb::InfoResponse, Status> {
        Ok(self.info.clone())
    }

    fn list_images(&self, _: pb::ListImagesRequest) -> Result<pb::ListImagesResponse, Status> {
        Ok(pb::ListImagesResponse { images: self.images.clone() })
    }

    fn get_image(&self, asked: pb::ImageByName) -> Result<pb::Image, Status> {
        let image = self.images.iter().find(|image| image.tags.contains(&asked.name)).cloned();
        image.ok_or_else(|| Status::not_found(format!("No such image: {}", asked.name)))
    }

    fn list_volumes(&self, _: pb::ListVolumesRequest) -> Result<pb::ListVolumesResponse, Status> {
        Ok(pb::ListVolumesResponse { volumes: self.volumes.clone() })
    }
}

fn begins(prefixes: &[String], text: &str) -> bool {
    prefixes.is_empty() || prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))
}

fn hostname(node: &pb::Node) -> &str {
    node.description.as_ref().map_or("", |description| &description.hostname)
}

fn service_name(service: &pb::Service) -> &str {
    service.spec.as_ref().map_or("", |spec| &spec.name)
}

fn find<T: Clone>(
    kind: &str,
    all: &[T],
    asked: &str,
    names: impl Fn(&T) -> (&String, &str),
) -> Result<T, Status> {
    let found = all.iter().find(|object| {
        let (id, name) = names(object);
        id == asked || name == asked
    });
    found.cloned().ok_or_else(|| Status::not_found(format!("{kind} {asked} not found")))
}

/// Implements a service: some methods by the fake's own, the others by a refusal.
macro_rules! serves {
    (
        $service:ident:
        answers { $($method:ident($request:ident) -> $answer:ident),* $(,)? }
        refuses { $($refused:ident($taken:ty) -> $given:ty),* $(,)? }
        streams { $($stream:ident = $item:ident),* $(,)? }
    ) => {
        #[tonic::async_trait]
        impl $service for Fake {
            $(type $stream = Never<pb::$item>;)*
            $(async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$answer>, Status> {
                Fake::$method(self, request.into_inner()).map(Response::new)
            })*
            $(async fn $refused(&self, _: Request<$taken>) -> Result<Response<$given>, Status> {
                Err(Status::unimplemented("not by the fake"))
            })*
        }
    };
}

serves! {
    Control:
    answers {
        get_cluster(GetClusterRequest) -> GetClusterResponse,
        list_services(ListRequest) -> ListServicesResponse,
        get_service(ByName) -> Service,
        list_tasks(ListTasksRequest) -> ListTasksResponse,
        get_task(ByName) -> TaskRow,
        list_nodes(ListRequest) -> ListNodesResponse,
        get_node(ByName) -> Node,
        list_secrets(ListRequest) -> ListSecretsResponse,
        list_configs(ListRequest) -> ListConfigsResponse,
        list_networks(ListRequest) -> ListNetworksResponse,
    }
    refuses {
        create_service(pb::CreateServiceRequest) -> pb::CreateServiceResponse,
        update_cluster(pb::UpdateClusterRequest) -> pb::Cluster,
        update_service(pb::UpdateServiceRequest) -> pb::UpdateServiceResponse,
        explain(pb::ByName) -> pb::ExplainResponse,
        remove_service(pb::ByName) -> pb::Removed,
        update_node(pb::UpdateNodeRequest) -> pb::Node,
        remove_node(pb::RemoveNodeRequest) -> pb::Removed,
        create_secret(pb::SecretSpec) -> pb::Created,
        get_secret(pb::ByName) -> pb::Secret,
        remove_secret(pb::ByName) -> pb::Removed,
        create_config(pb::ConfigSpec) -> pb::Created,
        get_config(pb::ByName) -> pb::Config,
        remove_config(pb::ByName) -> pb::Removed,
        create_network(pb::NetworkSpec) -> pb::Created,
        get_network(pb::ByName) -> pb::Network,
        remove_network(pb::ByName) -> pb::Removed,
        deploy_stack(pb::DeployStackRequest) -> pb::DeployStackResponse,
        remove_stack(pb::RemoveStackRequest) -> pb::RemoveStackResponse,
        watch(pb::WatchRequest) -> Self::WatchStream,
    }
    streams { WatchStream = WatchMessage }
}

serves! {
    NodeControl:
    answers {
        info(InfoRequest) -> InfoResponse,
        list_images(ListImagesRequest) -> ListImagesResponse,
        get_image(ImageByName) -> Image,
        list_volumes(ListVolumesRequest) -> ListVolumesResponse,
    }
    refuses {
        init_swarm(pb::InitSwarmRequest) -> pb::InitSwarmResponse,
        load_image(Streaming<pb::LoadImageRequest>) -> pb::LoadImageResponse,
        pull_image(pb::PullImageRequest) -> Self::PullImageStream,
        push_image(pb::PushImageRequest) -> Self::PushImageStream,
        remove_image(pb::ImageByName) -> pb::RemoveImageResponse,
        get_volume(pb::VolumeByName) -> pb::Volume,
        remove_volume(pb::VolumeByName) -> pb::RemoveVolumeResponse,
    }
    streams { PullImageStream = ImageProgress, PushImageStream = ImageProgress }
}
