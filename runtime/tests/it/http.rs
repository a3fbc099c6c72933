//! Http handlers.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use skep_api::{Bytes as Size, Limits};
use skep_runtime::{Outcome, OutputStream, Pipe, PlanDir, PlanDirSource, RequestCounts, Sandbox};

use crate::bench::{Bench, CLIENT, HERE, LIMIT, Stage};

fn stage() -> Stage {
    let tmp = PlanDirSource::Memory(Size::mib(1));
    let dirs = vec![PlanDir { path: "/tmp".into(), source: tmp, read_only: false }];
    Stage { dirs, ..Stage::default() }
}

/// A connection to a sandbox, which is served in the background.
fn connect(sandbox: &std::sync::Arc<Sandbox>) -> Pipe {
    let (near, far) = Pipe::pair();
    let sandbox = sandbox.clone();
    tokio::spawn(async move { sandbox.serve(far, CLIENT).await });
    near
}

async fn get(sandbox: &std::sync::Arc<Sandbox>, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).header("host", "web").body(Full::default()).unwrap();
    let answer = send(sandbox, request).await.unwrap();
    (answer.status(), text(answer).await.unwrap())
}

async fn send(
    sandbox: &std::sync::Arc<Sandbox>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Response<hyper::body::Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(connect(sandbox))).await?;
    tokio::spawn(connection);
    tokio::time::timeout(LIMIT, sender.send_request(request)).await.expect("an answer")
}

async fn text(answer: Response<hyper::body::Incoming>) -> hyper::Result<String> {
    let body = tokio::time::timeout(LIMIT, answer.into_body().collect()).await.expect("a body")?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

async fn start(stage: Stage) -> (Bench, std::sync::Arc<Sandbox>) {
    let bench = Bench::new();
    let sandbox = bench.start("rt-http", stage.plan("rt-http", &[])).await;
    (bench, sandbox.into())
}

#[tokio::test]
async fn each_request_has_an_instance_and_all_share_their_tmp() {
    let (_bench, sandbox) = start(stage()).await;
    for count in 1..=3 {
        assert_eq!(get(&sandbox, "/count").await, (StatusCode::OK, count.to_string()));
    }
    assert_eq!(get(&sandbox, "/other").await.0, StatusCode::NOT_FOUND);
    assert_eq!(sandbox.requests(), RequestCounts { served: 4, failed: 0, refused: 0 });
}

#[tokio::test]
async fn http2_is_spoken_without_being_asked_for() {
    let (_bench, sandbox) = start(stage()).await;
    let io = TokioIo::new(connect(&sandbox));
    let (mut sender, connection) =
        http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://web/echo").body(Full::from("both ways")).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(text(answer).await.unwrap(), "both ways");
}

#[tokio::test]
async fn a_handler_is_told_who_asks_whatever_the_client_says() {
    let (_bench, sandbox) = start(stage()).await;
    let request = Request::get("/headers")
        .header("host", "web")
        .header("forwarded", "for=1.2.3.4")
        .header("x-forwarded-for", "1.2.3.4")
        .header("x-real-ip", "1.2.3.4")
        .body(Full::default())
        .unwrap();
    let answer = send(&sandbox, request).await.unwrap();
    assert_eq!(
        text(answer).await.unwrap(),
        "forwarded: for=10.0.0.9;proto=http\nx-forwarded-for: 10.0.0.9\n\
         x-forwarded-proto: http\nx-real-ip: \n"
    );
    let nameless = Request::get("/headers").body(Full::default()).unwrap();
    let answer = send(&sandbox, nameless).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let (_bench, sandbox) = start(stage()).await;
    let sent = "0123456789abcdef".repeat(40_000);
    let request =
        Request::post("/echo").header("host", "web").body(Full::from(sent.clone())).unwrap();
    let answer = send(&sandbox, request).await.unwrap();
    assert!(text(answer).await.unwrap() == sent);
}

#[tokio::test]
async fn a_request_that_fails_is_answered_told_and_counted_and_the_task_lives() {
    let mut stage = stage();
    stage.grant.limits = Limits { memory: Size::mib(24), ..Limits::default() };
    let output = stage.output.clone();
    let (_bench, sandbox) = start(stage).await;
    for path in ["/trap", "/oom", "/silent"] {
        assert_eq!(get(&sandbox, path).await.0, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    assert_eq!(get(&sandbox, "/count").await, (StatusCode::OK, "1".into()));
    let told = output.of(OutputStream::Stderr).join("\n");
    for text in
        ["a request failed: task: trapped: wasm `unreachable`", "out of memory: its limit is 24MiB"]
    {
        assert!(told.contains(text), "no `{text}` in:\n{told}");
    }
    assert_eq!(sandbox.requests().failed, 3);
}

#[tokio::test]
async fn an_answer_that_was_cut_short_does_not_look_complete() {
    let (_bench, sandbox) = start(stage()).await;
    let request = Request::get("/cut").header("host", "web").body(Full::default()).unwrap();
    // The server may find out before it has sent the answer's head.
    if let Ok(answer) = send(&sandbox, request).await {
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(text(answer).await.is_err());
    }
    assert_eq!(sandbox.requests().failed, 1);
}

#[tokio::test]
async fn a_handler_may_go_on_after_its_answer() {
    let (_bench, sandbox) = start(stage()).await;
    assert_eq!(get(&sandbox, "/late").await.1, "early");
    // Draining waits for it.
    assert_eq!(sandbox.stop(LIMIT).await, Outcome::Stopped);
}

#[tokio::test]
async fn a_handler_calls_others_by_name_over_the_tasks_network() {
    let bench = Bench::new();
    let server = stage();
    let network = server.network.clone();
    network.name("echo", HERE);
    let listening = server.output.clone();
    let _server = bench.start("echo", server.plan("echo", &["80"])).await;
    listening.wait_for("echo listens").await;
    // The echo server sends the request back, which is no answer; a handler behind a port is one.
    let other = Stage { network: network.clone(), ..stage() };
    let backend = std::sync::Arc::new(bench.start("rt-http", other.plan("rt-http", &[])).await);
    network.name("backend", HERE);
    let (handle, mut listener) = skep_runtime::listener(std::net::SocketAddr::new(HERE, 8080), 16);
    network.listeners.lock().unwrap().insert(8080, handle);
    tokio::spawn(async move {
        while let Some(connection) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await {
            let backend = backend.clone();
            tokio::spawn(async move { backend.serve(connection.pipe, connection.peer).await });
        }
    });
    let front = Stage { network, ..stage() };
    let front = std::sync::Arc::new(bench.start("rt-http", front.plan("rt-http", &[])).await);
    for (path, start) in [
        ("/get/backend:8080/count", "200: 1"),
        ("/get/backend:8080/count", "200: 2"),
        ("/get/backend:8080/trap", "500: "),
        ("/get/backend:81/", "error: ErrorCode::ConnectionRefused"),
        ("/get/nobody/", "error: ErrorCode::DnsError"),
        ("/get/192.0.2.1/", "error: ErrorCode::DestinationIpProhibited"),
        ("/gets/backend/", "error: ErrorCode::InternalError(Some(\"https is not supported"),
    ] {
        let (_, text) = get(&front, path).await;
        assert!(text.starts_with(start), "{path}: {text}");
    }
    let (_, text) = get(&front, "/get/echo/").await;
    assert!(text.starts_with("error: "), "{text}");
}

#[tokio::test]
async fn a_stop_drains_what_runs_and_refuses_what_comes() {
    let (_bench, sandbox) = start(stage()).await;
    let idle = connect(&sandbox);
    assert_eq!(get(&sandbox, "/count").await.1, "1");
    assert_eq!(sandbox.stop(LIMIT).await, Outcome::Stopped);
    drop(idle);
    assert!(sandbox.serve(Pipe::pair().0, CLIENT).await.is_err());
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_when_the_grace_is_over() {
    let (_bench, sandbox) = start(stage()).await;
    let asking = tokio::spawn({
        let sandbox = sandbox.clone();
        async move {
            let request = Request::get("/spin").header("host", "web").body(Full::default());
            send(&sandbox, request.unwrap()).await.is_err()
        }
    });
    while sandbox.requests().served == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sandbox.stop(Duration::from_millis(50)).await, Outcome::Killed);
    // The client gets an error, or an answer that says so; what matters is that it gets one.
    let _ = asking.await.unwrap();
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_instance_with_it() {
    let stage = stage();
    let output = stage.output.clone();
    let (_bench, sandbox) = start(stage).await;
    let request = Request::get("/spin").header("host", "web").body(Full::<Bytes>::default());
    let (mut sender, connection) =
        http1::handshake::<_, Full<Bytes>>(TokioIo::new(connect(&sandbox))).await.unwrap();
    let connection = tokio::spawn(connection);
    let asking = tokio::spawn(async move { sender.send_request(request.unwrap()).await.is_err() });
    while sandbox.requests().served == 0 {
        tokio::task::yield_now().await;
    }
    connection.abort();
    assert!(asking.await.unwrap());
    // With the busy instance gone, a stop has nothing to wait for.
    assert_eq!(sandbox.stop(LIMIT).await, Outcome::Stopped, "{}", output.text());
}
