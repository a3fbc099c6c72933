//! The one loop: waits for the listener and all connections at once, lets each be heard once a
//! round, syncs the log once a round, and only then lets the round's answers go.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use todo_items::LINE_BYTES_MAX;

use crate::session::{Client, Database};

/// The web opens one connection a request; more than this at once wait in the listener's queue.
const CONNECTIONS_MAX: usize = 64;

/// A client that says nothing and takes nothing for so long is dropped.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A server and its clients.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    database: Database,
    connections: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    client: Client,
    /// What was heard and not yet answered; at most a line of the longest kind and a read.
    heard: Vec<u8>,
    /// What is to be said. No further line is looked at before it is gone.
    answer: Vec<u8>,
    /// How much of it was said.
    said: usize,
    /// When it last moved.
    moved: Instant,
    state: State,
}

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It goes on.
    Open,
    /// No more will be heard; it ends when all is said.
    Ending,
    /// It is over.
    Over,
}

/// Whether the task was told to stop.
enum Accepted {
    GoOn,
    Stop,
}

impl Server {
    /// A server on that listener.
    pub fn new(listener: TcpListener, database: Database) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self { listener, database, connections: Vec::new() })
    }

    /// Serves until the listener is closed, which is how a task is told to stop.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            self.wait()?;
            if let Accepted::Stop = self.accept()? {
                return Ok(());
            }
            for connection in &mut self.connections {
                connection.hear();
                connection.obey(&mut self.database)?;
            }
            // Nothing is said before it is durable.
            self.database.sync().map_err(|error| io::Error::other(error.to_string()))?;
            let now = Instant::now();
            self.connections.iter_mut().for_each(|connection| connection.say(now));
            self.connections.retain(|connection| connection.state != State::Over);
        }
    }

    /// Waits until something can be done, or a connection has been idle for too long.
    fn wait(&self) -> io::Result<()> {
        let mut waited: Vec<PollFd<'_>> = Vec::with_capacity(1 + self.connections.len());
        let mut limit = None;
        for connection in &self.connections {
            if connection.has_line() && connection.answer.is_empty() {
                // It was heard in an earlier round: there is work without any waiting.
                return Ok(());
            }
            let event = match connection.answer.is_empty() {
                true => PollFlags::IN,
                false => PollFlags::OUT,
            };
            waited.push(PollFd::new(&connection.stream, event));
            limit = Some(IDLE_MAX);
        }
        if self.connections.len() < CONNECTIONS_MAX {
            waited.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        poll(&mut waited, limit.as_ref())?;
        Ok(())
    }

    fn accept(&mut self) -> io::Result<Accepted> {
        while self.connections.len() < CONNECTIONS_MAX {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    self.connections.push(Connection::new(stream));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => break,
                    ErrorKind::ConnectionAborted => return Ok(Accepted::Stop),
                    _ => return Err(error),
                },
            }
        }
        Ok(Accepted::GoOn)
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            client: Client::Unknown,
            heard: Vec::new(),
            answer: Vec::new(),
            said: 0,
            moved: Instant::now(),
            state: State::Open,
        }
    }

    fn has_line(&self) -> bool {
        self.heard.contains(&b'\n')
    }

    /// Reads what there is, unless there is a line to answer already.
    fn hear(&mut self) {
        if self.state != State::Open || self.has_line() || !self.answer.is_empty() {
            return;
        }
        let mut buffer = [0; LINE_BYTES_MAX];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.state = State::Ending,
            Ok(read) => {
                self.heard.extend_from_slice(&buffer[..read]);
                self.moved = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.state = State::Over,
        }
    }

    /// Answers one line, if a whole one was heard.
    fn obey(&mut self, database: &mut Database) -> io::Result<()> {
        if !self.answer.is_empty() || self.state == State::Over {
            return Ok(());
        }
        let end = self.heard.iter().position(|byte| *byte == b'\n');
        if end.unwrap_or(self.heard.len()) > LINE_BYTES_MAX {
            self.answer = format!("error bad a line has at most {LINE_BYTES_MAX} bytes\n").into();
            self.heard.clear();
            self.state = State::Ending;
            return Ok(());
        }
        let Some(end) = end else { return Ok(()) };
        let line: Vec<u8> = self.heard.drain(..=end).collect();
        let answer = match std::str::from_utf8(&line[..end]) {
            Ok(line) => database.answer(line, &mut self.client),
            Err(_) => Ok("error bad a line is UTF-8 text\n".to_owned()),
        };
        self.answer = answer.map_err(|error| io::Error::other(error.to_string()))?.into();
        self.said = 0;
        Ok(())
    }

    /// Says as much of the answer as the client takes.
    fn say(&mut self, now: Instant) {
        while self.said < self.answer.len() && self.state != State::Over {
            match self.stream.write(&self.answer[self.said..]) {
                Ok(0) => self.state = State::Over,
                Ok(written) => {
                    self.said += written;
                    self.moved = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.state = State::Over,
            }
        }
        if self.said == self.answer.len() {
            self.answer.clear();
            self.said = 0;
            if self.state == State::Ending && !self.has_line() {
                self.state = State::Over;
            }
        }
        if now.duration_since(self.moved) >= IDLE_MAX {
            self.state = State::Over;
        }
    }
}
