//! `--mode`, and how many tasks: Docker's rules, in its words.

use skep_api::{Mode, ServiceSpec};

use crate::args::Counts;
use crate::error::{CliError, CliResult};

const NO_REPLICAS: &str = "replicas can only be used with replicated or replicated-job mode";
const NO_CAP: &str =
    "replicas-max-per-node can only be used with replicated or replicated-job mode";
const NO_CONCURRENT: &str = "max-concurrent can only be used with replicated-job mode";

/// The mode that `service create` asks for.
pub(super) fn created(mode: &str, counts: &Counts) -> CliResult<Mode> {
    let mode = match mode {
        "replicated" => Mode::Replicated { replicas: counts.replicas.unwrap_or(1) },
        "replicated-job" => {
            let total_completions = counts.replicas.unwrap_or(1);
            let max_concurrent = counts.max_concurrent.unwrap_or(total_completions);
            Mode::ReplicatedJob { max_concurrent, total_completions }
        }
        "global" => Mode::Global,
        "global-job" => Mode::GlobalJob,
        other => {
            return Err(CliError::new(format!(
                "Unknown mode: {other}, only replicated and global supported"
            ))
            .hint("the mode is replicated, global, replicated-job or global-job"));
        }
    };
    check(mode, counts, NO_REPLICAS)?;
    Ok(mode)
}

/// Changes the counts of a service that is there.
pub(super) fn updated(spec: &mut ServiceSpec, counts: &Counts) -> CliResult<()> {
    check(spec.mode, counts, "replicas can only be used with replicated mode")?;
    if let Some(count) = counts.replicas {
        set_replicas(&mut spec.mode, count);
    }
    if let Some(count) = counts.max_concurrent
        && let Mode::ReplicatedJob { max_concurrent, .. } = &mut spec.mode
    {
        *max_concurrent = count;
    }
    Ok(())
}

/// Whether a mode has a number of tasks, which is set then.
pub(crate) fn set_replicas(mode: &mut Mode, count: u64) -> bool {
    match mode {
        Mode::Replicated { replicas } => *replicas = count,
        Mode::ReplicatedJob { total_completions, .. } => *total_completions = count,
        Mode::Global | Mode::GlobalJob => return false,
    }
    true
}

fn check(mode: Mode, counts: &Counts, no_replicas: &str) -> CliResult<()> {
    let counted = matches!(mode, Mode::Replicated { .. } | Mode::ReplicatedJob { .. });
    let is_counted_job = matches!(mode, Mode::ReplicatedJob { .. });
    let refused = match counts {
        Counts { replicas: Some(_), .. } if !counted => no_replicas,
        Counts { replicas_max_per_node: Some(1..), .. } if !counted => NO_CAP,
        Counts { max_concurrent: Some(_), .. } if !is_counted_job => NO_CONCURRENT,
        _ => return Ok(()),
    };
    Err(CliError::new(refused))
}
