//! The log: one file, a record a line, only ever added to, and rewritten when most of it is past.
//!
//! Order is what makes it durable. A change is written, then synced, then answered. A rewrite goes
//! to a file beside the log, is synced, takes the log's name, and the folder is synced before
//! anything is added to it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use todo_items::{Format, List, ListError, Record};

/// A log shorter than this is not worth rewriting.
const REWRITE_BYTES_MIN: u64 = 64 * 1024;

/// A log is rewritten when it is so many times as long as what it holds.
const REWRITE_FACTOR: u64 = 4;

/// A log is never longer than this when it is opened: it holds at most `ITEMS_MAX` short items,
/// so one that is longer was not written here.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// The items and the file that keeps them.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    file: File,
    format: Format,
    list: List,
    /// Where the next record goes; whatever is behind it is the rest of a failed write.
    end: u64,
    /// How long the file was when it was written anew.
    rewritten: u64,
    /// Whether something was added since the last sync.
    added: bool,
}

/// Why a log can't be opened or written.
#[derive(Debug)]
pub enum LogError {
    /// The list does not take the change.
    Refused(ListError),
    /// The change could not be written; the log is as it was.
    NotWritten(io::Error),
    /// The file system failed so that what is on the disk is not known.
    Failed(&'static str, io::Error),
    /// The file is of a newer release, or no log at all.
    Foreign(PathBuf),
    /// A record in the middle is not what was written.
    Damaged(PathBuf, usize),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "{error}"),
            Self::NotWritten(error) => write!(f, "the change could not be stored: {error}"),
            Self::Failed(act, error) => write!(f, "{act} failed: {error}"),
            Self::Foreign(path) => write!(
                f,
                "{} is not a log that this release reads: deploy the newer release again",
                path.display()
            ),
            Self::Damaged(path, line) => {
                write!(f, "{} is damaged in line {line}; it was not touched", path.display())
            }
        }
    }
}

impl Log {
    /// Opens the log in that folder, or makes one. An older format is taken over into this one.
    pub fn open(folder: &Path, format: Format) -> Result<Self, LogError> {
        let path = folder.join("todo.log");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| LogError::Failed("opening the log", error))?;
        let length = file.metadata().map_err(|error| LogError::Failed("reading the log", error))?;
        if length.len() > LOG_BYTES_MAX {
            return Err(LogError::Foreign(path));
        }
        let bytes = fs::read(&path).map_err(|error| LogError::Failed("reading the log", error))?;
        let read = replay(&bytes, &path)?;
        if read.format.is_some_and(|found| found > format) {
            return Err(LogError::Foreign(path));
        }
        let end = read.end as u64;
        let folder = folder.to_owned();
        let mut log =
            Self { folder, file, format, list: read.list, end, rewritten: end, added: false };
        if read.format == Some(format) {
            log.cut()?;
        } else {
            log.rewrite()?;
        }
        Ok(log)
    }

    /// The items.
    pub const fn list(&self) -> &List {
        &self.list
    }

    /// Adds a change. It is not on the disk before [`Self::sync`] says so.
    pub fn append(&mut self, record: Record) -> Result<(), LogError> {
        self.list.check(&record).map_err(LogError::Refused)?;
        let line = record.encode(self.format);
        if let Err(error) = self.write(line.as_bytes()) {
            // Part of the line may be there. The next record must not stand behind it.
            self.cut()?;
            return Err(LogError::NotWritten(error));
        }
        self.end += line.len() as u64;
        self.list.apply(record);
        self.added = true;
        Ok(())
    }

    /// Brings all changes to the disk. After a failure nothing is known of them: the caller ends
    /// the process, and the next one reads what there is.
    pub fn sync(&mut self) -> Result<(), LogError> {
        if !self.added {
            return Ok(());
        }
        self.file.sync_all().map_err(|error| LogError::Failed("syncing the log", error))?;
        self.added = false;
        if self.end > REWRITE_BYTES_MIN && self.end > self.rewritten * REWRITE_FACTOR {
            // Rewriting saves room; where there is none for it, the log is good as it is.
            match self.rewrite() {
                Err(LogError::NotWritten(error)) => {
                    eprintln!("the log stays as long as it is: {error}");
                    self.rewritten = self.end;
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)
    }

    /// Drops what is behind the last whole record.
    fn cut(&mut self) -> Result<(), LogError> {
        self.file
            .set_len(self.end)
            .and_then(|()| self.file.sync_all())
            .map_err(|error| LogError::Failed("cutting the log", error))
    }

    fn rewrite(&mut self) -> Result<(), LogError> {
        let new = self.folder.join("todo.log.new");
        let mut text = format!("{}\n", self.format.header());
        self.list.records().for_each(|record| text += &record.encode(self.format));
        let written = File::create(&new).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(file)
        });
        let file = written.map_err(|error| {
            // What is left of it would only take room; the next rewrite replaces it anyway.
            let _ = fs::remove_file(&new);
            LogError::NotWritten(error)
        })?;
        fs::rename(&new, self.folder.join("todo.log"))
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .map_err(|error| LogError::Failed("replacing the log", error))?;
        self.file = file;
        self.end = text.len() as u64;
        self.rewritten = self.end;
        Ok(())
    }
}

/// What a log's bytes say.
struct Replayed {
    /// None if the file was empty, or ended within its first line.
    format: Option<Format>,
    list: List,
    /// The length of what is whole.
    end: usize,
}

fn replay(bytes: &[u8], path: &Path) -> Result<Replayed, LogError> {
    let mut read = Replayed { format: None, list: List::default(), end: 0 };
    let mut bad = None;
    for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let whole = line.strip_suffix(b"\n");
        let Some(format) = read.format else {
            let known = [Format::One, Format::Two].map(|format| format.header().as_bytes());
            let Some(header) = whole else {
                // Cut off while it was made: nothing was ever in it.
                return if known.iter().any(|known| known.starts_with(line)) {
                    Ok(read)
                } else {
                    Err(LogError::Foreign(path.to_owned()))
                };
            };
            let header = std::str::from_utf8(header).ok().and_then(Format::from_header);
            read.format = Some(header.ok_or_else(|| LogError::Foreign(path.to_owned()))?);
            read.end = line.len();
            continue;
        };
        match whole.map(|line| Record::decode(line, format)) {
            // A good record behind a bad one: that was no torn write.
            Some(Ok(_)) if bad.is_some() => {
                return Err(LogError::Damaged(path.to_owned(), bad.unwrap_or_default()));
            }
            Some(Ok(record)) => {
                read.list.apply(record);
                read.end += line.len();
            }
            Some(Err(_)) | None => bad = bad.or(Some(at + 1)),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use todo_items::{Item, State, Title};

    /// A folder of its own, gone when the test is.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("todo-db-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).expect("a temporary folder");
            Self(path)
        }

        fn log(&self) -> PathBuf {
            self.0.join("todo.log")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn add(log: &mut Log, title: &str) {
        let title = Title::new(title).expect("a title");
        let item =
            Item { id: log.list().next_id(), state: State::Open, added_secs: Some(5), title };
        log.append(Record::Add(item)).expect("room for it");
        log.sync().expect("it is synced");
    }

    fn titles(log: &Log) -> Vec<String> {
        log.list().items().map(|item| item.title.as_str().to_owned()).collect()
    }

    #[test]
    fn a_log_cut_anywhere_keeps_every_whole_record() {
        let folder = Folder::new("cut");
        let mut log = Log::open(&folder.0, Format::One).expect("a new log");
        let mut ends = vec![log.end];
        for title in ["milk", "bread", "tea"] {
            add(&mut log, title);
            ends.push(log.end);
        }
        let whole = fs::read(folder.log()).expect("the log");
        for at in ends[0] as usize..=whole.len() {
            fs::write(folder.log(), &whole[..at]).expect("a cut log");
            let mut log = Log::open(&folder.0, Format::One).expect("a cut log opens");
            let kept = ends.iter().filter(|end| **end <= at as u64).count() - 1;
            assert_eq!(titles(&log), ["milk", "bread", "tea"][..kept], "cut at {at}");
            add(&mut log, "more");
            let again = Log::open(&folder.0, Format::One).expect("it opens again");
            assert_eq!(titles(&again).len(), kept + 1, "cut at {at}");
        }
    }

    #[test]
    fn damage_in_the_middle_stops_it_and_touches_nothing() {
        let folder = Folder::new("damage");
        let mut log = Log::open(&folder.0, Format::Two).expect("a new log");
        add(&mut log, "milk");
        add(&mut log, "bread");
        let mut bytes = fs::read(folder.log()).expect("the log");
        let at = bytes.len() - 40;
        bytes[at] ^= 1;
        fs::write(folder.log(), &bytes).expect("a damaged log");
        let error = Log::open(&folder.0, Format::Two).expect_err("it is damaged");
        assert!(matches!(error, LogError::Damaged(..)), "{error}");
        assert_eq!(fs::read(folder.log()).expect("the log"), bytes);
    }

    #[test]
    fn release_2_takes_over_what_release_1_stored_and_not_the_other_way_round() {
        let folder = Folder::new("formats");
        add(&mut Log::open(&folder.0, Format::One).expect("a new log"), "milk");
        let mut two = Log::open(&folder.0, Format::Two).expect("release 2 reads it");
        assert_eq!(titles(&two), ["milk"]);
        add(&mut two, "bread");
        let error = Log::open(&folder.0, Format::One).expect_err("release 1 does not");
        assert!(matches!(error, LogError::Foreign(_)), "{error}");
        let two = Log::open(&folder.0, Format::Two).expect("release 2 still does");
        assert_eq!(titles(&two), ["milk", "bread"]);
    }

    #[test]
    fn a_log_that_is_mostly_past_is_rewritten() {
        let folder = Folder::new("rewrite");
        let mut log = Log::open(&folder.0, Format::Two).expect("a new log");
        add(&mut log, "milk");
        let id = log.list().items().next().expect("an item").id;
        for at in 0..5000 {
            let state = if at % 2 == 0 { State::Done } else { State::Open };
            log.append(Record::Tick(id, state)).expect("it is ticked");
            if at % 500 == 0 {
                log.sync().expect("it is synced");
            }
        }
        assert!(fs::metadata(folder.log()).expect("the log").len() < REWRITE_BYTES_MIN);
        add(&mut log, "bread");
        let again = Log::open(&folder.0, Format::Two).expect("it opens");
        assert_eq!(titles(&again), ["milk", "bread"]);
    }
}
