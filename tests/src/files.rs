//! Where things are in the repository, and what lies in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.to_owned(), Path::to_owned)
}

/// A component of `samples/` or `tests/guests/`, as `cargo xtask guests` built it.
pub fn guest(name: &str) -> Result<PathBuf> {
    let path = repository().join(format!("target/guests/{name}.wasm"));
    if !path.is_file() {
        bail!("{} is not there: run `cargo xtask guests`", path.display());
    }
    Ok(path)
}

/// All files below a folder. Those that go away meanwhile are left out.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}
