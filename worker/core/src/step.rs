//! The step machine of one task (semantics part 2.1).
//!
//! | managers want        | run           | status         | step                                    |
//! |----------------------|---------------|----------------|-----------------------------------------|
//! | nothing, not listed  | under way     | any            | `Stop`, then `Remove`                   |
//! | SHUTDOWN or REMOVE   | under way     | any            | `Stop`                                  |
//! | SHUTDOWN or REMOVE   | none          | not ended      | report SHUTDOWN                         |
//! | any                  | none          | ended          | `Wait`: it is history                   |
//! | to go on             | none yet      | below ACCEPTED | report ACCEPTED                         |
//! | to go on             | none yet      | below PREPARING| report PREPARING                        |
//! | to go on             | none yet      | PREPARING…     | `Prepare`                               |
//! | to go on             | prepared      | below READY    | report READY                            |
//! | READY                | prepared      | READY          | `Wait`: the pause point                 |
//! | more than READY      | prepared      | READY          | report STARTING                         |
//! | more than READY      | prepared      | STARTING…      | `Start`                                 |
//! | to go on             | refused       | below STARTING | report REJECTED                         |
//! | to go on             | refused       | STARTING…      | report FAILED, or retry a passing cause |
//! | to go on             | running       | below RUNNING  | report RUNNING                          |
//! | to go on             | running       | RUNNING before this process | report RUNNING, `restarts` + 1 |
//! | to go on             | failed, no manager in reach, the policy allows it | RUNNING | `Wait` for the delay, then `Restart` |
//! | any                  | ended by itself | not ended    | report COMPLETE or FAILED               |
//! | any                  | stopped       | not ended      | report SHUTDOWN                         |
//!
//! The last row but two is ours: Swarm's agent leaves a failed task alone while it is cut off
//! (semantics part 8). Managers say with the task whether a node may do better; under
//! `--compat=swarm` they don't.

use std::time::Duration;

use skep_api::{
    Assignment, ExitInfo, RestartCondition, RestartPolicy, TaskState, TaskStatus, Time,
};

/// How long after a passing trouble a task is prepared again. Swarm's number.
pub const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How many restarts of a task are remembered for its policy's window. A policy that allows more
/// within one is without limit for a node on its own.
const RESTARTS_KEPT_MAX: usize = 1000;

/// What managers want of a task.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// What they said last.
    Listed(&'a Assignment),
    /// They list it no more: it is to be ended and forgotten.
    Unlisted,
}

/// What was seen of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// What managers knew when this process first heard of the task.
    pub stored: TaskStatus,
    /// The newest status; the shell reports it.
    pub status: TaskStatus,
    /// Where its run stands.
    pub run: Run,
    /// What is wrong around a task that runs, such as a port that can't be opened; empty if nothing.
    pub notice: String,
    /// How long it has to end by itself.
    pub stop_grace: Duration,
    /// Whether managers can be reached; the shell says so whenever that changes.
    pub contact: Contact,
    /// When this process started it again after failed runs, as far as its policy counts back.
    pub restarted: Vec<Time>,
}

/// Whether a node has a session with a manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contact {
    /// It has: what becomes of a task is the managers' matter.
    #[default]
    Managed,
    /// It has none, and could not open one.
    CutOff,
}

/// Where a task's run stands in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// Nothing was done yet.
    Idle,
    /// Its component is fetched and compiled.
    Preparing,
    /// It could not be prepared or started.
    Refused {
        /// Why, for `service ps`.
        why: String,
        /// Whether the same may go well later.
        cause: Cause,
        /// When.
        at: Time,
    },
    /// It could start.
    Prepared,
    /// It runs.
    Running,
    /// It was told to stop.
    Stopping,
    /// It stopped because it was told to; with its exit code if it had started.
    Stopped(Option<ExitInfo>),
    /// It ended by itself.
    Ended {
        /// How.
        how: Ending,
        /// When.
        at: Time,
    },
}

/// Whether something that went wrong may go well later without anybody's help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It may: the registry could not be reached.
    Passing,
    /// It won't.
    Lasting,
}

/// How a run ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It returned, with that code.
    Exited(i32),
    /// It was ended: a trap, or a limit.
    Broken {
        /// The code shown for it.
        code: i32,
        /// What happened, for `service ps`.
        why: String,
    },
}

/// What to do next with a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Fetch and compile its component, collect its files; the run is then preparing.
    Prepare,
    /// Start its sandbox.
    Start,
    /// Tell its sandbox to end, or give its preparation up; the run is then stopping.
    Stop {
        /// How long it has to end by itself.
        grace: Duration,
    },
    /// Remove all that is left of it on the node, and forget it.
    Remove,
    /// Make this its status, and report it.
    Report(TaskStatus),
    /// [`Observed::restart`] with this status, and report it: a run failed while no manager could
    /// be reached, and another one begins.
    Restart(TaskStatus),
    /// Nothing, until something is seen, or that moment comes.
    Wait(Option<Time>),
}

impl Observed {
    /// What is seen of a task that this process has just heard of.
    pub fn new(task: &Assignment) -> Self {
        Self {
            stored: task.status.clone(),
            status: task.status.clone(),
            run: Run::Idle,
            notice: String::new(),
            stop_grace: task.grant.stop_grace,
            contact: Contact::default(),
            restarted: Vec::new(),
        }
    }

    /// Notes that the task is started again by its own node.
    pub fn restart(&mut self, status: TaskStatus) {
        self.restarted.push(status.at);
        let surplus = self.restarted.len().saturating_sub(RESTARTS_KEPT_MAX);
        self.restarted.drain(..surplus);
        self.status = status;
        self.run = Run::Idle;
    }

    /// The next state, reached without trouble.
    fn reached(&self, state: TaskState, message: &'static str, now: Time) -> TaskStatus {
        TaskStatus {
            state,
            at: now,
            message: message.into(),
            err: String::new(),
            exit: None,
            restarts: self.status.restarts,
            failures: self.status.failures,
            started_at: self.status.started_at,
        }
    }

    /// A state with trouble: the message stays that of the state before, as Swarm's agent has it.
    fn troubled(&self, state: TaskState, err: &str, now: Time) -> TaskStatus {
        TaskStatus { state, at: now, err: err.to_owned(), exit: None, ..self.status.clone() }
    }
}

/// The next step of a task. See the module's table.
pub fn step(wanted: Wanted<'_>, seen: &Observed, now: Time) -> Step {
    let under_way = matches!(seen.run, Run::Preparing | Run::Running);
    match wanted {
        _ if seen.run == Run::Stopping => Step::Wait(None),
        Wanted::Unlisted if under_way => Step::Stop { grace: seen.stop_grace },
        Wanted::Unlisted => Step::Remove,
        Wanted::Listed(task) if is_over(task) && under_way => Step::Stop { grace: seen.stop_grace },
        Wanted::Listed(_) if seen.status.state.is_terminal() => Step::Wait(None),
        Wanted::Listed(task) => {
            if let Some(step) = start_again(task, seen, now) {
                step
            } else if let Some(status) = ended(seen, now) {
                // Also of a run that ended by itself before it could be stopped.
                Step::Report(status)
            } else if is_over(task) {
                Step::Report(seen.reached(TaskState::Shutdown, "shutdown", now))
            } else {
                go_on(task.desired, seen, now)
            }
        }
    }
}

/// Whether managers want the task no more, or hold it for ended: ORPHANED, after a long absence.
fn is_over(task: &Assignment) -> bool {
    task.desired >= TaskState::Shutdown || task.status.state.is_terminal()
}

/// What a node that is on its own does about a failed run, if the policy leaves it an attempt. The
/// delay passes first: a manager that is back by then decides as usual.
fn start_again(task: &Assignment, seen: &Observed, now: Time) -> Option<Step> {
    let Run::Ended { how, at } = &seen.run else { return None };
    let (code, why) = how.failure()?;
    let policy = task.restart.as_ref()?;
    let on_its_own = seen.contact == Contact::CutOff
        && seen.status.state == TaskState::Running
        && !is_over(task)
        && policy.condition != RestartCondition::None;
    if !on_its_own || !has_attempts(policy, seen, *at) {
        return None;
    }
    let due = at.after(policy.delay);
    if now < due {
        return Some(Step::Wait(Some(due)));
    }
    Some(Step::Restart(TaskStatus {
        exit: Some(ExitInfo { code }),
        restarts: seen.status.restarts + 1,
        failures: seen.status.failures + 1,
        ..seen.troubled(TaskState::Running, &why, now)
    }))
}

/// Whether the policy allows another attempt after a run that failed at that moment.
fn has_attempts(policy: &RestartPolicy, seen: &Observed, failed_at: Time) -> bool {
    let made = if policy.window.is_zero() {
        seen.status.failures
    } else {
        let recent = |made: &&Time| failed_at.since(**made) < policy.window;
        seen.restarted.iter().filter(recent).count() as u64
    };
    policy.max_attempts == 0 || made < policy.max_attempts
}

/// What is reported of a run that is over.
fn ended(seen: &Observed, now: Time) -> Option<TaskStatus> {
    let status = match &seen.run {
        Run::Stopped(exit) => {
            TaskStatus { exit: *exit, ..seen.reached(TaskState::Shutdown, "shutdown", now) }
        }
        Run::Ended { how, .. } => match how.failure() {
            None => TaskStatus {
                exit: Some(ExitInfo { code: 0 }),
                ..seen.reached(TaskState::Complete, "finished", now)
            },
            Some((code, why)) => TaskStatus {
                exit: Some(ExitInfo { code }),
                ..seen.troubled(TaskState::Failed, &why, now)
            },
        },
        _ => return None,
    };
    Some(status)
}

impl Ending {
    /// The exit code and the words for it, unless it ended well.
    fn failure(&self) -> Option<(i32, String)> {
        match self {
            Self::Exited(0) => None,
            Self::Exited(code) => Some((*code, format!("task: non-zero exit ({code})"))),
            Self::Broken { code, why } => Some((*code, why.clone())),
        }
    }
}

/// The next step towards RUNNING of a task that is wanted and has not ended.
fn go_on(desired: TaskState, seen: &Observed, now: Time) -> Step {
    let state = seen.status.state;
    let reached = |state, message| Step::Report(seen.reached(state, message, now));
    match &seen.run {
        Run::Idle if state < TaskState::Accepted => reached(TaskState::Accepted, "accepted"),
        Run::Idle if state == TaskState::Accepted && desired <= state => Step::Wait(None),
        Run::Idle if state < TaskState::Preparing => reached(TaskState::Preparing, "preparing"),
        Run::Idle => Step::Prepare,
        Run::Refused { why, cause, at } => refused(seen, why, *cause, *at, now),
        Run::Prepared if state < TaskState::Ready => reached(TaskState::Ready, "prepared"),
        Run::Prepared if desired <= TaskState::Ready => Step::Wait(None),
        Run::Prepared if state < TaskState::Starting => reached(TaskState::Starting, "starting"),
        Run::Prepared => Step::Start,
        Run::Running => running(seen, now),
        Run::Preparing | Run::Stopping | Run::Stopped(_) | Run::Ended { .. } => Step::Wait(None),
    }
}

/// A task that never started is rejected at once, whatever the cause, so that managers can put its
/// replacement on another node. One that ran before the node's restart belongs here: what may pass,
/// such as a network that is not up yet, must not cost it a restart.
fn refused(seen: &Observed, why: &str, cause: Cause, at: Time, now: Time) -> Step {
    let state = seen.status.state;
    let retry_at = at.after(RETRY_DELAY);
    if state < TaskState::Starting {
        Step::Report(seen.troubled(TaskState::Rejected, why, now))
    } else if cause == Cause::Lasting {
        Step::Report(seen.troubled(TaskState::Failed, why, now))
    } else if seen.status.err != why {
        Step::Report(seen.troubled(state, why, now))
    } else if now >= retry_at {
        Step::Prepare
    } else {
        Step::Wait(Some(retry_at))
    }
}

fn running(seen: &Observed, now: Time) -> Step {
    let resumed = seen.stored.state == TaskState::Running;
    let started = seen.reached(TaskState::Running, "started", now);
    if seen.status.state < TaskState::Running {
        Step::Report(started)
    } else if resumed && seen.status.restarts == seen.stored.restarts {
        let (restarts, exit) = (seen.stored.restarts + 1, seen.status.exit);
        Step::Report(TaskStatus { restarts, exit, ..started })
    } else if seen.status.err != seen.notice {
        // How the run before it ended stays to be seen.
        let exit = seen.status.exit;
        Step::Report(TaskStatus { exit, ..seen.troubled(TaskState::Running, &seen.notice, now) })
    } else {
        Step::Wait(None)
    }
}

#[cfg(test)]
mod tests;
