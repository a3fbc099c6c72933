//! The data folder: whose it is, that one node uses it at a time, and what is where in it.
//!
//! Nothing in a folder is touched before its marker was read and its lock taken: a folder of somebody
//! else's, or of a version that this one doesn't know, is left as it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use skep_api::{Error, ErrorKind, Id, Node, Result};

/// The layout this version writes and reads. Raised when an older version must not touch it.
const FORMAT: u32 = 1;
const MARKER: &str = "skep.json";
const LOCK: &str = "lock";

/// The marker file.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
    /// The node's id, once it is in a swarm.
    node_id: Option<String>,
    /// The address it told the swarm.
    #[serde(default)]
    advertise_addr: String,
}

/// Who the node is in its swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) node_id: Id<Node>,
    pub(crate) advertise_addr: String,
}

/// A data folder that is ours, and locked.
pub(crate) struct Folder {
    root: PathBuf,
    // Held as long as the node runs; the kernel lets go of it however the process ends.
    _lock: File,
}

impl Folder {
    /// Opens or makes the folder.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let failed = |what: &str, error: &io::Error| {
            Error::new(ErrorKind::Unavailable, format!("{what} {}: {error}", root.display()))
        };
        let builder = || fs::DirBuilder::new().recursive(true).mode(0o700).create(root);
        builder().map_err(|error| {
            failed("can't make the data folder", &error).hint("choose another one with --data-root")
        })?;
        let marker = read_marker(root)?;
        if marker.is_none()
            && !is_empty(root).map_err(|e| failed("can't read the data folder", &e))?
        {
            return Err(Error::new(
                ErrorKind::FailedPrecondition,
                format!("{} holds files that are not Skep's", root.display()),
            )
            .hint("it was not touched; give an empty or new folder with --data-root"));
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(root.join(LOCK))
            .map_err(|error| failed("can't lock the data folder", &error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
            Error::new(
                ErrorKind::FailedPrecondition,
                format!("another node uses the data folder {}", root.display()),
            )
            .hint("stop it, or give this one a folder of its own with --data-root")
        })?;
        let folder = Self { root: root.to_owned(), _lock: lock };
        if marker.is_none() {
            folder.write(&Marker {
                format: FORMAT,
                node_id: None,
                advertise_addr: String::new(),
            })?;
        }
        Ok(folder)
    }

    /// Who the node is, if it is in a swarm.
    pub(crate) fn identity(&self) -> Result<Option<Identity>> {
        let Some(Marker { node_id: Some(id), advertise_addr, .. }) = read_marker(&self.root)?
        else {
            return Ok(None);
        };
        let node_id = id.parse().map_err(|error| damaged(&self.root, &error))?;
        Ok(Some(Identity { node_id, advertise_addr }))
    }

    /// Makes the node who it is from now on, durably.
    pub(crate) fn remember(&self, identity: &Identity) -> Result<()> {
        self.write(&Marker {
            format: FORMAT,
            node_id: Some(identity.node_id.to_string()),
            advertise_addr: identity.advertise_addr.clone(),
        })
    }

    /// Writes beside the marker, then renames: a crash leaves the old one or the new one.
    fn write(&self, marker: &Marker) -> Result<()> {
        let beside = self.root.join("skep.json.new");
        let result = (|| {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&beside)?;
            file.write_all(serde_json::to_string(marker)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&beside, self.root.join(MARKER))?;
            File::open(&self.root)?.sync_all()
        })();
        result.map_err(|error: io::Error| {
            let message = format!("can't write {}: {error}", self.root.join(MARKER).display());
            Error::new(ErrorKind::Unavailable, message)
        })
    }

    /// Raft's log, snapshots and keys.
    pub(crate) fn manager(&self) -> PathBuf {
        self.root.join("manager")
    }

    /// Components by digest.
    pub(crate) fn images(&self) -> PathBuf {
        self.root.join("images")
    }

    /// Volumes and logs.
    pub(crate) fn worker(&self) -> PathBuf {
        self.root.join("worker")
    }

    /// Compiled code, which may be deleted at any time.
    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

fn is_empty(root: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        // A crash while the folder was made may have left these, and a file system its own.
        if name != LOCK && name != "skep.json.new" && name != "lost+found" {
            return Ok(false);
        }
    }
    Ok(true)
}

fn read_marker(root: &Path) -> Result<Option<Marker>> {
    let path = root.join(MARKER);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(root, &error)),
    };
    let marker: Marker = serde_json::from_slice(&text).map_err(|error| damaged(root, &error))?;
    if marker.format != FORMAT {
        return Err(Error::new(
            ErrorKind::FailedPrecondition,
            format!("{} has format {}, this version knows {FORMAT}", root.display(), marker.format),
        )
        .hint("it was not touched; run the version of Skep that wrote it"));
    }
    Ok(Some(marker))
}

fn damaged(root: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::new(
        ErrorKind::FailedPrecondition,
        format!("{} is damaged: {why}", root.join(MARKER).display()),
    )
    .hint("nothing was touched; restore the folder from a copy, or give a new one with --data-root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_remembers_its_node() -> Result<()> {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("a/b");
        let folder = Folder::open(&root)?;
        assert_eq!(folder.identity()?, None);
        let identity =
            Identity { node_id: Id::from_u128(7), advertise_addr: "1.2.3.4:2377".into() };
        folder.remember(&identity)?;
        drop(folder);
        assert_eq!(Folder::open(&root)?.identity()?, Some(identity));
        Ok(())
    }

    #[test]
    fn two_nodes_cannot_share_a_folder() -> Result<()> {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Folder::open(dir.path())?;
        let second = Folder::open(dir.path()).map(drop).expect_err("it is locked");
        assert!(second.message.contains("another node uses"), "{second}");
        drop(first);
        Folder::open(dir.path()).map(drop)
    }

    #[test]
    fn a_foreign_damaged_or_newer_folder_is_left_alone() {
        for (name, text) in [
            ("photo.jpg", "not ours"),
            (MARKER, "{\"format\": 99}"),
            (MARKER, "{broken"),
            (MARKER, ""),
        ] {
            let dir = tempfile::tempdir().expect("a folder");
            fs::write(dir.path().join(name), text).expect("written");
            let error = Folder::open(dir.path()).map(drop).expect_err("refused");
            assert!(error.hint.is_some(), "{error}");
            let left: Vec<_> = fs::read_dir(dir.path())
                .expect("read")
                .map(|e| e.expect("entry").file_name())
                .collect();
            assert_eq!(left, [name], "nothing was added");
            assert_eq!(fs::read_to_string(dir.path().join(name)).expect("read"), text);
        }
    }
}
