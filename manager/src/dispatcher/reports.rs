//! What nodes report of their tasks, written in batches.
//!
//! Who reports while nothing is being written writes at once, and takes along what others brought
//! meanwhile: a batch is what gathered while the last commit was in flight. No timers.

use std::sync::{Arc, Mutex, PoisonError};

use skep_api::{Error, ErrorKind, Id, Node, Result, TaskReport};
use skep_manager_core::{Change, View};
use tokio::sync::{Mutex as Turn, oneshot};

use crate::raft::Group;

/// Tasks in one request; Swarm's batch. A node with more of them sends more requests.
pub(crate) const REPORTS_MAX: usize = 10_000;

/// What waits to be written.
pub(crate) struct Reports {
    group: Arc<Group>,
    waiting: Mutex<Vec<Waiting>>,
    turn: Turn<()>,
}

struct Waiting {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<()>>,
}

impl Reports {
    pub(crate) fn new(group: Arc<Group>) -> Self {
        Self { group, waiting: Mutex::default(), turn: Turn::new(()) }
    }

    /// Writes the changes; comes back when they are on the disk.
    pub(crate) async fn write(&self, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        self.waiting().push(Waiting { changes, done });
        {
            let _turn = self.turn.lock().await;
            self.write_waiting().await;
        }
        // Another one may have written ours, and gone away before the commit was there.
        answer.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the report may not have been written"))
        })
    }

    async fn write_waiting(&self) {
        let mut batch = std::mem::take(&mut *self.waiting());
        let changes: Vec<Change> =
            batch.iter_mut().flat_map(|waiting| std::mem::take(&mut waiting.changes)).collect();
        if changes.is_empty() {
            return;
        }
        let written = self.group.propose(changes).await.map(drop).map_err(Error::from);
        for waiting in batch {
            // Who does not wait any more does not need an answer.
            let _ = waiting.done.send(written.clone());
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The changes that a node's reports come to. Unknown tasks and steps back are nothing; a report of
/// another node's task is an error (semantics parts 2.1 and 8).
pub(crate) fn changes(view: &View, node: Id<Node>, reports: &[TaskReport]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for report in reports {
        let Some(task) = view.task(report.task) else { continue };
        if task.node != Some(node) {
            let why = "cannot update a task not assigned this node";
            return Err(Error::new(ErrorKind::PermissionDenied, why));
        }
        let mut status = report.status.clone();
        // Those two are stamped when it is stored.
        status.at = task.status.at;
        status.started_at = task.status.started_at;
        if status.state >= task.status.state && status != task.status {
            changes.push(Change::TaskStatus { task: task.id, status });
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use skep_api::{Service, ServiceSpec, Slot, Task, TaskState, TaskStatus, Time};
    use skep_manager_core::{Entry, Object, Store};

    use super::*;

    /// A store with task 1 on node 1, running.
    fn view() -> View {
        let service = Service::new(Id::from_u128(1), ServiceSpec::default());
        let task = Task {
            node: Some(Id::from_u128(1)),
            status: TaskStatus { state: TaskState::Running, ..TaskStatus::default() },
            ..Task::new(Id::from_u128(1), &service, Slot::Number(1))
        };
        let changes =
            vec![Change::Create(Object::Service(service)), Change::Create(Object::Task(task))];
        let mut store = Store::new();
        store.apply(1, &Entry { time: Time::from_secs(1), changes }).expect("applies");
        store.view()
    }

    fn report(task: u128, state: TaskState) -> TaskReport {
        let at = Time::from_secs(99);
        let status = TaskStatus { state, at, ..TaskStatus::default() };
        TaskReport { task: Id::from_u128(task), status, seen_at: at }
    }

    #[test]
    fn only_news_of_a_nodes_own_tasks_becomes_a_change() {
        let view = view();
        for (name, report, expected) in [
            ("an unknown task", report(9, TaskState::Failed), 0),
            ("a step back", report(1, TaskState::Starting), 0),
            ("what is known", report(1, TaskState::Running), 0),
            ("a step on", report(1, TaskState::Failed), 1),
        ] {
            let changes = changes(&view, Id::from_u128(1), &[report]).expect("allowed");
            assert_eq!(changes.len(), expected, "{name}");
        }
        let foreign = changes(&view, Id::from_u128(2), &[report(1, TaskState::Failed)]);
        let error = foreign.expect_err("refused");
        assert_eq!(error.kind, ErrorKind::PermissionDenied);
        assert_eq!(error.message, "cannot update a task not assigned this node");
    }
}
