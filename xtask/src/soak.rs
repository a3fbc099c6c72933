//! `cargo xtask soak`: what takes longer than anybody waits for.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::command::{self, cargo};

/// Seeds of one round.
const SEEDS: u64 = 10_000;

/// Runs round after round of seeds that nobody ran before, until one fails.
pub(crate) fn simulator() -> Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    // A second has far fewer seeds than this: no two soaks run the same ones.
    let first = since.as_secs() * SEEDS;
    for round in 0.. {
        let (seed, seeds) = ((first + round * SEEDS).to_string(), SEEDS.to_string());
        let args = ["--seed", &seed, "--seeds", &seeds];
        command::run(cargo().args(["run", "--quiet", "--release", "-p", "sim", "--"]).args(args))?;
    }
    Ok(())
}
