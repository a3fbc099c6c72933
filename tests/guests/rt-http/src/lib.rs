//! Behaves as the request's path says:
//!
//! - `/count`: how often this was asked, kept in `/tmp/count`;
//! - `/headers`: the headers that tell who asks; `/echo`: the body, piece by piece as it comes;
//! - `/get/AUTHORITY/PATH`: what another server answers; `/gets/…`: the same over https;
//! - `/trap`, `/oom`, `/silent` (returns without an answer), `/cut` (traps in the middle of its
//!   answer), `/spin` (never returns), `/late` (answers, then writes `/tmp/late`).

use std::fs::OpenOptions;
use std::io::Write;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, Method, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream};

struct Acts;

impl wasip2::exports::http::incoming_handler::Guest for Acts {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        match path.as_str() {
            "/count" => answer(out, 200, count("/tmp/count").as_bytes()),
            "/headers" => answer(out, 200, headers(&request).as_bytes()),
            "/echo" => echo(&request, out),
            "/trap" => panic!("trapped on purpose"),
            "/oom" => {
                let mut held = Vec::new();
                loop {
                    held.push(vec![1_u8; 8 << 20]);
                }
            }
            "/silent" => drop(out),
            "/cut" => {
                let (_body, stream) = begin(out, 200);
                write(&stream, b"only half of");
                panic!("trapped in the middle");
            }
            "/spin" => loop {
                std::hint::black_box(1);
            },
            "/late" => {
                answer(out, 200, b"early");
                std::fs::write("/tmp/late", "done").expect("/tmp can be written to");
            }
            path => match (path.strip_prefix("/get/"), path.strip_prefix("/gets/")) {
                (Some(rest), _) => answer(out, 200, &get(Scheme::Http, rest)),
                (_, Some(rest)) => answer(out, 200, &get(Scheme::Https, rest)),
                _ => answer(out, 404, b"no such act"),
            },
        }
    }
}

wasip2::http::proxy::export!(Acts);

fn count(path: &str) -> String {
    let mut file = OpenOptions::new().append(true).create(true).open(path).expect("it opens");
    file.write_all(b"x").expect("it can be written to");
    file.metadata().expect("it has a length").len().to_string()
}

fn headers(request: &IncomingRequest) -> String {
    let headers = request.headers();
    let mut text = String::new();
    for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-real-ip"] {
        let values = headers.get(name);
        let values: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value)).collect();
        text += &format!("{name}: {}\n", values.join(", "));
    }
    text
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) {
    let body = request.consume().expect("the body is taken once");
    let input = body.stream().expect("its stream is taken once");
    let (body, stream) = begin(out, 200);
    while let Ok(bytes) = input.blocking_read(4096) {
        write(&stream, &bytes);
    }
    end(body, stream);
}

fn get(scheme: Scheme, rest: &str) -> Vec<u8> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(Fields::new());
    request.set_method(&Method::Get).expect("a method");
    request.set_scheme(Some(&scheme)).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some(&format!("/{path}"))).expect("a path");
    let future = match outgoing_handler::handle(request, None) {
        Ok(future) => future,
        Err(error) => return format!("refused: {error:?}").into_bytes(),
    };
    future.subscribe().block();
    let answer = future.get().expect("it is ready").expect("it is taken once");
    match answer {
        Ok(answer) => {
            let body = answer.consume().expect("the body is taken once");
            [format!("{}: ", answer.status()).into_bytes(), read(&body)].concat()
        }
        Err(error) => format!("error: {error:?}").into_bytes(),
    }
}

fn read(body: &IncomingBody) -> Vec<u8> {
    let stream: InputStream = body.stream().expect("its stream is taken once");
    let mut bytes = Vec::new();
    while let Ok(more) = stream.blocking_read(64 * 1024) {
        bytes.extend(more);
    }
    bytes
}

fn answer(out: ResponseOutparam, status: u16, bytes: &[u8]) {
    let (body, stream) = begin(out, status);
    write(&stream, bytes);
    end(body, stream);
}

fn begin(out: ResponseOutparam, status: u16) -> (OutgoingBody, OutputStream) {
    let response = OutgoingResponse::new(Fields::new());
    response.set_status_code(status).expect("a status");
    let body = response.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("its stream is taken once");
    (body, stream)
}

fn write(stream: &OutputStream, bytes: &[u8]) {
    for chunk in bytes.chunks(4096) {
        // A client that went away gets nothing more; there is nobody to tell.
        if stream.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
}

fn end(body: OutgoingBody, stream: OutputStream) {
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}
