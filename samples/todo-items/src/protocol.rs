//! The words between web and database: a line each way, UTF-8, ended by a line feed.

use std::fmt;

use crate::{Format, Item, ItemId, Record, State, Title};

/// A longer line ends the connection: no command and no item needs more.
pub const LINE_BYTES_MAX: usize = 1024;

const _: () = assert!(LINE_BYTES_MAX >= crate::TITLE_CHARS_MAX * 4 + 64, "a title must fit");

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The password; must come first.
    Auth(String),
    /// Which release the database is.
    Version,
    /// All items.
    List,
    /// A new item.
    Add(Title),
    /// An item is done, or to be done after all.
    Tick(ItemId, State),
    /// An item is to go.
    Delete(ItemId),
}

/// Why the database says no: the first word behind `error`, so that clients can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The password is wrong, or did not come first.
    Auth,
    /// The database has no password itself.
    NoPassword,
    /// The line is no command.
    Bad,
    /// There is no such item.
    Missing,
    /// There is no room for more.
    Full,
}

impl Refusal {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::NoPassword => "no-password",
            Self::Bad => "bad",
            Self::Missing => "missing",
            Self::Full => "full",
        }
    }

    /// The refusal of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Auth, Self::NoPassword, Self::Bad, Self::Missing, Self::Full]
            .into_iter()
            .find(|refusal| refusal.word() == word)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(password) => write!(f, "auth {password}"),
            Self::Version => write!(f, "version"),
            Self::List => write!(f, "list"),
            Self::Add(title) => write!(f, "add {}", title.as_str()),
            Self::Tick(id, state) => write!(f, "tick {id} {}", state.word()),
            Self::Delete(id) => write!(f, "delete {id}"),
        }
    }
}

impl Command {
    /// The command that a line without its end is; otherwise what is wrong with it.
    pub fn parse(line: &str) -> Result<Self, String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let id = |text: &str| -> Result<ItemId, String> {
            text.parse().map_err(|_| format!("`{word}` needs an item's number"))
        };
        match word {
            "auth" => Ok(Self::Auth(rest.to_owned())),
            "version" => Ok(Self::Version),
            "list" => Ok(Self::List),
            "add" => Title::new(rest).map(Self::Add).map_err(|error| error.to_string()),
            "tick" => {
                let (number, state) = rest.split_once(' ').unwrap_or((rest, ""));
                let state = State::from_word(state).ok_or("`tick` needs `open` or `done`")?;
                Ok(Self::Tick(id(number)?, state))
            }
            "delete" => Ok(Self::Delete(id(rest)?)),
            _ => Err("the commands are auth, version, list, add, tick and delete".to_owned()),
        }
    }
}

/// An item as `list` answers it, the line's end included. It is a record of format 2.
pub fn item_line(item: &Item) -> String {
    Record::Add(item.clone()).encode(Format::Two)
}

/// The item of such a line, without its end.
pub fn parse_item_line(line: &str) -> Option<Item> {
    match Record::decode(line.as_bytes(), Format::Two) {
        Ok(Record::Add(item)) => Some(item),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_being_written_and_read() {
        let title = Title::new("tick 1 done").expect("a title");
        for command in [
            Command::Auth("a b:c".to_owned()),
            Command::Version,
            Command::List,
            Command::Add(title),
            Command::Tick(ItemId(8), State::Open),
            Command::Delete(ItemId(u64::MAX)),
        ] {
            assert_eq!(Command::parse(&command.to_string()), Ok(command));
        }
    }

    #[test]
    fn what_is_no_command_says_what_would_be() {
        for bad in ["", "LIST", "tick 1", "tick x done", "delete", "delete -1", "add  "] {
            assert!(Command::parse(bad).is_err(), "{bad}");
        }
    }
}
