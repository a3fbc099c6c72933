//! What a node is to run: all of it first, then the difference to what it was sent last.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, Stream};
use skep_api::{AssignmentItem, AssignmentKey, Assignments, AssignmentsKind};
use skep_manager_core::{View, assignments, diff};
use skep_wire::{pb, to_status};
use tokio::sync::watch;
use tonic::Status;

use super::{Inner, Talk, ended, removed};
use crate::storage::Shown;

/// A stream of assignments.
struct Told {
    inner: Arc<Inner>,
    talk: Talk,
    moved: watch::Receiver<Shown>,
    /// What the node has, once it was told anything.
    known: Option<BTreeMap<AssignmentKey, AssignmentItem>>,
    /// How many messages it was sent.
    sent: u64,
}

/// The messages for the node of a session. Each is made when the connection has room for it, from
/// the store as it is then: nothing waits in a queue.
pub(super) fn messages(
    inner: Arc<Inner>,
    talk: Talk,
) -> impl Stream<Item = Result<pb::AssignmentsMessage, Status>> + Send {
    let moved = inner.group.board().watch();
    let told = Told { inner, talk, moved, known: None, sent: 0 };
    stream::try_unfold(told, |mut told| async move {
        let message = told.next().await?;
        Ok(Some((message, told)))
    })
}

impl Told {
    async fn next(&mut self) -> Result<pb::AssignmentsMessage, Status> {
        loop {
            if self.talk.ended.is_cancelled() || self.inner.stop.is_cancelled() {
                return Err(ended(&self.talk, &self.inner.stop).await);
            }
            let view = self.moved.borrow_and_update().view.clone();
            if view.node(self.talk.node).is_none() {
                return Err(to_status(&removed()));
            }
            if let Some(news) = self.news(&view) {
                let mut message = pb::AssignmentsMessage::from(&news);
                message.applies_to = self.sent;
                self.sent += 1;
                message.results_in = self.sent;
                return Ok(message);
            }
            tokio::select! {
                status = ended(&self.talk, &self.inner.stop) => return Err(status),
                _ = self.moved.changed() => {}
            }
        }
    }

    /// What the node does not know yet.
    fn news(&mut self, view: &View) -> Option<Assignments> {
        let now = assignments(view, self.talk.node);
        let news = match &self.known {
            None => Assignments {
                kind: AssignmentsKind::Complete,
                set: now.values().cloned().collect(),
                remove: Vec::new(),
            },
            Some(known) => diff(known, &now),
        };
        self.known = Some(now);
        let some = news.kind == AssignmentsKind::Complete
            || !news.set.is_empty()
            || !news.remove.is_empty();
        some.then_some(news)
    }
}
