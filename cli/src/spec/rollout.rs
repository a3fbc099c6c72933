//! `--update-*` and `--rollback-*`.
//!
//! What is not given stays unset, the order too: managers choose one that suits the service.

use skep_api::{UpdateConfig, UpdateFailureAction, UpdateOrder};

use super::duration;
use crate::args::Rollout;
use crate::error::{CliError, CliResult};

/// Changes a config as the flags say; without any flag it stays as it is, which may be none.
pub(super) fn change(now: &mut Option<UpdateConfig>, flags: &Rollout<'_>) -> CliResult<()> {
    if flags.is_empty() {
        return Ok(());
    }
    let config = now.get_or_insert_default();
    let name = |what: &str| format!("--{}-{what}", flags.word);
    if let Some(parallelism) = flags.parallelism {
        config.parallelism = parallelism;
    }
    if let Some(delay) = flags.delay {
        config.delay = duration(&name("delay"), delay)?;
    }
    if let Some(monitor) = flags.monitor {
        config.monitor = duration(&name("monitor"), monitor)?;
    }
    if let Some(action) = flags.failure_action {
        config.failure_action = failure_action(action)?;
    }
    if let Some(ratio) = flags.max_failure_ratio {
        config.max_failure_ratio = ratio_of(&name("max-failure-ratio"), ratio)?;
    }
    if let Some(order) = flags.order {
        config.order = Some(order_of(order)?);
    }
    Ok(())
}

/// In the words of Docker's daemon, which is who checks it there.
fn failure_action(text: &str) -> CliResult<UpdateFailureAction> {
    match text {
        "pause" => Ok(UpdateFailureAction::Pause),
        "continue" => Ok(UpdateFailureAction::Continue),
        "rollback" => Ok(UpdateFailureAction::Rollback),
        _ => Err(CliError::new(format!(
            "Error response from daemon: unrecognized update failure action {text}"
        ))
        .hint("the action is pause, continue or rollback")),
    }
}

fn ratio_of(flag: &str, text: &str) -> CliResult<f32> {
    text.parse().map_err(|_| {
        let why = format!("strconv.ParseFloat: parsing {text:?}: invalid syntax");
        CliError::flag(flag, text, &why).hint("the ratio is a number from 0 to 1, such as 0.25")
    })
}

fn order_of(text: &str) -> CliResult<UpdateOrder> {
    match text {
        "stop-first" => Ok(UpdateOrder::StopFirst),
        "start-first" => Ok(UpdateOrder::StartFirst),
        _ => Err(CliError::new(format!(
            "Error response from daemon: unrecognized update order {text}"
        ))
        .hint("the order is stop-first or start-first")),
    }
}
