//! `service create` and `service update`: flags to specs.

use std::collections::BTreeMap;

use skep_api::{
    Mode, Placement, Resources, RestartCondition, RestartPolicy, ServiceSpec, parse_duration,
};

use crate::args::{ServiceCreate, ServiceScalars, ServiceUpdate};
use crate::error::{CliError, CliResult};
use crate::flags;

/// The spec that `service create` asks for.
pub(crate) fn created(args: &ServiceCreate) -> CliResult<ServiceSpec> {
    if args.mode != "replicated" {
        return Err(match args.mode.as_str() {
            "global" | "replicated-job" | "global-job" => {
                CliError::new(format!("mode {} is not supported yet", args.mode))
                    .hint("this version runs replicated services")
            }
            other => CliError::new(format!(
                "Unknown mode: {other}, only replicated and global supported"
            )),
        });
    }
    let mut spec = ServiceSpec {
        name: args.name.clone().unwrap_or_else(crate::names::random),
        labels: flags::labels(&args.labels),
        ..ServiceSpec::default()
    };
    let component = &mut spec.task.component;
    component.image.clone_from(&args.image);
    component.args.clone_from(&args.args);
    component.labels = flags::labels(&args.container_labels);
    for file in &args.env_files {
        component.env.extend(flags::variables_file(file)?);
    }
    for variable in &args.env {
        set_variable(&mut component.env, flags::variable(variable)?);
    }
    component.mounts = args.mounts.iter().map(|m| flags::mount(m)).collect::<Result<_, _>>()?;
    component.secrets = args.secrets.iter().map(|s| flags::secret(s)).collect::<Result<_, _>>()?;
    component.configs = args.configs.iter().map(|c| flags::config(c)).collect::<Result<_, _>>()?;
    spec.task.networks =
        args.networks.iter().map(|n| flags::network(n)).collect::<Result<_, _>>()?;
    spec.task.placement =
        Placement { constraints: args.constraints.clone(), ..Placement::default() };
    for port in &args.ports {
        spec.endpoint.ports.extend(flags::ports(port)?);
    }
    scalars(&mut spec, &args.scalars)?;
    Ok(spec)
}

/// Changes `spec` as `service update` asks.
pub(crate) fn updated(spec: &mut ServiceSpec, args: &ServiceUpdate) -> CliResult<()> {
    scalars(spec, &args.scalars)?;
    change_labels(&mut spec.labels, &args.labels_rm, &args.labels_add);
    let component = &mut spec.task.component;
    if let Some(image) = &args.image {
        component.image.clone_from(image);
    }
    if let Some(line) = &args.args {
        component.args = skep_compose::split_command(line).map_err(|why| {
            CliError::new(format!("invalid argument {line:?} for \"--args\" flag: {why}"))
        })?;
    }
    change_labels(&mut component.labels, &args.container_labels_rm, &args.container_labels_add);
    component.env.retain(|line| !args.env_rm.iter().any(|key| key == variable_name(line)));
    for variable in &args.env_add {
        set_variable(&mut component.env, flags::variable(variable)?);
    }
    let target = |path: &str| path.trim_end_matches('/').to_owned();
    component.mounts.retain(|m| !args.mounts_rm.iter().any(|rm| target(rm) == target(&m.target)));
    for text in &args.mounts_add {
        let mount = flags::mount(text)?;
        component.mounts.retain(|m| target(&m.target) != target(&mount.target));
        component.mounts.push(mount);
    }
    component.secrets.retain(|s| !args.secrets_rm.contains(&s.name));
    for text in &args.secrets_add {
        component.secrets.push(flags::secret(text)?);
    }
    component.configs.retain(|c| !args.configs_rm.contains(&c.name));
    for text in &args.configs_add {
        component.configs.push(flags::config(text)?);
    }
    let constraints = &mut spec.task.placement.constraints;
    constraints.retain(|c| !args.constraints_rm.contains(c));
    for constraint in &args.constraints_add {
        if !constraints.contains(constraint) {
            constraints.push(constraint.clone());
        }
    }
    change_ports(spec, args)?;
    if args.force {
        spec.task.force_update += 1;
    }
    Ok(())
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

fn change_ports(spec: &mut ServiceSpec, args: &ServiceUpdate) -> CliResult<()> {
    let ports = &mut spec.endpoint.ports;
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
            let same = |p: &skep_api::PortConfig| {
                p.target == port.target
                    && p.published == port.published
                    && p.protocol == port.protocol
            };
            ports.retain(|p| !same(p));
            ports.push(port);
        }
    }
    Ok(())
}

fn scalars(spec: &mut ServiceSpec, args: &ServiceScalars) -> CliResult<()> {
    if let Some(replicas) = args.replicas {
        match &mut spec.mode {
            Mode::Replicated { replicas: now } => *now = replicas,
            _ => {
                return Err(CliError::new(
                    "replicas can only be used with replicated or replicated-job mode",
                ));
            }
        }
    }
    resources(
        &mut spec.task.limits,
        "limit",
        args.limit_cpu.as_deref(),
        args.limit_memory.as_deref(),
    )?;
    let (cpu, memory) = (args.reserve_cpu.as_deref(), args.reserve_memory.as_deref());
    resources(&mut spec.task.reservations, "reserve", cpu, memory)?;
    restart(&mut spec.task.restart, args)?;
    if let Some(grace) = &args.stop_grace_period {
        let grace = duration("--stop-grace-period", grace)?;
        spec.task.component.stop_grace_period = Some(grace);
    }
    if let Some(dir) = &args.workdir {
        spec.task.component.dir.clone_from(dir);
    }
    if let Some(read_only) = args.read_only {
        spec.task.component.read_only = read_only.unwrap_or(true);
    }
    Ok(())
}

fn resources(
    now: &mut Resources,
    which: &str,
    cpu: Option<&str>,
    memory: Option<&str>,
) -> CliResult<()> {
    let bad = |flag: &str, value: &str, why: &dyn std::fmt::Display| {
        CliError::new(format!("invalid argument {value:?} for \"--{which}-{flag}\" flag: {why}"))
    };
    if let Some(text) = cpu {
        now.cpus = text.parse().map_err(|error| bad("cpu", text, &error))?;
    }
    if let Some(text) = memory {
        now.memory = text.parse().map_err(|error| bad("memory", text, &error))?;
    }
    Ok(())
}

fn restart(now: &mut RestartPolicy, args: &ServiceScalars) -> CliResult<()> {
    if let Some(condition) = &args.restart_condition {
        now.condition = match condition.as_str() {
            "none" => RestartCondition::None,
            "on-failure" => RestartCondition::OnFailure,
            "any" => RestartCondition::Any,
            other => {
                return Err(CliError::new(format!("invalid RestartCondition: {other:?}"))
                    .hint("the condition is none, on-failure or any"));
            }
        };
    }
    if let Some(delay) = &args.restart_delay {
        now.delay = duration("--restart-delay", delay)?;
    }
    if let Some(attempts) = args.restart_max_attempts {
        now.max_attempts = attempts;
    }
    if let Some(window) = &args.restart_window {
        now.window = duration("--restart-window", window)?;
    }
    Ok(())
}

fn duration(flag: &str, text: &str) -> CliResult<std::time::Duration> {
    parse_duration(text).map_err(|error| {
        CliError::new(format!("invalid argument {text:?} for \"{flag}\" flag: {error}"))
            .hint("durations have a unit: 500ms, 5s, 1m30s, 2h")
    })
}

fn variable_name(line: &str) -> &str {
    line.split_once('=').map_or(line, |(name, _)| name)
}

fn set_variable(env: &mut Vec<String>, line: String) {
    env.retain(|old| variable_name(old) != variable_name(&line));
    env.push(line);
}

fn change_labels(labels: &mut BTreeMap<String, String>, rm: &[String], add: &[String]) {
    labels.retain(|key, _| !rm.contains(key));
    labels.extend(flags::labels(add));
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Service, Verb};

    fn create(line: &str) -> ServiceSpec {
        let args = ["skep", "service", "create"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(args).expect("the line parses").verb {
            Verb::Service(service) => match *service {
                Service::Create(args) => created(&args).expect("the spec is good"),
                _ => panic!("not create"),
            },
            _ => panic!("not service"),
        }
    }

    fn update(spec: &mut ServiceSpec, line: &str) {
        let args = ["skep", "service", "update"].into_iter().chain(line.split(' '));
        match Cli::try_parse_from(args).expect("the line parses").verb {
            Verb::Service(service) => match *service {
                Service::Update(args) => updated(spec, &args).expect("the change is good"),
                _ => panic!("not update"),
            },
            _ => panic!("not service"),
        }
    }

    #[test]
    fn flags_after_the_image_are_the_components() {
        let spec = create("--name web -e A=1 -e A=2 -p 8080:80 --replicas 3 img:1 --flag -x y");
        assert_eq!(spec.name, "web");
        assert_eq!(spec.mode, Mode::Replicated { replicas: 3 });
        assert_eq!(spec.task.component.env, ["A=2"]);
        assert_eq!(spec.task.component.args, ["--flag", "-x", "y"]);
        assert_eq!(spec.endpoint.ports.len(), 1);
    }

    #[test]
    fn an_update_adds_and_removes() {
        let mut spec = create(
            "--name web -e A=1 -e B=2 -p 8080:80 --secret pw --constraint node.role==manager img:1",
        );
        update(
            &mut spec,
            "--env-rm A --env-add C=3 --publish-rm 80 --secret-rm pw --force --image img:2 --constraint-rm node.role==manager web",
        );
        assert_eq!(spec.task.component.env, ["B=2", "C=3"]);
        assert_eq!(spec.task.component.image, "img:2");
        assert!(spec.endpoint.ports.is_empty() && spec.task.component.secrets.is_empty());
        assert!(spec.task.placement.constraints.is_empty());
        assert_eq!(spec.task.force_update, 1);
        let before = spec.clone();
        update(&mut spec, "--env-rm nosuch --label-rm nosuch web");
        assert_eq!(spec, before, "removing what is not there changes nothing");
    }
}
