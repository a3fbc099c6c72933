//! A line of output as it is in a file.

use skep_api::Time;

use super::LogStream;

/// Digits of a moment: a `u64` never has more.
const AT_LEN: usize = 20;
/// What stands before the text: the moment, a space, the stream, a space.
pub(super) const HEADER_LEN: usize = AT_LEN + 3;

/// Appends a record to `out`; a newline in the text ends the line, so that it stays one record.
pub(super) fn encode(out: &mut Vec<u8>, at: Time, stream: LogStream, text: &[u8]) {
    let mark = match stream {
        LogStream::Stdout => 'o',
        LogStream::Stderr => 'e',
    };
    for line in text.split(|byte| *byte == b'\n') {
        out.extend_from_slice(format!("{:0AT_LEN$} {mark} ", at.as_nanos()).as_bytes());
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// Reads a record without its newline; none if it is torn.
pub(super) fn decode(record: &[u8]) -> Option<(Time, LogStream, &[u8])> {
    let (header, text) = record.split_at_checked(HEADER_LEN)?;
    let at = std::str::from_utf8(header.get(..AT_LEN)?).ok()?.parse().ok()?;
    let stream = match header.get(AT_LEN..)? {
        b" o " => LogStream::Stdout,
        b" e " => LogStream::Stderr,
        _ => return None,
    };
    Some((Time::from_nanos(at), stream, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_any_bytes() {
        let text: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
        let mut file = Vec::new();
        encode(&mut file, Time::from_nanos(u64::MAX), LogStream::Stderr, &text);
        let record = file.strip_suffix(b"\n").expect("a line");
        let read = decode(record).expect("a record");
        assert_eq!(read, (Time::from_nanos(u64::MAX), LogStream::Stderr, &text[..]));
    }

    #[test]
    fn what_is_torn_is_no_record() {
        let mut file = Vec::new();
        encode(&mut file, Time::from_secs(1), LogStream::Stdout, b"");
        for len in 0..HEADER_LEN {
            assert_eq!(decode(&file[..len]), None, "{len}");
        }
        assert!(decode(&file[..HEADER_LEN]).is_some(), "an empty line is a line");
        assert_eq!(decode(b"00000000000000000001 x text"), None);
        assert_eq!(decode(b"0000000000000000000a o text"), None);
    }
}
