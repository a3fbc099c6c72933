//! What a service spec names: secrets, configs and networks (semantics part 1.4).

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{ComponentSpec, Error, Id, Result, ServiceSpec};

use super::INGRESS_NETWORK;
use crate::path;
use crate::store::View;

/// Fills in the ids of what the spec names, and checks that all of it is there.
pub(super) fn resolve(view: &View, spec: &mut ServiceSpec) -> Result<()> {
    let component = &mut spec.task.component;
    check_targets(component)?;
    let mut missing = Vec::new();
    for reference in &mut component.secrets {
        let by_id = view.secret(reference.id).filter(|found| found.spec.name == reference.name);
        let unknown = reference.id == Id::from_u128(0);
        let found = by_id.or_else(|| unknown.then(|| view.secret_named(&reference.name)).flatten());
        match found {
            Some(secret) => reference.id = secret.id,
            None => missing.push(reference.name.clone()),
        }
    }
    refuse_missing("secret", missing)?;
    let mut missing = Vec::new();
    for reference in &mut component.configs {
        let by_id = view.config(reference.id).filter(|found| found.spec.name == reference.name);
        let unknown = reference.id == Id::from_u128(0);
        let found = by_id.or_else(|| unknown.then(|| view.config_named(&reference.name)).flatten());
        match found {
            Some(config) => reference.id = config.id,
            None => missing.push(reference.name.clone()),
        }
    }
    refuse_missing("config", missing)?;
    resolve_networks(view, spec)
}

fn refuse_missing(kind: &str, missing: Vec<String>) -> Result<()> {
    let plural = if missing.len() > 1 { "s" } else { "" };
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(format!("{kind}{plural} not found: {}", missing.join(", ")))
            .hint(format!("make it first: `skep {kind} create NAME FILE`"))),
    }
}

/// Every file and folder of a task has a place of its own.
fn check_targets(component: &ComponentSpec) -> Result<()> {
    let secrets = component.secrets.iter().map(|r| ("secret", &r.name, &r.target.name));
    let configs = component.configs.iter().map(|r| ("config", &r.name, &r.target.name));
    let mut taken: BTreeMap<String, (&str, &str)> = BTreeMap::new();
    for (kind, name, target) in secrets.chain(configs) {
        if name.is_empty() {
            return Err(Error::invalid(format!("malformed {kind} reference")));
        }
        if target.is_empty() {
            let message =
                format!("malformed file {kind} reference, invalid target file name provided");
            return Err(Error::invalid(message));
        }
        let base = if kind == "secret" { path::SECRETS_DIR } else { path::CONFIGS_DIR };
        // Swarm's managers let any name through and leave it to the node to guard its files.
        let place = path::absolute(base, target).map_err(|reason| {
            Error::invalid(format!("{kind} reference '{name}': target `{target}` {reason}"))
        })?;
        match taken.insert(place.clone(), (kind, name)) {
            Some((other_kind, other)) if other_kind == kind => {
                return Err(Error::invalid(format!(
                    "{kind} references '{other}' and '{name}' have a conflicting target: '{target}'"
                )));
            }
            Some((other_kind, other)) => {
                return Err(Error::invalid(format!(
                    "{other_kind} '{other}' and {kind} '{name}' are both at {place}"
                )));
            }
            None => {}
        }
    }
    let mut mounts = component.mounts.iter().filter_map(|m| path::absolute("/", &m.target).ok());
    match mounts.find(|target| taken.contains_key(target)) {
        Some(target) => {
            Err(Error::invalid(format!("ContainerSpec: {target} is both a file and a mount point")))
        }
        None => Ok(()),
    }
}

/// Replaces the names of networks by their ids.
fn resolve_networks(view: &View, spec: &mut ServiceSpec) -> Result<()> {
    let mut seen = BTreeSet::new();
    for attachment in &mut spec.task.networks {
        let network = view.find_network(&attachment.target)?;
        if network.spec.name == INGRESS_NETWORK {
            return Err(Error::invalid(
                "Service cannot be explicitly attached to the ingress network \"ingress\"",
            ));
        }
        if !seen.insert(network.id) {
            let message = format!("service is already attached to network {}", network.spec.name);
            return Err(Error::invalid(message));
        }
        attachment.target = network.id.to_string();
    }
    Ok(())
}

/// Refuses to remove what a service uses. Tasks of former specs do not count.
pub(super) fn refuse_if_used(
    kind: &str,
    name: &str,
    view: &View,
    uses: impl Fn(&ServiceSpec) -> bool,
) -> Result<()> {
    let users = view.services().filter(|service| uses(&service.spec));
    let mut users: Vec<_> = users.map(|service| service.spec.name.as_str()).collect();
    users.sort_unstable();
    let plural = if users.len() > 1 { "services" } else { "service" };
    match users.is_empty() {
        true => Ok(()),
        false => Err(Error::invalid(format!(
            "{kind} '{name}' is in use by the following {plural}: {}",
            users.join(", ")
        ))
        .hint(format!("remove the service, or take the {kind} from it, first"))),
    }
}
