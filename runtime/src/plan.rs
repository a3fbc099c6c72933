//! What a sandbox is made of: the grant, and the things it names.

use std::sync::Arc;

use skep_api::{Bytes, Grant, SecretBytes};

use crate::Network;

/// Everything one task runs with. What is not in here it can't reach.
pub struct Plan {
    /// Arguments, variables, working folder and limits. Its files, folders and networks are for
    /// whoever makes the plan: the runtime takes those below.
    pub grant: Grant,
    /// Read-only files.
    pub files: Vec<PlanFile>,
    /// Folders.
    pub dirs: Vec<PlanDir>,
    /// Its network.
    pub network: Arc<dyn Network>,
    /// Where its lines go.
    pub output: Arc<dyn Output>,
}

/// A read-only file.
#[derive(Debug, Clone)]
pub struct PlanFile {
    /// Its absolute path in the task.
    pub path: String,
    /// Its mode: a file without a read bit can't be opened.
    pub mode: u32,
    /// Its bytes.
    pub data: FileData,
}

/// The bytes of a file.
#[derive(Debug, Clone)]
pub enum FileData {
    /// Anybody may see them.
    Public(Arc<Vec<u8>>),
    /// Overwritten when the last holder lets go.
    Secret(SecretBytes),
}

impl FileData {
    /// The bytes. Whoever copies them answers for the copy.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Public(bytes) => bytes,
            Self::Secret(bytes) => bytes.expose(),
        }
    }
}

/// A folder.
#[derive(Debug)]
pub struct PlanDir {
    /// Its absolute path in the task.
    pub path: String,
    /// What stands behind it.
    pub source: PlanDirSource,
    /// Whether the task may only read.
    pub read_only: bool,
}

/// What stands behind a folder.
#[derive(Debug)]
pub enum PlanDirSource {
    /// A folder of the host: no path leads out of it.
    HostDir(cap_std::fs::Dir),
    /// So much memory, shared by the task's instances and gone with it. Each file and folder in it
    /// takes its blocks and a little more; zero stands
    /// for [`SCRATCH_DEFAULT`](skep_api::SCRATCH_DEFAULT).
    Memory(Bytes),
}

/// Takes a task's lines.
pub trait Output: Send + Sync {
    /// A line without its end, at most [`LINE_MAX`](crate::LINE_MAX) bytes; a longer one comes in
    /// pieces. Must not wait: the guest is not running meanwhile.
    fn line(&self, stream: OutputStream, text: &[u8]);
}

/// Which of its two outputs a guest wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
