//! No slot keeps more ended tasks than it may.

use std::collections::BTreeMap;

use skep_api::{Id, Mode, Service, Slot, Task, TaskState};
use skep_manager_core::View;

use super::{Checked, place};

pub(super) fn at_rest(view: &View) -> Checked {
    let mut slots: BTreeMap<(Id<Service>, Slot), (usize, usize)> = BTreeMap::new();
    for task in view.tasks() {
        let Some(service) = view.service(task.service) else {
            if has_gone(task) {
                return Err(format!("{} of a removed service is kept", task.id));
            }
            continue;
        };
        if task.desired == TaskState::Remove && has_gone(task) {
            return Err(format!("{} is to be removed, ended, and is kept", task.id));
        }
        let service_kind = service.spec.mode;
        if matches!(service_kind, Mode::Replicated { .. } | Mode::Global) {
            let counts = slots.entry((task.service, task.slot)).or_default();
            counts.0 += 1;
            counts.1 += usize::from(has_gone(task) && !task.is_wanted());
        }
    }
    let limit = view.cluster().map_or(5, |cluster| cluster.spec.task_history_limit);
    for ((service, slot), (all, ended)) in slots {
        let attempts = view.service(service).map_or(0, |s| s.spec.task.restart.max_attempts);
        let limit = if attempts > 0 { attempts as i64 + 1 } else { limit };
        // The newest task of a slot always stays, whatever the limit.
        if limit >= 0 && all as i64 > limit.max(1) && ended > 1 {
            let place = place(view, service, slot);
            return Err(format!(
                "{place} keeps {all} tasks, {ended} of them ended; {limit} may be"
            ));
        }
    }
    Ok(())
}

fn has_gone(task: &Task) -> bool {
    task.status.state.is_terminal() || task.status.state < TaskState::Assigned
}
