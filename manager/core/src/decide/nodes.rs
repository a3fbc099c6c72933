//! What becomes of the tasks of a node that changed (semantics parts 3.4 and 3.9).
//!
//! | situation | change |
//! |---|---|
//! | the node is gone | its tasks that had not ended: ORPHANED |
//! | the node is down or drained | none here: [`super::restart`] looks at the slots of its tasks |
//! | a node changed, and has tasks of an older spec | none here: [`super::replicated`] compares them again |
//! | an active node no longer meets the constraints of a task's service | the task: REJECTED |
//! | a node came back, or takes tasks again | none here: what waits for a place is tried in every pass |

use std::collections::BTreeSet;

use skep_api::{Availability, Id, Node, Service, Task, TaskState, TaskStatus};

use super::{SlotKey, constraint};
use crate::change::Change;
use crate::store::View;

/// Decides about the tasks of one node.
pub(crate) fn reconcile(view: &View, node: Id<Node>) -> Vec<Change> {
    let live = view.tasks_on(node).filter(|task| !task.status.state.is_terminal());
    match view.node(node) {
        None => live.map(|task| status(task, TaskState::Orphaned, GONE)).collect(),
        Some(node) if node.spec.availability == Availability::Active => live
            .filter(|task| task.is_wanted() && !fits(view, task, node))
            .map(|task| status(task, TaskState::Rejected, UNFIT))
            .collect(),
        Some(_) => Vec::new(),
    }
}

/// The services with tasks of an older spec on the node, ended ones too: these were left alone as long
/// as the node met the new constraints (see [`super::outdated`]).
pub(crate) fn services_to_compare(view: &View, node: Id<Node>) -> BTreeSet<Id<Service>> {
    let is_older = |task: &&Task| {
        view.service(task.service).is_some_and(|s| s.spec_version != task.spec_version)
    };
    let older = view.tasks_on(node).filter(is_older);
    older.map(|task| task.service).collect()
}

/// The slots of the tasks of a node that can't be counted on.
pub(crate) fn slots_of_unfit(view: &View, node: Id<Node>) -> Vec<SlotKey> {
    let drained = |node: &Node| node.spec.availability == Availability::Drain;
    // A node that is gone or back matters too: tasks that wait for one there to stop are held.
    let unfit = view.is_lost(node) || view.node(node).is_some_and(drained);
    let tasks = unfit.then(|| view.tasks_on(node)).into_iter().flatten();
    tasks.map(|task| (task.service, task.slot)).collect()
}

/// Swarm's words: message and error.
type Words = (&'static str, &'static str);
const GONE: Words = ("", "Task belonged to a node that has been deleted");
pub(super) const UNFIT: Words =
    ("task rejected by constraint enforcer", "assigned node no longer meets constraints");

/// The constraints that count are the service's current ones, not those the task was made with.
fn fits(view: &View, task: &Task, node: &Node) -> bool {
    view.service(task.service).is_none_or(|service| constraint::all_hold(&service.spec, node))
}

fn status(task: &Task, state: TaskState, (message, err): Words) -> Change {
    let status = TaskStatus {
        state,
        message: message.to_owned(),
        err: err.to_owned(),
        ..task.status.clone()
    };
    Change::TaskStatus { task: task.id, status }
}
