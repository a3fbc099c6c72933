//! The session with the managers' dispatcher (semantics part 8).
//!
//! While a session lives it beats, takes assignments in, and sends reports, one request at a time.
//! Whatever of these fails ends the session, and another is opened, later each time up to a limit.
//! Tasks run on meanwhile; what became of them is told when managers are back. A node that could
//! not open another session is cut off, and decides by itself about tasks that fail.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use skep_api::{Assignments, Id, Node, NodeDescription};
use skep_wire::pb::dispatcher_client::DispatcherClient;
use skep_wire::{ANSWER_BYTES_MAX, WireError, from_status, pb};
use skep_worker_core::Contact;
use tokio::sync::{mpsc, watch};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::engine::Engine;
use crate::reports::Reports;

/// How long an answer may take. Swarm's number; what takes longer is not there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before the second try; each further one waits twice as long. Swarm's numbers.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// The shortest pause between two beats, whatever a manager asks for.
const HEARTBEAT_PERIOD_MIN: Duration = Duration::from_millis(10);

/// A node's side of the session.
pub(crate) struct Agent<E> {
    client: DispatcherClient<Channel>,
    node: Id<Node>,
    description: NodeDescription,
    engine: Arc<E>,
    ends: Ends,
    /// Tries since the last session that worked.
    tries: AtomicU32,
}

/// What leads from the agent to the loop that runs tasks, and back.
pub(crate) struct Ends {
    /// What is to be told.
    pub(crate) reports: Arc<Reports>,
    /// Where assignments go.
    pub(crate) assignments: mpsc::Sender<Assignments>,
    /// Whether managers can be reached.
    pub(crate) contact: watch::Sender<Contact>,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("the manager refused: {}", from_status(.0))]
    Refused(Status),
    #[error("the manager ended the session")]
    Closed,
    #[error("the manager did not answer in time")]
    TimedOut,
    #[error("the manager sent what can't be read")]
    Message(#[source] WireError),
    #[error("assignments are missing: expected those after {expected}, got those after {got}")]
    OutOfSequence { expected: u64, got: u64 },
    #[error("the first assignments are not complete")]
    Incomplete,
    #[error("the node is stopping")]
    Stopping,
}

impl SessionError {
    /// Whether managers can't be reached: who says that it does not know this node is there.
    fn is_silence(&self) -> bool {
        match self {
            Self::Refused(status) => !matches!(
                status.code(),
                Code::NotFound | Code::PermissionDenied | Code::Unauthenticated
            ),
            _ => true,
        }
    }
}

impl<E: Engine> Agent<E> {
    /// An agent of a node that says that of itself, and what it has compiled.
    pub(crate) fn new(
        channel: Channel,
        node: Id<Node>,
        description: NodeDescription,
        engine: Arc<E>,
        ends: Ends,
    ) -> Self {
        let client = DispatcherClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Self { client, node, description, engine, ends, tries: AtomicU32::new(0) }
    }

    /// Keeps a session open for as long as it is polled.
    pub(crate) async fn run(self) -> Infallible {
        loop {
            let Err(error) = self.session().await;
            let tries = self.tries.fetch_add(1, Ordering::Relaxed);
            let pause = backoff(tries);
            // The end of a session alone says little: the next may open at once.
            if tries > 0 {
                self.set_contact(match error.is_silence() {
                    true => Contact::CutOff,
                    false => Contact::Managed,
                });
            }
            // The first failure is news; that it goes on is not.
            if tries == 0 {
                tracing::warn!(%error, "no session with a manager");
            } else {
                tracing::debug!(%error, ?pause, "no session with a manager");
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn session(&self) -> Result<Infallible, SessionError> {
        // What the session before sent last may be lost with it.
        self.ends.reports.lost();
        let description = self.describe().await;
        let request = pb::SessionRequest {
            node_id: self.node.to_string(),
            description: Some((&description).into()),
        };
        let mut messages = answer(self.client.clone().session(request)).await?;
        let first = answer_in_time(messages.message()).await?.ok_or(SessionError::Closed)?;
        let id = first.session_id;
        let request = pb::AssignRequest { session_id: id.clone() };
        let assignments = answer(self.client.clone().assign(request)).await?;
        let (never, ..) = tokio::try_join!(
            watch(messages),
            self.beat(&id),
            self.take_assignments(assignments),
            self.send_reports(&id),
        )?;
        Ok(never)
    }

    /// What the node says of itself now.
    async fn describe(&self) -> NodeDescription {
        let engine = self.engine.clone();
        let compiled = tokio::task::spawn_blocking(move || engine.compiled()).await;
        let compiled = compiled.unwrap_or_else(|panic| {
            tracing::error!(%panic, "what is compiled here is not known");
            BTreeSet::new()
        });
        NodeDescription { compiled, ..self.description.clone() }
    }

    fn set_contact(&self, contact: Contact) {
        self.ends.contact.send_if_modified(|known| std::mem::replace(known, contact) != contact);
    }

    async fn beat(&self, session: &str) -> Result<Infallible, SessionError> {
        loop {
            let request = pb::HeartbeatRequest { session_id: session.to_owned() };
            let beat = answer(self.client.clone().heartbeat(request)).await?;
            let period = Duration::from_nanos(beat.period_ns).max(HEARTBEAT_PERIOD_MIN);
            tokio::time::sleep(period).await;
        }
    }

    async fn take_assignments(
        &self,
        mut stream: Streaming<pb::AssignmentsMessage>,
    ) -> Result<Infallible, SessionError> {
        let mut last = None;
        loop {
            let message = stream.message().await.map_err(SessionError::Refused)?;
            let message = message.ok_or(SessionError::Closed)?;
            match last {
                _ if message.complete => {}
                None => return Err(SessionError::Incomplete),
                Some(expected) if expected == message.applies_to => {}
                Some(expected) => {
                    let got = message.applies_to;
                    return Err(SessionError::OutOfSequence { expected, got });
                }
            }
            last = Some(message.results_in);
            let assignments = message.try_into().map_err(SessionError::Message)?;
            let taken = self.ends.assignments.send(assignments).await;
            taken.map_err(|_| SessionError::Stopping)?;
            self.tries.store(0, Ordering::Relaxed);
            self.set_contact(Contact::Managed);
        }
    }

    async fn send_reports(&self, session: &str) -> Result<Infallible, SessionError> {
        loop {
            let reports = self.ends.reports.next().await;
            let request = pb::UpdateTaskStatusRequest {
                session_id: session.to_owned(),
                reports: reports.iter().map(Into::into).collect(),
            };
            answer(self.client.clone().update_task_status(request)).await?;
            self.ends.reports.arrived();
        }
    }
}

/// Later messages tell of changes of the node's object, of which nothing here depends.
async fn watch(mut messages: Streaming<pb::SessionMessage>) -> Result<Infallible, SessionError> {
    while messages.message().await.map_err(SessionError::Refused)?.is_some() {}
    Err(SessionError::Closed)
}

async fn answer<T>(
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, SessionError> {
    Ok(answer_in_time(call).await?.into_inner())
}

async fn answer_in_time<T>(
    call: impl Future<Output = Result<T, Status>>,
) -> Result<T, SessionError> {
    let result = tokio::time::timeout(ANSWER_TIMEOUT, call).await;
    result.map_err(|_| SessionError::TimedOut)?.map_err(|status| match status.code() {
        Code::DeadlineExceeded => SessionError::TimedOut,
        _ => SessionError::Refused(status),
    })
}

fn backoff(tries: u32) -> Duration {
    BACKOFF_MIN.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_later_each_time_up_to_a_limit() {
        let pauses: Vec<u128> = [0, 1, 2, 6, 7, 40].map(|n| backoff(n).as_millis()).to_vec();
        assert_eq!(pauses, [100, 200, 400, 6400, 8000, 8000]);
    }
}
