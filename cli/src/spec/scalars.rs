//! The flags that set a value each, the same for `service create` and `service update`.

use skep_api::{
    EndpointMode, LogDriver, Resources, RestartCondition, RestartPolicy, ServiceOptions,
    ServiceSpec,
};

use super::{duration, health, rollout, words};
use crate::args::{Options, Restart, ServiceScalars};
use crate::error::{CliError, CliResult};
use crate::{flags, out};

/// Changes what was given; all else stays.
pub(super) fn change(spec: &mut ServiceSpec, args: &ServiceScalars) -> CliResult<()> {
    args.dropped.check()?;
    let limits = &args.limits;
    let (cpu, memory) = (limits.limit_cpu.as_deref(), limits.limit_memory.as_deref());
    resources(&mut spec.task.limits, "limit", cpu, memory)?;
    let (cpu, memory) = (limits.reserve_cpu.as_deref(), limits.reserve_memory.as_deref());
    resources(&mut spec.task.reservations, "reserve", cpu, memory)?;
    if let Some(pids) = limits.limit_pids {
        spec.task.limits.pids = pids;
    }
    if let Some(max) = args.counts.replicas_max_per_node {
        spec.task.placement.max_replicas = max;
    }
    restart(&mut spec.task.restart, &args.restart)?;
    rollout::change(&mut spec.update, &args.update.values())?;
    rollout::change(&mut spec.rollback, &args.rollback.values())?;
    if let Some(name) = args.log_driver.as_deref().filter(|name| !name.is_empty()) {
        let options = flags::labels(&args.log_opts);
        spec.task.log_driver = Some(LogDriver { name: name.to_owned(), options });
    }
    if let Some(mode) = &args.endpoint_mode {
        spec.endpoint.mode = endpoint_mode(mode)?;
    }
    options(spec, &args.options)?;
    component(spec, args)
}

fn component(spec: &mut ServiceSpec, args: &ServiceScalars) -> CliResult<()> {
    let component = &mut spec.task.component;
    health::change(&mut component.healthcheck, &args.health)?;
    if let Some(line) = &args.entrypoint {
        component.command = words("--entrypoint", line)?;
    }
    if let Some(grace) = &args.stop_grace_period {
        component.stop_grace_period = Some(duration("--stop-grace-period", grace)?);
    }
    if args.stop_signal.is_some() {
        out::note(
            "--stop-signal has no effect: a component is told to stop by the end of its listeners \
             and requests, and ended after --stop-grace-period",
        );
    }
    if let Some(dir) = &args.workdir {
        component.dir.clone_from(dir);
    }
    if let Some(hostname) = &args.hostname {
        component.hostname.clone_from(hostname);
    }
    if let Some(read_only) = args.read_only {
        component.read_only = read_only.unwrap_or(true);
    }
    Ok(())
}

fn resources(
    now: &mut Resources,
    which: &str,
    cpu: Option<&str>,
    memory: Option<&str>,
) -> CliResult<()> {
    let bad = |what: &str, value: &str, why: &dyn std::fmt::Display| {
        CliError::flag(&format!("--{which}-{what}"), value, why)
    };
    if let Some(text) = cpu {
        now.cpus = text.parse().map_err(|error| bad("cpu", text, &error))?;
    }
    if let Some(text) = memory {
        now.memory = text.parse().map_err(|error| bad("memory", text, &error))?;
    }
    Ok(())
}

fn restart(now: &mut RestartPolicy, flags: &Restart) -> CliResult<()> {
    if let Some(condition) = &flags.restart_condition {
        now.condition = match condition.as_str() {
            "none" => RestartCondition::None,
            "on-failure" => RestartCondition::OnFailure,
            "any" => RestartCondition::Any,
            other => {
                return Err(CliError::new(format!(
                    "Error response from daemon: invalid RestartCondition: {other:?}"
                ))
                .hint("the condition is none, on-failure or any"));
            }
        };
    }
    if let Some(delay) = &flags.restart_delay {
        now.delay = duration("--restart-delay", delay)?;
    }
    if let Some(attempts) = flags.restart_max_attempts {
        now.max_attempts = attempts;
    }
    if let Some(window) = &flags.restart_window {
        now.window = duration("--restart-window", window)?;
    }
    Ok(())
}

fn endpoint_mode(text: &str) -> CliResult<EndpointMode> {
    match text {
        "vip" => Ok(EndpointMode::Vip),
        "dnsrr" => Ok(EndpointMode::DnsRoundRobin),
        _ => Err(CliError::new(format!(
            "Error response from daemon: invalid resolution mode: {text:?}"
        ))
        .hint("the mode is vip or dnsrr")),
    }
}

/// Our own options are labels: they survive clients that do not know them.
fn options(spec: &mut ServiceSpec, flags: &Options) -> CliResult<()> {
    let mut set = |name: &str, value: String| {
        spec.labels.insert(format!("{}{name}", ServiceOptions::PREFIX), value);
    };
    if let Some(rebalance) = flags.rebalance {
        set("rebalance", rebalance.unwrap_or(true).to_string());
    }
    if let Some(deadline) = &flags.start_deadline {
        duration("--start-deadline", deadline)?;
        set("start_deadline", deadline.clone());
    }
    if let Some(strategy) = &flags.strategy {
        if !["spread", "binpack"].contains(&strategy.as_str()) {
            return Err(CliError::flag("--strategy", strategy, &"it is spread or binpack"));
        }
        set("strategy", strategy.clone());
    }
    Ok(())
}
