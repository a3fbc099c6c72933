//! What can be wrong with a message.

use skep_api::Error;
use tonic::Status;

/// A message that means nothing here. The field is named with its message, `Task.service`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A message that must be there is not.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A number that stands for nothing known, perhaps from a newer version of Skep.
    #[error("{field} has the unknown value {number}")]
    Unknown {
        /// The field.
        field: &'static str,
        /// Its value.
        number: i64,
    },
    /// A value that breaks the rule of its field.
    #[error("{field}: {reason}")]
    Malformed {
        /// The field.
        field: &'static str,
        /// The value and the rule.
        reason: String,
    },
}

impl WireError {
    pub(crate) fn malformed(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Malformed { field, reason: reason.into() }
    }
}

/// Who sent the message sent something wrong.
impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Who sent the message sent something wrong.
impl From<WireError> for Status {
    fn from(error: WireError) -> Self {
        crate::to_status(&error.into())
    }
}
