//! A manager's dispatcher in this process, over an in-memory transport.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::Stream;
use hyper_util::rt::TokioIo;
use skep_api::{Assignments, NodeDescription, TaskReport};
use skep_wire::pb;
use skep_wire::pb::dispatcher_server::{Dispatcher, DispatcherServer};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// How long a test waits for what must come.
const LIMIT: Duration = Duration::from_secs(20);

/// What tests say as managers, and what they were told.
#[derive(Default)]
pub(crate) struct Managers {
    /// Refuses sessions and everything else.
    pub(crate) away: AtomicBool,
    sessions: watch::Sender<usize>,
    /// How often somebody asked for one.
    asked: watch::Sender<usize>,
    /// What the node said of itself last.
    pub(crate) description: Mutex<Option<NodeDescription>>,
    /// All that was assigned, for a session that begins.
    complete: Mutex<Option<Assignments>>,
    assign: Mutex<Option<Sender<pb::AssignmentsMessage>>>,
    session: Mutex<Option<Sender<pb::SessionMessage>>>,
    /// The batches of reports.
    batches: watch::Sender<Vec<Vec<TaskReport>>>,
}

type Sender<T> = mpsc::UnboundedSender<Result<T, Status>>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Managers {
    /// Managers, and the way to them.
    pub(crate) fn start() -> (Arc<Self>, Channel) {
        let managers = Arc::new(Self::default());
        let (connections, incoming) = mpsc::channel::<std::io::Result<DuplexStream>>(1);
        let server = DispatcherServer::new(Served(managers.clone()));
        tokio::spawn(
            Server::builder()
                .add_service(server)
                .serve_with_incoming(ReceiverStream::new(incoming)),
        );
        let connector = tower::service_fn(move |_| {
            let connections = connections.clone();
            async move {
                let (near, far) = tokio::io::duplex(64 * 1024);
                connections.send(Ok(far)).await.map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(near))
            }
        });
        let endpoint = Endpoint::from_static("http://managers");
        (managers, endpoint.connect_with_connector_lazy(connector))
    }

    /// Sets all that a node is to run, for this session or the next.
    pub(crate) fn assign(&self, assignments: Assignments) {
        if let Some(sender) = &*self.assign.lock().expect("lock") {
            // A session that ended gets it when it is back.
            let _ = sender.send(Ok((&assignments).into()));
        }
        *self.complete.lock().expect("lock") = Some(assignments);
    }

    /// Says just this to the node.
    pub(crate) fn say(&self, message: pb::AssignmentsMessage) {
        let sender = self.assign.lock().expect("lock");
        sender.as_ref().expect("a session").send(Ok(message)).expect("open");
    }

    /// Ends the session.
    pub(crate) fn hang_up(&self) {
        *self.assign.lock().expect("lock") = None;
        *self.session.lock().expect("lock") = None;
    }

    /// All batches so far.
    pub(crate) fn batches(&self) -> Vec<Vec<TaskReport>> {
        self.batches.borrow().clone()
    }

    /// Waits until so many sessions were opened.
    pub(crate) async fn opened(&self, sessions: usize) {
        let mut opened = self.sessions.subscribe();
        let opened = opened.wait_for(|opened| *opened >= sessions);
        let opened = tokio::time::timeout(LIMIT, opened).await.map(|seen| seen.is_ok());
        assert_eq!(opened, Ok(true), "no session number {sessions}");
    }

    /// Waits until sessions were asked for so often more.
    pub(crate) async fn asked(&self, more: usize) {
        let mut asked = self.asked.subscribe();
        let enough = *asked.borrow() + more;
        let asked = asked.wait_for(|asked| *asked >= enough);
        let asked = tokio::time::timeout(LIMIT, asked).await.map(|seen| seen.is_ok());
        assert_eq!(asked, Ok(true), "nobody asked for a session {more} times");
    }

    /// Waits until the reports so far fulfil a condition.
    pub(crate) async fn told(&self, what: &str, condition: impl Fn(&[TaskReport]) -> bool) {
        let mut batches = self.batches.subscribe();
        let told = batches.wait_for(|batches| condition(&batches.concat()));
        let told = tokio::time::timeout(LIMIT, told).await.map(|seen| seen.map(|_| ()));
        assert!(matches!(told, Ok(Ok(()))), "not told: {what}; {:?}", self.batches());
    }
}

struct Served(Arc<Managers>);

impl Served {
    fn here(&self) -> Result<(), Status> {
        match self.0.away.load(Ordering::SeqCst) {
            true => Err(Status::unavailable("no leader")),
            false => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl Dispatcher for Served {
    type SessionStream = Messages<pb::SessionMessage>;
    type AssignStream = Messages<pb::AssignmentsMessage>;

    async fn session(
        &self,
        request: Request<pb::SessionRequest>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        self.0.asked.send_modify(|asked| *asked += 1);
        self.here()?;
        let description = request.into_inner().description.map(NodeDescription::try_from);
        *self.0.description.lock().expect("lock") = description.transpose()?;
        let (sender, messages) = mpsc::unbounded_channel();
        let first = pb::SessionMessage { session_id: "a session".to_owned(), node: None };
        sender.send(Ok(first)).expect("open");
        *self.0.session.lock().expect("lock") = Some(sender);
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(messages))))
    }

    async fn heartbeat(
        &self,
        _: Request<pb::HeartbeatRequest>,
    ) -> Result<Response<pb::HeartbeatResponse>, Status> {
        self.here()?;
        Ok(Response::new(pb::HeartbeatResponse { period_ns: 50_000_000 }))
    }

    async fn assign(
        &self,
        _: Request<pb::AssignRequest>,
    ) -> Result<Response<Self::AssignStream>, Status> {
        let (sender, messages) = mpsc::unbounded_channel();
        if let Some(complete) = &*self.0.complete.lock().expect("lock") {
            sender.send(Ok(complete.into())).expect("open");
        }
        *self.0.assign.lock().expect("lock") = Some(sender);
        self.0.sessions.send_modify(|sessions| *sessions += 1);
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(messages))))
    }

    async fn update_task_status(
        &self,
        request: Request<pb::UpdateTaskStatusRequest>,
    ) -> Result<Response<pb::UpdateTaskStatusResponse>, Status> {
        self.here()?;
        let reports = request.into_inner().reports.into_iter();
        let reports: Result<Vec<TaskReport>, _> = reports.map(TryInto::try_into).collect();
        let reports = reports.map_err(Status::from)?;
        self.0.batches.send_modify(|batches| batches.push(reports));
        Ok(Response::new(pb::UpdateTaskStatusResponse {}))
    }
}
