//! A guest's standard output and error: bytes in, lines out.
//!
//! A line ends at its line feed (a carriage return before it goes too), at [`LINE_MAX`] bytes, or
//! when the instance is gone. The guest is never made to wait, and nothing but the begun line is kept.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream as WasiStream, Pollable, StreamResult};

use crate::{Output, OutputStream};

/// The longest line: as long as Docker's.
pub const LINE_MAX: usize = 16 * 1024;
/// How much a guest may write at once.
const WRITE_MAX: usize = 64 * 1024;

/// One of a guest's two outputs. Clones write to the same line.
#[derive(Clone)]
pub(crate) struct LineWriter(Arc<Mutex<Lines>>);

impl LineWriter {
    pub(crate) fn new(stream: OutputStream, output: Arc<dyn Output>) -> Self {
        Self(Arc::new(Mutex::new(Lines { stream, output, begun: Vec::new() })))
    }

    fn feed(&self, bytes: &[u8]) {
        // A panic in the output leaves the begun line as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).feed(bytes);
    }
}

struct Lines {
    stream: OutputStream,
    output: Arc<dyn Output>,
    begun: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end]);
            self.finish();
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes);
    }

    fn extend(&mut self, mut bytes: &[u8]) {
        while self.begun.len() + bytes.len() > LINE_MAX {
            let (piece, rest) = bytes.split_at(LINE_MAX - self.begun.len());
            self.begun.extend_from_slice(piece);
            self.finish();
            bytes = rest;
        }
        self.begun.extend_from_slice(bytes);
    }

    fn finish(&mut self) {
        let line = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
        self.output.line(self.stream, line);
        self.begun.clear();
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if !self.begun.is_empty() {
            self.finish();
        }
    }
}

impl IsTerminal for LineWriter {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LineWriter {
    fn p2_stream(&self) -> Box<dyn WasiStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for LineWriter {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl WasiStream for LineWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.feed(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX)
    }
}

impl AsyncWrite for LineWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.feed(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<Vec<u8>>>);

    impl Output for Seen {
        fn line(&self, _: OutputStream, text: &[u8]) {
            self.0.lock().unwrap().push(text.to_vec());
        }
    }

    fn lines(writes: &[&[u8]]) -> Vec<Vec<u8>> {
        let seen = Arc::new(Seen::default());
        let writer = LineWriter::new(OutputStream::Stdout, seen.clone());
        for write in writes {
            writer.feed(write);
        }
        drop(writer);
        std::mem::take(&mut seen.0.lock().unwrap())
    }

    #[test]
    fn lines_end_where_they_should() {
        assert_eq!(lines(&[b"a", b"b\nc\r\n\nd"]), [&b"ab"[..], b"c", b"", b"d"]);
        assert!(lines(&[b""]).is_empty());
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_loses_nothing() {
        let long = vec![b'x'; 2 * LINE_MAX + 5];
        let sizes: Vec<_> = lines(&[&long, b"\n"]).iter().map(Vec::len).collect();
        assert_eq!(sizes, [LINE_MAX, LINE_MAX, 5]);
        let exact = vec![b'x'; LINE_MAX];
        assert_eq!(lines(&[&exact, b"\n"]).len(), 1);
    }
}
