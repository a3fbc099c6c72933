//! Errors that reach a user: the value, the rule, and the way out.

use std::fmt;

/// What kind of "no" it is. The table of what it becomes stands beside each name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// What was asked breaks a rule. gRPC INVALID_ARGUMENT, HTTP 400.
    InvalidArgument,
    /// There is no such thing. gRPC NOT_FOUND, HTTP 404.
    NotFound,
    /// The name is taken. gRPC ALREADY_EXISTS, HTTP 409.
    AlreadyExists,
    /// Not now: something else must happen first. gRPC FAILED_PRECONDITION, HTTP 400.
    FailedPrecondition,
    /// The caller may not. gRPC PERMISSION_DENIED, HTTP 403.
    PermissionDenied,
    /// This swarm does not do that. gRPC UNIMPLEMENTED, HTTP 501.
    Unimplemented,
    /// No swarm, no manager, no leader, no room. gRPC UNAVAILABLE, HTTP 503.
    Unavailable,
    /// The caller read an older version than is stored. gRPC ABORTED, HTTP 500 as in Swarm.
    OutOfSequence,
    /// Something broke on our side. gRPC INTERNAL, HTTP 500.
    Internal,
}

impl ErrorKind {
    /// The HTTP status that Docker's API gives for it (semantics part 13.1).
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidArgument | Self::FailedPrecondition => 400,
            Self::PermissionDenied => 403,
            Self::NotFound => 404,
            Self::AlreadyExists => 409,
            Self::OutOfSequence | Self::Internal => 500,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
        }
    }

    /// The name Swarm's texts give its gRPC code, as in `rpc error: code = NotFound desc = ...`.
    pub const fn rpc_name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "InvalidArgument",
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::FailedPrecondition => "FailedPrecondition",
            Self::PermissionDenied => "PermissionDenied",
            Self::Unimplemented => "Unimplemented",
            Self::Unavailable => "Unavailable",
            Self::OutOfSequence => "Unknown",
            Self::Internal => "Internal",
        }
    }
}

/// An error for a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind it is.
    pub kind: ErrorKind,
    /// The value and the rule, in one line without a full stop.
    pub message: String,
    /// The way out, shown behind `hint: `.
    pub hint: Option<String>,
}

/// A result whose error can be shown to a user.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// A broken rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// Something that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Something that broke on our side.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The same error with a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
