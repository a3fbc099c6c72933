//! Reading and writing a file in memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::memory::Open;
use super::read_stream::READ_MAX;

/// The most one write takes.
const WRITE_MAX: usize = 64 * 1024;

/// Bytes of a file in memory, from a position on.
pub(super) struct MemoryReadStream {
    pub(super) open: Arc<Open>,
    pub(super) position: u64,
}

#[async_trait::async_trait]
impl Pollable for MemoryReadStream {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for MemoryReadStream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.open.read(self.position, size.min(READ_MAX)).map_err(failed)?;
        if bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        self.position += bytes.len() as u64;
        Ok(bytes.into())
    }
}

/// Writes to a file in memory: from a position on, or at its end.
pub(super) struct MemoryWriteStream {
    pub(super) open: Arc<Open>,
    pub(super) position: Option<u64>,
}

#[async_trait::async_trait]
impl Pollable for MemoryWriteStream {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for MemoryWriteStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let written = match &mut self.position {
                Some(position) => {
                    let written = self.open.write(*position, rest).map_err(failed)?;
                    *position += written as u64;
                    written
                }
                None => self.open.append(rest).map_err(failed)?,
            };
            rest = &rest[written..];
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX)
    }
}

/// Guests ask what a stream's error means by way of the system's error numbers.
fn failed(code: ErrorCode) -> StreamError {
    let errno = match code {
        ErrorCode::InsufficientSpace => Errno::NOSPC,
        ErrorCode::FileTooLarge => Errno::FBIG,
        ErrorCode::IsDirectory => Errno::ISDIR,
        _ => Errno::IO,
    };
    StreamError::LastOperationFailed(io::Error::from(errno).into())
}
