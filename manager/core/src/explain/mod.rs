//! Why tasks are where they are, or nowhere, and what an update waits for: sentences for people.
//!
//! | a task | what is said |
//! |---|---|
//! | waits for its addresses or ports | what there is none of |
//! | waits for a node | what each node fails at first, with the numbers |
//! | is held | when it starts, and what it waits for |
//! | ended, and none follows | what of the restart policy says so |
//! | is on a node | the constraints and preferences that led it there; what its node did by itself |
//!
//! Nothing is decided here, and nothing is kept: all of it follows from a view and the time, with the
//! same functions that decisions are made by. What is said is bounded, however large a service is.

mod node;
mod task;
#[cfg(test)]
mod tests;
mod update;

use skep_api::{Id, Service, Task, Time};

use self::node::Asked;
use crate::store::View;

/// How many tasks of a service are explained: more than that nobody reads, and all of a service's
/// tasks may wait for the same thing.
const TASKS_MAX: usize = 1000;

/// What there is to say about a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Explanation {
    /// About its tasks, by slot and age; those that there is nothing to say about are left out.
    pub tasks: Vec<(Id<Task>, Vec<String>)>,
    /// What its update or rollback waits for, or what stopped it; empty if there is none.
    pub update: Vec<String>,
}

/// Explains a service: its tasks that lack something first of all, then the others.
pub fn explain_service(view: &View, service: &Service, now: Time) -> Explanation {
    let mut asked = Asked::default();
    let mut tasks = Vec::new();
    for placed in [false, true] {
        let some = view.tasks_of(service.id).filter(|task| task.node.is_some() == placed);
        for task in some {
            if tasks.len() == TASKS_MAX {
                break;
            }
            let lines = explain(view, task, now, &mut asked);
            if !lines.is_empty() {
                tasks.push((task.slot, task.meta.created_at, task.id, lines));
            }
        }
    }
    tasks.sort();
    let tasks = tasks.into_iter().map(|(_, _, id, lines)| (id, lines)).collect();
    Explanation { tasks, update: update::lines(view, service, now) }
}

/// Explains a task; nothing if there is nothing to say.
pub fn explain_task(view: &View, task: &Task, now: Time) -> Vec<String> {
    explain(view, task, now, &mut Asked::default())
}

fn explain<'a>(view: &'a View, task: &Task, now: Time, asked: &mut Asked<'a>) -> Vec<String> {
    if task::waits_for_a_node(task) {
        return asked.lines(view, task);
    }
    let mut lines = Vec::new();
    lines.extend(task::unallocated(task));
    lines.extend(task::held(view, task, now));
    lines.extend(task::given_up(view, task, now));
    lines.extend(task::on_its_node(view, task));
    lines
}
