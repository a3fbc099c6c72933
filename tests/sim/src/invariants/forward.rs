//! Observed state only moves forward, desired state only rises, a task's node never changes.

use skep_api::Task;

use super::{Checked, name};
use crate::group::Applied;

pub(super) fn check(applied: &Applied) -> Checked {
    for (before, after) in applied.tasks() {
        let (Some(before), Some(after)) = (before, after) else { continue };
        if let Some(what) = back(before, after) {
            return Err(format!("{}: {what}", name(&applied.after, after)));
        }
    }
    Ok(())
}

fn back(before: &Task, after: &Task) -> Option<&'static str> {
    let (old, new) = (&before.status, &after.status);
    if new.state < old.state {
        Some("its state went back")
    } else if old.state.is_terminal() && new.state != old.state {
        Some("it ended twice")
    } else if (new.restarts, new.failures) < (old.restarts, old.failures)
        || new.restarts < old.restarts
        || new.failures < old.failures
    {
        Some("restarts were taken back")
    } else if after.desired < before.desired {
        Some("its desired state went back")
    } else if before.node.is_some() && after.node != before.node {
        Some("it changed its node")
    } else {
        None
    }
}
