//! Registries that serve what is not a component, or lie: each is refused with its reason, and
//! nothing of it stays.

use serde_json::json;
use skep_images::{Auth, Silent};

use crate::fake::{
    Artifact, Fake, MANIFEST, Request, announcing, digest, endless, ok, status, with_header,
};
use crate::wasm::{TestStore, command, component, plain, shown};

/// Pulls from a registry that answers like that, and checks the refusal. `resolve` and `pull` say
/// the same where `resolve` can know.
async fn refused(
    answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    reason: &str,
) -> Fake {
    let fake = Fake::start(answer).await;
    pull_refused(&format!("{}/redis:6.0", fake.host), reason).await;
    fake
}

async fn pull_refused(name: &str, reason: &str) {
    let test = TestStore::new(plain());
    let pulled = test.store.pull(name, &Auth::FromConfig, &Silent).await;
    let error = shown(pulled.expect_err(reason));
    assert!(error.contains(reason), "{reason}: {error}");
    assert_eq!((test.files("blobs/sha256"), test.files("partial")), (0, 0), "{reason}");
    assert_eq!(test.store.list(), []);
}

/// A refusal that needs no component, so that `resolve` makes it too.
async fn refused_early(artifact: Artifact, reason: &str) {
    let fake = Fake::start(move |request| artifact.answer(request)).await;
    let name = format!("{}/redis:6.0", fake.host);
    let test = TestStore::new(plain());
    let error = test.store.resolve(&name, &Auth::FromConfig).await.expect_err(reason);
    let error = shown(error);
    assert!(error.contains(reason), "{reason}: {error}");
    pull_refused(&name, reason).await;
}

#[tokio::test]
async fn a_linux_container_is_refused_by_its_name_and_with_a_way_out() {
    let good = || Artifact::of(&command(""));
    let container = "redis:6.0` is a Linux container, not a component; build the program for";
    for config in [
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    ] {
        refused_early(good().bend("/config/mediaType", json!(config)), container).await;
    }
    let entry = |os: &str| {
        json!({"mediaType": MANIFEST, "digest": digest(b""), "size": 1,
               "platform": {"os": os, "architecture": "amd64"}})
    };
    let index = |entries: serde_json::Value| Artifact {
        manifest: json!({"schemaVersion": 2, "manifests": entries}).to_string().into_bytes(),
        config: vec![],
        component: vec![],
    };
    refused_early(index(json!([entry("linux"), entry("linux")])), container).await;
    refused_early(index(json!([entry("linux"), entry("windows")])), "linux/amd64, windows/amd64")
        .await;
}

#[tokio::test]
async fn other_artifacts_are_refused_by_what_they_are() {
    let good = || Artifact::of(&command(""));
    let layer = good().layer();
    let config = |text: &str| Artifact::with_config(&command(""), text.as_bytes().to_vec());
    for (artifact, reason) in [
        (good().bend("/layers", json!([layer, layer])), "has 2 layers"),
        (good().bend("/layers", json!([])), "has 0 layers"),
        (good().bend("/layers/0/mediaType", json!("application/tar")), "`application/tar`"),
        (good().bend("/config/mediaType", json!("a/helm")), "an artifact of the type `a/helm`"),
        (config("[]"), "has a config that is no component's"),
        (config(r#"{"architecture":"wasm","os":"wasip1","layerDigests":[]}"#), "a core module"),
        (
            Artifact { manifest: b"<html>".to_vec(), config: vec![], component: vec![] },
            "InvalidArgument: `127.0.0.1:",
        ),
    ] {
        refused_early(artifact, reason).await;
    }
}

#[tokio::test]
async fn what_the_config_hides_is_found_in_the_component() {
    let handler = "wasi:http/incoming-handler@0.2.0";
    let foreign = component("", &["wasi:nn/graph@0.2.0"], handler);
    let module = wat::parse_str("(module)").expect("a module");
    for (bytes, reason) in [
        (b"#!/bin/sh\nexit 1".to_vec(), "is not WebAssembly: it does not begin with `\\0asm`"),
        (module, "is a core module, not a component"),
        (foreign.clone(), "imports `wasi:nn/graph@0.2.0`, which this host does not offer"),
        (component("", &[], "a:b/c"), "exports neither"),
    ] {
        let artifact = Artifact::of(&bytes);
        refused(move |request| artifact.answer(request), reason).await;
    }
    // A config that admits it saves the download.
    let config = json!({
        "architecture": "wasm", "os": "wasip2", "layerDigests": [digest(&foreign)],
        "component": {"imports": ["wasi:nn/graph@0.2.0"], "exports": [handler]},
    });
    let honest = Artifact::with_config(&foreign, config.to_string().into_bytes());
    refused_early(honest, "imports `wasi:nn/graph@0.2.0`").await;
}

#[tokio::test]
async fn wrong_bytes_are_found_by_their_digest() {
    let artifact = Artifact::of(&command("right"));
    let wrong = command("wrong");
    assert_eq!(wrong.len(), artifact.component.len());
    let (layer, config) = (digest(&artifact.component), digest(&artifact.config));
    let other_config = vec![b' '; artifact.config.len()];
    let artifact = std::sync::Arc::new(artifact);

    let serve = artifact.clone();
    let blob = move |request: &Request| {
        if request.path.ends_with(&layer) { ok("a/b", &wrong) } else { serve.answer(request) }
    };
    refused(blob, "Unavailable: the component of `127.0.0.1:").await;

    let serve = artifact.clone();
    let config = move |request: &Request| {
        if request.path.ends_with(&config) {
            ok("a/b", &other_config)
        } else {
            serve.answer(request)
        }
    };
    refused(config, "Unavailable: the config of `127.0.0.1:").await;

    let serve = artifact.clone();
    let fake = Fake::start(move |request| serve.answer(request)).await;
    let other = digest(b"another manifest");
    let reason = format!("has the digest {}, not {other}", digest(&artifact.manifest));
    pull_refused(&format!("{}/web@{other}", fake.host), &reason).await;
}

#[tokio::test]
async fn a_blob_of_another_size_is_refused() {
    let artifact = std::sync::Arc::new(Artifact::of(&command("x")));
    let layer = digest(&artifact.component);
    let size = artifact.component.len();

    let (serve, path) = (artifact.clone(), layer.clone());
    let broken = move |request: &Request| match request.path.ends_with(&path) {
        true => announcing("a/b", size, &serve.component[..size / 2]),
        false => serve.answer(request),
    };
    refused(broken, &format!("ended after {} of {size} bytes", size / 2)).await;

    let (serve, path) = (artifact.clone(), layer.clone());
    let short = move |request: &Request| match request.path.ends_with(&path) {
        true => ok("a/b", &serve.component[..size - 1]),
        false => serve.answer(request),
    };
    refused(short, &format!("ended after {} of {size} bytes", size - 1)).await;

    let (serve, path) = (artifact.clone(), layer);
    let long = move |request: &Request| match request.path.ends_with(&path) {
        true => endless("200 OK", &[serve.component.as_slice(), b"more"].concat()),
        false => serve.answer(request),
    };
    refused(long, &format!("sends more than the {size} bytes that the manifest says")).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_fills_anything() {
    let good = || Artifact::of(&command(""));
    let huge = good().bend("/layers/0/size", json!(300_u64 << 20));
    refused_early(huge, "InvalidArgument: the component of `127.0.0.1:").await;
    let huge = good().bend("/config/size", json!(2_u64 << 20));
    refused_early(huge, "is larger than 1048576 bytes").await;
    let much = vec![b' '; (4 << 20) + 1];
    let manifest = move |request: &Request| match request.path.as_str() {
        "/v2/" => ok("a/b", b"{}"),
        _ => endless("200 OK", &much),
    };
    refused(manifest, "the manifest of `127.0.0.1:").await;
    let noise = vec![b'x'; 8 << 20];
    let error = move |request: &Request| match request.path.as_str() {
        "/v2/" => ok("a/b", b"{}"),
        _ => endless("500 Internal Server Error", &noise),
    };
    refused(error, "Unavailable: registry `127.0.0.1:").await;
}

#[tokio::test]
async fn what_a_registry_says_is_repeated_without_its_control_characters() {
    let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow \u001b[31mdown\u0007"}]}"#;
    let answer = move |request: &Request| match request.path.as_str() {
        "/v2/" => ok("a/b", b"{}"),
        _ => status("429 Too Many Requests", body),
    };
    refused(answer, "answered 429 Too Many Requests: slow [31mdown").await;
}

#[tokio::test]
async fn what_is_no_registry_is_unreachable() {
    refused(|_| status("503 Service Unavailable", ""), "it answered 503").await;
    refused(|_| b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), "Unavailable: registry `127.0.0.1:").await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let reason = "cannot be reached: Connection refused";
    pull_refused(&format!("{address}/web:1"), reason).await;
}

#[tokio::test]
async fn a_redirect_is_followed_to_plain_hosts_of_this_machine_alone() {
    let artifact = std::sync::Arc::new(Artifact::of(&command("")));
    let layer = digest(&artifact.component);
    let serve = artifact.clone();
    let storage = Fake::start(move |_| ok("a/b", &serve.component)).await;
    let redirecting = |to: String| {
        let (serve, layer) = (artifact.clone(), layer.clone());
        move |request: &Request| match request.path.ends_with(&layer) {
            true => with_header("307 Temporary Redirect", &format!("location: {to}"), ""),
            false => serve.answer(request),
        }
    };
    let fake = Fake::start(redirecting(format!("http://{}/file", storage.host))).await;
    let test = TestStore::new(plain());
    let name = format!("{}/web:1", fake.host);
    test.store.pull(&name, &Auth::FromConfig, &Silent).await.expect("followed");
    let elsewhere = "http://storage.example/file".to_owned();
    refused(redirecting(elsewhere), "redirects to an address without encryption").await;
}
