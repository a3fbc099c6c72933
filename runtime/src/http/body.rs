//! A response's body, tied to the guest that writes it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;
use wasmtime_wasi_http::{Error, WasiBody};

/// A response's body. If the client goes away before all of it was sent, the guest is cut off:
/// nobody is left to answer. A guest that goes on after its last byte is left alone. A guest that
/// fails breaks the response off: cut short, it must not look complete.
pub(super) struct GuestBody {
    body: WasiBody,
    guest: AbortHandle,
    failed: Arc<AtomicBool>,
    progress: Progress,
    sent: u64,
    length: Option<u64>,
}

#[derive(PartialEq, Eq)]
enum Progress {
    /// The server has not asked: it need not, for an answer without a body.
    Unasked,
    Sending,
    Ended,
}

/// Tells the body that its guest failed, unless told otherwise. Must be dropped before the guest's
/// store, whose end also ends the body.
pub(super) struct FailureFlag(Option<Arc<AtomicBool>>);

impl FailureFlag {
    pub(super) fn new() -> (Self, Arc<AtomicBool>) {
        let failed = Arc::<AtomicBool>::default();
        (Self(Some(failed.clone())), failed)
    }

    /// The guest returned as it should.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for FailureFlag {
    fn drop(&mut self) {
        if let Some(failed) = &self.0 {
            failed.store(true, Ordering::Release);
        }
    }
}

impl GuestBody {
    pub(super) fn new(
        body: WasiBody,
        headers: &HeaderMap,
        guest: AbortHandle,
        failed: Arc<AtomicBool>,
    ) -> Self {
        let length = headers.get(http::header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self { body, guest, failed, progress: Progress::Unasked, sent: 0, length }
    }
}

impl Body for GuestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.progress == Progress::Unasked {
            self.progress = Progress::Sending;
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        match &frame {
            Poll::Ready(None) if self.failed.load(Ordering::Acquire) => {
                return Poll::Ready(Some(Err(Error::HttpResponseIncomplete)));
            }
            Poll::Ready(None) => self.progress = Progress::Ended,
            Poll::Ready(Some(Ok(frame))) => {
                self.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
                // A server need not ask a body of known length for its end.
                if self.length.is_some_and(|length| self.sent >= length) {
                    self.progress = Progress::Ended;
                }
            }
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for GuestBody {
    fn drop(&mut self) {
        if self.progress == Progress::Sending && !self.body.is_end_stream() {
            self.guest.abort();
        }
    }
}
