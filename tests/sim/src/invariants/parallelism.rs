//! An update has at most so many tasks on their way as its config says.

use skep_api::{Origin, ServiceOptions, Task};

use super::{Checked, config};
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    let view = &applied.after;
    for (before, after) in applied.tasks() {
        let made = |task: &&Task| before.is_none() && task.origin == Origin::Update;
        let Some(task) = after.filter(made) else { continue };
        let Some(service) = view.service(task.service) else { continue };
        let most = config(service).map_or(1, |config| config.parallelism);
        let options = ServiceOptions::parse(&service.spec.labels).unwrap_or_default();
        // One that took too long is a failure, and no longer on its way.
        let is_late = |other: &Task| {
            let deadline = options.start_deadline;
            !deadline.is_zero() && view.time().since(other.meta.created_at) >= deadline
        };
        let starts = |other: &&Task| {
            other.origin == Origin::Update
                && other.spec_version == service.spec_version
                && other.is_wanted()
                && other.status.started_at.is_none()
                && !other.status.state.is_terminal()
                && !is_late(other)
        };
        let count = view.tasks_of(service.id).filter(starts).count() as u64;
        if most > 0 && count > most {
            let name = &service.spec.name;
            return Err(format!("{count} tasks of {name} are replaced at once, {most} may be"));
        }
    }
    Ok(())
}
