//! The release binary.

use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

use crate::command::{cargo, repository, run};

/// Builds it and answers where it is.
pub(crate) fn build() -> Result<PathBuf> {
    println!("building the release binary (some minutes the first time)");
    run(cargo().args(["build", "--quiet", "--release", "-p", "skep-cli"]))?;
    let manifest = repository().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec();
    let target = metadata.context("cargo does not tell its target folder")?.target_directory;
    Ok(target.join("release/skep").into())
}
