//! Networks, and which of them a service is on.

use std::collections::BTreeSet;

use skep_api::{NetworkAttachment, NetworkSpec};

use super::Stack;
use crate::ComposeError;
use crate::model::{Network, Project, Service};

/// The network of services that name none.
const DEFAULT: &str = "default";

/// The networks to make, and the names of those that must be there: only those that some service
/// is on.
pub(crate) fn convert(stack: Stack<'_>, project: &Project) -> (Vec<NetworkSpec>, Vec<String>) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for service in project.services.values() {
        used.extend(keys(service));
    }
    let default_first = used.take(DEFAULT).into_iter().chain(used.iter().copied());
    let unnamed = Network::default();
    let mut specs = Vec::new();
    let mut external = Vec::new();
    for key in default_first.collect::<Vec<&str>>() {
        let network = project.networks.get(key).unwrap_or(&unnamed);
        if network.external {
            external.push(network.name.clone());
            continue;
        }
        specs.push(NetworkSpec {
            name: stack.scoped(key, &network.name),
            labels: stack.labels(&network.labels),
            driver: network.driver.clone(),
            options: network.driver_opts.clone(),
            internal: network.internal,
            attachable: network.attachable,
        });
    }
    (specs, external)
}

/// The keys of the networks a service is on.
fn keys(service: &Service) -> Vec<&str> {
    match service.networks.is_empty() {
        true => vec![DEFAULT],
        false => service.networks.keys().map(String::as_str).collect(),
    }
}

/// A service's networks, sorted by name, on each of which its own key is one of its names.
pub(crate) fn attachments(
    stack: Stack<'_>,
    service_key: &str,
    service: &Service,
    project: &Project,
) -> Result<Vec<NetworkAttachment>, ComposeError> {
    let mut out = Vec::new();
    for key in keys(service) {
        let network = project.networks.get(key);
        if network.is_none() && key != DEFAULT {
            return Err(ComposeError::new(format!("undefined network {key:?}"))
                .hint(format!("declare it: networks: {{{key}: {{}}}}")));
        }
        let target = stack.scoped(key, network.map_or("", |network| &network.name));
        let aliases = service.networks.get(key).and_then(Option::as_ref);
        let mut aliases = aliases.map(|network| network.aliases.clone()).unwrap_or_default();
        if is_user_defined(&target) {
            aliases.push(service_key.to_owned());
        }
        out.push(NetworkAttachment { target, aliases });
    }
    out.sort_by(|a, b| a.target.cmp(&b.target));
    Ok(out)
}

/// Docker's own networks know no aliases.
fn is_user_defined(name: &str) -> bool {
    !["default", "bridge", "host", "none"].contains(&name) && !name.starts_with("container:")
}
