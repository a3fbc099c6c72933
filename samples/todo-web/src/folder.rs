//! Items in the task's own `/tmp`: gone with the task, and known to no other.
//!
//! The instances of a task share the folder and run at the same time. Whoever changes the list
//! holds the lock file, and replaces the list's file as a whole: readers see the old or the new.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use todo_items::{Format, Item, ItemId, List, Record, State};

use crate::storage::{Change, StorageError};

/// How long to wait for the lock between two tries.
const LOCK_TRY: Duration = Duration::from_millis(5);

/// A change takes well under a millisecond: an instance that holds the lock so much longer was
/// ended while it held it, and the lock is taken over.
const LOCK_TRIES_MAX: u32 = 400;

/// A folder with a list in it.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { path: PathBuf::from("/tmp") }
    }

    pub(crate) fn items(&self) -> Result<Vec<Item>, StorageError> {
        Ok(self.read().map_err(unavailable)?.items().cloned().collect())
    }

    pub(crate) fn change(&self, change: Change) -> Result<Option<ItemId>, StorageError> {
        let _lock = Lock::take(&self.path.join("todo.lock")).map_err(unavailable)?;
        let mut list = self.read().map_err(unavailable)?;
        let (record, new) = match change {
            Change::Add(title) => {
                let id = list.next_id();
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let added_secs = now.ok().map(|time| time.as_secs());
                (Record::Add(Item { id, state: State::Open, added_secs, title }), Some(id))
            }
            Change::Tick(id, state) => (Record::Tick(id, state), None),
            Change::Delete(id) => (Record::Delete(id), None),
        };
        list.check(&record)?;
        list.apply(record);
        self.write(&list).map_err(|error| StorageError::Full(format!("/tmp: {error}")))?;
        Ok(new)
    }

    fn read(&self) -> io::Result<List> {
        let text = match fs::read_to_string(self.path.join("todo.list")) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(List::default()),
            Err(error) => return Err(error),
        };
        let mut list = List::default();
        for line in text.lines() {
            let record = Record::decode(line.as_bytes(), Format::Two);
            list.apply(record.map_err(|_| io::Error::other("todo.list is damaged"))?);
        }
        Ok(list)
    }

    fn write(&self, list: &List) -> io::Result<()> {
        let text: String = list.records().map(|record| record.encode(Format::Two)).collect();
        let new = self.path.join("todo.list.new");
        fs::write(&new, text)?;
        fs::rename(new, self.path.join("todo.list"))
    }
}

fn unavailable(error: io::Error) -> StorageError {
    StorageError::Unavailable(format!("the task's /tmp can't be used: {error}"))
}

/// The lock, while it is held.
struct Lock(PathBuf);

impl Lock {
    fn take(path: &Path) -> io::Result<Self> {
        for _ in 0..LOCK_TRIES_MAX {
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(_) => return Ok(Self(path.to_owned())),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    std::thread::sleep(LOCK_TRY);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If it can't be removed, the next one takes it over after its tries.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use todo_items::Title;

    #[test]
    fn many_at_once_lose_nothing() {
        let path = std::env::temp_dir().join(format!("todo-web-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let folder = Folder { path: path.clone() };
                scope.spawn(move || {
                    for at in 0..10 {
                        let title = Title::new(&format!("{thread}.{at}")).expect("a title");
                        folder.change(Change::Add(title)).expect("it is added");
                    }
                });
            }
        });
        let items = Folder { path: path.clone() }.items().expect("the items");
        assert_eq!(items.len(), 40);
        fs::remove_dir_all(path).expect("it is gone");
    }
}
