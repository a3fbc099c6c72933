//! What a node is to be told: its tasks with their grants, and what these need.
//!
//! A node learns nothing else. A secret or config is in a node's assignments only while a task
//! there, placed and not yet ended or told to stop, names it (semantics part 8).

mod grant;
mod policy;
mod route;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{
    Assignment, AssignmentItem, AssignmentKey, Assignments, AssignmentsKind, Id, Node, Task,
    TaskState,
};

pub use self::grant::grant;
use crate::store::View;

/// All that a node is to know now.
pub fn assignments(view: &View, node: Id<Node>) -> BTreeMap<AssignmentKey, AssignmentItem> {
    let mut items = BTreeMap::new();
    let mut add = |item: AssignmentItem| drop(items.insert(item.key(), item));
    let mut networks = BTreeSet::new();
    for task in view.tasks_on(node).filter(|task| task.status.state >= TaskState::Assigned) {
        assignment(view, task)
            .into_iter()
            .for_each(|task| add(AssignmentItem::Task(Box::new(task))));
        if !task.status.state.is_terminal() {
            networks.extend(task.addresses.iter().map(|address| address.network));
        }
        // A task that was told to stop has passed its ports on to the next, and needs no more files.
        if task.is_active() {
            route::host_routes(view, task).into_iter().for_each(&mut add);
            contents(view, task).into_iter().for_each(&mut add);
        }
    }
    networks.into_iter().filter_map(|network| route::names(view, network)).for_each(&mut add);
    route::ingress_routes(view).for_each(&mut add);
    items
}

/// What to send to a node that was told `old` and is to know `new`. A task's status alone is not
/// sent back to the node that it came from.
pub fn diff(
    old: &BTreeMap<AssignmentKey, AssignmentItem>,
    new: &BTreeMap<AssignmentKey, AssignmentItem>,
) -> Assignments {
    let is_news = |(key, item): &(&AssignmentKey, &AssignmentItem)| {
        !old.get(key).is_some_and(|before| says_the_same(before, item))
    };
    Assignments {
        kind: AssignmentsKind::Incremental,
        set: new.iter().filter(is_news).map(|(_, item)| item.clone()).collect(),
        remove: old.keys().filter(|key| !new.contains_key(key)).copied().collect(),
    }
}

fn says_the_same(before: &AssignmentItem, item: &AssignmentItem) -> bool {
    let (AssignmentItem::Task(before), AssignmentItem::Task(item)) = (before, item) else {
        return before == item;
    };
    let Assignment {
        task,
        service,
        name,
        desired,
        status: _,
        grant,
        ports,
        registry_auth,
        restart,
    } = &**before;
    (task, service, name, desired) == (&item.task, &item.service, &item.name, &item.desired)
        && (grant, ports, registry_auth) == (&item.grant, &item.ports, &item.registry_auth)
        && *restart == item.restart
}

/// A task as its node is to know it.
fn assignment(view: &View, task: &Task) -> Option<Assignment> {
    let spec = view.spec_of(task)?;
    Some(Assignment {
        task: task.id,
        service: task.service,
        name: task.name(&spec.name),
        desired: task.desired,
        status: task.status.clone(),
        grant: grant(view, task)?,
        ports: task.ports.clone(),
        registry_auth: spec.task.component.registry_auth.clone(),
        restart: policy::own_restart(view, task, &spec.task.restart),
    })
}

/// The secrets and configs that a task reads. One that is gone does not hold the task back.
fn contents(view: &View, task: &Task) -> Vec<AssignmentItem> {
    let Some(spec) = view.spec_of(task) else { return Vec::new() };
    let component = &spec.task.component;
    let secrets = component.secrets.iter().filter_map(|reference| view.secret(reference.id));
    let secrets = secrets.map(|s| AssignmentItem::Secret(s.id, s.spec.data.clone()));
    let configs = component.configs.iter().filter_map(|reference| view.config(reference.id));
    let configs = configs.map(|c| AssignmentItem::Config(c.id, c.spec.data.clone()));
    secrets.chain(configs).collect()
}
