//! What a service spec may say, by itself (semantics part 1.4).

use std::collections::BTreeSet;
use std::time::Duration;

use skep_api::{
    Bytes, ComponentSpec, Error, ErrorKind, Healthcheck, Mode, MountKind, Placement, Resources,
    Result, ServiceSpec, TaskSpec, UpdateConfig,
};

use super::{name, option, port};
use crate::decide::constraint::Constraint;
use crate::expand;
use crate::path;

/// Replicas of one service, or completions of one job. A million tasks is what a swarm is built for; more is a slip of the
/// hand that would fill the managers' memory.
pub const REPLICAS_MAX: u64 = 1_000_000;
/// The least a task may be limited to or have reserved, as Swarm's.
const MEMORY_MIN: Bytes = Bytes::mib(4);
const NANO_CPUS_MIN: i64 = 1_000_000;

/// Checks a spec by itself.
///
/// Swarm also refuses negative delays, windows, monitors, counts and retries. They can't be stated
/// here: durations and counts are read by `skep_api::parse_duration` and unsigned numbers, which
/// refuse what is below zero in the words of whoever reads the text, and cross the wire unsigned.
pub(super) fn check(spec: &ServiceSpec) -> Result<()> {
    name::check_dns(&spec.name)?;
    name::check_labels(&spec.labels)?;
    option::check(&spec.labels)?;
    check_mode(spec.mode)?;
    check_job(spec)?;
    check_task(&spec.task)?;
    for update in [&spec.update, &spec.rollback].into_iter().flatten() {
        check_update(update)?;
    }
    port::check(&spec.endpoint)
}

fn check_mode(mode: Mode) -> Result<()> {
    // A negative number arrives as a huge one: `--replicas -1`.
    let check = |count: u64, what: &str, negative: &'static str| {
        if i64::try_from(count).is_err() {
            return Err(Error::invalid(negative));
        }
        if count > REPLICAS_MAX {
            return Err(Error::invalid(format!(
                "{what} must be between 0 and {REPLICAS_MAX}, got {count}"
            )));
        }
        Ok(())
    };
    match mode {
        Mode::Replicated { replicas } => {
            check(replicas, "replicas", "Number of replicas must be non-negative")
        }
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            let negative = "Maximum concurrent jobs must not be negative";
            check(max_concurrent, "maximum concurrent jobs", negative)?;
            let negative = "Total completed jobs must not be negative";
            check(total_completions, "total completed jobs", negative)
        }
        Mode::Global | Mode::GlobalJob => Ok(()),
    }
}

/// A job is not updated but run again.
fn check_job(spec: &ServiceSpec) -> Result<()> {
    let is_job = matches!(spec.mode, Mode::ReplicatedJob { .. } | Mode::GlobalJob);
    if is_job && (spec.update.is_some() || spec.rollback.is_some()) {
        return Err(Error::invalid("Jobs may not have an update config")
            .hint("take it out: every change of a job starts it over"));
    }
    Ok(())
}

fn check_task(task: &TaskSpec) -> Result<()> {
    check_component(&task.component)?;
    check_resources(&task.limits)?;
    check_resources(&task.reservations)?;
    check_generic(task)?;
    check_placement(&task.placement)
}

fn check_component(component: &ComponentSpec) -> Result<()> {
    check_image(&component.image)?;
    name::check_labels(&component.labels)?;
    for variable in &component.env {
        check_variable(variable)?;
    }
    expand::check(&component.hostname).map_err(|e| in_template("hostname", e))?;
    if !component.dir.is_empty() && component.dir != "/" {
        path::absolute("/", &component.dir).map_err(|reason| {
            Error::invalid(format!("working directory `{}` {reason}", component.dir))
        })?;
    }
    check_mounts(component)?;
    component.healthcheck.as_ref().map_or(Ok(()), check_health)
}

fn check_image(image: &str) -> Result<()> {
    if image.is_empty() {
        return Err(Error::invalid("ContainerSpec: image reference must be provided"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let framed = image.starts_with(|c: char| c.is_ascii_alphanumeric())
        && image.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.');
    if !framed || !image.chars().all(allowed) || image.contains("//") {
        let message = format!("ContainerSpec: {image:?} is not a valid repository/tag");
        return Err(Error::invalid(message));
    }
    Ok(())
}

fn check_variable(variable: &str) -> Result<()> {
    let (key, value) = variable.split_once('=').unwrap_or((variable, ""));
    if key.is_empty() || variable.contains('\0') {
        return Err(Error::invalid(format!("invalid environment variable: {variable:?}")));
    }
    expand::check(value).map_err(|error| in_template(&format!("environment variable {key}"), error))
}

fn check_mounts(component: &ComponentSpec) -> Result<()> {
    let mut seen = BTreeSet::new();
    for mount in &component.mounts {
        let target = &mount.target;
        let (kind, source) = match &mount.kind {
            MountKind::Volume { source, labels } => {
                name::check_labels(labels)?;
                ("volume", source.as_deref())
            }
            MountKind::Bind { source } => ("bind", Some(source.as_str())),
            MountKind::Tmpfs { .. } => ("tmpfs", None),
        };
        let refuse = |reason: String| {
            Err(Error::invalid(format!("invalid mount config for type \"{kind}\": {reason}")))
        };
        if !target.starts_with('/') {
            let reason = format!("invalid mount path: '{target}' mount path must be absolute");
            return refuse(reason);
        }
        if kind == "bind" && !source.unwrap_or_default().starts_with('/') {
            let source = source.unwrap_or_default();
            let reason = format!("invalid mount path: '{source}' mount path must be absolute");
            return refuse(reason);
        }
        for text in [Some(target.as_str()), source].into_iter().flatten() {
            expand::check(text).map_err(|error| in_template("mount", error))?;
        }
        let place = match path::absolute("/", target) {
            Ok(place) => place,
            Err(reason) => return refuse(format!("target `{target}` {reason}")),
        };
        if !seen.insert(place) {
            let message = format!("ContainerSpec: duplicate mount point: {target}");
            return Err(Error::invalid(message));
        }
    }
    Ok(())
}

fn check_health(health: &Healthcheck) -> Result<()> {
    let durations = [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ];
    for (what, duration) in durations {
        if !duration.is_zero() && duration < Duration::from_millis(1) {
            let message = format!("ContainerSpec: {what} in HealthConfig cannot be less than 1ms");
            return Err(Error::invalid(message));
        }
    }
    // No test, or `NONE`, means what nodes do: a task that runs is healthy.
    match health.test.first().map(String::as_str) {
        None | Some("" | "NONE") => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::Unimplemented, "health checks are not supported yet")
            .hint("take `healthcheck` out, or say `disable: true`: tasks count as healthy once they run")),
    }
}

fn check_resources(resources: &Resources) -> Result<()> {
    // Docker's API has signed numbers: what is above their half was negative there.
    let (nanos, bytes) = (resources.cpus.0 as i64, resources.memory.0 as i64);
    if nanos != 0 && nanos < NANO_CPUS_MIN {
        let cpus = nanos as f64 / 1e9;
        let message = format!("invalid cpu value {cpus}: Must be at least 0.001");
        return Err(Error::invalid(message));
    }
    if bytes != 0 && bytes < MEMORY_MIN.0 as i64 {
        let message = format!("invalid memory value {bytes}: Must be at least {MEMORY_MIN}");
        return Err(Error::invalid(message));
    }
    Ok(())
}

/// Generic resources are reserved by number; a request for one of a named set by its name can't be
/// stated. A kind becomes part of a variable's name, `DOCKER_RESOURCE_GPU` (semantics part 6.6).
fn check_generic(task: &TaskSpec) -> Result<()> {
    let in_kind = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if let Some(kind) = task.limits.generic.keys().next() {
        return Err(Error::invalid(format!("generic resource `{kind}` can't be limited"))
            .hint("reserve it: what is reserved is the task's alone"));
    }
    match task.reservations.generic.keys().find(|k| k.is_empty() || !k.chars().all(in_kind)) {
        Some(kind) => Err(Error::invalid(format!("invalid kind of generic resource: {kind:?}"))
            .hint("use letters, digits, `-`, `_` and `.`, as in `gpu=2`")),
        None => Ok(()),
    }
}

fn check_placement(placement: &Placement) -> Result<()> {
    for constraint in &placement.constraints {
        Constraint::parse(constraint).map_err(|error| {
            Error::invalid(error.to_string())
                .hint(format!("`{constraint}`: write it like `node.labels.storage == raid`"))
        })?;
    }
    Ok(())
}

fn check_update(update: &UpdateConfig) -> Result<()> {
    // Also refuses what is not a number.
    if !(0.0..=1.0).contains(&update.max_failure_ratio) {
        return Err(Error::invalid(
            "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1",
        ));
    }
    Ok(())
}

fn in_template(place: &str, error: expand::ExpandError) -> Error {
    Error::invalid(format!("{place}: {error}")).hint(
        "templates know .Service.ID, .Service.Name, .Service.Labels, .Node.ID, .Node.Hostname, \
               .Node.Platform.OS, .Node.Platform.Architecture, .Task.ID, .Task.Name and .Task.Slot",
    )
}
