//! Puts one compose file over another (semantics part 12.4).
//!
//! Records are merged as trees of what they say: what a record does not say is not in its tree, so
//! that an empty text, a `false` or a 0 of a plain field never overrides. The rules that are not
//! "mappings key by key, lists one behind the other, else the later one wins" stand in [`rule`].
//!
//! Where Docker's client 28 does otherwise, it is seen as a mistake: it appends a later health
//! check's command to the earlier one, and of several entries of one file with the same key (a port
//! for TCP and for UDP, a secret under two names) it keeps one as soon as there is a second file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ComposeError;
use crate::model::{Project, Service};

/// Puts `over` over `base`. The version is the same in both; `x-` keys of the top level are those
/// of the first file.
pub(crate) fn merge(mut base: Project, over: Project) -> Result<Project, ComposeError> {
    for (name, service) in over.services {
        let merged = match base.services.remove(&name) {
            Some(earlier) => merge_service(&name, &earlier, &service)?,
            None => service,
        };
        base.services.insert(name, merged);
    }
    replace(&mut base.networks, over.networks);
    replace(&mut base.volumes, over.volumes);
    replace(&mut base.secrets, over.secrets);
    replace(&mut base.configs, over.configs);
    Ok(base)
}

/// A later entry replaces an earlier one as a whole, unless it says nothing.
fn replace<T: Default + PartialEq>(base: &mut BTreeMap<String, T>, over: BTreeMap<String, T>) {
    for (name, entry) in over {
        if entry != T::default() || !base.contains_key(&name) {
            base.insert(name, entry);
        }
    }
}

fn merge_service(name: &str, base: &Service, over: &Service) -> Result<Service, ComposeError> {
    let (base, mut over) = (tree(name, base)?, tree(name, over)?);
    // Keyed lists are sorted by any later file that has the service, even if it adds nothing.
    for list in KEYED {
        if base.get(list).is_some() && over.get(list).is_none() {
            over[list] = Value::Array(Vec::new());
        }
    }
    record(name, merge_trees(base, over, &mut Vec::new()))
}

fn tree<T: Serialize>(name: &str, record: &T) -> Result<Value, ComposeError> {
    serde_json::to_value(record).map_err(|error| unmergeable(name, &error))
}

fn record<T: DeserializeOwned>(name: &str, tree: Value) -> Result<T, ComposeError> {
    serde_json::from_value(tree).map_err(|error| unmergeable(name, &error))
}

fn unmergeable(name: &str, error: &serde_json::Error) -> ComposeError {
    ComposeError::new(format!("cannot merge service {name}: {error}"))
}

/// What is special about a place in a service.
#[derive(Clone, Copy)]
enum Rule {
    /// Mappings key by key, lists one behind the other, else the later one wins.
    Usual,
    /// The later one wins as a whole.
    Replace,
    /// The later one wins unless it is null, an empty text, false or no time.
    ReplaceIfSet,
    /// A list of mappings: later ones replace all earlier ones with the same key; sorted by it.
    Keyed(fn(&Value) -> ListKey),
    /// Options are merged if the driver is the same, or one of them does not name it.
    Logging,
    /// Aliases are the later one's, even if it has none.
    Network,
}

/// The lists of a service whose entries replace each other by a key.
const KEYED: [&str; 4] = ["ports", "secrets", "configs", "volumes"];

fn rule(path: &[&str]) -> Rule {
    match path {
        ["command" | "entrypoint"] | ["healthcheck", "test"] | ["ulimits", _] => Rule::Replace,
        ["environment", _] | ["build", "args", _] | ["init" | "stop_grace_period"] => {
            Rule::ReplaceIfSet
        }
        ["healthcheck", "interval" | "timeout" | "start_period" | "start_interval"]
        | ["deploy", "restart_policy", "delay" | "window"] => Rule::ReplaceIfSet,
        ["ports"] => Rule::Keyed(port_key),
        ["secrets" | "configs"] => Rule::Keyed(source_key),
        ["volumes"] => Rule::Keyed(target_key),
        ["logging"] => Rule::Logging,
        ["networks", _] => Rule::Network,
        _ => Rule::Usual,
    }
}

fn merge_trees(base: Value, over: Value, path: &mut Vec<String>) -> Value {
    let here = rule(&path.iter().map(String::as_str).collect::<Vec<_>>());
    match (here, base, over) {
        (Rule::Replace, _, over) => over,
        (Rule::ReplaceIfSet, base, over) if is_zero(&over) => base,
        (Rule::ReplaceIfSet, _, over) => over,
        (Rule::Network, base @ Value::Object(_), Value::Null) => base,
        (Rule::Network, Value::Object(mut base), Value::Object(over)) => {
            base.remove("aliases");
            Value::Object(merge_maps(base, over, path))
        }
        (Rule::Logging, Value::Object(base), Value::Object(over)) => {
            let differ = matches!((base.get("driver"), over.get("driver")),
                (Some(base), Some(over)) if base != over);
            match differ {
                true => Value::Object(over),
                false => Value::Object(merge_maps(base, over, path)),
            }
        }
        (Rule::Keyed(key), Value::Array(mut entries), Value::Array(over)) => {
            let named: BTreeSet<ListKey> = over.iter().map(key).collect();
            entries.retain(|entry| !named.contains(&key(entry)));
            entries.extend(over);
            entries.sort_by_key(key);
            Value::Array(entries)
        }
        (_, Value::Object(base), Value::Object(over)) => {
            Value::Object(merge_maps(base, over, path))
        }
        (_, Value::Array(mut base), Value::Array(over)) => {
            base.extend(over);
            Value::Array(base)
        }
        (_, _, over) => over,
    }
}

fn merge_maps(
    mut base: Map<String, Value>,
    over: Map<String, Value>,
    path: &mut Vec<String>,
) -> Map<String, Value> {
    for (key, value) in over {
        let merged = match base.remove(&key) {
            Some(earlier) => {
                path.push(key.clone());
                let merged = merge_trees(earlier, value, path);
                path.pop();
                merged
            }
            None => value,
        };
        base.insert(key, merged);
    }
    base
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text == "0s",
        _ => false,
    }
}

/// What the entries of a keyed list are told apart, and sorted, by.
type ListKey = (u64, u64, String);

/// Ports are told apart by what nodes listen on, those without by what tasks listen on.
fn port_key(port: &Value) -> ListKey {
    let number = |key: &str| port[key].as_u64().unwrap_or(0);
    let protocol = port["protocol"].as_str().unwrap_or("tcp").to_ascii_lowercase();
    match number("published") {
        0 => (0, number("target"), protocol),
        published => (published, 0, protocol),
    }
}

fn source_key(reference: &Value) -> ListKey {
    (0, 0, reference["source"].as_str().unwrap_or_default().to_owned())
}

fn target_key(volume: &Value) -> ListKey {
    (0, 0, volume["target"].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FileReference, Healthcheck, Port};

    fn merged(base: Service, over: Service) -> Service {
        merge_service("web", &base, &over).expect("two good services")
    }

    fn port(published: u64, target: u64, protocol: &str) -> Port {
        Port { published, target, protocol: protocol.to_owned(), ..Port::default() }
    }

    #[test]
    fn entries_of_one_file_do_not_replace_each_other() {
        let secret = |source: &str, target: &str| FileReference {
            source: source.to_owned(),
            target: target.to_owned(),
            ..FileReference::default()
        };
        let base = Service {
            ports: vec![
                port(0, 81, "tcp"),
                port(0, 80, "tcp"),
                port(53, 53, "udp"),
                port(53, 53, "tcp"),
            ],
            secrets: vec![secret("s", "a"), secret("s", "b"), secret("r", "")],
            ..Service::default()
        };
        let over = Service { ports: vec![port(53, 5353, "udp")], ..Service::default() };
        let result = merged(base, over);
        let ports: Vec<_> = result.ports.iter().map(|p| (p.published, p.target)).collect();
        assert_eq!(ports, [(0, 80), (0, 81), (53, 53), (53, 5353)]);
        let secrets: Vec<_> = result.secrets.iter().map(|s| (&*s.source, &*s.target)).collect();
        assert_eq!(secrets, [("r", ""), ("s", "a"), ("s", "b")]);
    }

    #[test]
    fn a_later_health_check_replaces_the_command_only() {
        let check = |test: &str, retries| Service {
            healthcheck: Some(Healthcheck {
                test: if test.is_empty() { vec![] } else { vec![test.to_owned()] },
                retries,
                ..Healthcheck::default()
            }),
            ..Service::default()
        };
        let result = merged(check("a", Some(3)), check("b", None)).healthcheck.expect("there");
        assert_eq!((result.test, result.retries), (vec!["b".to_owned()], Some(3)));
        let result = merged(check("a", Some(3)), check("", Some(0))).healthcheck.expect("there");
        assert_eq!((result.test, result.retries), (vec!["a".to_owned()], Some(0)));
    }
}
