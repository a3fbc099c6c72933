//! Compiled code on disk.
//!
//! `cache_dir/<fingerprint>/<component>.cwasm`: the code as wasmtime writes it, then a trailer with
//! our magic, the fingerprint, the code's length and its SHA-256. Compiled code is native code that
//! will be run, so a file whose trailer does not fit is treated as if it were not there. Entries
//! appear whole (written aside, then renamed); a lost one is compiled again, so nothing is synced. A
//! folder that can't be written to only means that nothing is kept.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use skep_api::Digest;

/// How much compiled code is kept. The oldest goes first; a running task keeps what it has mapped.
pub const CODE_CACHE_MAX: u64 = 1 << 30;

/// The last bytes of every entry; the digit is the layout's version.
const MAGIC: &[u8; 8] = b"skepaot1";
const TRAILER_LEN: usize = 8 + 8 + 32 + MAGIC.len();
const EXTENSION: &str = "cwasm";

/// The compiled code that one kind of engine can load.
pub(crate) struct CodeCache {
    dir: PathBuf,
    fingerprint: u64,
}

impl CodeCache {
    /// The cache for engines with that fingerprint. Code for others is removed: an upgrade made it
    /// useless.
    pub(crate) fn open(cache_dir: &Path, fingerprint: u64) -> Self {
        let dir = cache_dir.join(format!("{fingerprint:016x}"));
        for entry in fs::read_dir(cache_dir).into_iter().flatten().flatten() {
            if entry.path() != dir && is_fingerprint(&entry.path()) {
                // What can't be removed is only in the way.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        if let Err(error) = fs::create_dir_all(&dir) {
            tracing::warn!(%error, dir = %dir.display(), "compiled code will not be kept");
        }
        Self { dir, fingerprint }
    }

    /// The entry of a component, if there is a sound one.
    pub(crate) fn find(&self, component: &Digest) -> Option<PathBuf> {
        let path = self.path(component);
        match self.check(&path) {
            Ok(()) => Some(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "compiled code is not usable");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Whether there is an entry of a component, sound or not.
    pub(crate) fn has(&self, component: &Digest) -> bool {
        self.path(component).exists()
    }

    /// The same of all engines' entries in a folder that no cache was opened on: as a rule there is
    /// one engine's, that of this version.
    pub(crate) fn any_has(cache_dir: &Path, component: &Digest) -> bool {
        let folders = fs::read_dir(cache_dir).into_iter().flatten().flatten();
        let mut folders = folders.map(|entry| entry.path()).filter(|path| is_fingerprint(path));
        folders.any(|dir| entry_path(&dir, component).exists())
    }

    /// Keeps a component's code, and says where.
    pub(crate) fn store(&self, component: &Digest, code: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(component);
        let aside = path.with_extension("new");
        let write = || {
            let mut file = File::create(&aside)?;
            file.write_all(code)?;
            file.write_all(&self.trailer(code.len() as u64, &Sha256::digest(code)))?;
            fs::rename(&aside, &path)
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&aside);
        })?;
        self.trim(&path);
        Ok(path)
    }

    /// Forgets an entry that turned out to be of no use.
    pub(crate) fn remove(&self, component: &Digest) {
        let _ = fs::remove_file(self.path(component));
    }

    fn path(&self, component: &Digest) -> PathBuf {
        entry_path(&self.dir, component)
    }

    fn trailer(&self, len: u64, digest: &[u8]) -> Vec<u8> {
        [&self.fingerprint.to_le_bytes(), &len.to_le_bytes()[..], digest, MAGIC].concat()
    }

    fn check(&self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let damaged = |what| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        let Some(len) = file.metadata()?.len().checked_sub(TRAILER_LEN as u64) else {
            return damaged("it is too short");
        };
        file.seek(SeekFrom::Start(len))?;
        let mut trailer = [0; TRAILER_LEN];
        file.read_exact(&mut trailer)?;
        file.rewind()?;
        if trailer[..] != self.trailer(len, &sha256(file.take(len))?) {
            return damaged("its bytes are not those that were written");
        }
        Ok(())
    }

    /// Removes the oldest entries until the rest is within the limit; `newest` stays.
    fn trim(&self, newest: &Path) {
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(&self.dir)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                Some((meta.modified().ok()?, meta.len(), entry.path()))
            })
            .collect();
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in entries {
            if total <= CODE_CACHE_MAX {
                return;
            }
            if path != newest && fs::remove_file(&path).is_ok() {
                total -= len;
            }
        }
    }
}

fn entry_path(dir: &Path, component: &Digest) -> PathBuf {
    dir.join(component.hex()).with_extension(EXTENSION)
}

fn sha256(mut from: impl Read) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            len => hasher.update(&buffer[..len]),
        }
    }
}

fn is_fingerprint(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 16 && u64::from_str_radix(name, 16).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: Digest = Digest([7; 32]);

    #[test]
    fn what_was_stored_is_found_by_the_same_engine_alone() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(dir.path(), 1);
        assert_eq!(cache.find(&COMPONENT), None);
        let path = cache.store(&COMPONENT, b"code").unwrap();
        assert_eq!(cache.find(&COMPONENT), Some(path.clone()));
        assert!(fs::read(&path).unwrap().starts_with(b"code"));
        let newer = CodeCache::open(dir.path(), 2);
        assert_eq!(newer.find(&COMPONENT), None);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_kept_is_known_before_any_engine_is_made() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!CodeCache::any_has(&dir.path().join("nowhere"), &COMPONENT));
        let cache = CodeCache::open(dir.path(), 1);
        assert!(!cache.has(&COMPONENT) && !CodeCache::any_has(dir.path(), &COMPONENT));
        cache.store(&COMPONENT, b"code").unwrap();
        assert!(cache.has(&COMPONENT) && CodeCache::any_has(dir.path(), &COMPONENT));
        assert!(!CodeCache::any_has(dir.path(), &Digest([8; 32])));
    }

    #[test]
    fn a_damaged_entry_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(dir.path(), 1);
        let path = cache.store(&COMPONENT, b"some code").unwrap();
        let sound = fs::read(&path).unwrap();
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.find(&COMPONENT), None, "byte {at}");
            fs::write(&path, &sound[..at]).unwrap();
            assert_eq!(cache.find(&COMPONENT), None, "cut at {at}");
        }
    }

    #[test]
    fn code_of_another_engine_is_refused_under_any_name() {
        let dir = tempfile::tempdir().unwrap();
        let other = CodeCache::open(dir.path(), 1).store(&COMPONENT, b"code").unwrap();
        let bytes = fs::read(other).unwrap();
        let cache = CodeCache::open(dir.path(), 2);
        fs::write(cache.path(&COMPONENT), bytes).unwrap();
        assert_eq!(cache.find(&COMPONENT), None);
    }

    #[test]
    fn nothing_is_kept_where_nothing_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let cache = CodeCache::open(&file, 1);
        assert!(cache.store(&COMPONENT, b"code").is_err());
        assert_eq!(cache.find(&COMPONENT), None);
    }
}
