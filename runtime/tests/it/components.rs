//! Components that are refused, and some that can't be made by a toolchain.

use skep_api::WorkloadKind;
use skep_runtime::{HOST_INTERFACES, Outcome, PrepareError, host_offers};

use crate::bench::{Bench, LIMIT, Stage, digest};

/// Prepares a component written as text.
async fn prepare(bench: &Bench, wat: &str) -> Result<skep_runtime::Component, PrepareError> {
    let bytes = wat::parse_str(wat).unwrap();
    let path = bench.cache.path().join("hand.wasm");
    std::fs::write(&path, &bytes).unwrap();
    bench.runtime.prepare(digest(&bytes), &path).await
}

#[tokio::test]
async fn what_can_not_run_here_is_refused_by_name() {
    let bench = Bench::new();
    let refused = async |wat| prepare(&bench, wat).await.err().unwrap();
    let error = refused("(module)").await;
    assert!(matches!(error, PrepareError::CoreModule), "{error}");
    let error = refused("(component)").await;
    assert!(matches!(error, PrepareError::NotRunnable), "{error}");
    let error = refused(
        r#"(component (import "wasi:nn/tensor@0.2.0" (instance)) (import "my:own/thing" (instance)))"#,
    )
    .await;
    assert_eq!(
        error.to_string(),
        "it imports what this host does not have: my:own/thing, wasi:nn/tensor@0.2.0"
    );
    let error = refused(
        r#"(component
            (import "wasi:cli/stdin@0.2.0" (instance (export "nothing-like-it" (func))))
            (instance $run) (export "wasi:cli/run@0.2.0" (instance $run)))"#,
    )
    .await;
    assert!(matches!(error, PrepareError::Link(_)), "{error}");
    let path = bench.cache.path().join("text.wasm");
    std::fs::write(&path, "hello").unwrap();
    let error = bench.runtime.prepare(digest(b"hello"), &path).await.err().unwrap();
    assert!(matches!(error, PrepareError::Compile(_)), "{error}");
}

#[tokio::test]
async fn every_interface_of_the_list_can_be_imported() {
    let bench = Bench::new();
    let imports: String = HOST_INTERFACES
        .iter()
        .map(|name| format!("(import \"{name}@0.2.6\" (instance))\n"))
        .collect();
    assert!(HOST_INTERFACES.iter().all(|name| host_offers(&format!("{name}@0.2.6"))));
    let component = prepare(&bench, &command(&imports, "")).await.unwrap();
    assert_eq!(component.imports().len(), HOST_INTERFACES.len());
    assert_eq!(component.kind(), WorkloadKind::Command);
}

/// A command whose `run` is the function `$run`, of which `body` is a part.
fn command(imports: &str, body: &str) -> String {
    format!(
        r#"(component {imports}
            (core module $m
                (func $inner {body})
                (func $run (export "run") (result i32) call $inner i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    )
}

#[tokio::test]
async fn the_reason_of_a_trap_names_the_functions() {
    let bench = Bench::new();
    for (body, reason) in [
        ("unreachable", "wasm `unreachable` instruction executed, in inner < run"),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "integer divide by zero, in inner < run",
        ),
    ] {
        let component = prepare(&bench, &command("", body)).await.unwrap();
        let sandbox = bench.runtime.start(&component, Stage::default().plan("x", &[])).unwrap();
        let outcome = tokio::time::timeout(LIMIT, sandbox.wait()).await.unwrap();
        assert_eq!(outcome, Outcome::Trapped(reason.into()));
    }
}

#[tokio::test]
async fn a_handler_that_can_not_be_made_fails_its_task() {
    let bench = Bench::new();
    let component = prepare(
        &bench,
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $types
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $types "incoming-request" (type $request))
            (alias export $types "response-outparam" (type $out))
            (core module $m
                (func $explode unreachable)
                (start $explode)
                (func (export "handle") (param i32 i32)))
            (core instance $i (instantiate $m))
            (func $handle (param "request" (own $request)) (param "response-out" (own $out))
                (canon lift (core func $i "handle")))
            (component $shim
                (import "request" (type $r (sub resource)))
                (import "out" (type $o (sub resource)))
                (import "handle" (func $h
                    (param "request" (own $r)) (param "response-out" (own $o))))
                (export "handle" (func $h)))
            (instance $exports (instantiate $shim
                (with "request" (type $request)) (with "out" (type $out))
                (with "handle" (func $handle))))
            (export "wasi:http/incoming-handler@0.2.0" (instance $exports)))"#,
    )
    .await
    .unwrap();
    assert_eq!(component.kind(), WorkloadKind::Http);
    let sandbox = bench.runtime.start(&component, Stage::default().plan("x", &[])).unwrap();
    let outcome = tokio::time::timeout(LIMIT, sandbox.wait()).await.unwrap();
    assert_eq!(
        outcome,
        Outcome::Trapped("wasm `unreachable` instruction executed, in explode".into())
    );
}
