//! `--health-*` and `--no-healthcheck`.

use skep_api::Healthcheck;

use super::duration;
use crate::args::Health;
use crate::error::{CliError, CliResult};

/// Changes a health check as the flags say; without any flag it stays as it is, which may be none.
pub(super) fn change(now: &mut Option<Healthcheck>, flags: &Health) -> CliResult<()> {
    let settings = Health { no_healthcheck: false, ..flags.clone() };
    let has_settings = settings != Health::default();
    if flags.no_healthcheck {
        if has_settings {
            return Err(CliError::new("--no-healthcheck conflicts with --health-* options"));
        }
        *now = Some(Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() });
        return Ok(());
    }
    if !has_settings {
        return Ok(());
    }
    let check = now.get_or_insert_default();
    if check.test.first().is_some_and(|kind| kind == "NONE") {
        check.test.clear();
    }
    if let Some(command) = &flags.health_cmd {
        let test = ["CMD-SHELL", command].map(str::to_owned).to_vec();
        check.test = if command.is_empty() { Vec::new() } else { test };
    }
    if let Some(retries) = flags.health_retries {
        check.retries = retries;
    }
    for (flag, text, value) in [
        ("--health-interval", &flags.health_interval, &mut check.interval),
        ("--health-timeout", &flags.health_timeout, &mut check.timeout),
        ("--health-start-period", &flags.health_start_period, &mut check.start_period),
        ("--health-start-interval", &flags.health_start_interval, &mut check.start_interval),
    ] {
        if let Some(text) = text {
            *value = duration(flag, text)?;
        }
    }
    Ok(())
}
