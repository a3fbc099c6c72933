//! Requests and answers as plain data; the only module that speaks `wasi:http`.

use std::fmt;

use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

/// A longer body is refused: a title in a form is at most 2.5 KB long.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// A write to an output stream takes at most so much at once.
const CHUNK_BYTES: usize = 4096;

/// A request.
#[derive(Debug)]
pub(crate) struct Request {
    /// `GET`, `POST`, ...
    pub(crate) method: String,
    /// The path without the query.
    pub(crate) path: String,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Whether a browser says that another site's page sent it.
    pub(crate) origin: Origin,
}

/// Where a browser says that a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From this site, from the address bar, or not from a browser.
    Own,
    /// From another site's page.
    Foreign,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: String,
}

/// A request that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadError {
    TooLong,
    BrokenOff,
}

impl ReadError {
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::TooLong => 413,
            Self::BrokenOff => 400,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a request has at most {BODY_BYTES_MAX} bytes"),
            Self::BrokenOff => write!(f, "the request broke off"),
        }
    }
}

impl Answer {
    /// A page.
    pub(crate) fn html(status: u16, body: String) -> Self {
        // Nothing on the page comes from elsewhere, and nothing on it is a script.
        let policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        let headers = vec![
            ("content-type", "text/html; charset=utf-8".to_owned()),
            ("content-security-policy", policy.to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// A value for programs.
    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("cache-control", "no-store".to_owned()),
        ];
        Self { status, headers, body: format!("{value}\n") }
    }

    /// A line of text.
    pub(crate) fn text(status: u16, line: &str) -> Self {
        let headers = vec![("content-type", "text/plain; charset=utf-8".to_owned())];
        Self { status, headers, body: format!("{line}\n") }
    }

    /// "Look there", which makes a browser's reload harmless after a form.
    pub(crate) fn see(path: &str) -> Self {
        Self { status: 303, headers: vec![("location", path.to_owned())], body: String::new() }
    }
}

/// Reads a request to its end.
pub(crate) fn read(request: &IncomingRequest) -> Result<Request, ReadError> {
    let target = request.path_with_query().unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let site = request.headers().get("sec-fetch-site");
    let foreign = site.iter().any(|site| site == b"cross-site" || site == b"same-site");
    let origin = if foreign { Origin::Foreign } else { Origin::Own };
    Ok(Request { method: method(request.method()), path, body: body(request)?, origin })
}

/// Sends an answer. A client that went away gets nothing, and there is nobody to tell.
pub(crate) fn send(out: ResponseOutparam, answer: &Answer) {
    let headers = Fields::new();
    for (name, value) in &answer.headers {
        headers.append(name, value.as_bytes()).expect("our own headers are well-formed");
    }
    let length = answer.body.len().to_string();
    headers.append("content-length", length.as_bytes()).expect("a number is well-formed");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(answer.status).expect("our own statuses exist");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream is taken once");
    for chunk in answer.body.as_bytes().chunks(CHUNK_BYTES) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            break;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn method(method: Method) -> String {
    match method {
        Method::Get => "GET".to_owned(),
        Method::Head => "HEAD".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Put => "PUT".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        Method::Patch => "PATCH".to_owned(),
        other => format!("{other:?}"),
    }
}

fn body(request: &IncomingRequest) -> Result<Vec<u8>, ReadError> {
    let incoming = request.consume().map_err(|()| ReadError::BrokenOff)?;
    let stream = incoming.stream().map_err(|()| ReadError::BrokenOff)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(BODY_BYTES_MAX as u64) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(ReadError::BrokenOff),
        }
        if bytes.len() > BODY_BYTES_MAX {
            return Err(ReadError::TooLong);
        }
    }
}
