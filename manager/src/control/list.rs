//! Lists: which objects a request asks for, and how they are shown. No answer carries a secret's
//! content or a registry's credentials.

use std::collections::BTreeMap;

use skep_api::{Id, Mode, Node, NodeRole, Secret, Service, ServiceSpec, Task, TaskState};
use skep_manager_core::{View, is_up_to_date};
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

/// The tasks that a request asks for.
pub(crate) fn tasks(view: &View, wanted: &pb::ListTasksRequest) -> Vec<pb::TaskRow> {
    let services = ids(&wanted.services, |name| view.find_service(name).ok().map(|s| s.id));
    let nodes = ids(&wanted.nodes, |name| view.find_node(name).ok().map(|n| n.id));
    let no_labels = BTreeMap::new();
    view.tasks()
        .filter(|task| {
            let spec = view.spec_of(task);
            let name = task.name(spec.map_or("", |spec| &spec.name));
            let labels = spec.map_or(&no_labels, |spec| &spec.labels);
            let id = task.id.to_string();
            let current = || {
                view.service(task.service).is_some_and(|service| is_up_to_date(view, service, task))
            };
            services.admit(task.service)
                && (wanted.nodes.is_empty() || task.node.is_some_and(|node| nodes.admit(node)))
                && any(&wanted.id_prefixes, |prefix| id.starts_with(prefix))
                && any(&wanted.name_prefixes, |prefix| name.starts_with(prefix))
                && any(&wanted.desired_states, |state| state == task.desired.name())
                && wanted.labels.iter().all(|label| has_label(labels, label))
                && (!wanted.up_to_date || current())
        })
        .map(|task| task_row(view, task))
        .collect()
}

/// A task with what is shown beside it.
pub(crate) fn task_row(view: &View, task: &Task) -> pb::TaskRow {
    let spec = view.spec_of(task);
    let node = task.node.and_then(|id| view.node(id));
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
    message
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

/// A service with its numbers, counted as Swarm counts them: whatever runs, runs.
fn service_row(view: &View, of: &Service) -> pb::ServiceRow {
    let count = |is: &dyn Fn(&Task) -> bool| view.tasks_of(of.id).filter(|t| is(t)).count() as u64;
    let desired = match of.spec.mode {
        Mode::Replicated { replicas } => replicas,
        Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
        Mode::Global => count(&|task| task.desired == TaskState::Running),
        Mode::GlobalJob => count(&|task| {
            task.desired == TaskState::Complete && task.status.state < TaskState::Complete
        }),
    };
    pb::ServiceRow {
        service: Some(service(of)),
        running: count(&|task| task.status.state == TaskState::Running),
        desired,
        completed: count(&|task| task.status.state == TaskState::Complete),
    }
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

/// Objects that are named in a filter.
struct Named<'a, T> {
    inputs: &'a [String],
    ids: Vec<Option<Id<T>>>,
}

fn ids<T>(inputs: &[String], find: impl Fn(&str) -> Option<Id<T>>) -> Named<'_, T> {
    Named { inputs, ids: inputs.iter().map(|input| find(input)).collect() }
}

impl<T> Named<'_, T> {
    /// Whether it is one of them. One that is not found may be gone: then its id must be given.
    fn admit(&self, id: Id<T>) -> bool {
        let mut named = self.inputs.iter().zip(&self.ids);
        self.inputs.is_empty()
            || named.any(|(input, found)| found.map_or(id.to_string() == *input, |is| is == id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_filter_must_match_and_any_value_of_a_kind_may() {
        let labels =
            BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())]);
        let id = Id::<()>::from_u128(7);
        let row = row(id, "Web-App", &labels);
        let list = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>();
        let whole = id.to_string();
        for (ids, prefixes, names, wanted_labels, expected) in [
            (&[][..], &[][..], &[][..], &[][..], true),
            (&["000"], &[], &[], &[], true),
            (&[whole.as_str()], &[], &[], &[], true),
            (&["z"], &[], &[], &[], false),
            (&["z", "0"], &["web"], &[], &[], true),
            (&[], &["app"], &[], &[], false),
            (&[], &["x", "WEB"], &[], &[], true),
            (&[], &[], &["web"], &[], false),
            (&[], &[], &["web-app"], &[], true),
            (&[], &[], &[], &["a"], true),
            (&[], &[], &[], &["a=1", "b"], true),
            (&[], &[], &[], &["a=1", "c"], false),
            (&[], &[], &[], &["a=2"], false),
            (&[], &[], &[], &["b="], true),
            (&["0"], &["web"], &["web-app"], &["a=2"], false),
        ] {
            let wanted = pb::ListRequest {
                id_prefixes: list(ids),
                name_prefixes: list(prefixes),
                names: list(names),
                labels: list(wanted_labels),
                ..Default::default()
            };
            assert_eq!(matches(&wanted, &row), expected, "{wanted:?}");
        }
    }

    #[test]
    fn an_object_that_is_gone_is_found_by_its_id_only() {
        let (here, gone) = (Id::<()>::from_u128(1), Id::<()>::from_u128(2));
        let inputs = ["web".to_owned(), gone.to_string()];
        let named = ids(&inputs, |input| (input == "web").then_some(here));
        assert!(named.admit(here) && named.admit(gone));
        assert!(!named.admit(Id::from_u128(3)));
        assert!(ids(&[], |_| None).admit(here), "no filter");
    }
}
