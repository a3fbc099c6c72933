//! The grant: all that one task may touch.
//!
//! Managers compute it from the task's spec; a worker adds the bytes and folders that the grant
//! names and gives both to the runtime, which knows nothing else. What is not in here, a task
//! can't reach.

use std::net::IpAddr;
use std::time::Duration;

use crate::{Bytes, Config, Id, NanoCpus, Network, Secret};

/// What `/tmp` holds unless the service says otherwise.
pub const SCRATCH_DEFAULT: Bytes = Bytes::mib(16);

/// All that one task may touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    /// The image with its digest.
    pub image: String,
    /// The arguments; the first one is the program's name.
    pub args: Vec<String>,
    /// The variables, each name once.
    pub env: Vec<(String, String)>,
    /// The working folder.
    pub cwd: String,
    /// Read-only files from the managers' memory.
    pub files: Vec<FileGrant>,
    /// Folders.
    pub dirs: Vec<DirGrant>,
    /// The networks whose names it resolves and whose services it may connect to.
    pub networks: Vec<NetworkGrant>,
    /// How much of everything.
    pub limits: Limits,
    /// How long it has to end by itself.
    pub stop_grace: Duration,
}

/// A read-only file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileGrant {
    /// Its absolute path in the task.
    pub path: String,
    /// Its mode; a file without a read bit can't be opened.
    pub mode: u32,
    /// Where its bytes come from.
    pub source: FileSource,
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileSource {
    /// A config.
    Config(Id<Config>),
    /// A secret: its memory is zeroed when the task ends.
    Secret(Id<Secret>),
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// Its absolute path in the task.
    pub path: String,
    /// What stands behind it.
    pub source: DirSource,
    /// Whether the task may only read.
    pub read_only: bool,
}

/// What stands behind a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DirSource {
    /// A named volume of the node.
    Volume(String),
    /// A volume of this task alone, removed with it.
    Anonymous,
    /// Memory, so much of it, shared by the task's instances.
    Memory(Bytes),
    /// A folder of the host, if the node allows it.
    Host(String),
}

/// A network a task is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkGrant {
    /// Its id.
    pub id: Id<Network>,
    /// Its name.
    pub name: String,
    /// The task's address there.
    pub addr: IpAddr,
    /// Whether the world outside can't be reached from it.
    pub internal: bool,
}

/// How much of everything a task may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All linear memories and tables of the task together; zero if the service states none.
    pub memory: Bytes,
    /// CPU time; zero if the service states none.
    pub cpus: NanoCpus,
    /// Handles (files, sockets, streams, requests) one instance may hold at once.
    pub handles: u32,
    /// Sockets the task may hold at once.
    pub sockets: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Bytes(0),
            cpus: NanoCpus(0),
            // A std server holds about four handles a connection.
            handles: 8192,
            sockets: 2048,
        }
    }
}
