//! `--*-add` and `--*-rm` of `service update`.
//!
//! What both add and remove name is added: removals come first. A list that no flag names stays as
//! it is, in its order; one that changed is sorted where its order has no meaning, so that the same
//! flags lead to the same spec. Removing what is not there changes nothing, but for generic
//! resources, as in Docker.

use std::collections::BTreeMap;

use skep_api::{ComponentSpec, Mount, MountKind, PortConfig, ServiceSpec, TaskSpec};

use crate::args::ServiceUpdate;
use crate::error::{CliError, CliResult};
use crate::flags;

/// All lists but networks, which need names looked up.
pub(super) fn change(spec: &mut ServiceSpec, args: &ServiceUpdate) -> CliResult<()> {
    change_labels(&mut spec.labels, &args.labels_rm, &args.labels_add);
    let component = &mut spec.task.component;
    change_labels(&mut component.labels, &args.container_labels_rm, &args.container_labels_add);
    component.env.retain(|line| !args.env_rm.iter().any(|key| key == variable_name(line)));
    for variable in &args.env_add {
        set_variable(&mut component.env, flags::variable(variable)?);
    }
    change_mounts(&mut component.mounts, args)?;
    change_files(component, args)?;
    change_placement(&mut spec.task, args)?;
    change_generic(&mut spec.task.reservations.generic, args)?;
    change_ports(&mut spec.endpoint.ports, args)
}

/// Networks are removed by name or id, while the spec holds ids: `names` tells which is which.
pub(crate) fn change_networks(
    spec: &mut ServiceSpec,
    args: &ServiceUpdate,
    names: &BTreeMap<String, String>,
) -> CliResult<()> {
    let networks = &mut spec.task.networks;
    let is = |target: &str, given: &str| {
        target == given || names.get(given).is_some_and(|id| id == target)
    };
    networks.retain(|n| !args.networks_rm.iter().any(|rm| is(&n.target, rm)));
    for text in &args.networks_add {
        let network = flags::network(text)?;
        if networks.iter().any(|n| is(&n.target, &network.target)) {
            return Err(CliError::new(format!(
                "service is already attached to network {}",
                network.target
            )));
        }
        networks.push(network);
    }
    Ok(())
}

/// Sets a variable in place of one of the same name.
pub(super) fn set_variable(env: &mut Vec<String>, line: String) {
    env.retain(|old| variable_name(old) != variable_name(&line));
    env.push(line);
}

fn variable_name(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

fn change_labels(labels: &mut BTreeMap<String, String>, rm: &[String], add: &[String]) {
    labels.retain(|key, _| !rm.contains(key));
    labels.extend(flags::labels(add));
}

fn change_mounts(mounts: &mut Vec<Mount>, args: &ServiceUpdate) -> CliResult<()> {
    if args.mounts_add.is_empty() && args.mounts_rm.is_empty() {
        return Ok(());
    }
    let target = |path: &str| path.trim_end_matches('/').to_owned();
    mounts.retain(|m| !args.mounts_rm.iter().any(|rm| target(rm) == target(&m.target)));
    let mut added: Vec<Mount> = Vec::new();
    for text in &args.mounts_add {
        let mount = flags::mount(text)?;
        if added.iter().any(|other| target(&other.target) == target(&mount.target)) {
            return Err(CliError::new("duplicate mount target")
                .hint(format!("--mount-add names {} twice", mount.target)));
        }
        added.push(mount);
    }
    let replaced = |old: &Mount| added.iter().any(|new| target(&new.target) == target(&old.target));
    mounts.retain(|old| !replaced(old));
    mounts.extend(added);
    mounts.sort_by(|a, b| (source(a), &a.target).cmp(&(source(b), &b.target)));
    Ok(())
}

fn source(mount: &Mount) -> &str {
    match &mount.kind {
        MountKind::Volume { source, .. } => source.as_deref().unwrap_or_default(),
        MountKind::Bind { source } => source,
        MountKind::Tmpfs { .. } => "",
    }
}

fn change_files(component: &mut ComponentSpec, args: &ServiceUpdate) -> CliResult<()> {
    component.secrets.retain(|s| !args.secrets_rm.contains(&s.name));
    for text in &args.secrets_add {
        component.secrets.push(flags::secret(text)?);
    }
    component.configs.retain(|c| !args.configs_rm.contains(&c.name));
    for text in &args.configs_add {
        component.configs.push(flags::config(text)?);
    }
    Ok(())
}

fn change_placement(task: &mut TaskSpec, args: &ServiceUpdate) -> CliResult<()> {
    let constraints = &mut task.placement.constraints;
    constraints.retain(|c| !args.constraints_rm.contains(c));
    for constraint in &args.constraints_add {
        if !constraints.contains(constraint) {
            constraints.push(constraint.clone());
        }
    }
    if !args.constraints_add.is_empty() || !args.constraints_rm.is_empty() {
        constraints.sort();
    }
    let preferences = &mut task.placement.preferences;
    for text in &args.preferences_rm {
        let gone = flags::preference("--placement-pref-rm", text)?;
        preferences.retain(|preference| *preference != gone);
    }
    for text in &args.preferences_add {
        preferences.push(flags::preference("--placement-pref-add", text)?);
    }
    Ok(())
}

fn change_generic(generic: &mut BTreeMap<String, u64>, args: &ServiceUpdate) -> CliResult<()> {
    for kind in &args.generic_rm {
        if generic.remove(kind).is_none() {
            return Err(CliError::new(format!(
                "could not find generic-resource `{kind}` to remove it"
            )));
        }
    }
    generic.extend(flags::generic(&args.generic_add)?);
    Ok(())
}

fn change_ports(ports: &mut Vec<PortConfig>, args: &ServiceUpdate) -> CliResult<()> {
    if args.ports_add.is_empty() && args.ports_rm.is_empty() {
        return Ok(());
    }
    for text in &args.ports_rm {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let target: u16 = number.parse().map_err(|_| {
            CliError::new(format!(
                "invalid value {text:?} for --publish-rm: it takes a target port"
            ))
            .hint("name the port the component listens on: --publish-rm 80")
        })?;
        ports.retain(|p| p.target != target || p.protocol.name() != protocol);
    }
    for text in &args.ports_add {
        for port in flags::ports(text)? {
            let same = |p: &PortConfig| {
                p.target == port.target
                    && p.published == port.published
                    && p.protocol == port.protocol
            };
            ports.retain(|p| !same(p));
            ports.push(port);
        }
    }
    ports.sort_by_key(|port| (port.published, port.target, port.protocol));
    Ok(())
}
