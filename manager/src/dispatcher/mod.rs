//! The dispatcher: what nodes' agents talk to.
//!
//! A node opens a session and keeps it alive with beats; on it, it is told what to run and reports
//! what became of it. Everything sent follows the store, level-triggered: a stream that was slow
//! gets the difference to what it was sent last, and nothing is queued for it.

mod assign;
mod reports;
mod sessions;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use skep_api::{
    ClusterSpec, Error, Id, IdGen, Node, NodeDescription, NodeState, NodeStatus, Result, TaskReport,
};
use skep_manager_core::{Change, Object};
use skep_wire::{pb, to_status};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use self::reports::{REPORTS_MAX, Reports};
use self::sessions::{Lost, Session, SessionError, Sessions};
use crate::answer::{Answer, Messages, answer};
use crate::raft::{Group, ProposeError};

/// How often a node's object is written again because another writer was first. More than a few
/// times in a row does not happen.
const NODE_WRITES_MAX: usize = 10;

/// The dispatcher service. Cheap to copy.
#[derive(Clone)]
pub struct Dispatcher(Arc<Inner>);

struct Inner {
    group: Arc<Group>,
    sessions: Mutex<Sessions>,
    ids: Mutex<IdGen>,
    /// A session was opened: the next deadline may be another.
    opened: Notify,
    reports: Reports,
    /// The manager stops: streams end.
    stop: CancellationToken,
}

impl Dispatcher {
    pub(crate) fn new(group: Arc<Group>, ids: IdGen, stop: CancellationToken) -> Self {
        Self(Arc::new(Inner {
            reports: Reports::new(group.clone()),
            group,
            sessions: Mutex::default(),
            ids: Mutex::new(ids),
            opened: Notify::new(),
            stop,
        }))
    }

    /// A manager begins to lead: nodes that were up have to come back, and get nothing new until
    /// they did (semantics part 8).
    pub(crate) async fn begin(&self) -> Result<()> {
        let view = self.0.group.board().view();
        let (now, period) = (self.0.now(), self.0.period());
        let mut changes = Vec::new();
        for node in view.nodes().filter(|node| node.status.state != NodeState::Down) {
            self.0.sessions().await_return(node.id, now, period);
            if node.status.state != NodeState::Unknown {
                let mut node = node.clone();
                node.status.state = NodeState::Unknown;
                node.status.message =
                    "Node moved to \"unknown\" state due to leadership change in cluster"
                        .to_owned();
                changes.push(Change::Update(Object::Node(node)));
            }
        }
        if !changes.is_empty() {
            self.0.group.propose(changes).await?;
        }
        Ok(())
    }

    /// Marks nodes down that miss their beats, until the manager stops.
    pub(crate) async fn watch_beats(self) {
        let inner = &self.0;
        loop {
            let deadline = inner.sessions().next_deadline();
            tokio::select! {
                () = inner.stop.cancelled() => return,
                () = inner.opened.notified() => {}
                () = inner.sleep_until(deadline) => {}
            }
            let lost = inner.sessions().expire(inner.now());
            for (node, why) in lost {
                inner.lose(node, why).await;
            }
        }
    }
}

impl Inner {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> skep_api::Time {
        self.group.board().clock.now()
    }

    fn period(&self) -> Duration {
        let view = self.group.board().view();
        let period = view.cluster().map(|cluster| cluster.spec.heartbeat_period);
        period.unwrap_or_else(|| ClusterSpec::default().heartbeat_period)
    }

    async fn sleep_until(&self, deadline: Option<skep_api::Time>) {
        match deadline {
            Some(at) => tokio::time::sleep(self.group.board().clock.until(at)).await,
            None => std::future::pending().await,
        }
    }

    /// A node is down as far as managers know.
    async fn lose(&self, node: Id<Node>, why: Lost) {
        tracing::warn!(%node, reason = why.message(), "node is down");
        let down = |status: &mut NodeStatus| {
            status.state = NodeState::Down;
            status.message = why.message().to_owned();
        };
        match self.update_node(node, |node| down(&mut node.status)).await {
            Ok(()) => {}
            Err(error) if error.kind == skep_api::ErrorKind::NotFound => {
                self.sessions().forget(node);
            }
            Err(error) => {
                tracing::error!(%node, %error, "the node's loss was not written, trying again");
                let (now, period) = (self.now(), self.period());
                self.sessions().await_return(node, now, period);
            }
        }
    }

    /// Writes what `edit` makes of the node, if that is anything new.
    async fn update_node(&self, id: Id<Node>, edit: impl Fn(&mut Node)) -> Result<()> {
        for _ in 0..NODE_WRITES_MAX {
            let view = self.group.board().view();
            let stored = view.node(id).ok_or_else(removed)?;
            let mut node = stored.clone();
            edit(&mut node);
            if node == *stored {
                return Ok(());
            }
            match self.group.propose(vec![Change::Update(Object::Node(node))]).await {
                Ok(_) => return Ok(()),
                Err(ProposeError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::internal(format!("node {id} is written too often to be written")))
    }

    /// The node says what it is, and is ready.
    async fn register(
        &self,
        node: Id<Node>,
        description: NodeDescription,
        addr: Option<String>,
    ) -> Result<()> {
        let ready = |node: &mut Node| {
            node.description = description.clone();
            node.status.state = NodeState::Ready;
            node.status.message.clear();
            if let Some(addr) = &addr {
                node.status.addr.clone_from(addr);
            }
        };
        self.update_node(node, ready).await
    }

    async fn open(&self, request: Request<pb::SessionRequest>) -> Result<Talk> {
        let addr = request.remote_addr().map(|addr| addr.ip().to_string());
        let request = request.into_inner();
        let node: Id<Node> = request.node_id.parse().map_err(|_| removed())?;
        let description = request.description.ok_or_else(|| {
            Error::invalid("SessionRequest.description is missing: a node says what it is")
        })?;
        let description = NodeDescription::try_from(description)?;
        if self.group.board().view().node(node).is_none() {
            return Err(removed());
        }
        let id = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next::<Session>();
        let (now, period) = (self.now(), self.period());
        let ended = self.sessions().open(node, id, now, period)?;
        self.opened.notify_one();
        self.register(node, description, addr).await?;
        Ok(Talk { id, node, ended })
    }

    /// Whose session it is. A node that was removed has none any more.
    fn find(&self, session: &str) -> Result<Talk> {
        let id = session.parse().map_err(|_| SessionError::Invalid)?;
        let (node, ended) = self.sessions().find(id)?;
        if self.group.board().view().node(node).is_none() {
            self.sessions().forget(node);
            return Err(removed());
        }
        Ok(Talk { id, node, ended })
    }

    fn heartbeat(&self, session: &str) -> Result<Duration> {
        let talk = self.find(session)?;
        let (now, period) = (self.now(), self.period());
        self.sessions().beat(talk.id, now, period)?;
        let random = self.ids.lock().unwrap_or_else(PoisonError::into_inner).below(256);
        Ok(sessions::next_beat(period, random as u8))
    }

    async fn report(&self, request: pb::UpdateTaskStatusRequest) -> Result<()> {
        let talk = self.find(&request.session_id)?;
        if request.reports.len() > REPORTS_MAX {
            let given = request.reports.len();
            return Err(Error::invalid(format!(
                "a request has at most {REPORTS_MAX} reports, got {given}"
            )));
        }
        let read = |report| TaskReport::try_from(report).map_err(Error::from);
        let reports: Vec<TaskReport> =
            request.reports.into_iter().map(read).collect::<Result<_>>()?;
        let view = self.group.board().view();
        self.reports.write(reports::changes(&view, talk.node, &reports)?).await
    }
}

/// A session that a call belongs to.
#[derive(Clone)]
struct Talk {
    id: Id<Session>,
    node: Id<Node>,
    ended: CancellationToken,
}

/// The node is not in the store: it was removed, or never there.
fn removed() -> Error {
    Error::not_found("node not found")
}

/// What ends a stream.
async fn ended(talk: &Talk, stop: &CancellationToken) -> Status {
    tokio::select! {
        () = talk.ended.cancelled() => to_status(&SessionError::Invalid.into()),
        () = stop.cancelled() => Status::unavailable("the manager stops"),
    }
}

/// The node's object, at first and whenever what a user wants of it changed.
fn node_messages(
    inner: Arc<Inner>,
    talk: Talk,
) -> impl Stream<Item = std::result::Result<pb::SessionMessage, Status>> + Send {
    let moved = inner.group.board().watch();
    let start = (inner, talk, moved, None::<skep_api::NodeSpec>);
    stream::try_unfold(start, |(inner, talk, mut moved, mut sent)| async move {
        loop {
            let view = moved.borrow_and_update().view.clone();
            let Some(node) = view.node(talk.node) else {
                return Err(to_status(&removed()));
            };
            if sent.as_ref() != Some(&node.spec) {
                sent = Some(node.spec.clone());
                let session_id = talk.id.to_string();
                let message = pb::SessionMessage { session_id, node: Some(node.into()) };
                return Ok(Some((message, (inner, talk, moved, sent))));
            }
            tokio::select! {
                status = ended(&talk, &inner.stop) => return Err(status),
                _ = moved.changed() => {}
            }
        }
    })
}

#[tonic::async_trait]
impl pb::dispatcher_server::Dispatcher for Dispatcher {
    type SessionStream = Messages<pb::SessionMessage>;
    type AssignStream = Messages<pb::AssignmentsMessage>;

    async fn session(&self, request: Request<pb::SessionRequest>) -> Answer<Self::SessionStream> {
        let talk = self.0.open(request).await;
        answer(talk.map(|talk| node_messages(self.0.clone(), talk).boxed()))
    }

    async fn heartbeat(
        &self,
        request: Request<pb::HeartbeatRequest>,
    ) -> Answer<pb::HeartbeatResponse> {
        let period = self.0.heartbeat(&request.get_ref().session_id);
        answer(period.map(|period| pb::HeartbeatResponse {
            period_ns: u64::try_from(period.as_nanos()).unwrap_or(u64::MAX),
        }))
    }

    async fn assign(&self, request: Request<pb::AssignRequest>) -> Answer<Self::AssignStream> {
        let talk = self.0.find(&request.get_ref().session_id);
        answer(talk.map(|talk| assign::messages(self.0.clone(), talk).boxed()))
    }

    async fn update_task_status(
        &self,
        request: Request<pb::UpdateTaskStatusRequest>,
    ) -> Answer<pb::UpdateTaskStatusResponse> {
        let written = self.0.report(request.into_inner()).await;
        answer(written.map(|()| pb::UpdateTaskStatusResponse {}))
    }
}
