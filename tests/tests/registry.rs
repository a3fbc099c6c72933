//! Images by way of a real registry: pushed here, read by an independent client, pulled by a node
//! that never saw them; and everything that is refused.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use skep_tests::{
    Access, Daemon, PASSWORD, Registry, Setup, USER, free_port, guest, http, wait_for,
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM: &str = "application/wasm";

/// What an independent client says of an image.
fn skopeo(command: &[&str], image: &str) -> Result<String> {
    let url = format!("docker://{image}");
    let output = Command::new("skopeo")
        .args(command)
        .args(["--tls-verify=false", &url])
        .output()
        .context("skopeo can't be started: `apt-get install skopeo`")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Puts `hello-http` into a registry, by way of a node, and answers its name there.
fn push_hello(daemon: &Daemon, registry: &Registry) -> Result<String> {
    let image = registry.image("demo/hello:1.0");
    daemon.load("hello-http", &image)?;
    daemon.skep(&["image", "push", &image])?.ok()?;
    Ok(image)
}

#[test]
fn an_independent_client_reads_what_was_pushed() -> Result<()> {
    let registry = Registry::start(Access::Open)?;
    let daemon = Daemon::start()?;
    let image = push_hello(&daemon, &registry)?;
    let manifest: Value = serde_json::from_str(&skopeo(&["inspect", "--raw"], &image)?)?;
    assert_eq!(manifest["mediaType"], MANIFEST, "{manifest}");
    assert_eq!(manifest["config"]["mediaType"], WASM_CONFIG, "{manifest}");
    let layers = manifest["layers"].as_array().context("no layers")?;
    let wasm = fs::read(guest("hello-http")?)?;
    assert_eq!(layers.len(), 1, "{manifest}");
    assert_eq!(layers[0]["mediaType"], WASM, "{manifest}");
    assert_eq!(layers[0]["digest"], digest(&wasm), "{manifest}");
    assert_eq!(layers[0]["size"], wasm.len(), "{manifest}");
    let config: Value = serde_json::from_str(&skopeo(&["inspect", "--config", "--raw"], &image)?)?;
    assert_eq!(config["os"], "wasip2", "{config}");
    assert_eq!(config["layerDigests"], json!([digest(&wasm)]), "{config}");
    Ok(())
}

#[test]
fn a_node_with_an_empty_store_pulls_by_tag_and_by_digest_and_runs_it() -> Result<()> {
    let registry = Registry::start(Access::Open)?;
    let first = Daemon::start()?;
    let image = push_hello(&first, &registry)?;
    let raw = skopeo(&["inspect", "--raw"], &image)?;
    let by_digest = registry.image(&format!("demo/hello@{}", digest(raw.as_bytes())));
    for name in [&image, &by_digest] {
        let fresh = Daemon::start_swarm()?;
        fresh.skep(&["image", "pull", name])?.ok()?;
        let shown = fresh.skep(&["image", "inspect", name])?.ok()?;
        assert!(shown.contains("wasi:http/incoming-handler"), "{shown}");
    }
    // And without an explicit pull, when a task needs it.
    let fresh = Daemon::start_swarm()?;
    let port = free_port()?;
    let publish = format!("{port}:80");
    let create = ["service", "create", "-d", "--name", "hello", "-e", "TASK={{.Task.Name}}"];
    fresh.skep(&[&create[..], &["-p", &publish, &image]].concat())?.ok()?;
    let get = || http::get(port, "/where?a=b");
    let answer = wait_for("an answer", get, |answer| answer.status == 200)?;
    assert!(answer.body.starts_with("Hello from hello.1."), "{answer:?}");
    assert!(answer.body.contains("/where?a=b"), "{answer:?}");
    let service = fresh.skep(&["service", "inspect", "hello"])?.ok()?;
    assert!(service.contains(&digest(raw.as_bytes())), "the tag was resolved once: {service}");
    Ok(())
}

#[test]
fn a_registry_with_a_password_serves_those_who_have_it() -> Result<()> {
    let registry = Registry::start(Access::Password)?;
    let daemon = Daemon::start()?;
    let image = registry.image("demo/hello:1.0");
    daemon.load("hello-http", &image)?;
    let refused = daemon.skep(&["image", "push", &image])?.refused()?;
    assert!(refused.contains("denies access to"), "{refused}");
    assert!(refused.contains("\nhint: "), "{refused}");
    sign_in(&daemon, &registry)?;
    daemon.skep(&["image", "push", &image])?.ok()?;

    let fresh = Daemon::start_swarm()?;
    let refused = fresh.skep(&["image", "pull", &image])?.refused()?;
    assert!(refused.contains("denies access to"), "{refused}");
    sign_in(&fresh, &registry)?;
    let port = free_port()?;
    let publish = format!("{port}:80");
    let create = ["service", "create", "-d", "--with-registry-auth", "--name", "hello"];
    fresh.skep(&[&create[..], &["-p", &publish, &image]].concat())?.ok()?;
    wait_for("an answer", || http::get(port, "/"), |answer| answer.status == 200)?;
    assert!(!fresh.log().contains(PASSWORD));
    Ok(())
}

fn sign_in(daemon: &Daemon, registry: &Registry) -> Result<()> {
    let host = format!("127.0.0.1:{}", registry.port());
    let login = ["login", "-u", USER, "--password-stdin", &host];
    daemon.skep_input(&login, format!("{PASSWORD}\n").as_bytes())?.ok()?;
    Ok(())
}

#[test]
fn a_name_without_a_host_means_the_default_registry_if_there_is_one() -> Result<()> {
    let registry = Registry::start(Access::Open)?;
    push_hello(&Daemon::start()?, &registry)?;
    let host = format!("127.0.0.1:{}", registry.port());
    let args = vec!["--default-registry".to_owned(), host];
    let fresh = Daemon::start_with(Setup { args, ..Setup::default() })?;
    fresh.skep(&["image", "pull", "demo/hello:1.0"])?.ok()?;
    let without = Daemon::start()?;
    let refused = without.skep(&["image", "pull", "demo/hello:1.0"])?.refused()?;
    assert!(refused.contains("No such image: demo/hello:1.0"), "{refused}");
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Puts a blob into a registry and answers its descriptor.
fn put_blob(registry: &Registry, kind: &str, bytes: &[u8]) -> Result<Value> {
    let begin = http::send(registry.port(), "POST", "/v2/odd/blobs/uploads/", &[], b"")?;
    let location = begin.header("location").context("no location")?;
    let path = location.split_once("/v2/").map(|(_, rest)| format!("/v2/{rest}"));
    let path = format!("{}&digest={}", path.context("another location")?, digest(bytes));
    let kind_header = [("content-type", "application/octet-stream")];
    let end = http::send(registry.port(), "PUT", &path, &kind_header, bytes)?;
    ensure!(end.status == 201, "{end:?}");
    Ok(json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() }))
}

/// Puts an image into a registry as it is, and answers its name.
fn put_image(registry: &Registry, tag: &str, config: &Value, layers: &[Value]) -> Result<String> {
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers,
    });
    let path = format!("/v2/odd/manifests/{tag}");
    let kind = [("content-type", MANIFEST)];
    let body = manifest.to_string();
    let put = http::send(registry.port(), "PUT", &path, &kind, body.as_bytes())?;
    ensure!(put.status == 201, "{put:?}");
    Ok(registry.image(&format!("odd:{tag}")))
}

/// A pull of it is refused with that text and a way out, and leaves nothing in the store.
fn refused(daemon: &Daemon, image: &str, text: &str) -> Result<()> {
    let error = daemon.skep(&["image", "pull", image])?.refused()?;
    ensure!(error.contains(text), "{image}: waited for `{text}`, got: {error}");
    ensure!(error.contains("\nhint: "), "{image}: there is no hint: {error}");
    let listed = daemon.skep(&["image", "ls", "-q"])?.ok()?;
    ensure!(listed.is_empty(), "{image} left something in the store: {listed}");
    Ok(())
}

#[test]
fn what_can_never_run_is_refused_with_the_reason() -> Result<()> {
    let registry = Registry::start(Access::Open)?;
    let daemon = Daemon::start()?;
    let wasm = fs::read(guest("hello-http")?)?;
    let config = put_blob(&registry, WASM_CONFIG, b"{}")?;
    let layer = put_blob(&registry, WASM, &wasm)?;

    let linux =
        put_blob(&registry, "application/vnd.oci.image.config.v1+json", br#"{"os":"linux"}"#)?;
    let tar = put_blob(&registry, "application/vnd.oci.image.layer.v1.tar+gzip", b"a tar file")?;
    let image = put_image(&registry, "linux", &linux, &[tar])?;
    refused(&daemon, &image, "is a Linux container, not a component")?;

    let image = put_image(&registry, "two", &config, &[layer.clone(), layer])?;
    refused(&daemon, &image, "has 2 layers, and a component has exactly one")?;

    let text = put_blob(&registry, WASM, b"this is not wasm")?;
    let image =
        put_image(&registry, "text", &wasm_config(&registry, b"this is not wasm")?, &[text])?;
    refused(&daemon, &image, "is not WebAssembly")?;

    let wants = fs::read(guest("wants-printer")?)?;
    let layer = put_blob(&registry, WASM, &wants)?;
    let image = put_image(&registry, "wants", &wasm_config(&registry, &wants)?, &[layer])?;
    refused(&daemon, &image, "acme:office/printer@1.2.0")
}

/// A config as the layout wants it, for one layer.
fn wasm_config(registry: &Registry, layer: &[u8]) -> Result<Value> {
    let config = json!({
        "created": "2026-01-01T00:00:00Z", "architecture": "wasm", "os": "wasip2",
        "layerDigests": [digest(layer)], "component": { "exports": [], "imports": [] },
    });
    put_blob(registry, WASM_CONFIG, config.to_string().as_bytes())
}

#[test]
fn what_arrives_damaged_or_not_at_all_is_refused_with_the_reason() -> Result<()> {
    let registry = Registry::start(Access::Open)?;
    let first = Daemon::start()?;
    let image = push_hello(&first, &registry)?;
    let wasm = fs::read(guest("hello-http")?)?;
    let blob = registry.blob(&digest(&wasm));

    let mut flipped = wasm.clone();
    flipped[1000] ^= 1;
    fs::write(&blob, &flipped)?;
    refused(&Daemon::start()?, &image, &format!("not {}", digest(&wasm)))?;

    fs::write(&blob, &wasm[..wasm.len() / 2])?;
    let cut = Daemon::start()?;
    let error = cut.skep(&["image", "pull", &image])?.refused()?;
    ensure!(error.contains(&wasm.len().to_string()), "the size is told: {error}");
    assert_eq!(cut.skep(&["image", "ls", "-q"])?.ok()?, "");

    fs::write(&blob, &wasm)?;
    cut.skep(&["image", "pull", &image])?.ok()?;

    let fresh = Daemon::start()?;
    refused(&fresh, &registry.image("demo/hello:9.9"), "No such image: ")?;
    let nobody = format!("127.0.0.1:{}/demo/hello:1.0", free_port()?);
    refused(&fresh, &nobody, "cannot be reached")
}
