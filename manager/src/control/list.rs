//! Lists: which objects a request asks for, and how they are shown. No answer carries a secret's
//! content or a registry's credentials.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{Id, Node, NodeRole, Secret, Service, ServiceSpec, Task};
use skep_manager_core::{Explanation, ServiceStatus, View, is_up_to_date, service_status};
use skep_wire::pb;

/// What lists are filtered by, of any object.
struct Row<'a> {
    id: String,
    name: &'a str,
    labels: &'a BTreeMap<String, String>,
}

/// The services that a request asks for.
pub(crate) fn services(view: &View, wanted: &pb::ListRequest) -> Vec<pb::ServiceRow> {
    let mode = |service: &Service| {
        let name = service.spec.mode.name().replace(' ', "-");
        any(&wanted.modes, |mode| mode.replace(' ', "-") == name)
    };
    view.services()
        .filter(|s| matches(wanted, &row(s.id, &s.spec.name, &s.spec.labels)) && mode(s))
        .map(|service| service_row(view, service))
        .collect()
}

/// The nodes that a request asks for. `labels` are those of their own configuration.
pub(crate) fn nodes(view: &View, wanted: &pb::ListRequest) -> Vec<pb::Node> {
    let role = |node: &Node| {
        let name = match node.spec.role {
            NodeRole::Manager => "manager",
            NodeRole::Worker => "worker",
        };
        any(&wanted.roles, |role| role == name)
    };
    view.nodes()
        .filter(|n| {
            let Node { id, description: d, spec, .. } = n;
            matches(wanted, &row(*id, &d.hostname, &d.engine_labels))
                && role(n)
                && wanted.node_labels.iter().all(|label| has_label(&spec.labels, label))
        })
        .map(pb::Node::from)
        .collect()
}

/// The secrets that a request asks for.
pub(crate) fn secrets(view: &View, wanted: &pb::ListRequest) -> Vec<pb::Secret> {
    let secrets = view.secrets();
    let wanted = secrets.filter(|s| matches(wanted, &row(s.id, &s.spec.name, &s.spec.labels)));
    wanted.map(secret).collect()
}

/// The configs that a request asks for.
pub(crate) fn configs(view: &View, wanted: &pb::ListRequest) -> Vec<pb::Config> {
    let configs = view.configs();
    let wanted = configs.filter(|c| matches(wanted, &row(c.id, &c.spec.name, &c.spec.labels)));
    wanted.map(pb::Config::from).collect()
}

/// The networks that a request asks for.
pub(crate) fn networks(view: &View, wanted: &pb::ListRequest) -> Vec<pb::Network> {
    let networks = view.networks();
    let wanted = networks.filter(|n| matches(wanted, &row(n.id, &n.spec.name, &n.spec.labels)));
    wanted.map(pb::Network::from).collect()
}

/// The tasks that a request asks for. Those of named services are found without looking at others.
pub(crate) fn tasks(view: &View, wanted: &pb::ListTasksRequest) -> Vec<pb::TaskRow> {
    let nodes = named(&wanted.nodes, |name| view.find_node(name).ok().map(|n| n.id));
    let on_node = |task: &Task| task.home().is_some_and(|node| nodes.contains(&node));
    let asked = |task: &&Task| {
        (wanted.nodes.is_empty() || on_node(task)) && matches_task(view, wanted, task)
    };
    if wanted.services.is_empty() {
        return view.tasks().filter(asked).map(|task| task_row(view, task)).collect();
    }
    let services = named(&wanted.services, |name| view.find_service(name).ok().map(|s| s.id));
    let tasks = services.into_iter().flat_map(|service| view.tasks_of(service));
    tasks.filter(asked).map(|task| task_row(view, task)).collect()
}

/// Whether a request asks for a task, whatever its service and its node.
fn matches_task(view: &View, wanted: &pb::ListTasksRequest, task: &Task) -> bool {
    let spec = view.spec_of(task);
    let name = task.name(spec.map_or("", |spec| &spec.name));
    let no_labels = BTreeMap::new();
    let labels = spec.map_or(&no_labels, |spec| &spec.labels);
    let id = task.id.to_string();
    let is_current =
        || view.service(task.service).is_some_and(|service| is_up_to_date(view, service, task));
    any(&wanted.id_prefixes, |prefix| id.starts_with(prefix))
        && any(&wanted.name_prefixes, |prefix| name.starts_with(prefix))
        && any(&wanted.desired_states, |state| state == task.desired.name())
        && wanted.labels.iter().all(|label| has_label(labels, label))
        && (!wanted.up_to_date || is_current())
}

/// A task with what is shown beside it.
pub(crate) fn task_row(view: &View, task: &Task) -> pb::TaskRow {
    let spec = view.spec_of(task);
    let node = task.home().and_then(|id| view.node(id));
    pb::TaskRow {
        task: Some(task.into()),
        spec: spec.map(|spec| shown(spec)),
        service_name: spec.map(|spec| spec.name.clone()).unwrap_or_default(),
        node_name: node.map(|node| node.description.hostname.clone()).unwrap_or_default(),
    }
}

/// A service as it is shown.
pub(crate) fn service(service: &Service) -> pb::Service {
    let mut message = pb::Service::from(service);
    message.spec = Some(shown(&service.spec));
    message.previous = service.previous.as_ref().map(|spec| shown(spec));
    for (revision, stored) in message.history.iter_mut().zip(&service.history) {
        revision.spec = Some(shown(&stored.spec));
    }
    message
}

/// What there is to say about a service, as it is sent.
pub(crate) fn explanation(explanation: Explanation) -> pb::ExplainResponse {
    let task = |(task, lines): (Id<Task>, Vec<String>)| pb::TaskExplanation {
        task: task.to_string(),
        lines,
    };
    let tasks = explanation.tasks.into_iter().map(task).collect();
    pb::ExplainResponse { tasks, update: explanation.update }
}

/// A secret as it is shown: without its content.
pub(crate) fn secret(secret: &Secret) -> pb::Secret {
    let mut message = pb::Secret { id: secret.id.to_string(), ..Default::default() };
    message.meta = Some((&secret.meta).into());
    message.spec = Some(pb::SecretSpec {
        name: secret.spec.name.clone(),
        labels: secret.spec.labels.clone(),
        data: Vec::new(),
    });
    message
}

/// A spec as it is shown: without credentials.
fn shown(spec: &ServiceSpec) -> pb::ServiceSpec {
    let mut message = pb::ServiceSpec::from(spec);
    if let Some(component) = message.task.as_mut().and_then(|task| task.component.as_mut()) {
        component.registry_auth = None;
    }
    message
}

/// A service with its numbers.
fn service_row(view: &View, of: &Service) -> pb::ServiceRow {
    let ServiceStatus { running, desired, completed } = service_status(view, of);
    pb::ServiceRow { service: Some(service(of)), running, desired, completed }
}

fn row<'a, T>(id: Id<T>, name: &'a str, labels: &'a BTreeMap<String, String>) -> Row<'a> {
    Row { id: id.to_string(), name, labels }
}

/// All kinds of filter must match; any value of a kind may, but for labels, of which all must.
fn matches(wanted: &pb::ListRequest, row: &Row<'_>) -> bool {
    let name = row.name.to_lowercase();
    any(&wanted.id_prefixes, |prefix| row.id.starts_with(prefix))
        && any(&wanted.name_prefixes, |prefix| name.starts_with(&prefix.to_lowercase()))
        && any(&wanted.names, |whole| whole.to_lowercase() == name)
        && wanted.labels.iter().all(|label| has_label(row.labels, label))
}

/// Whether any of the values does, or there is none to ask for.
fn any(values: &[String], is: impl Fn(&str) -> bool) -> bool {
    values.is_empty() || values.iter().any(|value| is(value))
}

/// `key`, or `key=value`.
fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|is| is == value),
        None => labels.contains_key(wanted),
    }
}

/// The objects that a filter names. One that is not found may be gone: then its id must be given.
fn named<T>(inputs: &[String], find: impl Fn(&str) -> Option<Id<T>>) -> BTreeSet<Id<T>> {
    inputs.iter().filter_map(|input| find(input).or_else(|| input.parse().ok())).collect()
}

#[cfg(test)]
mod tests;
