//! What is to be told to the managers: the newest status of each task, until it has arrived.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use skep_api::{Id, Task, TaskReport};
use tokio::sync::Notify;

/// How many statuses one request has: far below gRPC's 4 MiB, a few raft entries.
const BATCH_MAX: usize = 1000;

/// The reports that have not arrived yet: at most one waiting and one on its way for each task.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Id<Task>, TaskReport>,
    sent: BTreeMap<Id<Task>, TaskReport>,
}

impl Reports {
    /// Puts reports in; each replaces an older one of its task that still waits.
    pub(crate) fn put(&self, reports: impl IntoIterator<Item = TaskReport>) {
        let mut state = self.lock();
        state.waiting.extend(reports.into_iter().map(|report| (report.task, report)));
        let is_empty = state.waiting.is_empty();
        drop(state);
        if !is_empty {
            self.notify.notify_one();
        }
    }

    /// Drops what waits of a task that managers know no more.
    pub(crate) fn forget(&self, task: Id<Task>) {
        let mut state = self.lock();
        state.waiting.remove(&task);
        state.sent.remove(&task);
    }

    /// Waits until there is something to tell, and takes it to be sent. Nothing else is taken
    /// before [`Self::arrived`] or [`Self::lost`]: what comes meanwhile becomes one batch.
    pub(crate) async fn next(&self) -> Vec<TaskReport> {
        loop {
            if let Some(batch) = self.lock().take() {
                return batch;
            }
            self.notify.notified().await;
        }
    }

    /// What was taken last has arrived.
    pub(crate) fn arrived(&self) {
        self.lock().sent.clear();
    }

    /// What was taken last may not have arrived: it waits again, unless something newer does.
    pub(crate) fn lost(&self) {
        let mut state = self.lock();
        let sent = std::mem::take(&mut state.sent);
        for (task, report) in sent {
            state.waiting.entry(task).or_insert(report);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self) -> Option<Vec<TaskReport>> {
        while self.sent.len() < BATCH_MAX {
            let Some((task, report)) = self.waiting.pop_first() else { break };
            self.sent.insert(task, report);
        }
        let batch: Vec<TaskReport> = self.sent.values().cloned().collect();
        (!batch.is_empty()).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use skep_api::{TaskState, TaskStatus, Time};

    use super::*;

    fn report(task: u128, state: TaskState) -> TaskReport {
        let status = TaskStatus { state, ..TaskStatus::default() };
        TaskReport { task: Id::from_u128(task), status, seen_at: Time::ZERO }
    }

    fn states(batch: &[TaskReport]) -> Vec<(u128, &'static str)> {
        batch.iter().map(|r| (r.task.as_u128(), r.status.state.name())).collect()
    }

    #[tokio::test]
    async fn only_the_newest_status_of_a_task_is_sent() {
        let reports = Reports::default();
        reports.put([report(1, TaskState::Accepted), report(2, TaskState::Accepted)]);
        reports.put([report(1, TaskState::Preparing)]);
        assert_eq!(states(&reports.next().await), [(1, "preparing"), (2, "accepted")]);
        reports.put([report(1, TaskState::Ready)]);
        reports.put([report(1, TaskState::Running)]);
        reports.arrived();
        assert_eq!(states(&reports.next().await), [(1, "running")]);
    }

    #[tokio::test]
    async fn what_was_lost_is_sent_again_unless_something_newer_waits() {
        let reports = Reports::default();
        reports.put([report(1, TaskState::Accepted), report(2, TaskState::Accepted)]);
        reports.next().await;
        reports.put([report(2, TaskState::Running)]);
        reports.lost();
        assert_eq!(states(&reports.next().await), [(1, "accepted"), (2, "running")]);
        reports.lost();
        reports.forget(Id::from_u128(2));
        assert_eq!(states(&reports.next().await), [(1, "accepted")]);
    }

    #[tokio::test]
    async fn a_batch_is_bounded() {
        let reports = Reports::default();
        reports.put((0..BATCH_MAX as u128 + 5).map(|task| report(task, TaskState::Running)));
        assert_eq!(reports.next().await.len(), BATCH_MAX);
        reports.arrived();
        assert_eq!(reports.next().await.len(), 5);
    }
}
