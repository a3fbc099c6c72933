//! What the page needs of a place for items, whichever it is.

use std::fmt;

use todo_items::{Item, ItemId, ListError, State, Title};

use crate::database::Database;
use crate::folder::Folder;
use crate::settings::Settings;

/// A place for items.
pub(crate) enum Storage {
    Folder(Folder),
    Database(Database),
}

/// A change that a user wants.
#[derive(Debug)]
pub(crate) enum Change {
    Add(Title),
    Tick(ItemId, State),
    Delete(ItemId),
}

/// Why something did not happen.
#[derive(Debug)]
pub(crate) enum StorageError {
    /// A setting is missing, or the database does not answer: nothing the user can do here.
    Unavailable(String),
    /// There is no such item.
    Missing(String),
    /// There is no room.
    Full(String),
}

impl StorageError {
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Unavailable(_) => 503,
            Self::Missing(_) => 404,
            Self::Full(_) => 507,
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unavailable(why) | Self::Missing(why) | Self::Full(why)) = self;
        f.write_str(why)
    }
}

impl From<ListError> for StorageError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::Full => Self::Full(error.to_string()),
            ListError::Missing(_) => Self::Missing(error.to_string()),
        }
    }
}

impl Storage {
    /// The place that the settings name.
    pub(crate) fn open() -> Result<Self, StorageError> {
        match Settings::read().map_err(StorageError::Unavailable)? {
            Settings::Folder => Ok(Self::Folder(Folder::new())),
            Settings::Database(connection) => Database::connect(&connection).map(Self::Database),
        }
    }

    /// What the page calls it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Folder(_) => "this task's /tmp".to_owned(),
            Self::Database(database) => database.name(),
        }
    }

    /// All items, in the order they were added.
    pub(crate) fn items(&mut self) -> Result<Vec<Item>, StorageError> {
        match self {
            Self::Folder(folder) => folder.items(),
            Self::Database(database) => database.items(),
        }
    }

    /// Makes a change, and answers a new item's number.
    pub(crate) fn change(&mut self, change: Change) -> Result<Option<ItemId>, StorageError> {
        match self {
            Self::Folder(folder) => folder.change(change),
            Self::Database(database) => database.change(change),
        }
    }
}
