//! Sockets on a network in memory.

use std::sync::Arc;
use std::time::Duration;

use skep_api::Limits;
use skep_runtime::{Outcome, PIPE_BUFFER_MAX};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, FORBIDDEN, HERE, LIMIT, Stage};

#[tokio::test]
async fn a_std_server_is_reached_through_its_listener_and_stops_when_that_closes() {
    let bench = Bench::new();
    let stage = Stage::default();
    let (network, output) = (stage.network.clone(), stage.output.clone());
    let sandbox = bench.start("echo", stage.plan("echo", &["80"])).await;
    output.wait_for("echo listens on 10.0.0.2:80").await;
    // More than fits in the pipe, so that both sides have to wait for each other.
    let sent: Vec<u8> = (0..3 * PIPE_BUFFER_MAX).map(|i| i as u8).collect();
    let (mut reader, mut writer) = tokio::io::split(network.dial(80).unwrap());
    let data = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&data).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut got = Vec::new();
    tokio::time::timeout(LIMIT, reader.read_to_end(&mut got)).await.unwrap().unwrap();
    writing.await.unwrap();
    assert!(got == sent);
    output.wait_for(&format!("{} bytes for 10.0.0.9:50000", sent.len())).await;
    let outcome = sandbox.stop(LIMIT).await;
    assert_eq!(outcome, Outcome::Exited(0), "{}", output.text());
    assert!(output.text().contains("echo was told to stop"));
    assert!(network.dial(80).is_err());
}

#[tokio::test]
async fn a_client_finds_a_server_by_its_name() {
    let bench = Bench::new();
    let server = Stage::default();
    let network = server.network.clone();
    network.name("echo", HERE);
    network.name("tasks.stack_echo", HERE);
    network.name("forbidden", FORBIDDEN);
    let listening = server.output.clone();
    let _server = bench.start("echo", server.plan("echo", &["80"])).await;
    listening.wait_for("echo listens").await;
    let stage = Stage { network, ..Stage::default() };
    let acts = "talk echo 80 hello resolve tasks.stack_echo talk 10.0.0.2 80 again connect echo 81 \
                connect forbidden 80 connect nobody 80 resolve nobody udp 0.0.0.0:53";
    let acts: Vec<_> = acts.split_whitespace().collect();
    let (outcome, text) = bench.run("rt-acts", &acts, stage).await;
    assert_eq!(outcome, Outcome::Exited(0));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "talk echo 80 hello: hello",
            "resolve tasks.stack_echo: 10.0.0.2",
            "talk 10.0.0.2 80 again: again",
            "connect echo 81: error: ConnectionRefused",
            "connect forbidden 80: error: PermissionDenied",
        ]
    );
    for (line, start) in lines[5..].iter().zip([
        "connect nobody 80: error: ",
        "resolve nobody: error: ",
        "udp 0.0.0.0:53: error: Unsupported",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(lines.len(), 8);
}

#[tokio::test]
async fn addresses_are_the_networks_to_give() {
    let bench = Bench::new();
    let server = Stage::default();
    let (network, listening) = (server.network.clone(), server.output.clone());
    let _server = bench.start("echo", server.plan("echo", &["80"])).await;
    listening.wait_for("echo listens").await;
    let stage = Stage { network, ..Stage::default() };
    let acts =
        ["bind", "0.0.0.0:0", "bind", "10.0.0.2:81", "bind", "0.0.0.0:80", "bind", "10.9.9.9:82"];
    let (_, text) = bench.run("rt-acts", &acts, stage).await;
    assert_eq!(
        text,
        "bind 0.0.0.0:0: 10.0.0.2:40001\nbind 10.0.0.2:81: 10.0.0.2:81\n\
         bind 0.0.0.0:80: error: AddrInUse\nbind 10.9.9.9:82: error: AddrNotAvailable\n"
    );
}

#[tokio::test]
async fn a_task_holds_as_many_sockets_as_it_may() {
    let limits = Limits { sockets: 5, ..Limits::default() };
    let acts = ["sockets", "9", "sockets", "3"];
    let (_, text) = Bench::new().run("rt-acts", &acts, Stage::with_limits(limits)).await;
    assert_eq!(text, "sockets 9: 5 held\nsockets 3: 3 held\n");
}

#[tokio::test]
async fn a_guest_that_is_cut_off_takes_its_connections_with_it() {
    let bench = Bench::new();
    let stage = Stage::default();
    let (network, output) = (stage.network.clone(), stage.output.clone());
    let sandbox = bench.start("echo", stage.plan("echo", &["80"])).await;
    output.wait_for("echo listens").await;
    let mut held = network.dial(80).unwrap();
    held.write_all(b"x").await.unwrap();
    assert_eq!(held.read_u8().await.unwrap(), b'x');
    // The server serves one connection at a time: this one is never accepted.
    let mut waiting = network.dial(80).unwrap();
    assert_eq!(sandbox.stop(Duration::from_millis(20)).await, Outcome::Killed);
    assert!(held.read_u8().await.is_err());
    assert!(waiting.read_u8().await.is_err());
    drop((held, waiting));
    // Nothing of the guest is left: its output was let go.
    drop(sandbox);
    assert_eq!(Arc::strong_count(&output), 1);
}
