//! What the services answer: messages, or an error with its hint.

use futures_util::stream::BoxStream;
use skep_wire::to_status;
use tonic::{Response, Status};

/// One answer.
pub(crate) type Answer<T> = Result<Response<T>, Status>;
/// A stream of answers.
pub(crate) type Messages<T> = BoxStream<'static, Result<T, Status>>;

/// An outcome as it goes over the wire.
pub(crate) fn answer<T>(outcome: skep_api::Result<T>) -> Answer<T> {
    outcome.map(Response::new).map_err(|error| to_status(&error))
}
