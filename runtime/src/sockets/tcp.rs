//! A TCP socket and the states it goes through.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use wasmtime_wasi::p2::Pollable;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;

use super::streams::{Receiver, Sender};
use super::{SocketPermit, error_code};
use crate::task::Task;
use crate::{Connection, Listener, NetworkError};

/// How many connections wait to be accepted unless the guest says otherwise, as Rust's std asks for.
const BACKLOG_DEFAULT: usize = 128;

/// A guest's socket.
pub(super) struct TcpSocket {
    pub(super) state: State,
    pub(super) family: Family,
    pub(super) options: Options,
    pub(super) backlog: usize,
    _permit: SocketPermit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What guests set and read back. Nothing here changes how a connection in memory behaves.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) keep_alive: bool,
    pub(super) keep_alive_idle_ns: u64,
    pub(super) keep_alive_interval_ns: u64,
    pub(super) keep_alive_count: u32,
    pub(super) hop_limit: u8,
    pub(super) receive_buffer: u64,
    pub(super) send_buffer: u64,
}

pub(super) enum State {
    New,
    Binding(SocketAddr),
    Bound(SocketAddr),
    /// The listener is there; the guest has not finished the call.
    StartingToListen(Listener),
    Listening(Listener),
    Connecting(Pin<Box<dyn Future<Output = Result<Connection, NetworkError>> + Send>>),
    /// The outcome is there; the guest has not asked for it.
    Connected(Result<Connection, NetworkError>),
    Open {
        receiver: Receiver,
        sender: Sender,
        local: SocketAddr,
        peer: SocketAddr,
    },
    /// It failed, and can't be used again.
    Dead,
}

impl Default for Options {
    /// Linux's.
    fn default() -> Self {
        const SECOND: u64 = 1_000_000_000;
        Self {
            keep_alive: false,
            keep_alive_idle_ns: 7200 * SECOND,
            keep_alive_interval_ns: 75 * SECOND,
            keep_alive_count: 9,
            hop_limit: 64,
            receive_buffer: crate::PIPE_BUFFER_MAX as u64,
            send_buffer: crate::PIPE_BUFFER_MAX as u64,
        }
    }
}

impl Family {
    pub(super) fn of(addr: &SocketAddr) -> Self {
        if addr.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl TcpSocket {
    pub(super) fn new(family: Family, permit: SocketPermit) -> Self {
        Self {
            state: State::New,
            family,
            options: Options::default(),
            backlog: BACKLOG_DEFAULT,
            _permit: permit,
        }
    }

    /// The socket of an accepted connection: it has its listener's options.
    pub(super) fn accepted(&self, permit: SocketPermit) -> Self {
        Self {
            state: State::New,
            family: self.family,
            options: self.options.clone(),
            backlog: self.backlog,
            _permit: permit,
        }
    }

    pub(super) fn start_bind(&mut self, addr: SocketAddr) -> Result<(), ErrorCode> {
        match self.state {
            State::New if Family::of(&addr) != self.family => Err(ErrorCode::InvalidArgument),
            State::New if addr.ip().is_multicast() => Err(ErrorCode::InvalidArgument),
            State::New => {
                self.state = State::Binding(addr);
                Ok(())
            }
            _ => Err(self.busy_or_invalid()),
        }
    }

    pub(super) fn finish_bind(&mut self) -> Result<(), ErrorCode> {
        let State::Binding(addr) = self.state else { return Err(ErrorCode::NotInProgress) };
        self.state = State::Bound(addr);
        Ok(())
    }

    pub(super) fn start_listen(&mut self, task: &Task) -> Result<(), ErrorCode> {
        let State::Bound(addr) = self.state else { return Err(self.busy_or_invalid()) };
        let mut listener = task.network.listen(addr).map_err(error_code)?;
        listener.set_backlog(self.backlog);
        task.add_listener(listener.closer());
        self.state = State::StartingToListen(listener);
        Ok(())
    }

    pub(super) fn finish_listen(&mut self) -> Result<(), ErrorCode> {
        match std::mem::replace(&mut self.state, State::Dead) {
            State::StartingToListen(listener) => {
                self.state = State::Listening(listener);
                Ok(())
            }
            state => {
                self.state = state;
                Err(ErrorCode::NotInProgress)
            }
        }
    }

    /// The next connection. Once the listener has ended, which is how a task is told to stop, this
    /// fails for good.
    pub(super) fn accept(&mut self) -> Result<Connection, ErrorCode> {
        let State::Listening(listener) = &mut self.state else {
            return Err(ErrorCode::InvalidState);
        };
        match listener.poll_accept(&mut no_waker()) {
            Poll::Ready(Some(connection)) => Ok(connection),
            Poll::Ready(None) => Err(ErrorCode::ConnectionAborted),
            Poll::Pending => Err(ErrorCode::WouldBlock),
        }
    }

    pub(super) fn start_connect(
        &mut self,
        task: &Arc<Task>,
        to: SocketAddr,
    ) -> Result<(), ErrorCode> {
        if !matches!(self.state, State::New | State::Bound(_)) {
            return Err(self.busy_or_invalid());
        }
        let ip = to.ip();
        let is_nowhere = ip.is_unspecified() || ip.is_multicast() || to.port() == 0;
        if is_nowhere || Family::of(&to) != self.family {
            return Err(ErrorCode::InvalidArgument);
        }
        let network = task.network.clone();
        self.state = State::Connecting(Box::pin(async move { network.connect(to).await }));
        Ok(())
    }

    /// The connection, once it is there.
    pub(super) fn finish_connect(&mut self) -> Result<Connection, ErrorCode> {
        // The waker may be none that wakes: a guest that waits polls again, with its own.
        if self.poll_connect(&mut no_waker()).is_pending() {
            return Err(ErrorCode::WouldBlock);
        }
        match std::mem::replace(&mut self.state, State::Dead) {
            State::Connected(result) => result.map_err(error_code),
            state => {
                self.state = state;
                Err(ErrorCode::NotInProgress)
            }
        }
    }

    /// Takes a connection over, and gives its streams.
    pub(super) fn open(&mut self, connection: Connection) -> (Receiver, Sender) {
        let (reader, writer) = connection.pipe.into_split();
        let (receiver, sender) = (Receiver::new(reader), Sender::new(writer));
        self.state = State::Open {
            receiver: receiver.clone(),
            sender: sender.clone(),
            local: connection.local,
            peer: connection.peer,
        };
        (receiver, sender)
    }

    pub(super) fn local(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Bound(addr) => Some(*addr),
            State::StartingToListen(listener) | State::Listening(listener) => Some(listener.addr()),
            State::Open { local, .. } => Some(*local),
            _ => None,
        }
    }

    fn poll_connect(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Connecting(connecting) = &mut self.state {
            let Poll::Ready(result) = connecting.as_mut().poll(cx) else { return Poll::Pending };
            self.state = State::Connected(result);
        }
        Poll::Ready(())
    }

    fn busy_or_invalid(&self) -> ErrorCode {
        match self.state {
            State::Binding(_) | State::StartingToListen(_) | State::Connecting(_) => {
                ErrorCode::ConcurrencyConflict
            }
            _ => ErrorCode::InvalidState,
        }
    }
}

#[async_trait::async_trait]
impl Pollable for TcpSocket {
    async fn ready(&mut self) {
        poll_fn(|cx| match &mut self.state {
            State::Listening(listener) => listener.poll_ready(cx),
            _ => self.poll_connect(cx),
        })
        .await;
    }
}

fn no_waker() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
