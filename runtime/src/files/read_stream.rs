//! Reading a virtual file from the host's memory.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use wasmtime_wasi::p2::{InputStream, Pollable, StreamError, StreamResult};

use super::tree::VirtualFile;

/// The most one read gives, as wasmtime-wasi's own streams do.
pub(super) const READ_MAX: usize = 64 * 1024;

/// Bytes of a virtual file, from a position on.
pub(super) struct ReadStream {
    file: Arc<VirtualFile>,
    position: usize,
}

impl ReadStream {
    pub(super) fn new(file: Arc<VirtualFile>, offset: u64) -> Self {
        let position = usize::try_from(offset).unwrap_or(usize::MAX);
        Self { file, position }
    }
}

/// Where up to `len` bytes from `offset` lie in a file.
pub(super) fn range(file: &VirtualFile, offset: usize, len: usize) -> Range<usize> {
    let size = file.data.bytes().len();
    let start = offset.min(size);
    start..size.min(start.saturating_add(len.min(READ_MAX)))
}

/// A piece of a file, which is not copied: a secret's bytes stay where they are overwritten.
struct Piece {
    file: Arc<VirtualFile>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.file.data.bytes()[self.range.clone()]
    }
}

#[async_trait::async_trait]
impl Pollable for ReadStream {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl InputStream for ReadStream {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let range = range(&self.file, self.position, size);
        if range.is_empty() {
            return Err(StreamError::Closed);
        }
        self.position = range.end;
        Ok(Bytes::from_owner(Piece { file: self.file.clone(), range }))
    }
}
