//! Writes a task's lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use skep_api::{Bytes, Id, Service, Task, Time};
use skep_runtime::{Output, OutputStream};

use super::follow::Followers;
use super::{LogStream, record};
use crate::clock;

pub(super) const CURRENT: &str = "current";
pub(super) const PREVIOUS: &str = "previous";

/// Where the lines of one task go. The file is opened with the first line: a task that is silent
/// costs none.
#[derive(Debug)]
pub(crate) struct TaskLog {
    dir: PathBuf,
    file_max: Bytes,
    task: Id<Task>,
    service: Id<Service>,
    followers: Arc<Followers>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    size: u64,
    last_at: Time,
    /// Lines lost since the last that was written, mostly to a full disk.
    lost: u64,
}

impl TaskLog {
    pub(super) fn new(
        dir: PathBuf,
        file_max: Bytes,
        (task, service): (Id<Task>, Id<Service>),
        followers: Arc<Followers>,
    ) -> Self {
        Self { dir, file_max, task, service, followers, state: Mutex::default() }
    }

    /// Writes a line. A line that can't be written is lost: the task must go on.
    pub(crate) fn write(&self, stream: LogStream, text: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Within a task, time never runs backwards, whatever the wall clock does.
        let at = clock::now().max(state.last_at);
        let mut bytes = Vec::with_capacity(record::HEADER_LEN + text.len() + 1);
        record::encode(&mut bytes, at, stream, text);
        state.last_at = at;
        if let Err(error) = self.append(&mut state, &bytes) {
            // Perhaps half a record was written: opening the file again looks after that.
            state.file = None;
            state.lost += 1;
            if state.lost == 1 {
                tracing::warn!(task = %self.task, %error, "the task's lines can't be written");
            }
            return;
        }
        state.lost = 0;
        drop(state);
        self.followers.wrote(self.task, self.service);
    }

    fn append(&self, state: &mut State, bytes: &[u8]) -> io::Result<()> {
        let len = bytes.len() as u64;
        let mut file = match state.file.take() {
            Some(file) => file,
            None => self.open(state)?,
        };
        if state.size > 0 && state.size + len > self.file_max.0 {
            drop(file);
            fs::rename(self.dir.join(CURRENT), self.dir.join(PREVIOUS))?;
            file = self.open(state)?;
        }
        file.write_all(bytes)?;
        state.size += len;
        state.file = Some(file);
        Ok(())
    }

    fn open(&self, state: &mut State) -> io::Result<File> {
        fs::create_dir_all(&self.dir)?;
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .read(true)
            .mode(0o600)
            .open(self.dir.join(CURRENT))?;
        state.size = file.metadata()?.len();
        if ends_torn(&file, state.size)? {
            file.write_all(b"\n")?;
            state.size += 1;
        }
        Ok(file)
    }
}

impl Output for TaskLog {
    fn line(&self, stream: OutputStream, text: &[u8]) {
        let stream = match stream {
            OutputStream::Stdout => LogStream::Stdout,
            OutputStream::Stderr => LogStream::Stderr,
        };
        self.write(stream, text);
    }
}

/// Whether the last record has no end: a crash or a full disk cut it off.
fn ends_torn(file: &File, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}
