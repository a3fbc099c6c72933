//! What a user asks of this one node: its swarm, its images, its volumes.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt};
use skep_api::Error;
use skep_images::{Auth, Force};
use skep_wire::pb::node_control_server::{NodeControl, NodeControlServer};
use skep_wire::{pb, to_status};
use tokio_util::io::StreamReader;
use tonic::{Request, Response, Status, Streaming};

use crate::images;
use crate::swarm::Swarm;

/// The service for one node.
pub(crate) struct Service {
    swarm: Arc<Swarm>,
}

impl Service {
    /// The tonic server of it.
    pub(crate) fn server(swarm: Arc<Swarm>) -> NodeControlServer<Self> {
        NodeControlServer::new(Self { swarm })
    }
}

type Answer<T> = std::result::Result<Response<T>, Status>;
type ProgressStream =
    Pin<Box<dyn Stream<Item = std::result::Result<pb::ImageProgress, Status>> + Send>>;

fn status(error: impl Into<Error>) -> Status {
    to_status(&error.into())
}

#[tonic::async_trait]
impl NodeControl for Service {
    async fn info(&self, _: Request<pb::InfoRequest>) -> Answer<pb::InfoResponse> {
        Ok(Response::new(self.swarm.info().await))
    }

    async fn init_swarm(
        &self,
        request: Request<pb::InitSwarmRequest>,
    ) -> Answer<pb::InitSwarmResponse> {
        let pb::InitSwarmRequest { advertise_addr, task_history_limit } = request.into_inner();
        let swarm = Arc::clone(&self.swarm);
        let node_id = swarm.init(&advertise_addr, task_history_limit).await.map_err(status)?;
        Ok(Response::new(pb::InitSwarmResponse { node_id: node_id.to_string() }))
    }

    async fn load_image(
        &self,
        request: Request<Streaming<pb::LoadImageRequest>>,
    ) -> Answer<pb::LoadImageResponse> {
        let mut stream = request.into_inner();
        let first = stream.message().await?.unwrap_or_default();
        let data = stream.map(|message| match message {
            Ok(message) => Ok(bytes::Bytes::from(message.data)),
            Err(status) => Err(std::io::Error::other(status)),
        });
        let head = futures_util::stream::iter([Ok(bytes::Bytes::from(first.data))]);
        let source = StreamReader::new(head.chain(data));
        let image = self.swarm.images().load(&first.tag, source).await.map_err(status)?;
        Ok(Response::new(pb::LoadImageResponse { image: Some((&image).into()) }))
    }

    type PullImageStream = ProgressStream;

    async fn pull_image(&self, request: Request<pb::PullImageRequest>) -> Answer<ProgressStream> {
        let pb::PullImageRequest { image, registry_auth } = request.into_inner();
        let auth = images::auth(registry_auth).map_err(status)?;
        let store = self.swarm.images().clone();
        Ok(Response::new(images::with_progress(move |progress| async move {
            store.pull(&image, &auth, &progress).await
        })))
    }

    type PushImageStream = ProgressStream;

    async fn push_image(&self, request: Request<pb::PushImageRequest>) -> Answer<ProgressStream> {
        let pb::PushImageRequest { image, registry_auth } = request.into_inner();
        let auth: Auth = images::auth(registry_auth).map_err(status)?;
        let store = self.swarm.images().clone();
        Ok(Response::new(images::with_progress(move |progress| async move {
            store.push(&image, &auth, &progress).await?;
            store.inspect(&image)
        })))
    }

    async fn list_images(
        &self,
        request: Request<pb::ListImagesRequest>,
    ) -> Answer<pb::ListImagesResponse> {
        let references = request.into_inner().references;
        let images = self.swarm.images().list();
        let wanted = images.iter().filter(|image| images::matches(image, &references));
        Ok(Response::new(pb::ListImagesResponse { images: wanted.map(Into::into).collect() }))
    }

    async fn get_image(&self, request: Request<pb::ImageByName>) -> Answer<pb::Image> {
        let image = self.swarm.images().inspect(&request.into_inner().name).map_err(status)?;
        Ok(Response::new((&image).into()))
    }

    async fn remove_image(
        &self,
        request: Request<pb::ImageByName>,
    ) -> Answer<pb::RemoveImageResponse> {
        let pb::ImageByName { name, force } = request.into_inner();
        self.swarm.refuse_used_image(&name).await.map_err(status)?;
        let force = if force { Force::Yes } else { Force::No };
        let removed = self.swarm.images().remove(&name, force).await.map_err(status)?;
        let deleted = removed.deleted.iter().map(ToString::to_string).collect();
        Ok(Response::new(pb::RemoveImageResponse { untagged: removed.untagged, deleted }))
    }

    async fn list_volumes(
        &self,
        request: Request<pb::ListVolumesRequest>,
    ) -> Answer<pb::ListVolumesResponse> {
        let pb::ListVolumesRequest { name_parts, labels } = request.into_inner();
        let mut volumes = self.swarm.volumes().await.map_err(status)?;
        volumes.retain(|volume| {
            let named =
                name_parts.is_empty() || name_parts.iter().any(|part| volume.name.contains(part));
            let labelled = labels.iter().all(|label| match label.split_once('=') {
                Some((key, value)) => volume.labels.get(key).is_some_and(|v| v == value),
                None => volume.labels.contains_key(label),
            });
            named && labelled
        });
        Ok(Response::new(pb::ListVolumesResponse { volumes }))
    }

    async fn get_volume(&self, request: Request<pb::VolumeByName>) -> Answer<pb::Volume> {
        let name = request.into_inner().name;
        let volumes = self.swarm.volumes().await.map_err(status)?;
        let found = volumes.into_iter().find(|volume| volume.name == name);
        let missing = || status(Error::not_found(format!("get {name}: no such volume")));
        found.map(Response::new).ok_or_else(missing)
    }

    async fn remove_volume(
        &self,
        request: Request<pb::VolumeByName>,
    ) -> Answer<pb::RemoveVolumeResponse> {
        let pb::VolumeByName { name, force } = request.into_inner();
        match self.swarm.remove_volume(&name).await {
            Err(error) if force && error.kind == skep_api::ErrorKind::NotFound => {}
            other => other.map_err(status)?,
        }
        Ok(Response::new(pb::RemoveVolumeResponse {}))
    }
}
