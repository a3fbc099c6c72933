//! The control service: what users ask of the swarm.
//!
//! Every write is admitted by the core, proposed, and answered when it can be read back. Reads
//! come from the view that is there. No answer carries a secret's content or credentials.

mod image;
mod list;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use skep_api::{
    ClusterSpec, ConfigSpec, Error, Id, IdGen, NetworkSpec, Node, NodeSpec, Result, SecretSpec,
};
use skep_manager_core::{
    Force, View, admit_create_config, admit_create_network, admit_create_secret,
    admit_remove_config, admit_remove_network, admit_remove_node, admit_remove_secret,
    admit_remove_service, admit_update_cluster, admit_update_node, explain_service,
};
use skep_wire::pb;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

pub use self::image::{ResolveImage, ResolvedImage};
use crate::answer::{Answer, Messages, answer};
use crate::raft::Group;

/// The control service. Cheap to copy.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

struct Inner {
    group: Arc<Group>,
    images: Arc<dyn ResolveImage>,
    ids: Mutex<IdGen>,
    /// This node: while there is one manager, the leader.
    node: Id<Node>,
    stop: CancellationToken,
}

impl Control {
    pub(crate) fn new(
        group: Arc<Group>,
        images: Arc<dyn ResolveImage>,
        ids: IdGen,
        node: Id<Node>,
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner { group, images, ids: Mutex::new(ids), node, stop }))
    }

    fn view(&self) -> View {
        self.0.group.board().view()
    }

    async fn rewrite_cluster(&self, request: pb::UpdateClusterRequest) -> Result<pb::Cluster> {
        let spec = request.spec.ok_or_else(|| Error::invalid("the request has no swarm spec"))?;
        let spec = ClusterSpec::try_from(spec)?;
        self.0
            .write(|view, _| Ok((admit_update_cluster(view, request.version, spec.clone())?, ())))
            .await?;
        Ok(self.view().cluster().ok_or_else(|| Error::not_found("swarm not found"))?.into())
    }

    async fn rewrite_node(&self, request: pb::UpdateNodeRequest) -> Result<pb::Node> {
        let spec = request.spec.ok_or_else(|| Error::invalid("the request has no node spec"))?;
        let spec = NodeSpec::try_from(spec)?;
        let id = self.view().find_node(&request.id)?.id;
        self.0
            .write(|view, _| Ok((admit_update_node(view, id, request.version, spec.clone())?, ())))
            .await?;
        Ok(self.view().node(id).ok_or_else(|| Error::not_found("node not found"))?.into())
    }
}

impl Inner {
    fn ids(&self) -> MutexGuard<'_, IdGen> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the store moved: at once, and whenever it did since the last message.
fn moves(inner: Arc<Inner>) -> impl Stream<Item = std::result::Result<pb::WatchMessage, Status>> {
    let mut moved = inner.group.board().watch();
    moved.mark_changed();
    stream::try_unfold((inner, moved), |(inner, mut moved)| async move {
        tokio::select! {
            () = inner.stop.cancelled() => return Err(Status::unavailable("the manager stops")),
            _ = moved.changed() => {}
        }
        let version = moved.borrow_and_update().index;
        Ok(Some((pb::WatchMessage { version }, (inner, moved))))
    })
}

#[tonic::async_trait]
impl pb::control_server::Control for Control {
    type WatchStream = Messages<pb::WatchMessage>;

    async fn get_cluster(
        &self,
        _: Request<pb::GetClusterRequest>,
    ) -> Answer<pb::GetClusterResponse> {
        let view = self.view();
        let cluster = view.cluster().map(Into::into);
        answer(Ok(pb::GetClusterResponse { cluster, leader: self.0.node.to_string() }))
    }

    async fn update_cluster(
        &self,
        request: Request<pb::UpdateClusterRequest>,
    ) -> Answer<pb::Cluster> {
        answer(self.rewrite_cluster(request.into_inner()).await)
    }

    async fn create_service(
        &self,
        request: Request<pb::CreateServiceRequest>,
    ) -> Answer<pb::CreateServiceResponse> {
        answer(self.0.create_service(request.into_inner()).await)
    }

    async fn update_service(
        &self,
        request: Request<pb::UpdateServiceRequest>,
    ) -> Answer<pb::UpdateServiceResponse> {
        answer(self.0.update_service(request.into_inner()).await)
    }

    async fn remove_service(&self, request: Request<pb::ByName>) -> Answer<pb::Removed> {
        let name = request.into_inner().name;
        let find = |view: &'_ View, name: &str| -> Result<(Id<_>, String)> {
            view.find_service(name).map(|o| (o.id, o.spec.name.clone()))
        };
        answer(self.0.remove(&name, find, admit_remove_service).await)
    }

    async fn get_service(&self, request: Request<pb::ByName>) -> Answer<pb::Service> {
        answer(self.view().find_service(&request.get_ref().name).map(list::service))
    }

    async fn list_services(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListServicesResponse> {
        let services = list::services(&self.view(), request.get_ref());
        answer(Ok(pb::ListServicesResponse { services }))
    }

    async fn explain(&self, request: Request<pb::ByName>) -> Answer<pb::ExplainResponse> {
        let (view, now) = (self.view(), self.0.group.board().clock.now());
        let service = view.find_service(&request.get_ref().name);
        answer(service.map(|service| list::explanation(explain_service(&view, service, now))))
    }

    async fn get_task(&self, request: Request<pb::ByName>) -> Answer<pb::TaskRow> {
        let view = self.view();
        answer(view.find_task(&request.get_ref().name).map(|task| list::task_row(&view, task)))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Answer<pb::ListTasksResponse> {
        answer(Ok(pb::ListTasksResponse { tasks: list::tasks(&self.view(), request.get_ref()) }))
    }

    async fn get_node(&self, request: Request<pb::ByName>) -> Answer<pb::Node> {
        answer(self.view().find_node(&request.get_ref().name).map(pb::Node::from))
    }

    async fn list_nodes(&self, request: Request<pb::ListRequest>) -> Answer<pb::ListNodesResponse> {
        let nodes = list::nodes(&self.view(), request.get_ref());
        answer(Ok(pb::ListNodesResponse { nodes, leader: self.0.node.to_string() }))
    }

    async fn update_node(&self, request: Request<pb::UpdateNodeRequest>) -> Answer<pb::Node> {
        answer(self.rewrite_node(request.into_inner()).await)
    }

    async fn remove_node(&self, request: Request<pb::RemoveNodeRequest>) -> Answer<pb::Removed> {
        let request = request.into_inner();
        let find = |view: &'_ View, name: &str| -> Result<(Id<_>, String)> {
            view.find_node(name).map(|node| (node.id, node.description.hostname.clone()))
        };
        let force = if request.force { Force::Yes } else { Force::No };
        let admit = |view: &'_ View, id| admit_remove_node(view, id, force);
        answer(self.0.remove(&request.id, find, admit).await)
    }

    async fn create_secret(&self, request: Request<pb::SecretSpec>) -> Answer<pb::Created> {
        let spec = SecretSpec::try_from(request.into_inner())?;
        answer(self.0.create(|view, ids| admit_create_secret(view, spec.clone(), ids)).await)
    }

    async fn get_secret(&self, request: Request<pb::ByName>) -> Answer<pb::Secret> {
        answer(self.view().find_secret(&request.get_ref().name).map(list::secret))
    }

    async fn list_secrets(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListSecretsResponse> {
        let secrets = list::secrets(&self.view(), request.get_ref());
        answer(Ok(pb::ListSecretsResponse { secrets }))
    }

    async fn remove_secret(&self, request: Request<pb::ByName>) -> Answer<pb::Removed> {
        let name = request.into_inner().name;
        let find = |view: &'_ View, name: &str| -> Result<(Id<_>, String)> {
            view.find_secret(name).map(|o| (o.id, o.spec.name.clone()))
        };
        answer(self.0.remove(&name, find, admit_remove_secret).await)
    }

    async fn create_config(&self, request: Request<pb::ConfigSpec>) -> Answer<pb::Created> {
        let spec = ConfigSpec::try_from(request.into_inner())?;
        answer(self.0.create(|view, ids| admit_create_config(view, spec.clone(), ids)).await)
    }

    async fn get_config(&self, request: Request<pb::ByName>) -> Answer<pb::Config> {
        answer(self.view().find_config(&request.get_ref().name).map(pb::Config::from))
    }

    async fn list_configs(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListConfigsResponse> {
        let configs = list::configs(&self.view(), request.get_ref());
        answer(Ok(pb::ListConfigsResponse { configs }))
    }

    async fn remove_config(&self, request: Request<pb::ByName>) -> Answer<pb::Removed> {
        let name = request.into_inner().name;
        let find = |view: &'_ View, name: &str| -> Result<(Id<_>, String)> {
            view.find_config(name).map(|o| (o.id, o.spec.name.clone()))
        };
        answer(self.0.remove(&name, find, admit_remove_config).await)
    }

    async fn create_network(&self, request: Request<pb::NetworkSpec>) -> Answer<pb::Created> {
        let spec = NetworkSpec::try_from(request.into_inner())?;
        answer(self.0.create(|view, ids| admit_create_network(view, spec.clone(), ids)).await)
    }

    async fn get_network(&self, request: Request<pb::ByName>) -> Answer<pb::Network> {
        answer(self.view().find_network(&request.get_ref().name).map(pb::Network::from))
    }

    async fn list_networks(
        &self,
        request: Request<pb::ListRequest>,
    ) -> Answer<pb::ListNetworksResponse> {
        let networks = list::networks(&self.view(), request.get_ref());
        answer(Ok(pb::ListNetworksResponse { networks }))
    }

    async fn remove_network(&self, request: Request<pb::ByName>) -> Answer<pb::Removed> {
        let name = request.into_inner().name;
        let find = |view: &'_ View, name: &str| -> Result<(Id<_>, String)> {
            view.find_network(name).map(|o| (o.id, o.spec.name.clone()))
        };
        answer(self.0.remove(&name, find, admit_remove_network).await)
    }

    async fn deploy_stack(
        &self,
        request: Request<pb::DeployStackRequest>,
    ) -> Answer<pb::DeployStackResponse> {
        answer(self.0.deploy(request.into_inner()).await)
    }

    async fn remove_stack(
        &self,
        request: Request<pb::RemoveStackRequest>,
    ) -> Answer<pb::RemoveStackResponse> {
        answer(self.0.remove_stack(&request.get_ref().stack).await)
    }

    async fn watch(&self, _: Request<pb::WatchRequest>) -> Answer<Self::WatchStream> {
        answer(Ok(moves(self.0.clone()).boxed()))
    }
}
