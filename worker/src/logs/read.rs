//! Merges the lines of several tasks, and waits for more.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::sync::Arc;

use skep_api::{Id, Service, Task, Time};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::cursor::Cursor;
use super::follow::Follower;
use super::{Follow, LogLine, LogOptions, Logs};

/// How many lines, and about how many bytes, one batch has: a message far below gRPC's 4 MiB.
const BATCH_LINES_MAX: usize = 1000;
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// How many batches may wait for a slow reader; its files hold the rest.
const BATCHES_MAX: usize = 2;

/// Starts to read. Ends when all is read, or when nobody takes the lines any more.
pub(super) fn start(
    logs: Logs,
    tasks: Vec<(Id<Task>, Id<Service>)>,
    options: LogOptions,
    follower: Arc<Follower>,
) -> ReceiverStream<io::Result<Vec<LogLine>>> {
    let (sender, receiver) = mpsc::channel(BATCHES_MAX);
    let reader = Reader { logs, options, cursors: BTreeMap::new(), heads: BinaryHeap::new() };
    tokio::spawn(async move {
        if let Err(error) = run(reader, tasks, follower, &sender).await {
            // Nobody may be there to hear it.
            let _ = sender.send(Err(error)).await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn run(
    reader: Reader,
    tasks: Vec<(Id<Task>, Id<Service>)>,
    follower: Arc<Follower>,
    sender: &mpsc::Sender<io::Result<Vec<LogLine>>>,
) -> io::Result<()> {
    let mut reader = blocking(reader, move |reader| reader.begin(&tasks)).await?.0;
    loop {
        let batch;
        (reader, batch) = blocking(reader, Reader::batch).await?;
        if !batch.is_empty() {
            if sender.send(Ok(batch)).await.is_err() {
                return Ok(());
            }
        } else if reader.options.follow == Follow::No {
            return Ok(());
        } else {
            let written = tokio::select! {
                written = follower.written() => written,
                () = sender.closed() => return Ok(()),
            };
            reader = blocking(reader, move |reader| reader.wrote(&written)).await?.0;
        }
    }
}

/// Files are read on a thread that may wait for the disk.
async fn blocking<T: Send + 'static>(
    mut reader: Reader,
    act: impl FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
) -> io::Result<(Reader, T)> {
    let done = tokio::task::spawn_blocking(move || {
        let result = act(&mut reader)?;
        Ok((reader, result))
    });
    done.await.map_err(io::Error::other)?
}

struct Reader {
    logs: Logs,
    options: LogOptions,
    cursors: BTreeMap<Id<Task>, Cursor>,
    /// The next line of each task that has one, the earliest first.
    heads: BinaryHeap<Reverse<Head>>,
}

impl Reader {
    fn begin(&mut self, tasks: &[(Id<Task>, Id<Service>)]) -> io::Result<()> {
        for (task, service) in tasks {
            let mut cursor = Cursor::new(*task, *service, self.logs.dir(*task))?;
            if let Some(tail) = self.options.tail {
                cursor.skip_to_tail(tail, &self.options)?;
            }
            self.cursors.insert(*task, cursor);
            self.advance(*task)?;
        }
        Ok(())
    }

    /// Looks again at the tasks that wrote; one that is new is read from its beginning.
    fn wrote(&mut self, written: &BTreeMap<Id<Task>, Id<Service>>) -> io::Result<()> {
        for (task, service) in written {
            if !self.cursors.contains_key(task) {
                let cursor = Cursor::new(*task, *service, self.logs.dir(*task))?;
                self.cursors.insert(*task, cursor);
            }
            self.advance(*task)?;
        }
        // What is gone can't write any more; its files must not stay open.
        self.cursors.retain(|task, _| self.logs.services().contains_key(task));
        Ok(())
    }

    /// What there is to read, earliest first, up to a batch.
    fn batch(&mut self) -> io::Result<Vec<LogLine>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_LINES_MAX && bytes < BATCH_BYTES_MAX {
            let Some(Reverse(head)) = self.heads.pop() else { break };
            bytes += head.0.text.len();
            let task = head.0.task;
            batch.push(head.0);
            self.advance(task)?;
        }
        Ok(batch)
    }

    /// Puts the next line of a task among the heads. Only called when it has none there.
    fn advance(&mut self, task: Id<Task>) -> io::Result<()> {
        let Some(cursor) = self.cursors.get_mut(&task) else { return Ok(()) };
        if let Some(line) = cursor.next(&self.options)? {
            self.heads.push(Reverse(Head(line)));
        }
        Ok(())
    }
}

/// A line, ordered by its time, then its task. A task has at most one among the heads.
struct Head(LogLine);

impl Head {
    fn key(&self) -> (Time, Id<Task>) {
        (self.0.at, self.0.task)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
