//! One task a slot is meant to run, two where one replaces the other start-first.

use skep_api::Task;

use super::{Checked, is_lost, overlaps, place};
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    let view = &applied.after;
    for (before, after) in applied.tasks() {
        let Some(task) = after.filter(|_| before.is_none()) else { continue };
        let counts = |other: &&Task| {
            let there = other.node.is_none_or(|node| !is_lost(view, node));
            other.is_wanted() && !other.status.state.is_terminal() && there
        };
        let wanted = view.tasks_in(task.service, task.slot).filter(counts).count();
        // What was made for a service that is gone by now is taken away with the rest of it.
        let Some(service) = view.service(task.service) else { continue };
        let most = if overlaps(view, service) { 2 } else { 1 };
        if wanted > most {
            let place = place(view, task.service, task.slot);
            return Err(format!("{wanted} tasks are wanted in {place}, at most {most} may be"));
        }
    }
    Ok(())
}
