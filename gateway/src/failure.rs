//! Errors as Docker's API gives them: a status and `{"message": ...}` (semantics part 13.1).

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use skep_wire::WireError;
use tonic::Status;

use crate::json::Json;

/// An answer that says no.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None }
    }

    /// Something in the request breaks a rule.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// The line that a person reads.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// A path that is none of Docker's.
    pub(crate) fn no_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "page not found")
    }
}

impl From<skep_api::Error> for Failure {
    fn from(error: skep_api::Error) -> Self {
        let status = StatusCode::from_u16(error.kind.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, message: error.message, hint: error.hint }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        skep_wire::from_status(&status).into()
    }
}

/// The node answered something malformed, which is not the caller's doing.
impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// Docker's clients read `message` alone; `hint` is for those that know of it.
#[derive(Serialize)]
struct Body {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { status, message, hint } = self;
        (status, Json(Body { message, hint })).into_response()
    }
}
