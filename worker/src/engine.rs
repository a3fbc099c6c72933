//! What runs tasks, as the supervisor sees it: the image store and the runtime, or a fake in tests.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use skep_api::{Assignment, Digest, Error, SecretBytes, WorkloadKind};
use skep_images::{Auth, ImageStore, LocalComponent, Silent};
use skep_runtime::{Component, Outcome, Plan, Runtime, Sandbox};
use tokio::io::{AsyncRead, AsyncWrite};

/// How many images a node says that it has compiled: managers keep it of every node, and prefer such
/// nodes among equals only.
const COMPILED_MAX: usize = 64;

/// Makes tasks ready.
#[async_trait]
pub(crate) trait Engine: Send + Sync + 'static {
    /// Has the component of a task at hand: fetched, checked and compiled.
    async fn prepare(&self, task: &Assignment) -> Result<Box<dyn Ready>, Error>;

    /// The images whose compiled code is here, the most recent [`COMPILED_MAX`] of them. Blocks.
    fn compiled(&self) -> BTreeSet<Digest>;
}

/// A component at hand.
pub(crate) trait Ready: Send + Sync {
    /// What kind of workload it is.
    fn kind(&self) -> WorkloadKind;

    /// Starts it with all that it may touch.
    fn start(&self, plan: Plan) -> Result<Arc<dyn Running>, Error>;
}

/// A task that runs. Dropping it cuts it off.
#[async_trait]
pub(crate) trait Running: Send + Sync {
    /// Waits for its end.
    async fn wait(&self) -> Outcome;

    /// Lets it end by itself within `grace`, then ends it.
    async fn stop(&self, grace: Duration) -> Outcome;

    /// Serves http on a connection, until that or the task ends.
    async fn serve(&self, io: Box<dyn Stream>, peer: SocketAddr);
}

/// A connection of whatever kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Components from the image store, run in the runtime's sandboxes.
pub(crate) struct Sandboxes {
    pub(crate) images: ImageStore,
    pub(crate) runtime: Runtime,
}

#[async_trait]
impl Engine for Sandboxes {
    async fn prepare(&self, task: &Assignment) -> Result<Box<dyn Ready>, Error> {
        let local = self.component(&task.grant.image, task.registry_auth.as_ref()).await?;
        let component = self.runtime.prepare(local.digest, &local.path).await?;
        Ok(Box::new(Compiled { runtime: self.runtime.clone(), component }))
    }

    fn compiled(&self) -> BTreeSet<Digest> {
        let mut images = self.images.list();
        images.sort_by_key(|image| Reverse((image.created_secs, image.digest)));
        let held = images.iter().filter(|image| self.runtime.has_code(&image.component));
        held.take(COMPILED_MAX).map(|image| image.digest).collect()
    }
}

impl Sandboxes {
    /// The component of a pinned image: what is here needs no network.
    async fn component(
        &self,
        image: &str,
        auth: Option<&SecretBytes>,
    ) -> Result<LocalComponent, Error> {
        if let Some(local) = self.images.component(image) {
            return Ok(local);
        }
        let auth = match auth {
            Some(header) => Auth::from_header(&String::from_utf8_lossy(header.expose()))?,
            None => Auth::FromConfig,
        };
        self.images.pull(image, &auth, &Silent).await?;
        // It may have been removed again by a user in this very moment.
        let local = self.images.component(image);
        local.ok_or_else(|| Error::not_found(format!("No such image: {image}")))
    }
}

struct Compiled {
    runtime: Runtime,
    component: Component,
}

impl Ready for Compiled {
    fn kind(&self) -> WorkloadKind {
        self.component.kind()
    }

    fn start(&self, plan: Plan) -> Result<Arc<dyn Running>, Error> {
        Ok(Arc::new(self.runtime.start(&self.component, plan)?))
    }
}

#[async_trait]
impl Running for Sandbox {
    async fn wait(&self) -> Outcome {
        Sandbox::wait(self).await
    }

    async fn stop(&self, grace: Duration) -> Outcome {
        Sandbox::stop(self, grace).await
    }

    async fn serve(&self, io: Box<dyn Stream>, peer: SocketAddr) {
        if let Err(error) = Sandbox::serve(self, io, peer).await {
            // A client's fault as a rule; what is the task's is in its own output.
            tracing::debug!(%peer, %error, "connection ended");
        }
    }
}
