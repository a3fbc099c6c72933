//! Waiting for conditions.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long a condition may take on a busy machine. Reached only where something is broken.
pub const LIMIT: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `seen` is what `good` accepts, for at most [`LIMIT`]; the error shows the last look.
pub fn wait_for<T: Debug>(
    what: &str,
    seen: impl FnMut() -> Result<T>,
    good: impl Fn(&T) -> bool,
) -> Result<T> {
    wait_for_within(LIMIT, what, seen, good)
}

/// As [`wait_for`], with a limit of its own.
pub fn wait_for_within<T: Debug>(
    limit: Duration,
    what: &str,
    mut seen: impl FnMut() -> Result<T>,
    good: impl Fn(&T) -> bool,
) -> Result<T> {
    let until = Instant::now() + limit;
    loop {
        let last = seen();
        match last {
            Ok(value) if good(&value) => return Ok(value),
            last if Instant::now() >= until => {
                bail!("waited {} s for: {what}; last seen: {last:#?}", limit.as_secs())
            }
            _ => std::thread::sleep(LOOK_EVERY),
        }
    }
}
