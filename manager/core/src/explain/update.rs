//! What an update or a rollback waits for, or what stopped it.

use std::time::Duration;

use skep_api::{Id, Service, Task, Time, UpdateState, format_duration};

use super::task::left;
use crate::decide::{UpdateReason, UpdateWait, waits_for};
use crate::store::View;

/// What is under way, what stopped; nothing if there is no update, or it is done.
pub(super) fn lines(view: &View, service: &Service, now: Time) -> Vec<String> {
    let Some(status) = &service.update_status else { return Vec::new() };
    let way_on = match status.state {
        UpdateState::Updating | UpdateState::RollbackStarted => {
            return waits_for(view, service, now)
                .map(|wait| waits(view, service, wait, now))
                .unwrap_or_default();
        }
        UpdateState::Completed | UpdateState::RollbackCompleted => return Vec::new(),
        UpdateState::Paused => {
            "it goes on with the next update of the service; `skep service rollback` goes back"
        }
        UpdateState::RollbackPaused => "it goes on with the next update of the service",
    };
    vec![status.message.clone(), way_on.to_owned()]
}

/// What is waited for, and for how long at most.
fn waits(view: &View, service: &Service, wait: UpdateWait, now: Time) -> Vec<String> {
    let more = wait.until.map(|until| format!("{} more", left(until, now)));
    match (wait.reason, more) {
        (UpdateReason::Tasks { first, more: others }, more) => {
            let most = more.map(|more| format!(", at most {more}")).unwrap_or_default();
            let task = starting(view, service, first, now);
            let mut lines = vec![format!("waits for {task}{most}")];
            if others > 0 {
                lines.push(format!("and for {others} more"));
            }
            lines
        }
        (UpdateReason::Delay, Some(more)) => vec![format!("waits {more}: the delay between tasks")],
        (UpdateReason::Delay, None) => vec!["waits for the delay between tasks".to_owned()],
        (UpdateReason::Monitor, Some(more)) => vec![format!("watches the new tasks for {more}")],
        (UpdateReason::Monitor, None) => vec!["watches the new tasks".to_owned()],
    }
}

/// A task that does not run yet: `web.3 to run (pending for 1m40s: no suitable node)`.
fn starting(view: &View, service: &Service, id: Id<Task>, now: Time) -> String {
    let Some(task) = view.task(id) else { return format!("task {id} to run") };
    let name = task.short_name(&service.spec.name);
    let state = task.status.state.name();
    let since = Duration::from_secs(now.since(task.meta.created_at).as_secs());
    let err = match task.status.err.as_str() {
        "" => String::new(),
        err => format!(": {err}"),
    };
    format!("{name} to run ({state}, made {} ago{err})", format_duration(since))
}
