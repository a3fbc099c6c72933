//! The database file: tables of sealed protobuf records, written in durable batches.
//!
//! Knows records and indexes, not what they mean. A batch is on the disk for good when `write`
//! returns. A file that is damaged, foreign, of another format or under another key is refused
//! before a byte of it is changed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};

use prost::Message;
use redb::backends::FileBackend;
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    StorageBackend, TableDefinition, TableError, WriteTransaction,
};
use skep_wire::pb;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::held::Held;
use crate::crypt::{KeyError, Place, Sealer, Unsealable};

/// The database's file in the manager's folder.
pub(crate) const DB_FILE: &str = "raft.redb";
/// The form of what is in the file. Raised when older Skeps could not read it.
const FORMAT: u64 = 1;
/// How a file of redb begins.
const REDB_MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";
/// Where redb's file format says how the file was left, behind the magic number.
const STATE_BYTE: u64 = REDB_MAGIC.len() as u64;
/// The bit for: in use, or cut off.
const STATE_CUT_OFF: u8 = 2;
/// The bit for: what is free was written down at the end and need not be found out.
const STATE_HAS_ALLOCATOR: u8 = 4;
/// How far redb says that a repair is when the checksums of the last root do not hold.
const ROOT_BROKEN: f64 = 0.3;
/// redb takes a gigabyte unless told otherwise. The state is in memory anyway: pages are read once
/// at the start, and the few that an append touches fit in here.
const CACHE_BYTES_MAX: usize = 2 << 20;
/// A snapshot is sealed in pieces of this size: sealing and opening need a whole piece at once.
const CHUNK_BYTES_MAX: usize = 1 << 20;

const FORMATS: TableDefinition<'_, (), u64> = TableDefinition::new("format");
const RECORDS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("records");
const LOG: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("log");
const SNAPSHOT: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("snapshot");

/// The single records, by the name they have in the file and are sealed to.
pub(crate) mod record {
    /// Which member of the raft group this is (`pb::Member`). There from the first moment on.
    pub(crate) const SELF: &str = "self";
    /// The vote (`pb::Vote`).
    pub(crate) const VOTE: &str = "vote";
    /// The last log id known to be committed (`pb::LogId`).
    pub(crate) const COMMITTED: &str = "committed";
    /// The last log id that was removed (`pb::LogId`).
    pub(crate) const PURGED: &str = "purged";
    /// What the snapshot is (`pb::SnapshotMeta`).
    pub(crate) const SNAPSHOT: &str = "snapshot";
}

/// The database can't be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// There is no database.
    #[error("`{0}` is missing: the folder holds no manager's data")]
    Missing(PathBuf),
    /// There is one where a new one was to be made.
    #[error("`{0}` is there already: the folder holds a manager's data")]
    Exists(PathBuf),
    /// Another process has it.
    #[error("`{0}` is in use by another process")]
    InUse(PathBuf),
    /// It is something else.
    #[error("`{0}` is not a manager's database")]
    Foreign(PathBuf),
    /// Another Skep wrote it.
    #[error("`{path}` has format {found}, this Skep reads format {FORMAT}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It lost something.
    #[error("`{path}` is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The key can't be used.
    #[error(transparent)]
    Key(KeyError),
    /// A record does not open.
    #[error(transparent)]
    Sealed(Unsealable),
    /// A record opens, and is not what it should be.
    #[error("{0} can't be read: {1}")]
    Content(Place, String),
    /// The snapshot opens, and is not what it should be.
    #[error("the snapshot can't be read: {0}")]
    Snapshot(String),
    /// The file can't be read or written.
    #[error("can't read or write `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The database failed while it was in use.
    #[error("the manager's database failed")]
    Redb(#[source] redb::Error),
}

/// A snapshot as it is stored: what it is, and its bytes.
pub(crate) type StoredSnapshot = (pb::SnapshotMeta, Zeroizing<Vec<u8>>);

/// What redb answers, as ours.
fn failed(error: impl Into<redb::Error>) -> DbError {
    DbError::Redb(error.into())
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Db {
    redb: Database,
    sealer: Sealer,
    /// Dropped behind the database, so that the other end learns that it is closed.
    closed: Option<oneshot::Sender<()>>,
}

impl Db {
    /// Makes the database of a new member in `file`, which is not there yet.
    pub(crate) fn create(
        file: &Path,
        sealer: Sealer,
        member: &pb::Member,
    ) -> Result<Self, DbError> {
        let new = OpenOptions::new().read(true).write(true).create_new(true).open(file);
        let opened = new.and_then(|new| FileBackend::new(new).map_err(io::Error::other));
        let backend = opened.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => DbError::Exists(file.to_owned()),
            _ => DbError::Io { path: file.to_owned(), source },
        })?;
        Self::create_in(backend, sealer, member)
    }

    /// Makes the database of a new member.
    pub(crate) fn create_in(
        backend: impl StorageBackend,
        sealer: Sealer,
        member: &pb::Member,
    ) -> Result<Self, DbError> {
        let redb = builder().create_with_backend(backend).map_err(failed)?;
        let db = Self { redb, sealer, closed: None };
        db.write(|batch| {
            batch.txn.open_table(LOG).map_err(failed)?;
            batch.txn.open_table(SNAPSHOT).map_err(failed)?;
            batch.put_format(FORMAT)?;
            batch.put(record::SELF, member)
        })?;
        Ok(db)
    }

    /// Opens the database in `file` and reads all of it once. Nothing is written before all of it
    /// was found good.
    pub(crate) fn open(file: &Path, sealer: Sealer) -> Result<Self, DbError> {
        Self::open_in(open_file(file)?, file, sealer)
    }

    /// Opens the database in `backend`, which messages call `file`.
    pub(crate) fn open_in(
        backend: impl StorageBackend,
        file: &Path,
        sealer: Sealer,
    ) -> Result<Self, DbError> {
        let held = Held::new(backend);
        let io_error = |source| DbError::Io { path: file.to_owned(), source };
        let end = distrust(&held).map_err(io_error)?;
        let redb = builder()
            .set_repair_callback(move |session| {
                // Only then is a root broken. After a crash it may be, and the one before is good.
                if end == End::Clean && session.progress() == ROOT_BROKEN {
                    session.abort();
                }
            })
            .create_with_backend(held.clone())
            .map_err(|error| not_opened(file, error))?;
        let db = Self { redb, sealer, closed: None };
        db.check(file).map_err(|error| match error {
            DbError::Redb(e) => DbError::Damaged { path: file.to_owned(), what: e.to_string() },
            other => other,
        })?;
        held.release().map_err(io_error)?;
        Ok(db)
    }

    /// What ends, with an error, when the database is closed.
    pub(crate) fn on_close(&mut self) -> oneshot::Receiver<()> {
        let (open, closed) = oneshot::channel();
        self.closed = Some(open);
        closed
    }

    /// Whether this is a database of ours, under our key, with every record whole.
    fn check(&self, file: &Path) -> Result<(), DbError> {
        let txn = self.redb.begin_read().map_err(failed)?;
        let formats = match txn.open_table(FORMATS) {
            Err(TableError::Storage(e)) => return Err(failed(e)),
            Err(_) => return Err(DbError::Foreign(file.to_owned())),
            Ok(formats) => formats,
        };
        match formats.get(()).map_err(failed)?.map(|format| format.value()) {
            Some(FORMAT) => {}
            Some(found) => return Err(DbError::Format { path: file.to_owned(), found }),
            None => return Err(DbError::Foreign(file.to_owned())),
        }
        let damaged = |what: String| DbError::Damaged { path: file.to_owned(), what };
        if self.get::<pb::Member>(record::SELF)?.is_none() {
            return Err(damaged(format!("it has no record `{}`", record::SELF)));
        }
        let mut last: Option<u64> = None;
        for row in txn.open_table(LOG).map_err(failed)?.iter().map_err(failed)? {
            let (index, sealed) = row.map_err(failed)?;
            let index = index.value();
            if last.is_some_and(|last| last + 1 != index) {
                return Err(damaged(format!("log entries before {index} are missing")));
            }
            self.sealer.open(Place::Entry(index), sealed.value()).map_err(DbError::Sealed)?;
            last = Some(index);
        }
        self.snapshot().map(|_| ())
    }

    /// The record of that name.
    pub(crate) fn get<M: Message + Default>(
        &self,
        name: &'static str,
    ) -> Result<Option<M>, DbError> {
        let txn = self.redb.begin_read().map_err(failed)?;
        let records = txn.open_table(RECORDS).map_err(failed)?;
        let Some(sealed) = records.get(name).map_err(failed)? else { return Ok(None) };
        self.decode(Place::Named(name), sealed.value()).map(Some)
    }

    /// The log entries of these indexes, as far as there are any.
    pub(crate) fn entries(
        &self,
        range: impl RangeBounds<u64>,
    ) -> Result<Vec<pb::LogEntry>, DbError> {
        let txn = self.redb.begin_read().map_err(failed)?;
        let log = txn.open_table(LOG).map_err(failed)?;
        let rows = log.range(range).map_err(failed)?;
        rows.map(|row| {
            let (index, sealed) = row.map_err(failed)?;
            self.decode(Place::Entry(index.value()), sealed.value())
        })
        .collect()
    }

    /// The last entry of the log.
    pub(crate) fn last_entry(&self) -> Result<Option<pb::LogEntry>, DbError> {
        let txn = self.redb.begin_read().map_err(failed)?;
        let log = txn.open_table(LOG).map_err(failed)?;
        let Some((index, sealed)) = log.last().map_err(failed)? else { return Ok(None) };
        self.decode(Place::Entry(index.value()), sealed.value()).map(Some)
    }

    /// The snapshot, if there is one.
    pub(crate) fn snapshot(&self) -> Result<Option<StoredSnapshot>, DbError> {
        let Some(meta) = self.get::<pb::SnapshotMeta>(record::SNAPSHOT)? else { return Ok(None) };
        let txn = self.redb.begin_read().map_err(failed)?;
        let chunks = txn.open_table(SNAPSHOT).map_err(failed)?;
        let parts = u32::try_from(chunks.len().map_err(failed)?).unwrap_or(u32::MAX);
        let index = last_index(&meta);
        let mut bytes = Zeroizing::new(Vec::new());
        for row in chunks.iter().map_err(failed)? {
            let (part, sealed) = row.map_err(failed)?;
            let place = Place::Chunk { index, part: part.value(), parts };
            let clear = self.sealer.open(place, sealed.value()).map_err(DbError::Sealed)?;
            bytes.extend_from_slice(&clear);
        }
        Ok(Some((meta, bytes)))
    }

    /// Does what `fill` asks for, all of it or nothing, and on the disk for good.
    pub(crate) fn write(
        &self,
        fill: impl FnOnce(&Batch<'_>) -> Result<(), DbError>,
    ) -> Result<(), DbError> {
        let mut txn = self.redb.begin_write().map_err(failed)?;
        txn.set_durability(Durability::Immediate).map_err(failed)?;
        fill(&Batch { txn: &txn, sealer: &self.sealer })?;
        txn.commit().map_err(failed)
    }

    fn decode<M: Message + Default>(&self, place: Place, sealed: &[u8]) -> Result<M, DbError> {
        let clear = self.sealer.open(place, sealed).map_err(DbError::Sealed)?;
        M::decode(clear.as_slice()).map_err(|e| DbError::Content(place, e.to_string()))
    }
}

/// What is written together.
pub(crate) struct Batch<'a> {
    txn: &'a WriteTransaction,
    sealer: &'a Sealer,
}

impl Batch<'_> {
    /// Says what form the file has.
    pub(super) fn put_format(&self, format: u64) -> Result<(), DbError> {
        let mut formats = self.txn.open_table(FORMATS).map_err(failed)?;
        formats.insert((), format).map_err(failed)?;
        Ok(())
    }

    /// The record of that name, from now on.
    pub(crate) fn put(&self, name: &'static str, message: &impl Message) -> Result<(), DbError> {
        let sealed = self.seal(Place::Named(name), message)?;
        let mut records = self.txn.open_table(RECORDS).map_err(failed)?;
        records.insert(name, sealed.as_slice()).map_err(failed)?;
        Ok(())
    }

    /// Puts entries into the log, each at the index it carries.
    pub(crate) fn append(&self, entries: &[(u64, pb::LogEntry)]) -> Result<(), DbError> {
        let mut log = self.txn.open_table(LOG).map_err(failed)?;
        for (index, entry) in entries {
            let sealed = self.seal(Place::Entry(*index), entry)?;
            log.insert(index, sealed.as_slice()).map_err(failed)?;
        }
        Ok(())
    }

    /// Takes the entries of these indexes out of the log.
    pub(crate) fn remove(&self, range: impl RangeBounds<u64>) -> Result<(), DbError> {
        let mut log = self.txn.open_table(LOG).map_err(failed)?;
        log.retain_in(range, |_, _| false).map_err(failed)
    }

    /// The snapshot, from now on.
    pub(crate) fn put_snapshot(
        &self,
        meta: &pb::SnapshotMeta,
        bytes: &[u8],
    ) -> Result<(), DbError> {
        self.put(record::SNAPSHOT, meta)?;
        let mut table = self.txn.open_table(SNAPSHOT).map_err(failed)?;
        table.retain(|_, _| false).map_err(failed)?;
        let (index, parts) = (last_index(meta), bytes.chunks(CHUNK_BYTES_MAX).len() as u32);
        for (part, chunk) in (0..parts).zip(bytes.chunks(CHUNK_BYTES_MAX)) {
            let place = Place::Chunk { index, part, parts };
            let sealed = self
                .sealer
                .seal(place, chunk.len(), |out| out.extend_from_slice(chunk))
                .map_err(failed_seal)?;
            table.insert(part, sealed.as_slice()).map_err(failed)?;
        }
        Ok(())
    }

    fn seal(&self, place: Place, message: &impl Message) -> Result<Vec<u8>, DbError> {
        // Encoding into a growing buffer never fails.
        let encode = |out: &mut Vec<u8>| message.encode_raw(out);
        self.sealer.seal(place, message.encoded_len(), encode).map_err(failed_seal)
    }
}

fn failed_seal(error: io::Error) -> DbError {
    failed(redb::Error::Io(error))
}

fn last_index(meta: &pb::SnapshotMeta) -> u64 {
    meta.last_log_id.as_ref().map_or(0, |id| id.index)
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES_MAX);
    builder
}

/// Opens the file if it looks like one of redb's; redb would make an empty one into its own.
fn open_file(path: &Path) -> Result<FileBackend, DbError> {
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DbError::Missing(path.to_owned()),
        _ => DbError::Io { path: path.to_owned(), source },
    };
    let mut start = Vec::with_capacity(REDB_MAGIC.len());
    let file = File::open(path).map_err(io_error)?;
    file.take(REDB_MAGIC.len() as u64).read_to_end(&mut start).map_err(io_error)?;
    if start != REDB_MAGIC {
        return Err(DbError::Foreign(path.to_owned()));
    }
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(io_error)?;
    FileBackend::new(file).map_err(failed)
}

/// How the file was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Closed.
    Clean,
    /// Cut off.
    Crash,
}

/// Tells redb, in what is held back, that the file was cut off: only then does it compare all
/// checksums before it believes a page, and a damaged page can make it panic later.
fn distrust(held: &Held) -> io::Result<End> {
    if held.len()? <= STATE_BYTE {
        return Ok(End::Crash);
    }
    let mut state = [0];
    held.read(STATE_BYTE, &mut state)?;
    let [before] = state;
    held.write(STATE_BYTE, &[(before | STATE_CUT_OFF) & !STATE_HAS_ALLOCATOR])?;
    let clean = before & (STATE_CUT_OFF | STATE_HAS_ALLOCATOR) == STATE_HAS_ALLOCATOR;
    Ok(if clean { End::Clean } else { End::Crash })
}

fn not_opened(path: &Path, error: DatabaseError) -> DbError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => DbError::InUse(path.to_owned()),
        other => DbError::Damaged { path: path.to_owned(), what: other.to_string() },
    }
}
