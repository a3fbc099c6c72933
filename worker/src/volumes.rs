//! The volumes of a node: folders that outlive tasks.
//!
//! A volume is a folder with its data in `_data` and what is known of it in `volume.json`. It
//! appears whole or not at all: it is made under a name that no volume can have and then renamed,
//! and it is renamed away before it is deleted. Nothing but [`Volumes::remove`] takes a named
//! volume away, no service and no stack; an anonymous one belongs to one task, is found by it again
//! after a restart of the node, and goes with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use skep_api::{DirGrant, DirSource, Error, ErrorKind, Id, Task};

use crate::clock;

/// What a folder's name may have, on every file system we know.
const NAME_BYTES_MAX: usize = 255;
const DATA: &str = "_data";
const METADATA: &str = "volume.json";
/// Names of folders that are being made or deleted: no volume's name begins with a dot.
const MAKING: &str = ".new-";
const DELETING: &str = ".removed-";

/// The volumes of a node. Clones share them.
#[derive(Debug, Clone)]
pub struct Volumes(Arc<Inner>);

/// What is known of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// The folder with its data.
    pub mountpoint: PathBuf,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made, seconds since 1970.
    pub created_secs: u64,
    /// The task that an anonymous volume belongs to.
    pub anonymous_of: Option<Id<Task>>,
    /// The tasks that use it now.
    pub used_by: Vec<Id<Task>>,
}

/// Why a volume could not be had, or not be removed.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The text can't be a volume's name.
    #[error(
        "create {0}: \"{0}\" includes invalid characters for a local volume name, \
         only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed"
    )]
    Name(String),
    /// There is no such volume.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// Tasks use it.
    #[error("remove {name}: volume is in use - [{}]", list(users))]
    InUse {
        /// The volume.
        name: String,
        /// Who uses it.
        users: Vec<Id<Task>>,
    },
    /// No manager has said yet which tasks are to run here.
    #[error("remove {0}: the node does not know yet which tasks use it")]
    UseUnknown(String),
    /// The folder of all volumes can't be used.
    #[error("cannot open the volumes `{}`", .0.display())]
    Root(PathBuf, #[source] io::Error),
    /// The machine said no.
    #[error("cannot {act} volume {name}")]
    Io {
        /// What was tried.
        act: &'static str,
        /// With which volume.
        name: String,
        /// What the machine said.
        #[source]
        source: io::Error,
    },
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Held while a volume is made or taken away, which waits for the disk.
    state: Mutex<State>,
    /// Taken after `state` where both are, and never held for long.
    users: Mutex<BTreeMap<String, BTreeSet<Id<Task>>>>,
}

#[derive(Debug, Default)]
struct State {
    volumes: BTreeMap<String, Metadata>,
    /// Whether managers have said which tasks are here: before that, any volume may be in use.
    tasks_known: bool,
}

/// What `volume.json` has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Metadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    created_secs: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anonymous_of: Option<String>,
}

impl Volumes {
    /// The volumes under `root`, which is made if it is not there.
    pub fn open(root: &Path) -> Result<Self, VolumeError> {
        let state = read_all(root).map_err(|source| VolumeError::Root(root.to_owned(), source))?;
        let (root, users) = (root.to_owned(), Mutex::default());
        Ok(Self(Arc::new(Inner { root, state: Mutex::new(state), users })))
    }

    /// All volumes by name.
    pub fn list(&self) -> Vec<VolumeInfo> {
        let state = self.lock();
        state.volumes.iter().map(|(name, metadata)| self.info(name, metadata)).collect()
    }

    /// One volume.
    pub fn inspect(&self, name: &str) -> Result<VolumeInfo, VolumeError> {
        let state = self.lock();
        let metadata = state.volumes.get(name);
        let metadata = metadata.ok_or_else(|| VolumeError::NotFound(name.to_owned()))?;
        Ok(self.info(name, metadata))
    }

    /// Removes a volume and all its data, unless a task uses it.
    pub async fn remove(&self, name: &str) -> Result<(), VolumeError> {
        let doomed = {
            let mut state = self.lock();
            if !state.volumes.contains_key(name) {
                return Err(VolumeError::NotFound(name.to_owned()));
            }
            if !state.tasks_known {
                return Err(VolumeError::UseUnknown(name.to_owned()));
            }
            let users = self.users_of(name);
            if !users.is_empty() {
                return Err(VolumeError::InUse { name: name.to_owned(), users });
            }
            self.take_away(&mut state, name)?
        };
        delete(name, doomed).await
    }

    /// The folder of a named volume; made if it is not there.
    pub(crate) fn open_named(&self, name: &str) -> Result<Dir, VolumeError> {
        if !is_name(name) {
            return Err(VolumeError::Name(name.chars().take(100).collect()));
        }
        self.open_or_make(name, None)
    }

    /// The folder of the anonymous volume that a task has at `target`.
    pub(crate) fn open_anonymous(&self, task: Id<Task>, target: &str) -> Result<Dir, VolumeError> {
        self.open_or_make(&anonymous_name(task, target), Some(task))
    }

    /// The task uses these folders from now on, also before they are opened.
    pub(crate) fn hold(&self, task: Id<Task>, dirs: &[DirGrant]) {
        let mut users = self.users();
        for dir in dirs {
            let name = match &dir.source {
                DirSource::Volume(name) => name.clone(),
                DirSource::Anonymous => anonymous_name(task, &dir.path),
                DirSource::Memory(_) | DirSource::Host(_) => continue,
            };
            users.entry(name).or_default().insert(task);
        }
    }

    /// The task has ended: it uses no volume any more.
    pub(crate) fn release(&self, task: Id<Task>) {
        self.users().retain(|_, users| {
            users.remove(&task);
            !users.is_empty()
        });
    }

    /// Removes the anonymous volumes of all tasks but these, the only ones that managers list here.
    pub(crate) fn retain(&self, tasks: &BTreeSet<Id<Task>>) {
        let listed: BTreeSet<String> = tasks.iter().map(Id::to_string).collect();
        self.lock().tasks_known = true;
        self.remove_anonymous(|owner| !listed.contains(owner));
    }

    /// Removes the anonymous volumes of a task that is gone.
    pub(crate) fn remove_of(&self, task: Id<Task>) {
        let task = task.to_string();
        self.remove_anonymous(|owner| owner == task);
    }

    /// They are gone when this returns; the disk may take its time.
    fn remove_anonymous(&self, is_doomed: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        let anonymous = state
            .volumes
            .iter()
            .filter(|(_, metadata)| metadata.anonymous_of.as_deref().is_some_and(&is_doomed));
        for name in anonymous.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            let doomed = self.take_away(&mut state, &name);
            tokio::spawn(async move {
                let deleted = match doomed {
                    Ok(doomed) => delete(&name, doomed).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = deleted {
                    // What is left of it is deleted when the daemon starts again.
                    let error = Error::from(error);
                    tracing::warn!(volume = name, %error, "an anonymous volume stays");
                }
            });
        }
    }

    fn open_or_make(&self, name: &str, anonymous_of: Option<Id<Task>>) -> Result<Dir, VolumeError> {
        // Held over the making: a volume that is being removed must not come back half.
        let mut state = self.lock();
        if !state.volumes.contains_key(name) {
            let metadata = Metadata {
                labels: BTreeMap::new(),
                created_secs: clock::now().as_nanos() / 1_000_000_000,
                anonymous_of: anonymous_of.map(|task| task.to_string()),
            };
            make(&self.0.root, name, &metadata).map_err(io_error("create", name))?;
            state.volumes.insert(name.to_owned(), metadata);
        }
        let data = self.0.root.join(name).join(DATA);
        let dir = Dir::open_ambient_dir(data, ambient_authority());
        dir.map_err(io_error("open", name))
    }

    /// Renames a volume away, so that it is gone at once; the bytes may take their time.
    fn take_away(&self, state: &mut State, name: &str) -> Result<PathBuf, VolumeError> {
        let doomed = self.0.root.join(format!("{DELETING}{name}"));
        // Left over if an earlier deletion failed half-way.
        let cleared = remove_all(&doomed);
        let renamed = cleared.and_then(|()| fs::rename(self.0.root.join(name), &doomed));
        renamed.map_err(io_error("remove", name))?;
        state.volumes.remove(name);
        self.users().remove(name);
        Ok(doomed)
    }

    fn info(&self, name: &str, metadata: &Metadata) -> VolumeInfo {
        VolumeInfo {
            name: name.to_owned(),
            mountpoint: self.0.root.join(name).join(DATA),
            labels: metadata.labels.clone(),
            created_secs: metadata.created_secs,
            anonymous_of: metadata.anonymous_of.as_deref().and_then(|task| task.parse().ok()),
            used_by: self.users_of(name),
        }
    }

    fn users_of(&self, name: &str) -> Vec<Id<Task>> {
        self.users().get(name).into_iter().flatten().copied().collect()
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<Id<Task>>>> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The maps are changed last, after what can fail.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<VolumeError> for Error {
    fn from(error: VolumeError) -> Self {
        let message = error.to_string();
        match error {
            VolumeError::Name(_) => Self::invalid(message),
            VolumeError::NotFound(_) => Self::not_found(message),
            VolumeError::InUse { .. } => Self::new(ErrorKind::FailedPrecondition, message)
                .hint("remove the service or scale it to 0 first"),
            VolumeError::UseUnknown(_) => {
                Self::new(ErrorKind::Unavailable, message).hint("try again in a moment")
            }
            VolumeError::Root(_, source) | VolumeError::Io { source, .. } => {
                Self::internal(format!("{message}: {source}"))
            }
        }
    }
}

/// Whether that can be a volume's name: Docker's rule, and what a folder's name may have.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= NAME_BYTES_MAX - DELETING.len()
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// 64 hex digits, as Docker names them; always the same for a task and a place in it, so that the
/// task finds it again when the node has restarted.
fn anonymous_name(task: Id<Task>, target: &str) -> String {
    let hash = Sha256::new().chain_update(task.to_string()).chain_update(target).finalize();
    skep_api::Digest(hash.into()).hex()
}

fn read_all(root: &Path) -> io::Result<State> {
    fs::create_dir_all(root)?;
    let mut state = State::default();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with(MAKING) || name.starts_with(DELETING) {
            remove_all(&entry.path())?;
        } else if is_name(&name) && entry.path().join(DATA).is_dir() {
            state.volumes.insert(name, read_metadata(&entry.path()));
        }
    }
    Ok(state)
}

/// A volume whose metadata is lost is a volume still: its data counts.
fn read_metadata(volume: &Path) -> Metadata {
    let parsed = fs::read(volume.join(METADATA))
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::other));
    parsed.unwrap_or_else(|error| {
        tracing::warn!(path = %volume.display(), %error, "the volume's metadata can't be read");
        Metadata::default()
    })
}

fn make(root: &Path, name: &str, metadata: &Metadata) -> io::Result<()> {
    let making = root.join(format!("{MAKING}{name}"));
    remove_all(&making)?;
    fs::create_dir_all(making.join(DATA))?;
    let file = fs::File::create_new(making.join(METADATA))?;
    serde_json::to_writer(&file, metadata).map_err(io::Error::other)?;
    file.sync_all()?;
    fs::File::open(&making)?.sync_all()?;
    fs::rename(&making, root.join(name))?;
    // What a database writes durably must be in a folder that is itself on the disk.
    fs::File::open(root)?.sync_all()
}

async fn delete(name: &str, doomed: PathBuf) -> Result<(), VolumeError> {
    let deleted = tokio::task::spawn_blocking(move || remove_all(&doomed)).await;
    deleted.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(io_error("remove", name))
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn io_error(act: &'static str, name: &str) -> impl FnOnce(io::Error) -> VolumeError {
    move |source| VolumeError::Io { act, name: name.to_owned(), source }
}

fn list(tasks: &[Id<Task>]) -> String {
    tasks.iter().map(Id::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
