//! The worker as the node sees it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use skep_api::{Bytes, Error, Id, Node, NodeDescription};
use skep_images::ImageStore;
use skep_runtime::Runtime;
use skep_worker_core::Contact;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Channel;

use crate::agent::{Agent, Ends};
use crate::engine::{Engine, Sandboxes};
use crate::fabric::Fabric;
use crate::logs::Logs;
use crate::publish::Publisher;
use crate::reports::Reports;
use crate::supervisor::{Parts, Supervisor};
use crate::volumes::Volumes;

/// How many messages of the assignments stream may wait for the loop; more wait in the stream.
const ASSIGNMENTS_MAX: usize = 4;

/// How a worker works.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Where it keeps volumes and logs.
    pub root: PathBuf,
    /// The node it is.
    pub node_id: Id<Node>,
    /// What it says of itself.
    pub description: NodeDescription,
    /// The address that published ports are opened on.
    pub ingress_addr: IpAddr,
    /// How much one of a task's two log files holds.
    pub log_max: Bytes,
}

/// Runs the tasks that managers assign to this node.
#[derive(Debug)]
pub struct Worker {
    volumes: Volumes,
    logs: Logs,
    running: Arc<AtomicUsize>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Worker {
    /// Starts to work for the managers behind `channel`. Must be called inside a tokio runtime, on
    /// which the tasks then run.
    pub fn start(
        config: WorkerConfig,
        images: ImageStore,
        runtime: Runtime,
        channel: Channel,
    ) -> Result<Self, Error> {
        Self::start_on(Sandboxes { images, runtime }, config, channel)
    }

    pub(crate) fn start_on(
        engine: impl Engine,
        config: WorkerConfig,
        channel: Channel,
    ) -> Result<Self, Error> {
        let node = config.node_id;
        let volumes = Volumes::open(&config.root.join("volumes"))?;
        let logs = config.root.join("logs");
        let logs = Logs::open(&logs, config.log_max, node).map_err(|error| {
            Error::internal(format!("cannot open the logs `{}`: {error}", logs.display()))
        })?;
        let running = Arc::new(AtomicUsize::new(0));
        let reports = Arc::new(Reports::default());
        let fabric = Fabric::new(node);
        let (sender, assignments) = mpsc::channel(ASSIGNMENTS_MAX);
        let (contact, contacts) = watch::channel(Contact::default());
        let engine = Arc::new(engine);
        let ends = Ends { reports: reports.clone(), assignments: sender, contact };
        let agent = Agent::new(channel, node, config.description, engine.clone(), ends);
        let supervisor = Supervisor::new(Parts {
            engine,
            publisher: Publisher::new(config.ingress_addr, node, fabric.clone()),
            fabric,
            volumes: volumes.clone(),
            logs: logs.clone(),
            reports,
            contact: contacts,
            running: running.clone(),
        });
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(supervisor.run(assignments, stop.clone()));
        let stopped = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                never = agent.run() => match never {},
            }
        });
        tasks.close();
        Ok(Self { volumes, logs, running, stop, tasks })
    }

    /// Ends all tasks, each within its own grace period, and closes all ports. Managers are told
    /// nothing: the tasks are started again when the node is.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// The node's volumes.
    pub fn volumes(&self) -> &Volumes {
        &self.volumes
    }

    /// The node's logs.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// How many tasks run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }
}

/// A worker that is dropped without [`Worker::stop`] ends its tasks all the same; nobody waits.
impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
