//! Http tasks: an instance for each request.
//!
//! At most [`REQUESTS_MAX`] requests of a task run at once and [`REQUESTS_QUEUED_MAX`] wait; the
//! rest is turned away with 503. A request that fails is answered with 500, told on the task's
//! standard error and counted; the task goes on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::task::TaskTracker;
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::bindings::{Proxy, ProxyPre};
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};
use wasmtime_wasi_http::{WasiBody, WasiHttpView};

use super::body::{FailureFlag, GuestBody};
use super::headers::set_forwarded;
use crate::engine::Engines;
use crate::sandbox::Stops;
use crate::state::{State, store};
use crate::task::Task;
use crate::{Outcome, OutputStream, trap};

/// How many requests of a task run at once: each holds an instance, with a memory of its own.
pub const REQUESTS_MAX: usize = 128;
/// How many more wait for their turn.
pub const REQUESTS_QUEUED_MAX: usize = 1024;
/// How many streams one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 128;
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

type Answer =
    Response<http_body_util::combinators::UnsyncBoxBody<Bytes, wasmtime_wasi_http::Error>>;

/// Why a connection was not served to its end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The task is a command: it has no handler.
    #[error("the component does not handle http requests")]
    NotHttp,
    /// The task is stopping, or was cut off meanwhile.
    #[error("the task is being stopped")]
    Stopping,
    /// The connection broke, or the client did not speak HTTP.
    #[error("the connection failed: {0}")]
    Connection(String),
}

/// What became of a task's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestCounts {
    /// Those that were given to an instance.
    pub served: u64,
    /// Those of them that failed: trapped, ran out of memory, or gave no answer.
    pub failed: u64,
    /// Those that were turned away because too many waited, or the task was stopping.
    pub refused: u64,
}

/// Answers the requests of one task.
pub(crate) struct Handler {
    engines: Arc<Engines>,
    proxy: ProxyPre<State>,
    task: Arc<Task>,
    stops: Stops,
    /// Connections and guests that are not finished.
    open: TaskTracker,
    slots: Arc<Semaphore>,
    queued: AtomicUsize,
    served: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

impl Handler {
    pub(crate) fn new(
        engines: Arc<Engines>,
        proxy: ProxyPre<State>,
        task: Arc<Task>,
        stops: Stops,
    ) -> Self {
        Self {
            engines,
            proxy,
            task,
            stops,
            open: TaskTracker::new(),
            slots: Arc::new(Semaphore::new(REQUESTS_MAX)),
            queued: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// The task's life: one instance to see whether it can be made at all, then until the stop, then
    /// until what is under way is done.
    pub(crate) async fn run(&self) -> Outcome {
        let mut trial = store(self.proxy.engine(), &self.task, self.engines.tick());
        if let Err(error) = self.proxy.instantiate_async(&mut trial).await {
            return trap::outcome(trial.data(), &error);
        }
        drop(trial);
        self.stops.asked.cancelled().await;
        self.finished().await;
        Outcome::Stopped
    }

    /// Waits until no connection and no guest is left. Only ends once the task is stopping.
    pub(crate) async fn finished(&self) {
        self.open.close();
        self.open.wait().await;
    }

    pub(crate) fn counts(&self) -> RequestCounts {
        RequestCounts {
            served: self.served.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Serves one connection.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
    ) -> Result<(), ServeError> {
        if self.stops.asked.is_cancelled() {
            return Err(ServeError::Stopping);
        }
        let _open = self.open.token();
        let handler = self.clone();
        let service = service_fn(move |request| {
            let handler = handler.clone();
            async move { Ok::<_, std::convert::Infallible>(handler.answer(request, peer).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX);
        let connection = builder.serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            ServeError::Connection(error.to_string())
        };
        tokio::select! {
            result = connection.as_mut() => return result.map_err(failed),
            () = self.stops.asked.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            result = connection => result.map_err(failed),
            () = self.stops.cut.cancelled() => Err(ServeError::Stopping),
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let Some(slot) = self.slot().await else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait already\n");
        };
        let has_host = request.uri().authority().is_some()
            || request.headers().get(http::header::HOST).is_some_and(|host| host.to_str().is_ok());
        if !has_host {
            return plain(StatusCode::BAD_REQUEST, "the request names no host\n");
        }
        let (mut parts, body) = request.into_parts();
        set_forwarded(&mut parts.headers, peer, "http");
        let body = body.map_err(wasmtime_wasi_http::Error::from).boxed_unsync();
        self.served.fetch_add(1, Ordering::Relaxed);
        match self.clone().call(Request::from_parts(parts, body), slot).await {
            Some(answer) => answer,
            None => plain(StatusCode::INTERNAL_SERVER_ERROR, "the component failed\n"),
        }
    }

    /// A place among the running requests of the task and of the node, after waiting for one;
    /// `None` if too many wait.
    async fn slot(&self) -> Option<Slot> {
        let _queued = Queued::enter(&self.queued)?;
        let of_task = self.slots.clone().acquire_owned().await.ok()?;
        let of_node = self.engines.request_slots().acquire_owned().await.ok()?;
        Some(Slot { _of_task: of_task, _of_node: of_node })
    }

    /// Gives the request to a new instance, on a task of its own: it may go on after it answered.
    async fn call(self: Arc<Self>, request: Request<WasiBody>, slot: Slot) -> Option<Answer> {
        let (sender, head) = oneshot::channel();
        let (flag, failed) = FailureFlag::new();
        let handler = self.clone();
        let guest = self.open.spawn(async move {
            let _slot = slot;
            let run = handler.run_guest(request, sender, flag);
            tokio::select! {
                () = handler.stops.cut.cancelled() => {}
                () = run => {}
            }
        });
        // Until the head is there, a client that goes away takes the guest with it.
        let mut unanswered = AbortOnDrop(Some(guest.abort_handle()));
        let answer = match head.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(code)) => {
                self.fail(&format!("the handler answered with an error: {code:?}"));
                return None;
            }
            // A guest that failed has said why.
            Err(_) if failed.load(Ordering::Acquire) => return None,
            Err(_) => {
                self.fail("a request failed: the handler returned without an answer");
                return None;
            }
        };
        unanswered.0 = None;
        let (parts, body) = answer.into_parts();
        let body = GuestBody::new(body, &parts.headers, guest.abort_handle(), failed);
        Some(Response::from_parts(parts, body.boxed_unsync()))
    }

    async fn run_guest(
        &self,
        request: Request<WasiBody>,
        sender: oneshot::Sender<Result<Response<WasiBody>, ErrorCode>>,
        flag: FailureFlag,
    ) {
        let mut store = store(self.proxy.engine(), &self.task, self.engines.tick());
        // Moved behind the store, so that it goes before it.
        let flag = flag;
        let instance = self.proxy.instantiate_async(&mut store).await;
        let result = match instance {
            Ok(proxy) => {
                let view = &mut store.data_mut().http();
                let request = view.new_incoming_request(Scheme::Http, request);
                let out = view.new_response_outparam(sender);
                handle(&mut store, &proxy, request, out).await
            }
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => flag.disarm(),
            Err(error) => match trap::outcome(store.data(), &error) {
                Outcome::Exited(0) => flag.disarm(),
                outcome => self.fail(&format!("a request failed: {outcome}")),
            },
        }
    }

    fn fail(&self, text: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.task.output.line(OutputStream::Stderr, text.as_bytes());
    }
}

async fn handle(
    store: &mut wasmtime::Store<State>,
    proxy: &Proxy,
    request: wasmtime::Result<Resource<HostIncomingRequest>>,
    out: wasmtime::Result<Resource<HostResponseOutparam>>,
) -> wasmtime::Result<()> {
    proxy.wasi_http_incoming_handler().call_handle(store, request?, out?).await
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let body = Full::new(Bytes::from_static(text.as_bytes()));
    let mut answer = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// The right to run one request.
struct Slot {
    _of_task: OwnedSemaphorePermit,
    _of_node: OwnedSemaphorePermit,
}

/// A place in the queue.
struct Queued<'a>(&'a AtomicUsize);

impl<'a> Queued<'a> {
    fn enter(queued: &'a AtomicUsize) -> Option<Self> {
        let queued_before = queued.fetch_add(1, Ordering::Relaxed);
        let place = Self(queued);
        (queued_before < REQUESTS_QUEUED_MAX).then_some(place)
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

struct AbortOnDrop(Option<tokio::task::AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(guest) = &self.0 {
            guest.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_requests_wait_than_there_are_places() {
        let queued = AtomicUsize::new(0);
        let mut places: Vec<_> =
            std::iter::from_fn(|| Queued::enter(&queued)).take(2 * REQUESTS_QUEUED_MAX).collect();
        assert_eq!(places.len(), REQUESTS_QUEUED_MAX);
        places.pop();
        assert!(Queued::enter(&queued).is_some());
        drop(places);
        assert_eq!(queued.load(Ordering::Relaxed), 0);
    }
}
