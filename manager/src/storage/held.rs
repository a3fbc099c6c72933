//! A file that is only read until somebody says that it is ours.
//!
//! redb writes while it opens a database (it notes that the file is in use, and repairs after a
//! crash). `Held` keeps these writes back, in their order and with the syncs between them, until
//! `release`: a file that turns out to be damaged, foreign or another key's is left as it was.

use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// What was asked of the file and not done yet.
#[derive(Debug)]
enum Op {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
}

/// A backend whose writes wait for [`Self::release`].
#[derive(Debug, Clone)]
pub(crate) struct Held(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Box<dyn StorageBackend>,
    /// The writes so far; none once they go straight through.
    waiting: Mutex<Option<Vec<Op>>>,
}

impl Held {
    /// Holds back the writes to `file`.
    pub(crate) fn new(file: impl StorageBackend) -> Self {
        Self(Arc::new(Inner { file: Box::new(file), waiting: Mutex::new(Some(Vec::new())) }))
    }

    /// Does what was held back, in its order, and lets everything after it through.
    pub(crate) fn release(&self) -> io::Result<()> {
        let mut waiting = self.waiting();
        for op in waiting.take().unwrap_or_default() {
            match op {
                Op::Write(at, data) => self.0.file.write(at, &data)?,
                Op::SetLen(len) => self.0.file.set_len(len)?,
                Op::Sync => self.0.file.sync_data()?,
            }
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Op>>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes `op` if writes are held back; answers whether they are.
    fn hold(&self, op: impl FnOnce() -> Op) -> bool {
        match &mut *self.waiting() {
            Some(ops) => {
                ops.push(op());
                true
            }
            None => false,
        }
    }
}

/// The file's length after `ops`.
fn len_after(mut len: u64, ops: &[Op]) -> u64 {
    for op in ops {
        match op {
            Op::Write(at, data) => len = len.max(at.saturating_add(data.len() as u64)),
            Op::SetLen(to) => len = *to,
            Op::Sync => {}
        }
    }
    len
}

/// Puts into `out`, the bytes from `offset` on, what `op` did to them.
fn overlay(offset: u64, out: &mut [u8], op: &Op) {
    let end = offset + out.len() as u64;
    match op {
        Op::Write(at, data) => {
            let (from, to) = (offset.max(*at), end.min(at + data.len() as u64));
            if from < to {
                let source = &data[(from - at) as usize..(to - at) as usize];
                out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(source);
            }
        }
        Op::SetLen(len) if *len < end => {
            out[(len.max(&offset) - offset) as usize..].fill(0);
        }
        Op::SetLen(_) | Op::Sync => {}
    }
}

impl StorageBackend for Held {
    fn len(&self) -> io::Result<u64> {
        let len = self.0.file.len()?;
        Ok(self.waiting().as_ref().map_or(len, |ops| len_after(len, ops)))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let waiting = self.waiting();
        let Some(ops) = &*waiting else {
            drop(waiting);
            return self.0.file.read(offset, out);
        };
        let there = self.0.file.len()?;
        if offset.saturating_add(out.len() as u64) > len_after(there, ops) {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        out.fill(0);
        let known = there.saturating_sub(offset).min(out.len() as u64) as usize;
        if known > 0 {
            self.0.file.read(offset, &mut out[..known])?;
        }
        ops.iter().for_each(|op| overlay(offset, out, op));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if self.hold(|| Op::SetLen(len)) { Ok(()) } else { self.0.file.set_len(len) }
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.hold(|| Op::Sync) { Ok(()) } else { self.0.file.sync_data() }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.hold(|| Op::Write(offset, data.to_vec())) {
            return Ok(());
        }
        self.0.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.0.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    fn bytes(file: &dyn StorageBackend) -> Vec<u8> {
        let mut out = vec![0; file.len().expect("a length") as usize];
        file.read(0, &mut out).expect("readable");
        out
    }

    #[test]
    fn held_writes_are_read_back_and_done_only_when_released() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        std::fs::write(&path, b"0123456789").expect("written");
        let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).expect("open");
        let held = Held::new(redb::backends::FileBackend::new(file).expect("a backend"));

        held.write(2, b"ab").expect("held");
        held.set_len(5).expect("held");
        held.set_len(8).expect("held");
        held.write(7, b"XYZ").expect("held");
        held.sync_data().expect("held");
        assert_eq!(bytes(&held), b"01ab4\0\0XYZ");
        let mut middle = [0; 4];
        held.read(3, &mut middle).expect("readable");
        assert_eq!(&middle, b"b4\0\0");
        assert!(held.read(8, &mut middle).is_err(), "behind the end");
        assert_eq!(std::fs::read(&path).expect("there"), b"0123456789");

        held.release().expect("written");
        assert_eq!(std::fs::read(&path).expect("there"), b"01ab4\0\0XYZ");
        held.write(0, b"!").expect("through");
        assert_eq!(std::fs::read(&path).expect("there"), b"!1ab4\0\0XYZ");
    }

    #[test]
    fn without_writes_it_is_the_file() {
        let inner = InMemoryBackend::new();
        inner.set_len(3).expect("memory");
        inner.write(0, b"abc").expect("memory");
        assert_eq!(bytes(&Held::new(inner)), b"abc");
    }
}
