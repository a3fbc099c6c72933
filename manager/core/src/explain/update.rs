//! What an update or a rollback waits for, or what stopped it.

use std::time::Duration;

use skep_api::{Service, ServiceOptions, Task, Time, UpdateState, format_duration};

use super::task::left;
use crate::store::{Progress, View};

/// How many tasks are told of: an update with a parallelism of thousands waits for all of them.
const TASKS_MAX: usize = 10;

/// What is under way, what stopped; nothing if there is no update, or it is done.
pub(super) fn lines(view: &View, service: &Service, now: Time) -> Vec<String> {
    let Some(status) = &service.update_status else { return Vec::new() };
    match status.state {
        UpdateState::Updating => waits(view, service, Going::Forward, now),
        UpdateState::RollbackStarted => waits(view, service, Going::Back, now),
        UpdateState::Paused => vec![
            status.message.clone(),
            "it goes on with the next update of the service; `skep service rollback` goes back"
                .to_owned(),
        ],
        UpdateState::RollbackPaused => vec![
            status.message.clone(),
            "it goes on with the next update of the service".to_owned(),
        ],
        UpdateState::Completed | UpdateState::RollbackCompleted => Vec::new(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Going {
    Forward,
    Back,
}

/// The tasks that are to run before the next ones are replaced, and how long until then at least.
fn waits(view: &View, service: &Service, going: Going, now: Time) -> Vec<String> {
    let config = match going {
        Going::Forward => service.spec.update.clone(),
        Going::Back => service.spec.rollback.clone(),
    };
    let config = config.unwrap_or_default();
    let made = |progress, from| view.made(service.id, service.spec_version, progress, from);
    let starting: Vec<_> = made(Progress::Starts, Time::ZERO).collect();
    let mut lines: Vec<_> = starting
        .iter()
        .take(TASKS_MAX)
        .map(|(since, task)| format!("waits for {}", starts(service, task, *since, now)))
        .collect();
    if starting.len() > TASKS_MAX {
        lines.push(format!("and for {} more", starting.len() - TASKS_MAX));
    }
    let ran = [Progress::Runs, Progress::Ended]
        .map(|progress| made(progress, Time::ZERO).map(|(since, _)| since).max());
    let Some(last) = ran.into_iter().flatten().max().filter(|_| starting.is_empty()) else {
        return lines;
    };
    for (what, length) in [("delay between tasks", config.delay), ("monitor", config.monitor)] {
        let until = last.after(length);
        if until > now {
            lines.push(format!(
                "waits {} more ({what} of {})",
                left(until, now),
                format_duration(length)
            ));
        }
    }
    lines
}

/// A task that does not run yet: `web.3, pending for 1m40s; it counts as a failure in 8m20s`.
fn starts(service: &Service, task: &Task, since: Time, now: Time) -> String {
    let name = task.short_name(&service.spec.name);
    let state = task.status.state.name();
    let for_long = format_duration(Duration::from_secs(now.since(since).as_secs()));
    let err = match task.status.err.as_str() {
        "" => String::new(),
        err => format!(" ({err})"),
    };
    let options = ServiceOptions::parse(&service.spec.labels).unwrap_or_default();
    let failed = since.after(options.start_deadline);
    let deadline = match options.start_deadline {
        Duration::ZERO => String::new(),
        _ if failed <= now => "; it counts as a failure".to_owned(),
        _ => format!("; it counts as a failure in {}", left(failed, now)),
    };
    format!("{name}, {state} for {for_long}{err}{deadline}")
}
