//! Requests that a guest sends: HTTP/1.1 over the task's network, a connection each.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme, Uri};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, timeout};
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::task::Task;
use crate::{Connection, NetworkError, Pipe};

/// How long each step may take when the guest sets no time: wasmtime's default too.
const STEP_TIMEOUT: Duration = Duration::from_secs(600);
const HTTP_PORT: u16 = 80;

type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

/// A guest's way to send requests.
pub(crate) struct Client(Arc<Task>);

impl Client {
    pub(crate) fn new(task: Arc<Task>) -> Self {
        Self(task)
    }
}

impl WasiHttpHooks for Client {
    fn default_scheme(&mut self) -> Option<Scheme> {
        Some(Scheme::HTTP)
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        if error.is_incomplete_message() {
            ErrorCode::HttpResponseIncomplete
        } else {
            ErrorCode::HttpProtocolError
        }
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _reading: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        let task = self.0.clone();
        Box::new(async move { send(&task, request, options.unwrap_or_default()).await })
    }
}

async fn send(
    task: &Task,
    mut request: Request<WasiBody>,
    options: RequestOptions,
) -> Result<Sent, Error> {
    if request.uri().scheme() == Some(&Scheme::HTTPS) {
        let why = "https is not supported from inside a sandbox: use http";
        return Err(Error::InternalError(Some(why.into())));
    }
    let authority = request.uri().authority().ok_or(Error::HttpRequestUriInvalid)?.clone();
    let permit = task.sockets.acquire().map_err(network_error)?;
    let limit = options.connect_timeout.unwrap_or(STEP_TIMEOUT);
    let pipe =
        timeout(limit, connect(task, &authority)).await.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(pipe)).await?;
    // Only a proxy is sent the whole address.
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| Error::HttpRequestUriInvalid)?;
    // The connection must be driven while the answer's head is awaited, and then for its body.
    let mut driving = Some(Box::pin(async move {
        let _permit = permit;
        connection.await.map_err(Error::from)
    }));
    let limit = options.first_byte_timeout.unwrap_or(STEP_TIMEOUT);
    let answer = async {
        let answer = sender.send_request(request);
        tokio::pin!(answer);
        if let Some(connection) = &mut driving {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(Error::from),
                result = connection => result?,
            }
        }
        driving = None;
        answer.await.map_err(Error::from)
    };
    let answer = timeout(limit, answer).await.map_err(|_| Error::ConnectionReadTimeout)??;
    let between = options.between_bytes_timeout.unwrap_or(STEP_TIMEOUT);
    let answer = answer.map(|body| TimedBody::new(body, between).boxed_unsync());
    Ok((
        answer,
        Box::new(async move {
            match driving {
                Some(connection) => connection.await,
                None => Ok(()),
            }
        }),
    ))
}

/// A connection to the host and port of an authority, at the first of its addresses that takes it.
async fn connect(task: &Task, authority: &Authority) -> Result<Pipe, Error> {
    let port = authority.port_u16().unwrap_or(HTTP_PORT);
    let host = authority.host();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let ips = match host.parse::<IpAddr>() {
        Ok(ip) => vec![ip],
        Err(_) => task.network.resolve(host).await.map_err(network_error)?,
    };
    let mut last = NetworkError::NameUnknown;
    for ip in ips {
        match task.network.connect(SocketAddr::new(ip, port)).await {
            Ok(Connection { pipe, .. }) => return Ok(pipe),
            Err(error) => last = error,
        }
    }
    Err(network_error(last))
}

fn network_error(error: NetworkError) -> Error {
    match error {
        NetworkError::NameUnknown | NetworkError::NameUnavailable => {
            Error::DnsError { rcode: Some("NXDOMAIN".into()), info_code: None }
        }
        NetworkError::AccessDenied => Error::DestinationIpProhibited,
        NetworkError::ConnectionRefused => Error::ConnectionRefused,
        NetworkError::ConnectionReset => Error::ConnectionTerminated,
        NetworkError::TimedOut => Error::ConnectionTimeout,
        NetworkError::LimitReached => Error::ConnectionLimitReached,
        NetworkError::Unreachable
        | NetworkError::AddressInUse
        | NetworkError::AddressNotBindable
        | NetworkError::NotSupported => Error::DestinationUnavailable,
    }
}

/// An answer's body whose next bytes must come in time.
struct TimedBody {
    body: Incoming,
    limit: Duration,
    late: Pin<Box<Sleep>>,
}

impl TimedBody {
    fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, late: Box::pin(tokio::time::sleep(limit)) }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            let next = Instant::now() + self.limit;
            self.late.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::from)));
        }
        ready!(self.late.as_mut().poll(cx));
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
