//! `service create` and `service update`: flags to specs.

mod health;
mod lists;
mod mode;
mod rollout;
mod scalars;
#[cfg(test)]
mod tests;

use std::time::Duration;

use skep_api::{Mode, Placement, ServiceSpec, parse_duration};

use crate::args::{ServiceCreate, ServiceUpdate};
use crate::error::{CliError, CliResult};
use crate::flags;

pub(crate) use lists::change_networks;
pub(crate) use mode::set_replicas;

/// The spec that `service create` asks for.
pub(crate) fn created(args: &ServiceCreate) -> CliResult<ServiceSpec> {
    let mut spec = ServiceSpec {
        name: args.name.clone().unwrap_or_else(crate::names::random),
        labels: flags::labels(&args.labels),
        mode: mode::created(&args.mode, &args.scalars.counts)?,
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
        lists::set_variable(&mut component.env, flags::variable(variable)?);
    }
    component.mounts = args.mounts.iter().map(|m| flags::mount(m)).collect::<Result<_, _>>()?;
    component.secrets = args.secrets.iter().map(|s| flags::secret(s)).collect::<Result<_, _>>()?;
    component.configs = args.configs.iter().map(|c| flags::config(c)).collect::<Result<_, _>>()?;
    spec.task.networks =
        args.networks.iter().map(|n| flags::network(n)).collect::<Result<_, _>>()?;
    let preferences = args.preferences.iter().map(|p| flags::preference("--placement-pref", p));
    spec.task.placement = Placement {
        constraints: args.constraints.clone(),
        preferences: preferences.collect::<Result<_, _>>()?,
        max_replicas: 0,
    };
    spec.task.reservations.generic = flags::generic(&args.generic)?;
    for port in &args.ports {
        spec.endpoint.ports.extend(flags::ports(port)?);
    }
    scalars::change(&mut spec, &args.scalars)?;
    let is_job = matches!(spec.mode, Mode::ReplicatedJob { .. } | Mode::GlobalJob);
    if is_job && (spec.update.is_some() || spec.rollback.is_some()) {
        return Err(CliError::new("update and rollback configuration is not supported for jobs")
            .hint("every update of a job starts it anew: leave --update-* and --rollback-* out"));
    }
    Ok(spec)
}

/// Changes `spec` as `service update` asks.
pub(crate) fn updated(spec: &mut ServiceSpec, args: &ServiceUpdate) -> CliResult<()> {
    mode::updated(spec, &args.scalars.counts)?;
    scalars::change(spec, &args.scalars)?;
    let component = &mut spec.task.component;
    if let Some(image) = &args.image {
        component.image.clone_from(image);
    }
    if let Some(line) = &args.args {
        component.args = words("--args", line)?;
    }
    lists::change(spec, args)?;
    if args.force {
        spec.task.force_update += 1;
    }
    Ok(())
}

/// Whether `service update` was asked for a rollback, with which no other flag goes.
pub(crate) fn is_rollback(args: &ServiceUpdate) -> CliResult<bool> {
    let alone = ServiceUpdate {
        rollback: true,
        waiting: args.waiting,
        service: args.service.clone(),
        ..ServiceUpdate::default()
    };
    if args.rollback && *args != alone {
        return Err(CliError::new("other flags may not be combined with --rollback"));
    }
    Ok(args.rollback)
}

fn duration(flag: &str, text: &str) -> CliResult<Duration> {
    parse_duration(text).map_err(|error| {
        CliError::flag(flag, text, &error).hint("durations have a unit: 500ms, 5s, 1m30s, 2h")
    })
}

/// The words of a command line in one flag, quoted as in a shell.
fn words(flag: &str, line: &str) -> CliResult<Vec<String>> {
    skep_compose::split_command(line).map_err(|why| CliError::flag(flag, line, &why))
}
