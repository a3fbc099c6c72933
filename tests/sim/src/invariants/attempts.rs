//! A slot's tasks are restarted as often as the policy says and no more, whoever leads.
//!
//! Counted for policies without a window: an update or a slot that is filled anew starts at zero.

use std::collections::BTreeMap;

use skep_api::{Id, Origin, Service, Slot, SpecVersion, Task};

use super::{Checked, place};
use crate::group::Applied;

#[derive(Default)]
pub(super) struct Attempts {
    made: BTreeMap<(Id<Service>, Slot, SpecVersion), u64>,
}

impl Attempts {
    pub(super) fn check(&mut self, applied: &Applied) -> Checked {
        let view = &applied.after;
        for (before, after) in applied.tasks() {
            let Some(task) = after else { continue };
            let key = (task.service, task.slot, task.spec_version);
            let failures = |task: Option<&Task>| task.map_or(0, |task| task.status.failures);
            let by_itself = failures(after) - failures(before);
            let made = self.made.entry(key).or_default();
            *made += by_itself;
            match task.origin {
                _ if before.is_some() => {}
                Origin::Restart => *made += 1,
                Origin::Fill | Origin::Update => *made = 0,
                Origin::Move => {}
            }
            let Some(policy) = view.spec_of(task).map(|spec| &spec.task.restart) else { continue };
            let most = policy.max_attempts;
            if before.is_none() && most > 0 && policy.window.is_zero() && *made > most {
                let place = place(view, task.service, task.slot);
                return Err(format!("{place} was restarted {made} times, {most} may be"));
            }
        }
        Ok(())
    }
}
