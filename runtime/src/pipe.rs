//! A connection in memory: two byte streams between two ends.
//!
//! It behaves as a TCP connection does for those at its ends: bytes arrive in order, each direction
//! ends by itself (`shutdown`), an end that goes away ends both, and `reset` breaks both at once.
//! At most [`PIPE_BUFFER_MAX`] bytes wait in each direction; a writer then waits for the reader.
//! Bytes are copied once, when they are written.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes may wait in one direction: what one read or write of a guest moves at most.
pub const PIPE_BUFFER_MAX: usize = 64 * 1024;

/// One end of a connection in memory. Dropping it closes it.
#[derive(Debug)]
pub struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
}

/// The receiving half of an end. Once it is dropped, the other end's writes fail.
#[derive(Debug)]
pub struct PipeReader(Arc<Channel>);

/// The sending half of an end. Once it is dropped, the other end reads to the end of the stream.
#[derive(Debug)]
pub struct PipeWriter(Arc<Channel>);

impl Pipe {
    /// Both ends of a new connection.
    pub fn pair() -> (Self, Self) {
        let (there, back) = (Arc::<Channel>::default(), Arc::<Channel>::default());
        (
            Self { reader: PipeReader(back.clone()), writer: PipeWriter(there.clone()) },
            Self { reader: PipeReader(there), writer: PipeWriter(back) },
        )
    }

    /// Breaks the connection: bytes on their way are lost, both ends get "connection reset".
    pub fn reset(self) {
        self.reader.0.reset();
        self.writer.0.reset();
    }

    /// The two halves of this end.
    pub fn into_split(self) -> (PipeReader, PipeWriter) {
        (self.reader, self.writer)
    }
}

impl PipeReader {
    /// Up to `size` bytes as soon as there are any; none once the stream has ended.
    pub fn poll_bytes(&mut self, cx: &mut Context<'_>, size: usize) -> Poll<io::Result<Bytes>> {
        let mut state = self.0.lock();
        match state.take(size) {
            Some(result) => Poll::Ready(result),
            None => {
                state.reader_waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What is there now, up to `size` bytes: `None` if a read would wait.
    pub fn try_bytes(&mut self, size: usize) -> Option<io::Result<Bytes>> {
        self.0.lock().take(size)
    }

    /// Waits until a read would not wait.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock();
        if !state.buffer.is_empty() || state.end != End::Open || state.reader_gone {
            return Poll::Ready(());
        }
        state.reader_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Takes no more: the other end's writes fail from now on.
    pub fn close(&mut self) {
        self.0.lock().close_reader();
    }
}

impl PipeWriter {
    /// How many bytes can be written now.
    pub fn room(&self) -> io::Result<usize> {
        self.0.lock().room()
    }

    /// Waits until there is room, or a write would fail.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        match state.room() {
            Ok(0) => {
                state.writer_waker = Some(cx.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    /// Writes what there is room for, and says how much that was.
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().put(bytes)
    }

    /// Ends the stream: the other end reads what was written, then its end.
    pub fn close(&mut self) {
        self.0.lock().close_writer();
    }
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.close();
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.close();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.reader.poll_bytes(cx, buf.remaining()))?;
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.writer.poll_room(cx))?;
        Poll::Ready(self.writer.try_write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.close();
        Poll::Ready(Ok(()))
    }
}

/// One direction.
#[derive(Debug, Default)]
struct Channel(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    buffer: BytesMut,
    end: End,
    reader_gone: bool,
    reader_waker: Option<Waker>,
    writer_waker: Option<Waker>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Closed,
    Reset,
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing below can panic half-way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reset(&self) {
        let mut state = self.lock();
        state.end = End::Reset;
        state.buffer = BytesMut::new();
        state.wake_both();
    }
}

impl State {
    fn take(&mut self, size: usize) -> Option<io::Result<Bytes>> {
        if !self.buffer.is_empty() {
            let bytes = self.buffer.split_to(size.min(self.buffer.len())).freeze();
            if !self.buffer.has_remaining() {
                // An idle connection holds no memory.
                self.buffer = BytesMut::new();
            }
            wake(&mut self.writer_waker);
            return Some(Ok(bytes));
        }
        match self.end {
            End::Reset => Some(Err(io::ErrorKind::ConnectionReset.into())),
            End::Closed => Some(Ok(Bytes::new())),
            End::Open if self.reader_gone => Some(Ok(Bytes::new())),
            End::Open => None,
        }
    }

    fn room(&self) -> io::Result<usize> {
        match self.end {
            End::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            End::Closed => Err(io::ErrorKind::BrokenPipe.into()),
            End::Open if self.reader_gone => Err(io::ErrorKind::BrokenPipe.into()),
            End::Open => Ok(PIPE_BUFFER_MAX - self.buffer.len()),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = self.room()?.min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..size]);
        wake(&mut self.reader_waker);
        Ok(size)
    }

    fn close_reader(&mut self) {
        self.reader_gone = true;
        self.buffer = BytesMut::new();
        self.wake_both();
    }

    fn close_writer(&mut self) {
        if self.end == End::Open {
            self.end = End::Closed;
        }
        self.wake_both();
    }

    fn wake_both(&mut self) {
        wake(&mut self.reader_waker);
        wake(&mut self.writer_waker);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_arrive_in_order_and_each_direction_ends_by_itself() {
        let (mut left, mut right) = Pipe::pair();
        left.write_all(b"ping").await.unwrap();
        left.shutdown().await.unwrap();
        let mut got = Vec::new();
        right.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"ping");
        right.write_all(b"pong").await.unwrap();
        drop(right);
        got.clear();
        left.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"pong");
    }

    #[tokio::test]
    async fn a_writer_waits_for_the_reader() {
        let (mut left, mut right) = Pipe::pair();
        let data = vec![7; 3 * PIPE_BUFFER_MAX];
        let sent = data.clone();
        let writer = tokio::spawn(async move {
            left.write_all(&sent).await.unwrap();
        });
        let mut got = vec![0; data.len()];
        right.read_exact(&mut got).await.unwrap();
        writer.await.unwrap();
        assert!(got == data);
        let (mut left, right) = Pipe::pair();
        assert_eq!(left.writer.try_write(&data).unwrap(), PIPE_BUFFER_MAX);
        assert_eq!(left.writer.room().unwrap(), 0);
        drop(right);
        assert_eq!(left.writer.room().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_reset_reaches_both_ends() {
        let (mut left, right) = Pipe::pair();
        left.write_all(b"lost").await.unwrap();
        right.reset();
        assert_eq!(left.read_u8().await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(left.write_u8(1).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}
