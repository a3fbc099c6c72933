//! What a single task waits for, why none follows it, why it is on its node.

use std::time::Duration;

use skep_api::{
    NodeState, Preference, RestartCondition, ServiceSpec, Slot, Task, TaskState, Time,
    format_duration,
};

use super::node;
use crate::decide::{global, restart};
use crate::store::{View, held_until};

/// Whether the scheduler looks for a node for it.
pub(super) fn waits_for_a_node(task: &Task) -> bool {
    task.node.is_none() && task.is_wanted() && task.status.state == TaskState::Pending
}

/// What there is none of for it: addresses, ports.
pub(super) fn unallocated(task: &Task) -> Option<String> {
    let waits = task.is_wanted() && task.status.state == TaskState::New;
    let said = waits && !task.status.err.is_empty();
    said.then(|| format!("has no place yet: {}", task.status.err))
}

/// When a held task starts, and what it waits for.
pub(super) fn held(view: &View, task: &Task, now: Time) -> Option<String> {
    if task.status.state.is_terminal() {
        return None;
    }
    let (earliest, start) = (held_until(task)?, restart::start_at(view, task)?);
    if start > earliest {
        let at_most = left(start, now);
        return Some(format!("waits for the task before it to stop, at most {at_most} more"));
    }
    match start > now {
        true => Some(format!("starts in {}", left(start, now))),
        false => Some("starts next".to_owned()),
    }
}

/// Why no task follows one that ended by itself.
pub(super) fn given_up(view: &View, task: &Task, now: Time) -> Option<String> {
    let ended =
        matches!(task.status.state, TaskState::Complete | TaskState::Failed | TaskState::Rejected);
    let is_newest = || view.newest_in(task.service, task.slot).is_some_and(|n| n.id == task.id);
    let service = view.service(task.service)?;
    let is_job = service.job.is_some();
    let is_done = is_job && task.status.state == TaskState::Complete;
    let is_old = service.job.is_some_and(|job| job.iteration != task.job_iteration);
    if !ended || is_done || is_old || task.desired >= TaskState::Remove || !is_newest() {
        return None;
    }
    let why = if !restart::is_restarted(view, task, now) {
        policy(view, view.spec_of(task)?, task, now)?
    } else if !global::is_open(view, service, task.slot) {
        let node = view.node(task.slot.node()?)?;
        format!("{} {}", node.description.hostname, node::closed(node))
    } else {
        return None;
    };
    let job = if is_job { "; the job won't complete" } else { "" };
    Some(format!("not restarted: {why}{job}"))
}

/// What of the policy leaves a slot as it is.
fn policy(view: &View, spec: &ServiceSpec, task: &Task, now: Time) -> Option<String> {
    let policy = &spec.task.restart;
    let name = match policy.condition {
        RestartCondition::None => return Some("restart policy none".to_owned()),
        RestartCondition::OnFailure => "on-failure",
        RestartCondition::Any => "any",
    };
    if policy.condition == RestartCondition::OnFailure && task.status.state == TaskState::Complete {
        return Some(format!("restart policy {name}, and it completed"));
    }
    let used = restart::attempts(view, task, policy, now);
    let window = match policy.window {
        Duration::ZERO => String::new(),
        window => format!(" within {}", format_duration(window)),
    };
    (policy.max_attempts > 0).then(|| {
        format!("restart policy {name}, {used} of {} attempts used{window}", policy.max_attempts)
    })
}

/// Why a task is on its node, and what became of it there without managers.
pub(super) fn on_its_node(view: &View, task: &Task) -> Vec<String> {
    let is_live = task.is_wanted() && !task.status.state.is_terminal();
    let (Some(node), Some(spec)) = (task.node.filter(|_| is_live), view.spec_of(task)) else {
        return Vec::new();
    };
    let Some(node) = view.node(node) else { return Vec::new() };
    let name = &node.description.hostname;
    let mut lines = Vec::new();
    let mut why = Vec::new();
    if matches!(task.slot, Slot::Node(_)) {
        why.push("one task on each node".to_owned());
    }
    why.extend(spec.task.placement.constraints.iter().cloned());
    let spread = spec.task.placement.preferences.iter();
    why.extend(spread.map(|Preference::Spread(label)| format!("spread over {label}")));
    if !why.is_empty() {
        lines.push(format!("on {name} by {}", why.join(", ")));
    }
    if matches!(node.status.state, NodeState::Unknown | NodeState::Disconnected) {
        let state = node.status.state.name().to_lowercase();
        lines.push(format!("node {name} is {state}: what is known of the task may be old"));
    }
    if task.status.restarts > 0 {
        let (restarts, failures) = (task.status.restarts, task.status.failures);
        lines.push(format!("its node restarted it {restarts} times, {failures} after a failure"));
    }
    lines
}

/// How long it is until then, in whole seconds, rounded up from the millisecond.
pub(super) fn left(until: Time, now: Time) -> String {
    let seconds = until.since(now).as_millis().div_ceil(1000);
    format_duration(Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX)))
}
