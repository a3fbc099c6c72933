//! The two directions of a connection, as a guest's streams.

use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use crate::pipe::{PipeReader, PipeWriter};

/// The most one read gives.
const READ_MAX: usize = 64 * 1024;

/// What a guest receives. Shared by the stream and its socket, which may shut it down.
#[derive(Clone)]
pub(super) struct Receiver(Arc<Mutex<PipeReader>>);

/// What a guest sends. Shared by the stream and its socket, which may shut it down.
#[derive(Clone)]
pub(super) struct Sender(Arc<Mutex<Sending>>);

struct Sending {
    pipe: PipeWriter,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The other end took no more; the guest was not told yet.
    Broken,
    /// The guest shut it down, or was told.
    Closed,
}

impl Receiver {
    pub(super) fn new(pipe: PipeReader) -> Self {
        Self(Arc::new(Mutex::new(pipe)))
    }

    pub(super) fn shutdown(&self) {
        self.lock().close();
    }

    fn lock(&self) -> MutexGuard<'_, PipeReader> {
        // Nothing under the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl Pollable for Receiver {
    async fn ready(&mut self) {
        poll_fn(|cx| self.lock().poll_readable(cx)).await;
    }
}

#[async_trait::async_trait]
impl InputStream for Receiver {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        match self.lock().try_bytes(size.min(READ_MAX)) {
            None => Ok(Bytes::new()),
            Some(Ok(bytes)) if bytes.is_empty() => Err(StreamError::Closed),
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(error)) => Err(failed(error)),
        }
    }
}

impl Sender {
    pub(super) fn new(pipe: PipeWriter) -> Self {
        Self(Arc::new(Mutex::new(Sending { pipe, state: State::Open })))
    }

    pub(super) fn shutdown(&self) {
        let mut sending = self.lock();
        sending.pipe.close();
        sending.state = State::Closed;
    }

    fn lock(&self) -> MutexGuard<'_, Sending> {
        // Nothing under the lock can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut sending = self.lock();
        if sending.state != State::Open {
            return Poll::Ready(());
        }
        sending.pipe.poll_room(cx).map(|_| ())
    }
}

#[async_trait::async_trait]
impl Pollable for Sender {
    async fn ready(&mut self) {
        poll_fn(|cx| self.poll_ready(cx)).await;
    }
}

/// As with TCP, the first write after the other end went away succeeds and is lost, the next one
/// fails. C libraries flush after each write, and a failing flush would be taken for a failure of
/// the write before it, which did arrive.
#[async_trait::async_trait]
impl OutputStream for Sender {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut sending = self.lock();
        match sending.state {
            State::Open => {}
            State::Broken => {
                sending.state = State::Closed;
                return Err(failed(io::ErrorKind::BrokenPipe.into()));
            }
            State::Closed => return Err(StreamError::Closed),
        }
        match sending.pipe.try_write(&bytes) {
            Ok(written) if written < bytes.len() => {
                Err(StreamError::trap("more was written than check-write had allowed"))
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                sending.state = State::Closed;
                Err(failed(error))
            }
            Err(_) => {
                sending.state = State::Broken;
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        match self.lock().state {
            State::Closed => Err(StreamError::Closed),
            State::Open | State::Broken => Ok(()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let sending = self.lock();
        match sending.state {
            State::Closed => Err(StreamError::Closed),
            State::Broken => Ok(READ_MAX),
            // What is wrong the write will tell.
            State::Open => Ok(sending.pipe.room().unwrap_or(READ_MAX)),
        }
    }
}

fn failed(error: io::Error) -> StreamError {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return StreamError::Closed;
    }
    // Guests ask what a stream's error means by way of the system's error numbers.
    let errno = match error.kind() {
        io::ErrorKind::ConnectionReset => rustix::io::Errno::CONNRESET,
        _ => rustix::io::Errno::IO,
    };
    StreamError::LastOperationFailed(io::Error::from(errno).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pipe;

    #[test]
    fn the_first_write_after_the_peer_went_is_lost_and_the_next_fails() {
        let (near, far) = Pipe::pair();
        let mut sender = Sender::new(near.into_split().1);
        sender.write(Bytes::from_static(b"arrives")).unwrap();
        drop(far);
        assert!(sender.check_write().unwrap() > 0);
        sender.flush().unwrap();
        sender.write(Bytes::from_static(b"lost")).unwrap();
        sender.flush().unwrap();
        assert!(matches!(sender.write(Bytes::from_static(b"fails")), Err(StreamError::Closed)));
        assert!(matches!(sender.check_write(), Err(StreamError::Closed)));
    }

    #[test]
    fn a_receiver_ends_after_its_last_byte() {
        let (near, far) = Pipe::pair();
        let mut receiver = Receiver::new(near.into_split().0);
        assert!(receiver.read(10).unwrap().is_empty());
        let (_reader, mut writer) = far.into_split();
        writer.try_write(b"last").unwrap();
        drop(writer);
        assert_eq!(receiver.read(3).unwrap(), "las");
        assert_eq!(receiver.read(3).unwrap(), "t");
        assert!(matches!(receiver.read(3), Err(StreamError::Closed)));
    }
}
