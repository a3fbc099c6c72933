//! Answers every request with a line each for: its name (the variable `TASK`), the method and
//! path, and the `host` and `forwarded` headers it was sent; then the request's body as it came.

use wasip2::http::types::{
    Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::StreamError;

/// More of a body is not read: what it echoes has to fit in its memory.
const BODY_MAX: usize = 1 << 20;

struct Hello;

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let mut answer = greeting(&request).into_bytes();
        answer.extend(body(&request));
        respond(out, &answer);
    }
}

wasip2::http::proxy::export!(Hello);

fn greeting(request: &IncomingRequest) -> String {
    let headers = request.headers();
    let header = |name: &str| {
        let values = headers.get(name);
        let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
        values.join(", ")
    };
    format!(
        "Hello from {}\n{:?} {}\nhost: {}\nforwarded: {}\n",
        std::env::var("TASK").unwrap_or_else(|_| "a task without a name".to_owned()),
        request.method(),
        request.path_with_query().unwrap_or_default(),
        request.authority().unwrap_or_else(|| header("host")),
        header("forwarded"),
    )
}

fn body(request: &IncomingRequest) -> Vec<u8> {
    let incoming = request.consume().expect("the body is taken once");
    let stream = incoming.stream().expect("its stream is taken once");
    let mut bytes = Vec::new();
    while bytes.len() < BODY_MAX {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) => bytes.extend(chunk),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                bytes.extend(format!("(the body broke off: {})", error.to_debug_string()).bytes());
                break;
            }
        }
    }
    bytes
}

fn respond(out: ResponseOutparam, bytes: &[u8]) {
    let headers = Fields::new();
    headers
        .append("content-type", b"text/plain; charset=utf-8")
        .expect("a plain header is accepted");
    let response = OutgoingResponse::new(headers);
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream is taken once");
    // A client that went away gets nothing more; there is nobody to tell.
    for chunk in bytes.chunks(4096) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            break;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
