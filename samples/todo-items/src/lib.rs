//! What the to-do web and its database share: items, the records they are stored as, and the
//! words of the protocol between the two (`PROTOCOL.md` describes both).
//!
//! Plain data: it opens no file and no connection.

mod connection;
mod item;
mod list;
mod protocol;
mod record;

pub use connection::{Connection, ConnectionError, SECRETS_FILE, read_connection};
pub use item::{Item, ItemId, State, TITLE_CHARS_MAX, Title, TitleError};
pub use list::{ITEMS_MAX, List, ListError};
pub use protocol::{Command, LINE_BYTES_MAX, Refusal, item_line, parse_item_line};
pub use record::{Format, Record, RecordError};
