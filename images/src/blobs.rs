//! Files under their digests: `blobs/sha256/<hex>`.
//!
//! A blob is written to `partial/`, hashed on the way, synced, and only then renamed to its
//! digest; the rename itself is synced before anybody is told. A crash at any moment leaves a file
//! in `partial/`, which the next start removes, never a wrong one under a digest.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use skep_api::{Bytes, Digest};
use tokio::io::AsyncWriteExt;

use crate::ImageError;

/// The blobs below one folder.
pub(crate) struct Blobs {
    finished: PathBuf,
    partial: PathBuf,
    next: AtomicU64,
}

/// A blob on its way in. Dropped, it leaves nothing behind.
pub(crate) struct Partial {
    file: tokio::fs::File,
    hasher: Sha256,
    written: u64,
    max: Bytes,
    guard: RemoveOnDrop,
}

/// A blob that is all there, but not visible yet.
pub(crate) struct Finished {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    guard: RemoveOnDrop,
}

/// The blob is larger than its limit.
#[derive(Debug)]
pub(crate) struct Overflow;

impl Blobs {
    /// Opens the folder and removes what a crash left half-written. The caller holds the lock on
    /// the data folder: nobody else writes here.
    pub(crate) fn open(root: &Path) -> Result<Self, ImageError> {
        let finished = root.join("blobs").join("sha256");
        let partial = root.join("partial");
        for dir in [&finished, &partial] {
            std::fs::create_dir_all(dir).map_err(ImageError::io("make the folder", dir))?;
        }
        for entry in read_dir(&partial)? {
            std::fs::remove_file(&entry).map_err(ImageError::io("remove", &entry))?;
        }
        Ok(Self { finished, partial, next: AtomicU64::new(0) })
    }

    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.finished.join(digest.hex())
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Reads a small blob that was checked when it came in.
    pub(crate) async fn read(&self, digest: &Digest) -> Result<Vec<u8>, ImageError> {
        let path = self.path(digest);
        tokio::fs::read(&path).await.map_err(ImageError::io("read", path))
    }

    /// All blobs that are there.
    pub(crate) fn all(&self) -> Result<Vec<Digest>, ImageError> {
        let names = read_dir(&self.finished)?;
        let digest = |path: &PathBuf| {
            let name = path.file_name()?.to_str()?;
            format!("sha256:{name}").parse().ok()
        };
        Ok(names.iter().filter_map(digest).collect())
    }

    /// Removes a blob; it is fine if it is gone already.
    pub(crate) fn remove(&self, digest: &Digest) -> Result<(), ImageError> {
        let path = self.path(digest);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ImageError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Begins a blob of at most `max` bytes.
    pub(crate) async fn create(&self, max: Bytes) -> Result<Partial, ImageError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.partial.join(number.to_string());
        let file =
            tokio::fs::File::create(&path).await.map_err(ImageError::io("make the file", &path))?;
        let guard = RemoveOnDrop { path };
        Ok(Partial { file, hasher: Sha256::new(), written: 0, max, guard })
    }

    /// Makes a finished blob visible under its digest. When this returns it survives a power cut.
    pub(crate) async fn keep(&self, finished: Finished) -> Result<(), ImageError> {
        let (from, to) = (finished.guard.path.clone(), self.path(&finished.digest));
        let dir = self.finished.clone();
        blocking(move || {
            std::fs::rename(&from, &to).map_err(ImageError::io("rename", &from))?;
            sync_dir(&dir)
        })
        .await
    }

    /// Writes a small blob that is in memory already. Returns its digest.
    pub(crate) async fn put(&self, bytes: &[u8]) -> Result<Digest, ImageError> {
        let digest = digest_of(bytes);
        if self.has(&digest) {
            return Ok(digest);
        }
        let mut partial = self.create(Bytes(bytes.len() as u64)).await?;
        let fits = partial.write(bytes).await?;
        assert!(fits.is_ok(), "the limit is the size");
        self.keep(partial.finish().await?).await?;
        Ok(digest)
    }
}

impl Partial {
    /// Adds bytes. The inner error says that the limit is reached.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<Result<(), Overflow>, ImageError> {
        if self.written + bytes.len() as u64 > self.max.0 {
            return Ok(Err(Overflow));
        }
        self.written += bytes.len() as u64;
        self.hasher.update(bytes);
        let failed = ImageError::io("write", &self.guard.path);
        self.file.write_all(bytes).await.map_err(failed).map(Ok)
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// No more comes: syncs it and says what it is.
    pub(crate) async fn finish(mut self) -> Result<Finished, ImageError> {
        self.file.flush().await.map_err(ImageError::io("write", &self.guard.path))?;
        self.file.sync_all().await.map_err(ImageError::io("sync", &self.guard.path))?;
        let digest = Digest(self.hasher.finalize().into());
        Ok(Finished { digest, size: self.written, guard: self.guard })
    }
}

impl Finished {
    /// Where it lies until it is kept.
    pub(crate) fn path(&self) -> &Path {
        &self.guard.path
    }
}

/// The digest of bytes in memory.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Makes what happened to a folder's entries survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), ImageError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(ImageError::io("sync", dir))
}

/// Runs file work off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It is never cancelled, so it panicked: a bug of ours that must not be hidden.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn read_dir(dir: &Path) -> Result<Vec<PathBuf>, ImageError> {
    std::fs::read_dir(dir)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .map_err(ImageError::io("list", dir))
}

struct RemoveOnDrop {
    path: PathBuf,
}

impl Drop for RemoveOnDrop {
    fn drop(&mut self) {
        // Gone if it was renamed. If removing fails, the next start tries again.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(dir: &Path) -> usize {
        read_dir(dir).expect("a folder").len()
    }

    #[tokio::test]
    async fn a_blob_is_visible_only_when_it_is_whole() {
        let root = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(root.path()).expect("open");
        let digest = digest_of(b"hello world");

        let mut partial = blobs.create(Bytes(100)).await.expect("create");
        partial.write(b"hello ").await.expect("write").expect("fits");
        assert!(!blobs.has(&digest));
        partial.write(b"world").await.expect("write").expect("fits");
        let finished = partial.finish().await.expect("finish");
        assert_eq!((finished.digest, finished.size), (digest, 11));
        assert!(!blobs.has(&digest));
        blobs.keep(finished).await.expect("keep");
        assert_eq!(std::fs::read(blobs.path(&digest)).expect("read"), b"hello world");
        assert_eq!(blobs.all().expect("list"), [digest]);
        assert_eq!(files(&root.path().join("partial")), 0);
    }

    #[tokio::test]
    async fn a_blob_that_is_given_up_leaves_nothing() {
        let root = tempfile::tempdir().expect("a folder");
        let blobs = Blobs::open(root.path()).expect("open");
        let mut partial = blobs.create(Bytes(4)).await.expect("create");
        assert!(partial.write(b"12345").await.expect("write").is_err());
        assert_eq!(files(&root.path().join("partial")), 1);
        drop(partial);
        assert_eq!(files(&root.path().join("partial")), 0);
    }

    #[test]
    fn what_a_crash_left_half_written_is_removed_at_the_next_start() {
        let root = tempfile::tempdir().expect("a folder");
        Blobs::open(root.path()).expect("open");
        std::fs::write(root.path().join("partial/0"), b"half").expect("write");
        let blobs = Blobs::open(root.path()).expect("open");
        assert_eq!(files(&root.path().join("partial")), 0);
        assert_eq!(blobs.all().expect("list"), []);
    }
}
