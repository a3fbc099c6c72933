//! A running task.

use std::sync::Arc;
use std::time::Duration;

use skep_api::WorkloadKind;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::component::Workload;
use crate::engine::Engines;
use crate::http::{Handler, RequestCounts, ServeError};
use crate::task::Task;
use crate::{Component, Outcome, Plan, command};

/// A running task. Dropping it cuts the task off at once.
pub struct Sandbox {
    kind: WorkloadKind,
    task: Arc<Task>,
    handler: Option<Arc<Handler>>,
    stops: Stops,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// How a task is asked to end, and then made to.
#[derive(Clone, Default)]
pub(crate) struct Stops {
    /// It is to end by itself.
    pub(crate) asked: CancellationToken,
    /// It is over.
    pub(crate) cut: CancellationToken,
}

/// Why a plan can't be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A path of the plan is not absolute, or leads upwards.
    #[error("`{0}` is not an absolute path")]
    Path(String),
    /// Two things of the plan want the same place.
    #[error("two files or folders are meant for `{0}`")]
    Conflict(String),
}

impl From<StartError> for skep_api::Error {
    fn from(error: StartError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl Sandbox {
    pub(crate) fn start(
        engines: Arc<Engines>,
        component: Component,
        plan: Plan,
    ) -> Result<Self, StartError> {
        let kind = component.kind();
        let task = Arc::new(Task::new(plan)?);
        let stops = Stops::default();
        let (sender, outcome) = watch::channel(None);
        let handler = match &component.0.workload {
            Workload::Command(_) => None,
            Workload::Http(proxy) => Some(Arc::new(Handler::new(
                engines.clone(),
                proxy.clone(),
                task.clone(),
                stops.clone(),
            ))),
        };
        let (running, cut) = (task.clone(), stops.cut.clone());
        let (serving, ending) = (handler.clone(), handler.clone());
        tokio::spawn(async move {
            let run = async {
                match (&component.0.workload, serving) {
                    (Workload::Command(command), _) => {
                        command::run(&engines, command, &running).await
                    }
                    (Workload::Http(_), Some(handler)) => handler.run().await,
                    (Workload::Http(_), None) => unreachable!("an http component has a handler"),
                }
            };
            // The guest is gone, its last line out and its secrets let go, before its end is told.
            let outcome = tokio::select! {
                biased;
                () = cut.cancelled() => Outcome::Killed,
                outcome = run => outcome,
            };
            if let Some(handler) = ending {
                handler.finished().await;
            }
            drop(running);
            sender.send_replace(Some(outcome));
        });
        Ok(Self { kind, task, handler, stops, outcome })
    }

    /// What runs in it.
    pub fn kind(&self) -> WorkloadKind {
        self.kind
    }

    /// Waits for its end. Can be called by many, and again.
    pub async fn wait(&self) -> Outcome {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Outcome::Killed),
            // The sender is only dropped early by a panic.
            Err(_) => Outcome::Failed("the host's side of it broke down".into()),
        }
    }

    /// Asks it to end: a command's listeners close, an http task gets no new requests. What has not
    /// ended by itself after `grace` is cut off.
    pub async fn stop(&self, grace: Duration) -> Outcome {
        self.stops.asked.cancel();
        self.task.close_listeners();
        match tokio::time::timeout(grace, self.wait()).await {
            Ok(outcome) => outcome,
            Err(_) => {
                self.stops.cut.cancel();
                self.wait().await
            }
        }
    }

    /// Serves HTTP/1.1 and HTTP/2 on a connection from `peer`, for http tasks, until the connection
    /// ends or the task does.
    pub async fn serve(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: std::net::SocketAddr,
    ) -> Result<(), ServeError> {
        match &self.handler {
            Some(handler) => handler.serve(io, peer).await,
            None => Err(ServeError::NotHttp),
        }
    }

    /// What became of the requests of an http task so far.
    pub fn requests(&self) -> RequestCounts {
        self.handler.as_ref().map(|handler| handler.counts()).unwrap_or_default()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stops.cut.cancel();
    }
}
