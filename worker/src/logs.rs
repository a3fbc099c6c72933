//! The tasks' output on this node: written line by line, read back in time order, followed.
//!
//! A task has a folder with two files, `current` and `previous`, of at most a configured size each;
//! a full `current` becomes `previous`. They outlive the task and the daemon, and go when managers
//! list the task no more. A line is one record:
//!
//! ```text
//! 01732174323000000000 o what the task wrote
//! ```
//!
//! nanoseconds since 1970, `o` or `e` for stdout or stderr, and the bytes as they came. They can't
//! hold a newline, so that no other byte needs a meaning; a record torn by a crash is one bad line.
//!
//! A follower is told which tasks wrote, not what: it reads the files on from where it was, so that
//! a slow one misses nothing but what rotation took, and costs writers nothing.

mod cursor;
mod follow;
mod read;
mod record;
mod server;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skep_api::{Bytes, Error, Id, Node, Service, Task, Time};
use skep_wire::pb;
use tokio_stream::wrappers::ReceiverStream;

use follow::Followers;
pub(crate) use writer::TaskLog;

/// How much one of a task's two files holds unless the daemon is told otherwise.
pub const LOG_MAX_DEFAULT: Bytes = Bytes::mib(1);

/// How many tasks one request may read: each keeps up to three files open.
const READ_TASKS_MAX: usize = 1000;

/// The logs of a node. Clones share them.
#[derive(Debug, Clone)]
pub struct Logs(Arc<Inner>);

/// A line that a task wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The task.
    pub task: Id<Task>,
    /// Its service.
    pub service: Id<Service>,
    /// When, by this node's clock.
    pub at: Time,
    /// Where to.
    pub stream: LogStream,
    /// What, without the end of the line. Any bytes.
    pub text: Vec<u8>,
}

/// Which of its two outputs a task wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Whose lines are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSelection {
    /// These tasks.
    pub tasks: BTreeSet<Id<Task>>,
    /// All tasks of these services, later ones too.
    pub services: BTreeSet<Id<Service>>,
}

/// Which lines are read.
#[derive(Debug, Clone, Default)]
pub struct LogOptions {
    /// Whether to wait for more.
    pub follow: Follow,
    /// Only the last so many of each task.
    pub tail: Option<u64>,
    /// Only those since that moment.
    pub since: Option<Time>,
    /// Only those of one stream.
    pub stream: Option<LogStream>,
}

/// Whether a read waits for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Follow {
    /// It ends with what there is.
    #[default]
    No,
    /// It goes on until its stream is dropped.
    Yes,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    file_max: Bytes,
    node: Id<Node>,
    services: Mutex<BTreeMap<Id<Task>, Id<Service>>>,
    followers: Arc<Followers>,
}

impl Logs {
    /// The logs under `root`, which is made if it is not there.
    pub(crate) fn open(root: &Path, file_max: Bytes, node: Id<Node>) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Self(Arc::new(Inner {
            root: root.to_owned(),
            file_max,
            node,
            services: Mutex::default(),
            followers: Arc::default(),
        })))
    }

    /// The selected lines in time order, in batches. An error of the disk ends the stream.
    pub fn read(
        &self,
        selection: LogSelection,
        options: LogOptions,
    ) -> Result<ReceiverStream<io::Result<Vec<LogLine>>>, Error> {
        // Before the tasks are looked up: one that comes in between is then seen as a follower.
        let follower = self.0.followers.add(selection.clone());
        let tasks = self.selected(&selection);
        if tasks.len() > READ_TASKS_MAX {
            let text = format!(
                "logs can be read of {READ_TASKS_MAX} tasks at once, this request is for {}",
                tasks.len()
            );
            return Err(Error::invalid(text).hint("name single tasks: `skep service logs TASK`"));
        }
        Ok(read::start(self.clone(), tasks, options, follower))
    }

    /// The gRPC service that reads this node's logs.
    pub fn server(&self) -> pb::logs_server::LogsServer<impl pb::logs_server::Logs> {
        server::server(self.clone())
    }

    /// Where the lines of a task go.
    pub(crate) fn writer(&self, task: Id<Task>, service: Id<Service>) -> Arc<TaskLog> {
        self.know(task, service);
        Arc::new(TaskLog::new(
            self.dir(task),
            self.0.file_max,
            (task, service),
            self.0.followers.clone(),
        ))
    }

    /// A task that managers list here, whose lines may be there from before.
    pub(crate) fn know(&self, task: Id<Task>, service: Id<Service>) {
        self.services().insert(task, service);
    }

    /// Removes a task's lines.
    pub(crate) fn remove(&self, task: Id<Task>) {
        self.services().remove(&task);
        if let Err(error) = remove_dir(&self.dir(task)) {
            tracing::warn!(%task, %error, "the task's log stays");
        }
    }

    /// Removes the lines of all tasks but these, the only ones that managers list here.
    pub(crate) fn retain(&self, tasks: &BTreeSet<Id<Task>>) {
        let entries = match std::fs::read_dir(&self.0.root) {
            Ok(entries) => entries,
            Err(error) => return tracing::warn!(%error, "the logs can't be listed"),
        };
        for entry in entries.flatten() {
            // What is no task's folder is not ours to remove.
            let task = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(task) = task.filter(|task| !tasks.contains(task)) {
                self.remove(task);
            }
        }
    }

    fn selected(&self, selection: &LogSelection) -> Vec<(Id<Task>, Id<Service>)> {
        let services = self.services();
        let all = services.iter().map(|(task, service)| (*task, *service));
        all.filter(|(task, service)| selection.has(*task, *service)).collect()
    }

    fn dir(&self, task: Id<Task>) -> PathBuf {
        self.0.root.join(task.to_string())
    }

    fn services(&self) -> MutexGuard<'_, BTreeMap<Id<Task>, Id<Service>>> {
        self.0.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogSelection {
    fn has(&self, task: Id<Task>, service: Id<Service>) -> bool {
        self.tasks.contains(&task) || self.services.contains(&service)
    }
}

fn remove_dir(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
