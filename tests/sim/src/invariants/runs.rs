//! A node that managers reach runs nothing that they do not want, but for the time it has to stop.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_api::{Id, Node, Task, TaskState, Time};
use skep_manager_core::View;

use super::{Checked, name};
use crate::agent::Agent;
use crate::group::Applied;

/// How long it takes at most to hear that a task is to stop, over a session that is not interrupted,
/// and to carry that out: an answer's time for the managers' loop, messages and writes, and the
/// longest grace period that users give.
const STOP_MAX: Duration = Duration::from_secs(20);

/// When tasks were told to stop, or went.
#[derive(Default)]
pub(super) struct Runs {
    told: BTreeMap<Id<Task>, Time>,
}

impl Runs {
    pub(super) fn applied(&mut self, applied: &Applied, now: Time) {
        let touched = applied.tasks().filter(|(before, after)| {
            let over = |task: &Task| task.desired >= TaskState::Shutdown;
            before.is_some_and(|task| !over(task)) && after.is_none_or(over)
        });
        self.told.extend(touched.filter_map(|(before, _)| Some((before?.id, now))));
    }

    /// Time went by that nobody noticed.
    pub(super) fn sleep(&mut self, by: Duration) {
        self.told.values_mut().for_each(|told| *told = told.after(by));
    }

    pub(super) fn check(
        &mut self,
        view: &View,
        now: Time,
        agents: &BTreeMap<Id<Node>, Agent>,
    ) -> Checked {
        for agent in agents.values() {
            let (Some(worker), Some(since)) = (&agent.worker, agent.linked_since) else { continue };
            for id in worker.running() {
                let told = self.told.get(&id).copied().unwrap_or(now);
                let gone = view.task(id).is_none_or(|task| task.desired >= TaskState::Shutdown);
                if gone && now.since(told.max(since)) > STOP_MAX {
                    let what = view.task(id).map_or(id.to_string(), |task| name(view, task));
                    let host = &agent.description.hostname;
                    return Err(format!("{what} still runs on {host}, which was told to stop it"));
                }
            }
        }
        self.told.retain(|_, told| now.since(*told) < STOP_MAX * 400);
        Ok(())
    }
}
