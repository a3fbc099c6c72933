//! A registry that says what a test wants: raw answers on a real socket.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const CONFIG: &str = "application/vnd.wasm.config.v0+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
}

/// A registry on this machine.
pub(crate) struct Fake {
    pub(crate) host: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Answers each request with the bytes that `answer` gives; the connection ends then.
    pub(crate) async fn start(
        answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (seen.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match socket.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let request = parse(&String::from_utf8_lossy(&head));
                    let bytes = answer(&request);
                    log.lock().expect("no panic").push(request);
                    // The client may have heard enough before all is said.
                    let _ = socket.write_all(&bytes).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        Self { host, seen }
    }

    /// Everything that was asked so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("no panic").clone()
    }
}

/// An artifact that a fake registry serves; tests bend it before.
pub(crate) struct Artifact {
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) component: Vec<u8>,
}

impl Artifact {
    /// A good one.
    pub(crate) fn of(component: &[u8]) -> Self {
        let config = json!({
            "architecture": "wasm", "os": "wasip2", "layerDigests": [digest(component)],
        });
        Self::with_config(component, config.to_string().into_bytes())
    }

    pub(crate) fn with_config(component: &[u8], config: Vec<u8>) -> Self {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest(&config), "size": config.len()},
            "layers": [{
                "mediaType": "application/wasm",
                "digest": digest(component), "size": component.len(),
            }],
        });
        let manifest = manifest.to_string().into_bytes();
        Self { manifest, config, component: component.to_vec() }
    }

    /// The same with another value somewhere in its manifest.
    pub(crate) fn bend(mut self, pointer: &str, value: Value) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.manifest).expect("JSON");
        *manifest.pointer_mut(pointer).expect("there") = value;
        self.manifest = manifest.to_string().into_bytes();
        self
    }

    /// The layer as the manifest has it.
    pub(crate) fn layer(&self) -> Value {
        let manifest: Value = serde_json::from_slice(&self.manifest).expect("JSON");
        manifest["layers"][0].clone()
    }

    /// Answers as a registry that has it.
    pub(crate) fn answer(&self, request: &Request) -> Vec<u8> {
        let path = request.path.as_str();
        if path == "/v2/" {
            ok("application/json", b"{}")
        } else if path.contains("/manifests/") {
            ok(MANIFEST, &self.manifest)
        } else if path.ends_with(&digest(&self.config)) {
            ok("application/octet-stream", &self.config)
        } else if path.ends_with(&digest(&self.component)) {
            ok("application/octet-stream", &self.component)
        } else {
            status("404 Not Found", "{}")
        }
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    skep_api::Digest(Sha256::digest(bytes).into()).to_string()
}

/// A whole answer.
pub(crate) fn ok(media_type: &str, body: &[u8]) -> Vec<u8> {
    announcing(media_type, body.len(), body)
}

/// An answer that announces another length than it has.
pub(crate) fn announcing(media_type: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// An answer without a length: it ends with the connection.
pub(crate) fn endless(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(crate) fn status(status: &str, body: &str) -> Vec<u8> {
    with_header(status, "x-none: 0", body)
}

pub(crate) fn with_header(status: &str, header: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{header}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    let engine = base64::engine::general_purpose::STANDARD;
    format!("Basic {}", engine.encode(format!("{user}:{password}")))
}

fn parse(head: &str) -> Request {
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let mut word = || words.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    let authorization = lines.find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    Request { method, path, authorization }
}
