//! No slot keeps more ended tasks than it may.
//!
//! Beside the limit, or as many as the attempts that are counted, there may be the newest task and
//! the one that the last update watches.

use std::collections::BTreeMap;

use skep_api::{Compat, Id, Service, Slot, Task, TaskState};
use skep_manager_core::View;

use super::{Checked, place};

/// The newest task, and the one that an update watches.
const BESIDE: i64 = 2;

pub(super) fn at_rest(view: &View) -> Checked {
    let mut slots: BTreeMap<(Id<Service>, Slot), Vec<&Task>> = BTreeMap::new();
    for task in view.tasks().filter(|task| has_gone(task)) {
        if view.service(task.service).is_none() {
            return Err(format!("{} of a removed service is kept", task.id));
        }
        if task.desired == TaskState::Remove {
            return Err(format!("{} is to be removed, ended, and is kept", task.id));
        }
        let is_job = view.service(task.service).is_some_and(|service| service.spec.mode.is_job());
        let stays = is_job && view.compat() == Compat::Swarm;
        if !task.is_wanted() && !stays {
            slots.entry((task.service, task.slot)).or_default().push(task);
        }
    }
    let limit = view.cluster().map_or(5, |cluster| cluster.spec.task_history_limit);
    // Swarm keeps all of a job's tasks until its next iteration.
    let kept = |service: &Id<Service>| {
        view.compat() == Compat::Swarm && view.service(*service).is_some_and(|s| s.job.is_some())
    };
    for ((service, slot), ended) in
        slots.iter().filter(|((service, _), _)| limit >= 0 && !kept(service))
    {
        let attempts = |task: &&Task| {
            let spec = view.spec_of(task);
            spec.map_or(0, |spec| spec.task.restart.max_attempts as i64 + 1)
        };
        let counted = view.tasks_in(*service, *slot).map(|task| attempts(&task)).max();
        let most = limit.max(counted.unwrap_or_default()) + BESIDE;
        // In the middle of something nothing is forgotten.
        let live = |task: &&Task| task.is_wanted() && !task.status.state.is_terminal();
        let is_busy = view.tasks_in(*service, *slot).filter(live).count() > 1;
        if ended.len() as i64 > most && !is_busy {
            let (place, number) = (place(view, *service, *slot), ended.len());
            return Err(format!("{place} keeps {number} ended tasks, {most} may be"));
        }
    }
    Ok(())
}

fn has_gone(task: &Task) -> bool {
    task.status.state.is_terminal() || task.status.state < TaskState::Assigned
}
