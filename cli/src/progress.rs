//! Waiting for a service, in Docker's words and with its ends (semantics part 4).
//!
//! What is shown follows from what is read: each look at the service and its tasks becomes lines
//! ([`slots`], [`job`]), and the service's update status says how it ends:
//!
//! situation | end
//! --- | ---
//! all tasks run and stayed so for the monitor's time | `verify: Service web converged`, well
//! a job's tasks are complete | `job complete`, well
//! the update is paused | `service update paused: ...`, badly
//! the rollback is paused | `service rollback paused: ...`, badly
//! an update was rolled back, and that converged | `service rolled back: ...`, badly
//! the update ended though not all tasks run (failure action continue) | well, without a word
//! Ctrl-C | the work goes on, well
//!
//! Docker's client 28 ends well after an automatic rollback. A script that deploys must see that
//! what it deployed does not run, so here that is an error, as it was in its earlier versions.

mod job;
mod screen;
mod slots;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use skep_api::{Mode, Service, Task, UpdateConfig, UpdateState};
use skep_wire::pb;

use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::out;
use job::Job;
use screen::{Line, Screen};
use slots::Slots;

/// More slots than that are told as a sum only, as Docker does.
const SLOTS_SHOWN_MAX: u64 = 20;

/// Longer errors are cut so that a line stays a line, as Docker does.
const ERROR_CHARS_MAX: usize = 75;

/// How often a service is looked at while nothing says that something changed.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// A service that was created or changed: a rollback of it is a failure.
    Change,
    /// A rollback that was asked for.
    Rollback,
}

/// Whether progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    Lines,
    Nothing,
}

/// Which way an update goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

/// What one look at a service came to.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    lines: Vec<Line>,
    converged: bool,
}

impl Step {
    fn going(lines: impl Into<Vec<Line>>) -> Self {
        Self { lines: lines.into(), converged: false }
    }
}

/// Waits until the service has all its tasks and they stayed up for its monitor's time, or until a
/// job is complete.
///
/// Ctrl-C ends the waiting, never the work.
pub(crate) async fn wait(
    client: &Client,
    id: &str,
    called: &str,
    after: After,
    show: Show,
) -> CliResult<()> {
    let screen = if show == Show::Nothing { Screen::Quiet } else { Screen::new() };
    tokio::select! {
        result = follow(client, id, Waiter::new(called, after), screen) => result,
        _ = tokio::signal::ctrl_c() => {
            out::note("Operation continuing in background.");
            out::note(&format!("Use `skep service ps {called}` to check progress."));
            Ok(())
        }
    }
}

async fn follow(
    client: &Client,
    id: &str,
    mut waiter: Waiter<'_>,
    mut screen: Screen,
) -> CliResult<()> {
    let mut moved = client.control().watch(pb::WatchRequest {}).await?.into_inner();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    loop {
        let (service, tasks) = read(client, id).await?;
        let (lines, end) = waiter.look(&service, &tasks, Instant::now());
        screen.show(&lines)?;
        match end {
            None => {}
            Some(End::Silent) => return Ok(()),
            Some(End::Job) => return screen.end("job complete"),
            Some(End::Failed(message)) => {
                drop(screen);
                return Err(CliError::new(message)
                    .hint(format!("`skep service ps {} --no-trunc` says why", waiter.called)));
            }
        }
        tokio::select! {
            message = moved.message() => {
                message?;
            }
            _ = tick.tick() => {}
        }
    }
}

async fn read(client: &Client, id: &str) -> CliResult<(Service, Vec<Task>)> {
    let by_name = pb::ByName { name: id.to_owned() };
    let service = Service::try_from(client.control().get_service(by_name).await?.into_inner())?;
    let request = pb::ListTasksRequest {
        services: vec![id.to_owned()],
        up_to_date: true,
        ..Default::default()
    };
    let rows = client.control().list_tasks(request).await?.into_inner().tasks;
    let tasks = rows.into_iter().map(|row| Task::try_from(row.task.unwrap_or_default()));
    Ok((service, tasks.collect::<Result<_, _>>()?))
}

/// How waiting ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Nothing more is to be said.
    Silent,
    /// A job is done.
    Job,
    /// It did not go as it was wanted.
    Failed(String),
}

#[derive(Debug)]
enum Counter {
    Slots(Slots),
    Job(Job),
}

/// Waits for one service; knows nothing of screens and connections.
struct Waiter<'a> {
    called: &'a str,
    after: After,
    counter: Option<Counter>,
    stable_since: Option<Instant>,
    /// What the service's rollback said for itself, once there is one.
    rolled_back: Option<String>,
}

impl<'a> Waiter<'a> {
    const fn new(called: &'a str, after: After) -> Self {
        Self { called, after, counter: None, stable_since: None, rolled_back: None }
    }

    /// Looks at the service and its tasks that are up to date: what to show, and the end if it has
    /// come.
    fn look(
        &mut self,
        service: &Service,
        tasks: &[Task],
        now: Instant,
    ) -> (Vec<Line>, Option<End>) {
        let mut lines = Vec::new();
        let status = service.update_status.as_ref();
        let state = status.map(|status| status.state);
        let way = match state {
            Some(UpdateState::RollbackStarted | UpdateState::RollbackCompleted) => Way::Back,
            _ => Way::Forward,
        };
        if let Some(status) = status {
            match status.state {
                UpdateState::Paused => {
                    return (lines, failed("service update paused", &status.message));
                }
                UpdateState::RollbackPaused => {
                    return (lines, failed("service rollback paused", &status.message));
                }
                UpdateState::RollbackStarted if self.rolled_back.is_none() => {
                    lines.push(Line::told("rollback", status.message.clone()));
                    self.rolled_back = Some(status.message.clone());
                }
                _ => {}
            }
        }
        let counter = self.counter.get_or_insert_with(|| counter_for(service));
        let step = match counter {
            Counter::Slots(slots) => slots.step(tasks, replicas(service), way),
            Counter::Job(job) => job.step(tasks),
        };
        lines.extend(step.lines);
        let end = if step.converged {
            self.stable(service, way, now, &mut lines)
        } else {
            if self.stable_since.take().is_some() {
                lines.push(Line::told("verify", "Detected task failure"));
            }
            (state == Some(UpdateState::Completed)).then_some(End::Silent)
        };
        (lines, end)
    }

    /// All tasks run, or are complete: the end, if it was so for long enough.
    fn stable(
        &mut self,
        service: &Service,
        way: Way,
        now: Instant,
        lines: &mut Vec<Line>,
    ) -> Option<End> {
        if matches!(self.counter, Some(Counter::Job(_))) {
            return Some(End::Job);
        }
        let since = *self.stable_since.get_or_insert(now);
        let monitor = monitor(service, way);
        let left = monitor.saturating_sub(now.saturating_duration_since(since));
        if !left.is_zero() {
            let seconds = left.as_secs_f64().ceil() as u64;
            let text = format!("Waiting {seconds} seconds to verify that tasks are stable...");
            lines.push(Line::told("verify", text));
            return None;
        }
        lines.push(Line::told("verify", format!("Service {} converged", self.called)));
        let status = service.update_status.as_ref();
        let gone_back = status.filter(|s| s.state == UpdateState::RollbackCompleted);
        if let Some(status) = gone_back.filter(|_| self.rolled_back.is_none()) {
            // It was over before the first look.
            lines.push(Line::told("rollback", status.message.clone()));
            self.rolled_back = Some(status.message.clone());
        }
        match (self.after, &self.rolled_back) {
            (After::Change, Some(why)) => failed("service rolled back", why),
            _ => Some(End::Silent),
        }
    }
}

fn failed(what: &str, message: &str) -> Option<End> {
    Some(End::Failed(format!("{what}: {message}")))
}

fn counter_for(service: &Service) -> Counter {
    let iteration = service.job.map_or(0, |job| job.iteration);
    match service.spec.mode {
        Mode::Replicated { .. } | Mode::Global => Counter::Slots(Slots::default()),
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            Counter::Job(Job::replicated(iteration, max_concurrent, total_completions))
        }
        Mode::GlobalJob => Counter::Job(Job::global(iteration)),
    }
}

/// As the spec is now: a rollback may change it.
fn replicas(service: &Service) -> Option<u64> {
    match service.spec.mode {
        Mode::Replicated { replicas } => Some(replicas),
        _ => None,
    }
}

/// How long tasks are watched: zero is not at all. Docker takes the update's time for rollbacks too.
fn monitor(service: &Service, way: Way) -> Duration {
    let config = match way {
        Way::Forward => service.spec.update.as_ref(),
        Way::Back => service.spec.rollback.as_ref(),
    };
    config.map_or_else(|| UpdateConfig::default().monitor, |config| config.monitor)
}

fn error_line(name: String, task: &Task) -> Line {
    let mut text = task.status.err.replace('\n', " ");
    if text.chars().count() > ERROR_CHARS_MAX {
        text = text.chars().take(ERROR_CHARS_MAX - 1).collect();
        text.push('…');
    }
    Line::told(name, text)
}
