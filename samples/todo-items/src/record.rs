//! How changes are stored: one line each, behind a checksum.
//!
//! `1f3a9c02 add 12 open Buy milk` in format 1; format 2 puts the seconds since 1970, or `-`,
//! before the title. A file starts with a line that names its format.

use crate::{Item, ItemId, State, Title};

/// How records are written. Each release writes one, and reads that and all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Without times.
    One,
    /// With the time an item was added.
    Two,
}

impl Format {
    /// The first line of a file of this format, without its end.
    pub const fn header(self) -> &'static str {
        match self {
            Self::One => "todo-db log 1",
            Self::Two => "todo-db log 2",
        }
    }

    /// The format of a file that starts with this line.
    pub fn from_header(line: &str) -> Option<Self> {
        [Self::One, Self::Two].into_iter().find(|format| format.header() == line)
    }
}

/// A change to a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An item that is new, with its state.
    Add(Item),
    /// An item was ticked off, or is to be done after all.
    Tick(ItemId, State),
    /// An item is gone.
    Delete(ItemId),
    /// Numbers below this one were given: what stays of deleted items.
    Next(ItemId),
}

/// A line that is no record: its checksum does not fit, or what it says is not a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError;

impl Record {
    /// The record as a line, its end included.
    pub fn encode(&self, format: Format) -> String {
        let body = match self {
            Self::Add(item) => {
                let (id, state, title) = (item.id, item.state.word(), item.title.as_str());
                match (format, item.added_secs) {
                    (Format::One, _) => format!("add {id} {state} {title}"),
                    (Format::Two, Some(secs)) => format!("add {id} {state} {secs} {title}"),
                    (Format::Two, None) => format!("add {id} {state} - {title}"),
                }
            }
            Self::Tick(id, state) => format!("tick {id} {}", state.word()),
            Self::Delete(id) => format!("delete {id}"),
            Self::Next(id) => format!("next {id}"),
        };
        format!("{:08x} {body}\n", crc32(body.as_bytes()))
    }

    /// The record that a line without its end is.
    pub fn decode(line: &[u8], format: Format) -> Result<Self, RecordError> {
        let line = std::str::from_utf8(line).map_err(|_| RecordError)?;
        let (sum, body) = line.split_once(' ').ok_or(RecordError)?;
        if sum.len() != 8 || u32::from_str_radix(sum, 16) != Ok(crc32(body.as_bytes())) {
            return Err(RecordError);
        }
        Self::from_body(body, format).ok_or(RecordError)
    }

    fn from_body(body: &str, format: Format) -> Option<Self> {
        let (act, rest) = body.split_once(' ')?;
        match act {
            "add" => {
                let (id, rest) = rest.split_once(' ')?;
                let (state, mut rest) = rest.split_once(' ')?;
                let mut added_secs = None;
                if format == Format::Two {
                    let (secs, title) = rest.split_once(' ')?;
                    added_secs = if secs == "-" { None } else { Some(secs.parse().ok()?) };
                    rest = title;
                }
                Some(Self::Add(Item {
                    id: id.parse().ok()?,
                    state: State::from_word(state)?,
                    added_secs,
                    title: Title::new(rest).ok()?,
                }))
            }
            "tick" => {
                let (id, state) = rest.split_once(' ')?;
                Some(Self::Tick(id.parse().ok()?, State::from_word(state)?))
            }
            "delete" => Some(Self::Delete(rest.parse().ok()?)),
            "next" => Some(Self::Next(rest.parse().ok()?)),
            _ => None,
        }
    }
}

/// The CRC-32 of Ethernet and zip, a bit at a time: records are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(added_secs: Option<u64>) -> Record {
        let title = Title::new("größer – 1 2 3").expect("a title");
        Record::Add(Item { id: ItemId(7), state: State::Done, added_secs, title })
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn records_survive_being_written_and_read() {
        let others = [
            Record::Tick(ItemId(3), State::Open),
            Record::Delete(ItemId(9)),
            Record::Next(ItemId(1)),
        ];
        for format in [Format::One, Format::Two] {
            for record in others.iter().chain([&add(None)]) {
                let line = record.encode(format);
                assert_eq!(Record::decode(line.trim_end().as_bytes(), format).as_ref(), Ok(record));
            }
        }
        let line = add(Some(99)).encode(Format::Two);
        assert_eq!(Record::decode(line.trim_end().as_bytes(), Format::Two), Ok(add(Some(99))));
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let line = add(Some(5)).encode(Format::Two);
        let line = line.trim_end().as_bytes();
        for at in 0..line.len() {
            assert_eq!(Record::decode(&line[..at], Format::Two), Err(RecordError), "cut at {at}");
            for bit in 0..8 {
                let mut bad = line.to_vec();
                bad[at] ^= 1 << bit;
                // Hex digits are read in either case: that bit says the same.
                if !bad.eq_ignore_ascii_case(line) {
                    assert_eq!(Record::decode(&bad, Format::Two), Err(RecordError), "{at}.{bit}");
                }
            }
        }
    }
}
