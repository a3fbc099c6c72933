//! Items in the database: one connection a request, as `PROTOCOL.md` describes it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use todo_items::{
    Command, Connection, ITEMS_MAX, Item, ItemId, LINE_BYTES_MAX, Refusal, parse_item_line,
};

use crate::storage::{Change, StorageError};

/// A database that needs longer than this for a request is not there for its user.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A connection to the database, past its password.
pub(crate) struct Database {
    stream: TcpStream,
    /// What came and was not read as a line yet.
    heard: Vec<u8>,
    until: Instant,
    at: String,
    release: String,
}

impl Database {
    /// Connects and says the password.
    pub(crate) fn connect(to: &Connection) -> Result<Self, StorageError> {
        let at = format!("{}:{}", to.host, to.port);
        let unreachable = |error: io::Error| {
            StorageError::Unavailable(format!("the database {at} can't be reached: {error}"))
        };
        let stream = TcpStream::connect((to.host.as_str(), to.port)).map_err(unreachable)?;
        stream.set_nonblocking(true).map_err(unreachable)?;
        let until = Instant::now() + ANSWER_MAX;
        let mut database = Self { stream, heard: Vec::new(), until, at, release: String::new() };
        database.ask(&Command::Auth(to.password.clone()))?;
        database.release = database.ask(&Command::Version)?;
        Ok(database)
    }

    /// What the page calls it.
    pub(crate) fn name(&self) -> String {
        format!("the database at {} ({})", self.at, self.release)
    }

    pub(crate) fn items(&mut self) -> Result<Vec<Item>, StorageError> {
        let count = self.ask(&Command::List)?;
        let count: usize = match count.parse() {
            Ok(count) if count <= ITEMS_MAX => count,
            _ => return Err(self.nonsense(&count)),
        };
        (0..count)
            .map(|_| {
                let line = self.line().map_err(|error| self.broken(&error))?;
                parse_item_line(&line).ok_or_else(|| self.nonsense(&line))
            })
            .collect()
    }

    pub(crate) fn change(&mut self, change: Change) -> Result<Option<ItemId>, StorageError> {
        match change {
            Change::Add(title) => {
                let id = self.ask(&Command::Add(title))?;
                id.parse().map(Some).map_err(|_| self.nonsense(&id))
            }
            Change::Tick(id, state) => self.ask(&Command::Tick(id, state)).map(|_| None),
            Change::Delete(id) => self.ask(&Command::Delete(id)).map(|_| None),
        }
    }

    /// Sends a command and answers what stands behind `ok`.
    fn ask(&mut self, command: &Command) -> Result<String, StorageError> {
        let said = self.say(format!("{command}\n").as_bytes()).and_then(|()| self.line());
        let line = said.map_err(|error| self.broken(&error))?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "ok" => Ok(rest.to_owned()),
            "error" => Err(self.refused(rest)),
            _ => Err(self.nonsense(&line)),
        }
    }

    fn refused(&self, rest: &str) -> StorageError {
        let (word, why) = rest.split_once(' ').unwrap_or((rest, ""));
        match Refusal::from_word(word) {
            Some(Refusal::Missing) => StorageError::Missing(why.to_owned()),
            Some(Refusal::Full) => StorageError::Full(why.to_owned()),
            _ => StorageError::Unavailable(format!("the database {} says: {why}", self.at)),
        }
    }

    fn broken(&self, error: &io::Error) -> StorageError {
        StorageError::Unavailable(format!("the database {} does not answer: {error}", self.at))
    }

    fn nonsense(&self, line: &str) -> StorageError {
        let line: String = line.chars().take(80).collect();
        StorageError::Unavailable(format!("the database {} speaks strangely: {line}", self.at))
    }

    fn say(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
                let rest = self.heard.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.heard, rest);
                line.truncate(end);
                return String::from_utf8(line).map_err(|_| ErrorKind::InvalidData.into());
            }
            if self.heard.len() > LINE_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            let mut buffer = [0; 8 * LINE_BYTES_MAX];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.heard.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(PollFlags::IN)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wait(&self, event: PollFlags) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        poll(&mut [PollFd::new(&self.stream, event)], Some(&left))?;
        Ok(())
    }
}
