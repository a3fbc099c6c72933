//! What happened in the store, in words for the log.

use skep_api::{Id, Task};
use skep_manager_core::{Change, Object, View};

use crate::worker::Worker;

/// A change in a few words.
pub(super) fn of(view: &View, change: &Change) -> String {
    let name = |id: Id<Task>| match view.task(id) {
        Some(task) => {
            let service = view.service(task.service).map_or("?", |s| s.spec.name.as_str());
            format!("{service}.{:.8} {id}", task.slot.to_string())
        }
        None => id.to_string(),
    };
    match change {
        Change::Create(Object::Task(task)) => {
            let node = task.home().map_or("-".to_owned(), Worker::name);
            format!(
                "+ {} {:?} {} v{} on {node} {} {:?}",
                name(task.id),
                task.origin,
                task.desired.name(),
                task.spec_version.0,
                task.status.state.name(),
                task.status.err,
            )
        }
        Change::TaskDesired { task, desired } => format!("{} -> {}", name(*task), desired.name()),
        Change::TaskStatus { task, status } => {
            format!("{} is {} {:?}", name(*task), status.state.name(), status.err)
        }
        Change::TaskAssign { task, node, status, .. } => {
            let node = node.map_or("-".to_owned(), Worker::name);
            format!("{} on {node} {} {:?}", name(*task), status.state.name(), status.err)
        }
        Change::Update(Object::Node(node)) => format!(
            "node {} {} {} {} {:?}",
            Worker::name(node.id),
            node.description.hostname,
            node.status.state.name(),
            node.spec.availability.name(),
            node.spec.labels,
        ),
        Change::Create(Object::Service(service)) | Change::Update(Object::Service(service)) => {
            let update = service.update_status.as_ref();
            let version = service.spec_version.0;
            let update = update.map_or("-", |update| update.state.name());
            format!("service {} {} v{version} update {update}", service.id, service.spec.name)
        }
        Change::Create(object) | Change::Update(object) => format!("write {}", object.key()),
        Change::Remove(key) => format!("- {key}"),
    }
}
