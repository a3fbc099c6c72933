//! One thing to do.

use std::fmt;
use std::str::FromStr;

/// A title longer than this is refused: it is read on a phone.
pub const TITLE_CHARS_MAX: usize = 200;

/// An item's number; given once, never again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemId(pub u64);

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ItemId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Whether an item is still to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Open,
    /// It was ticked off.
    Done,
}

impl State {
    /// `open` or `done`, as records and the protocol write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
        }
    }

    /// The state of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "open" => Some(Self::Open),
            "done" => Some(Self::Done),
            _ => None,
        }
    }
}

/// What is to be done: one line of at most [`TITLE_CHARS_MAX`] characters, no control characters,
/// no white space around it. Records and the protocol rely on the one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title(String);

/// A text that can't be a title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TitleError {
    /// There is nothing in it.
    Empty,
    /// It has so many characters.
    TooLong(usize),
    /// It has a control character.
    Control,
}

impl fmt::Display for TitleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "an item needs a title"),
            Self::TooLong(chars) => {
                write!(f, "a title has at most {TITLE_CHARS_MAX} characters, this one has {chars}")
            }
            Self::Control => write!(f, "a title is one line of text"),
        }
    }
}

impl Title {
    /// The title that this text is, without the white space around it.
    pub fn new(text: &str) -> Result<Self, TitleError> {
        let text = text.trim();
        let chars = text.chars().count();
        if text.is_empty() {
            Err(TitleError::Empty)
        } else if chars > TITLE_CHARS_MAX {
            Err(TitleError::TooLong(chars))
        } else if text.chars().any(char::is_control) {
            Err(TitleError::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub id: ItemId,
    /// Whether it is done.
    pub state: State,
    /// When it was added, in seconds since 1970; not known of items that release 1 stored.
    pub added_secs: Option<u64>,
    /// What is to be done.
    pub title: Title,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(Title::new("  buy milk ").map(|t| t.as_str().to_owned()), Ok("buy milk".into()));
        assert_eq!(Title::new(" \n "), Err(TitleError::Empty));
        assert_eq!(Title::new("a\nb"), Err(TitleError::Control));
        assert!(Title::new(&"ä".repeat(TITLE_CHARS_MAX)).is_ok());
        assert_eq!(Title::new(&"x".repeat(201)), Err(TitleError::TooLong(201)));
    }
}
