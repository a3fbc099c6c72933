//! The components of `samples/` and `tests/guests/`, built into `target/guests/NAME.wasm`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, TargetKind};

use crate::command::repository;
use crate::toolchain::{TARGET, Toolchain};

/// The workspaces of guests.
const WORKSPACES: [&str; 2] = ["samples", "tests/guests"];

/// Builds all and answers where each is, by its name.
pub(crate) fn build() -> Result<BTreeMap<String, PathBuf>> {
    let toolchain = Toolchain::find()?;
    let out = repository().join("target/guests");
    let mut guests = BTreeMap::new();
    for workspace in WORKSPACES {
        for (name, built) in build_workspace(&toolchain, workspace, &out.join("build"))? {
            let path = out.join(format!("{name}.wasm"));
            copy_if_changed(&built, &path)?;
            if guests.insert(name.clone(), path).is_some() {
                bail!("two guests are called `{name}`");
            }
        }
    }
    remove_others(&out, &guests)?;
    println!("{} guests in {}", guests.len(), out.display());
    Ok(guests)
}

fn build_workspace(
    toolchain: &Toolchain,
    workspace: &str,
    target: &Path,
) -> Result<Vec<(String, PathBuf)>> {
    let mut command = toolchain.cargo()?;
    command
        .current_dir(repository().join(workspace))
        .args(["build", "--quiet", "--release", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics", "--target-dir"])
        .arg(target)
        .stdout(Stdio::piped());
    let mut child = command.spawn().context("cargo can't be started")?;
    let stdout = child.stdout.take().context("cargo has an output")?;
    let mut built = Vec::new();
    for message in Message::parse_stream(std::io::BufReader::new(stdout)) {
        let Message::CompilerArtifact(artifact) = message? else { continue };
        let kinds = &artifact.target.kind;
        if !kinds.iter().any(|kind| matches!(kind, TargetKind::Bin | TargetKind::CDyLib)) {
            continue;
        }
        if let Some(wasm) = artifact.filenames.iter().find(|file| file.extension() == Some("wasm"))
        {
            // A library's name has underscores where its package's has hyphens.
            built.push((artifact.target.name.replace('_', "-"), wasm.clone().into()));
        }
    }
    if !child.wait()?.success() {
        bail!("the guests of {workspace}/ do not build");
    }
    Ok(built)
}

/// Copies, but leaves a file alone that is the same: what depends on it stays fresh.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| from.display().to_string())?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    // Whoever reads meanwhile gets the old or the new component, never half of one.
    let new = to.with_extension("wasm.new");
    fs::write(&new, bytes)?;
    fs::rename(&new, to).with_context(|| to.display().to_string())
}

/// Removes components of guests that are no more.
fn remove_others(out: &Path, guests: &BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(out)? {
        let path = entry?.path();
        let wasm = path.extension().is_some_and(|extension| extension == "wasm");
        if wasm && !guests.values().any(|guest| *guest == path) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
