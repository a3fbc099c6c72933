//! Sealing: everything of the swarm that reaches this manager's disk is encrypted before.
//!
//! XChaCha20-Poly1305 with one key a manager, a random nonce a record. What a record is and where
//! it belongs is bound into it, so that one can't be put in another's place. Knows bytes only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// The key's file in the manager's folder.
pub(crate) const KEY_FILE: &str = "raft.key";

/// How a key file begins. Its form changes with a new line here, never silently.
const KEY_HEADER: &[u8] = b"skep raft key 1\n";
const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// The key file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// There is none.
    #[error("the key `{0}` is missing")]
    Missing(PathBuf),
    /// It is something else.
    #[error("`{0}` is not a key of Skep")]
    Foreign(PathBuf),
    /// The disk or the random source failed.
    #[error("can't read or write the key `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A record does not open: another key sealed it, or somebody changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} does not open with this key: the key is another's, or the record was changed")]
pub(crate) struct Unsealable(pub(crate) Place);

/// What a record is and where it belongs; sealed in, so that records can't be swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The log entry of that index.
    Entry(u64),
    /// A chunk of the snapshot that ends with that index.
    Chunk {
        /// The last log index in the snapshot.
        index: u64,
        /// Which chunk.
        part: u32,
        /// Of how many.
        parts: u32,
    },
    /// One of the named records.
    Named(&'static str),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Entry(index) => write!(f, "log entry {index}"),
            Self::Chunk { index, part, parts } => {
                write!(f, "part {} of {parts} of the snapshot at {index}", part + 1)
            }
            Self::Named(name) => write!(f, "the record `{name}`"),
        }
    }
}

impl Place {
    /// The bytes that are bound into the seal. No two places give the same.
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Entry(index) => [&[1][..], &index.to_be_bytes()].concat(),
            Self::Chunk { index, part, parts } => {
                [&[2][..], &index.to_be_bytes(), &part.to_be_bytes(), &parts.to_be_bytes()].concat()
            }
            Self::Named(name) => [&[3][..], name.as_bytes()].concat(),
        }
    }
}

/// Seals and opens records. The key is overwritten with zeroes when it is dropped.
pub(crate) struct Sealer(XChaCha20Poly1305);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// The key in `dir`, made now if there is none. It is on the disk for good, in a folder that
    /// lists it, before anything is sealed with it.
    pub(crate) fn create(dir: &Path) -> Result<Self, KeyError> {
        match Self::load(dir) {
            Err(KeyError::Missing(_)) => {}
            found => return found,
        }
        let path = dir.join(KEY_FILE);
        let key = random::<KEY_LEN>()
            .map(Zeroizing::new)
            .and_then(|key| write_key(&path, &key).map(|()| key))
            .map_err(|source| KeyError::Io { path, source })?;
        Ok(Self::new(&key))
    }

    /// The key in `dir`.
    pub(crate) fn load(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join(KEY_FILE);
        let mut text = Zeroizing::new(Vec::with_capacity(KEY_HEADER.len() + KEY_LEN + 1));
        // One byte more than a key file has: what is longer is none.
        let most = (KEY_HEADER.len() + KEY_LEN + 1) as u64;
        match File::open(&path).and_then(|file| file.take(most).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(KeyError::Missing(path)),
            Err(source) => return Err(KeyError::Io { path, source }),
        }
        let key: Option<&[u8; KEY_LEN]> =
            text.strip_prefix(KEY_HEADER).and_then(|key| key.try_into().ok());
        key.map(Self::new).ok_or(KeyError::Foreign(path))
    }

    fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// Seals what `write` appends to the buffer it is given. `len` is how much that will be: the
    /// clear bytes are never copied, they are encrypted where they were written.
    pub(crate) fn seal(
        &self,
        place: Place,
        len: usize,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<Vec<u8>> {
        let nonce = random::<NONCE_LEN>()?;
        let mut record = Vec::with_capacity(NONCE_LEN + len + TAG_LEN);
        record.extend_from_slice(&nonce);
        write(&mut record);
        let body = record.get_mut(NONCE_LEN..).unwrap_or_default();
        let tag = self
            .0
            .encrypt_inout_detached(&XNonce::from(nonce), &place.bytes(), body.into())
            .map_err(|_| io::Error::other(format!("{place} is too long to be sealed")))?;
        record.extend_from_slice(&tag);
        Ok(record)
    }

    /// Opens a sealed record. The clear bytes are overwritten when they are dropped.
    pub(crate) fn open(
        &self,
        place: Place,
        record: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let bad = || Unsealable(place);
        let (nonce, rest) = record.split_first_chunk::<NONCE_LEN>().ok_or_else(bad)?;
        let (body, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(bad)?;
        let mut clear = Zeroizing::new(body.to_vec());
        self.0
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                &place.bytes(),
                clear.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| bad())?;
        Ok(clear)
    }
}

/// Makes a folder's list of files durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Bytes from the system's random source.
pub(crate) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(bytes)
}

/// Written under another name first: a key file that is there is whole.
fn write_key(path: &Path, key: &[u8; KEY_LEN]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let fresh = path.with_extension("key.new");
    match fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(KEY_HEADER)?;
    file.write_all(key)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn seal(sealer: &Sealer, place: Place, clear: &[u8]) -> Vec<u8> {
        sealer.seal(place, clear.len(), |out| out.extend_from_slice(clear)).expect("random bytes")
    }

    #[test]
    fn a_record_opens_with_its_key_at_its_place_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let sealer = Sealer::create(dir.path()).expect("a key");
        let sealed = seal(&sealer, Place::Entry(7), b"hunter2");
        assert!(!sealed.windows(7).any(|w| w == b"hunter2"));

        let again = Sealer::load(dir.path()).expect("the same key");
        assert_eq!(again.open(Place::Entry(7), &sealed).expect("opens").as_slice(), b"hunter2");
        for elsewhere in
            [Place::Entry(8), Place::Named("vote"), Place::Chunk { index: 7, part: 0, parts: 1 }]
        {
            assert_eq!(again.open(elsewhere, &sealed), Err(Unsealable(elsewhere)));
        }
        let other = tempfile::tempdir().expect("a folder");
        let stranger = Sealer::create(other.path()).expect("a key");
        assert!(stranger.open(Place::Entry(7), &sealed).is_err());
    }

    #[test]
    fn a_changed_or_cut_record_does_not_open() {
        let dir = tempfile::tempdir().expect("a folder");
        let sealer = Sealer::create(dir.path()).expect("a key");
        let sealed = seal(&sealer, Place::Named("vote"), b"a vote");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(Place::Named("vote"), &changed).is_err(), "byte {at}");
            assert!(sealer.open(Place::Named("vote"), &sealed[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn the_same_bytes_never_look_the_same() {
        let dir = tempfile::tempdir().expect("a folder");
        let sealer = Sealer::create(dir.path()).expect("a key");
        let (one, two) =
            (seal(&sealer, Place::Entry(1), b"x"), seal(&sealer, Place::Entry(1), b"x"));
        assert_ne!(one, two);
    }

    #[test]
    fn a_key_file_is_private_and_what_is_none_is_named() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(matches!(Sealer::load(dir.path()), Err(KeyError::Missing(_))));
        Sealer::create(dir.path()).expect("a key");
        let path = dir.path().join(KEY_FILE);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        for bad in [&b""[..], b"skep raft key 1\nshort", &[b'x'; 48], &[b'x'; 4096]] {
            fs::write(&path, bad).expect("written");
            assert!(matches!(Sealer::load(dir.path()), Err(KeyError::Foreign(_))));
            assert!(Sealer::create(dir.path()).is_err(), "a key that is there is never replaced");
        }
    }
}
