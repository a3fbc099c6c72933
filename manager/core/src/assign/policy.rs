//! How a node may start a failed task again by itself while it is cut off.
//!
//! Ours: Swarm's agent leaves a failed task alone until managers are back (semantics part 8), so
//! under `--compat=swarm` nothing is sent. A restart by the node counts as an attempt of the policy
//! like one by managers, so it is told only what its slot has left.

use skep_api::{Compat, Origin, RestartPolicy, Task};

use crate::store::View;

/// The policy for the node of a task, its attempts less those that were made before the task; none
/// if there is nothing left. Attempts that a window would have forgotten since are still taken off:
/// a node on its own restarts too little rather than too much.
pub(super) fn own_restart(
    view: &View,
    task: &Task,
    policy: &RestartPolicy,
) -> Option<RestartPolicy> {
    if view.compat() == Compat::Swarm {
        return None;
    }
    if policy.max_attempts == 0 {
        return Some(policy.clone());
    }
    let until = task.meta.created_at;
    let recent = |other: &&Task| {
        policy.window.is_zero() || until.since(other.meta.created_at) < policy.window
    };
    let made: u64 = view
        .tasks_in(task.service, task.slot)
        .filter(|other| other.spec_version == task.spec_version)
        .filter(|other| other.meta.created_at <= until)
        .filter(recent)
        .map(|other| {
            let by_itself = if other.id == task.id { 0 } else { other.status.failures };
            by_itself + u64::from(other.origin == Origin::Restart)
        })
        .sum();
    let left = policy.max_attempts.saturating_sub(made);
    (left > 0).then(|| RestartPolicy { max_attempts: left, ..policy.clone() })
}
