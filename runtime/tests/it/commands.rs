//! Commands: what they are given, how they end, how they are stopped.

use std::time::Duration;

use skep_api::{Bytes, Limits, WorkloadKind};
use skep_runtime::{LINE_MAX, Outcome, OutputStream};

use crate::bench::{Bench, LIMIT, Stage};

const MULTI: &str = "rt-acts";

#[tokio::test]
async fn a_command_gets_its_arguments_variables_and_folder_and_nothing_else() {
    let mut stage = Stage::default();
    stage.grant.env = vec![("GREETING".into(), "hello".into())];
    stage.grant.cwd = "/srv/app".into();
    let acts = ["env", "GREETING", "env", "PATH", "vars", "args", "stdin", "random", "ls", "/srv"];
    let (outcome, text) = Bench::new().run(MULTI, &acts, stage).await;
    assert_eq!(outcome, Outcome::Exited(0));
    assert_eq!(
        text,
        "env GREETING: hello\nenv PATH: (not set)\nvars: 1\nargs: 11\n\
         stdin: 0 bytes\nrandom: true\nls /srv: app/\n"
    );
}

#[tokio::test]
async fn exit_codes_are_those_of_the_guest() {
    let bench = Bench::new();
    for (guest, args, code) in [
        (MULTI, vec![], 0),
        (MULTI, vec!["exit", "0"], 0),
        (MULTI, vec!["fail"], 1),
        ("exit-code", vec!["7"], 7),
        ("exit-code", vec!["255"], 255),
    ] {
        let (outcome, _) = bench.run(guest, &args, Stage::default()).await;
        assert_eq!(outcome, Outcome::Exited(code), "{guest} {args:?}");
    }
}

#[tokio::test]
async fn lines_come_out_whole_and_by_stream() {
    let bench = Bench::new();
    let stage = Stage::default();
    let output = stage.output.clone();
    let long = "x".repeat(LINE_MAX + 10);
    let acts = ["err", "to stderr", "print", &long, "print", "unfinished"];
    let sandbox = bench.start(MULTI, stage.plan(MULTI, &acts)).await;
    assert_eq!(sandbox.wait().await, Outcome::Exited(0));
    assert_eq!(output.of(OutputStream::Stderr), ["to stderr"]);
    let lines = output.of(OutputStream::Stdout);
    assert_eq!(lines[0], "err to stderr: printed");
    assert_eq!((lines[1].len(), &lines[2][..15]), (LINE_MAX, "xxxxxxxxxxprint"));
    assert!(lines.last().unwrap().starts_with("unfinishedprint unfinished"));
}

#[tokio::test]
async fn a_trap_is_told_with_its_reason() {
    let (outcome, text) = Bench::new().run("trap", &[], Stage::default()).await;
    assert!(text.contains("trapped on purpose"), "{text}");
    assert_eq!(outcome.exit_code(), 134);
    let Outcome::Trapped(reason) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("unreachable"), "{reason}");
}

#[tokio::test]
async fn endless_recursion_ends_in_a_trap() {
    let (outcome, _) = Bench::new().run(MULTI, &["recurse"], Stage::default()).await;
    assert_eq!(outcome.exit_code(), 134, "{outcome:?}");
}

#[tokio::test]
async fn memory_over_the_limit_is_refused_and_named_if_the_guest_dies_of_it() {
    let bench = Bench::new();
    let limit = Bytes::mib(16);
    let stage = || Stage::with_limits(Limits { memory: limit, ..Limits::default() });
    let (outcome, text) = bench.run(MULTI, &["grow", "4", "grow", "20"], stage()).await;
    assert_eq!(outcome, Outcome::OutOfMemory { limit });
    assert!(text.starts_with("grow 4: 1 blocks\n"), "{text}");
    let (outcome, text) = bench.run(MULTI, &["try-grow", "20", "try-grow", "4"], stage()).await;
    assert_eq!(outcome, Outcome::Exited(0));
    assert_eq!(text, "try-grow 20: refused\ntry-grow 4: grown\n");
    // Too little for the component itself.
    let stage = Stage::with_limits(Limits { memory: Bytes::kib(64), ..Limits::default() });
    let (outcome, _) = bench.run(MULTI, &[], stage).await;
    assert_eq!(outcome, Outcome::OutOfMemory { limit: Bytes::kib(64) });
}

#[tokio::test]
async fn a_busy_loop_stops_when_its_grace_is_over_and_starves_nobody() {
    let bench = Bench::new();
    let stage = Stage::default();
    let output = stage.output.clone();
    let sandbox = bench.start("spin", stage.plan("spin", &[])).await;
    output.wait_for("spins").await;
    // On this single thread the loop must yield for the timers to pass at all.
    let stopped = sandbox.stop(Duration::from_millis(50));
    assert_eq!(tokio::time::timeout(LIMIT, stopped).await.unwrap(), Outcome::Killed);
    assert_eq!(sandbox.wait().await.exit_code(), 137);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_sandbox_ends_its_guest() {
    let bench = Bench::new();
    let stage = Stage::default();
    let output = stage.output.clone();
    let sandbox = bench.start("spin", stage.plan("spin", &[])).await;
    output.wait_for("spins").await;
    drop(sandbox);
    // The guest holds its output as long as it lives.
    let gone = async {
        while std::sync::Arc::strong_count(&output) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.expect("the guest is gone");
}

#[tokio::test]
async fn a_command_is_no_http_task() {
    let bench = Bench::new();
    let component = bench.component("spin").await;
    assert_eq!(component.kind(), WorkloadKind::Command);
    let sandbox = bench.runtime.start(&component, Stage::default().plan("spin", &[])).unwrap();
    let (_client, server) = tokio::io::duplex(64);
    assert!(sandbox.serve(server, crate::bench::CLIENT).await.is_err());
}
