//! Errors as gRPC statuses: kind, message and hint cross the wire unchanged.

use skep_api::{Error, ErrorKind};
use tonic::metadata::{BinaryMetadataValue, MetadataMap};
use tonic::{Code, Status};

/// Carries an error's hint; `-bin`, so that any text may be in it.
const HINT: &str = "skep-hint-bin";

/// What an error's message may have. Texts travel in header fields, of which hyper takes 16 KiB,
/// and percent-encoding makes three bytes of one: 3 * 4096 and a hint in base64 stay below.
const MESSAGE_TEXT_BYTES_MAX: usize = 4096;
/// What an error's hint may have, see above.
const HINT_BYTES_MAX: usize = 2048;
const _: () = assert!(3 * MESSAGE_TEXT_BYTES_MAX + HINT_BYTES_MAX / 3 * 4 + 1024 < 16 * 1024);

/// The status that carries an error. A text beyond the limits is cut.
pub fn to_status(error: &Error) -> Status {
    let mut metadata = MetadataMap::new();
    if let Some(hint) = &error.hint {
        let hint = cut(hint, HINT_BYTES_MAX);
        metadata.insert_bin(HINT, BinaryMetadataValue::from_bytes(hint.as_bytes()));
    }
    let message = cut(&error.message, MESSAGE_TEXT_BYTES_MAX);
    Status::with_metadata(code(error.kind), message, metadata)
}

/// The error that a status carries, also if it comes from tonic itself.
pub fn from_status(status: &Status) -> Error {
    let hint = status.metadata().get_bin(HINT).and_then(|value| value.to_bytes().ok());
    Error {
        kind: kind(status.code()),
        message: status.message().to_owned(),
        hint: hint.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    }
}

const fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidArgument => Code::InvalidArgument,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists => Code::AlreadyExists,
        ErrorKind::FailedPrecondition => Code::FailedPrecondition,
        ErrorKind::PermissionDenied => Code::PermissionDenied,
        ErrorKind::Unimplemented => Code::Unimplemented,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::OutOfSequence => Code::Aborted,
        ErrorKind::Internal => Code::Internal,
    }
}

const fn kind(code: Code) -> ErrorKind {
    match code {
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::InvalidArgument,
        Code::NotFound => ErrorKind::NotFound,
        Code::AlreadyExists => ErrorKind::AlreadyExists,
        Code::FailedPrecondition => ErrorKind::FailedPrecondition,
        Code::PermissionDenied | Code::Unauthenticated => ErrorKind::PermissionDenied,
        Code::Unimplemented => ErrorKind::Unimplemented,
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded => ErrorKind::Unavailable,
        Code::Aborted => ErrorKind::OutOfSequence,
        Code::Ok | Code::Unknown | Code::ResourceExhausted | Code::Internal | Code::DataLoss => {
            ErrorKind::Internal
        }
    }
}

/// The text, or so much of it as fits, with an ellipsis behind.
fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let ellipsis = '…';
    let mut end = bytes_max - ellipsis.len_utf8();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut short = text[..end].to_owned();
    short.push(ellipsis);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ErrorKind; 9] = [
        ErrorKind::InvalidArgument,
        ErrorKind::NotFound,
        ErrorKind::AlreadyExists,
        ErrorKind::FailedPrecondition,
        ErrorKind::PermissionDenied,
        ErrorKind::Unimplemented,
        ErrorKind::Unavailable,
        ErrorKind::OutOfSequence,
        ErrorKind::Internal,
    ];

    /// What the other side reads once a status was written to header fields and back.
    fn sent(status: &Status) -> Status {
        let response = status.clone().into_http::<()>();
        Status::from_header_map(response.headers()).expect("a status was sent")
    }

    #[test]
    fn errors_cross_the_wire_unchanged() {
        for kind in KINDS {
            for hint in [None, Some(String::new()), Some("try `skep…`\nor not".to_owned())] {
                let error =
                    Error { kind, message: "config `ä b` not\nfound, 100 %".to_owned(), hint };
                assert_eq!(from_status(&to_status(&error)), error);
                assert_eq!(from_status(&sent(&to_status(&error))), error);
            }
        }
    }

    #[test]
    fn texts_that_would_not_fit_into_header_fields_are_cut() {
        let error = Error::invalid("ä".repeat(5000)).hint("ö".repeat(5000));
        let status = sent(&to_status(&error));
        let seen = from_status(&status);
        assert_eq!(seen.message.len(), MESSAGE_TEXT_BYTES_MAX - 1);
        assert!(seen.message.ends_with("ä…"));
        assert!(seen.hint.is_some_and(|hint| hint.len() <= HINT_BYTES_MAX && hint.ends_with('…')));
        let size: usize = to_status(&error)
            .into_http::<()>()
            .headers()
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum();
        assert!(size < 16 * 1024, "{size}");
    }
}
