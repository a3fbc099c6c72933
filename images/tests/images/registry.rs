//! Debian's `docker-registry`, with `skopeo` as the independent reader.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skep_api::SecretBytes;
use skep_images::{Auth, Silent, Transfer};

use crate::fake::digest;
use crate::wasm::{Recorder, TestStore, command, plain, shown};

/// `ann` with the password `right`, as htpasswd writes it with bcrypt.
const HTPASSWD: &str = "ann:$2a$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC\n";

/// A registry of its own for each test, on a free port; it ends with the test.
struct Registry {
    host: String,
    dir: tempfile::TempDir,
    child: Child,
}

impl Registry {
    fn open() -> Self {
        Self::start("", "")
    }

    fn with_password() -> Self {
        Self::start("", "auth:\n  htpasswd:\n    realm: test\n    path: DIR/htpasswd\n")
    }

    fn start(http: &str, rest: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let host = format!("127.0.0.1:{port}");
        std::fs::write(dir.path().join("htpasswd"), HTPASSWD).expect("write");
        let config = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: DIR/data\nhttp:\n  addr: {host}\n{http}{rest}"
        );
        let config = config.replace("DIR", &dir.path().to_string_lossy());
        Self::run(dir, host, &config)
    }

    fn run(dir: tempfile::TempDir, host: String, config: &str) -> Self {
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).expect("write");
        let child = program("docker-registry").arg("serve").arg(&file).spawn();
        let mut registry = Self { host, dir, child: child.unwrap_or_else(|e| missing(&e)) };
        registry.wait_until_it_answers();
        registry
    }

    fn wait_until_it_answers(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(&self.host).is_err() {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "docker-registry ended: {ended:?}");
            assert!(Instant::now() < deadline, "docker-registry does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.host)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn missing(error: &std::io::Error) -> ! {
    panic!("this test needs `apt-get install docker-registry skopeo`: {error}")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn skopeo(args: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(args).output().unwrap_or_else(|e| missing(&e));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "skopeo {args:?}: {said}");
    output.stdout
}

fn password(password: &str) -> Auth {
    let password = SecretBytes::new(password.as_bytes().to_vec());
    Auth::Password { user: "ann".to_owned(), password }
}

#[tokio::test]
async fn what_is_pushed_is_read_by_skopeo_and_pulled_by_tag_and_by_digest() {
    let registry = Registry::open();
    let (name, wasm) = (registry.name("me/web:1.0"), command("a"));
    let source = TestStore::new(plain());
    let info = source.store.load(&name, wasm.as_slice()).await.expect("load");
    let recorder = Recorder::default();
    let pushed = source.store.push(&name, &Auth::FromConfig, &recorder).await.expect("push");
    assert_eq!(pushed, info.digest);
    assert_eq!(recorder.outcomes(), [Transfer::Uploaded; 2]);
    let again = Recorder::default();
    source.store.push(&name, &Auth::FromConfig, &again).await.expect("push again");
    assert_eq!(again.outcomes(), [Transfer::Exists; 2]);

    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    assert_eq!(digest(&raw), info.digest.to_string());
    let manifest: Value = serde_json::from_slice(&raw).expect("JSON");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let layer = json!({
        "mediaType": "application/wasm", "digest": digest(&wasm), "size": wasm.len(),
    });
    assert_eq!(manifest["layers"], json!([layer]));

    for name in [name.clone(), registry.name(&format!("me/web@{pushed}"))] {
        let empty = TestStore::new(plain());
        let resolved = empty.store.resolve(&name, &Auth::FromConfig).await.expect("resolve");
        assert_eq!(resolved.digest, pushed);
        let workload = resolved.workload.expect("the config lists its exports");
        assert_eq!((workload.kind, workload.platform.as_str()), (info.kind, "wasip2"));
        assert_eq!(empty.store.list(), [], "resolving fetches nothing");
        let recorder = Recorder::default();
        let pull = empty.store.pull(&resolved.pinned, &Auth::FromConfig, &recorder).await;
        let pulled = pull.expect("pull");
        assert_eq!(recorder.outcomes(), [Transfer::Downloaded]);
        assert_eq!((pulled.digest, pulled.component), (info.digest, info.component));
        let local = empty.store.component(&resolved.pinned).expect("here");
        assert_eq!(std::fs::read(local.path).expect("read"), wasm);
    }
}

#[tokio::test]
async fn what_skopeo_copies_elsewhere_is_still_the_same_image() {
    let registry = Registry::open();
    let name = registry.name("web:1");
    let source = TestStore::new(plain());
    let info = source.store.load(&name, command("a").as_slice()).await.expect("load");
    source.store.push(&name, &Auth::FromConfig, &Silent).await.expect("push");
    let copy = registry.name("copy/web:2");
    let (from, to) = (format!("docker://{name}"), format!("docker://{copy}"));
    skopeo(&["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to]);
    let empty = TestStore::new(plain());
    let pulled = empty.store.pull(&copy, &Auth::FromConfig, &Silent).await.expect("pull");
    assert_eq!((pulled.digest, pulled.tags), (info.digest, vec![copy]));
}

#[tokio::test]
async fn what_the_registry_does_not_have_is_no_such_image() {
    let registry = Registry::open();
    let name = registry.name("web:1");
    let test = TestStore::new(plain());
    test.store.load(&name, command("a").as_slice()).await.expect("load");
    test.store.push(&name, &Auth::FromConfig, &Silent).await.expect("push");
    for name in ["web:2", "nothing:1"] {
        let name = registry.name(name);
        let error = test.store.pull(&name, &Auth::FromConfig, &Silent).await.expect_err(&name);
        let error = shown(error);
        let rule = "has no such repository or tag";
        assert!(error.starts_with(&format!("NotFound: No such image: {name}; ")), "{error}");
        assert!(error.contains(rule), "{error}");
        let error = test.store.resolve(&name, &Auth::FromConfig).await.expect_err(&name);
        assert!(shown(error).contains(rule));
    }
}

#[tokio::test]
async fn a_registry_with_passwords_takes_the_right_one_from_wherever_it_comes() {
    let registry = Registry::with_password();
    let name = registry.name("web:1");
    let source = TestStore::new(plain());
    source.store.load(&name, command("a").as_slice()).await.expect("load");
    for (auth, reason) in [
        (Auth::FromConfig, "denies access to `web`: it needs credentials"),
        (password("wrong"), "denies access to `web`: wrong password for `ann`"),
    ] {
        let error = source.store.push(&name, &auth, &Silent).await.expect_err(reason);
        let error = shown(error);
        assert!(error.starts_with("PermissionDenied: ") && error.contains(reason), "{error}");
        let empty = TestStore::new(plain());
        let error = empty.store.resolve(&name, &auth).await.expect_err(reason);
        assert!(shown(error).contains(reason));
    }
    source.store.push(&name, &password("right"), &Silent).await.expect("push");

    let empty = TestStore::new(plain());
    empty.store.pull(&name, &password("right"), &Silent).await.expect("the request's");

    let file = registry.dir.path().join("docker.json");
    let with_file = || {
        let mut config = plain();
        config.docker_config = Some(file.clone());
        TestStore::new(config)
    };
    let auths = json!({"auths": {&registry.host: {"username": "ann", "password": "right"}}});
    std::fs::write(&file, auths.to_string()).expect("write");
    with_file().store.pull(&name, &Auth::FromConfig, &Silent).await.expect("the config file's");
    let helper = json!({"auths": {&registry.host: {}}, "credsStore": "pass"});
    std::fs::write(&file, helper.to_string()).expect("write");
    let error = with_file().store.pull(&name, &Auth::FromConfig, &Silent).await;
    let error = shown(error.expect_err("a helper"));
    assert!(error.contains("helper `pass`"), "{error}");
}

#[tokio::test]
async fn a_registry_with_an_authority_of_its_own_is_trusted_when_told_so() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("keys");
    let keys = tempfile::tempdir().expect("a folder");
    let file = |name: &str| keys.path().join(name);
    std::fs::write(file("cert.pem"), made.cert.pem()).expect("write");
    std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).expect("write");
    let tls = |name: &str| file(name).to_string_lossy().into_owned();
    let http =
        format!("  tls:\n    certificate: {}\n    key: {}\n", tls("cert.pem"), tls("key.pem"));
    let registry = Registry::start(&http, "");
    let name = registry.name("web:1");

    let stranger = TestStore::new(plain());
    stranger.store.load(&name, command("a").as_slice()).await.expect("load");
    let error = stranger.store.push(&name, &Auth::FromConfig, &Silent).await;
    let error = shown(error.expect_err("an unknown authority"));
    assert!(error.contains("cannot be reached: invalid peer certificate"), "{error}");
    assert!(error.contains("certificate authority"), "{error}");

    let mut config = plain();
    config.ca_files = vec![file("cert.pem")];
    let friend = TestStore::new(config);
    let info = friend.store.load(&name, command("a").as_slice()).await.expect("load");
    friend.store.push(&name, &Auth::FromConfig, &Silent).await.expect("push");
    let resolved = friend.store.resolve(&name, &Auth::FromConfig).await.expect("resolve");
    assert_eq!(resolved.digest, info.digest);
}

#[tokio::test]
async fn a_pulled_tag_is_asked_for_again_and_kept_while_the_registry_is_away() {
    let registry = Registry::open();
    let name = registry.name("web:1");
    let (source, node) = (TestStore::new(plain()), TestStore::new(plain()));
    let auth = Auth::FromConfig;
    let old = source.store.load(&name, command("old").as_slice()).await.expect("load");
    source.store.push(&name, &auth, &Silent).await.expect("push");
    node.store.pull(&name, &auth, &Silent).await.expect("pull");
    assert_eq!(node.store.resolve(&name, &auth).await.expect("old").digest, old.digest);

    let new = source.store.load(&name, command("new").as_slice()).await.expect("load");
    source.store.push(&name, &auth, &Silent).await.expect("push");
    assert_eq!(node.store.resolve(&name, &auth).await.expect("new").digest, new.digest);
    assert_eq!(source.store.resolve(&name, &auth).await.expect("loaded").digest, new.digest);

    drop(registry);
    assert_eq!(node.store.resolve(&name, &auth).await.expect("last").digest, old.digest);
    let error = TestStore::new(plain()).store.resolve(&name, &auth).await.expect_err("away");
    assert!(shown(error).starts_with("Unavailable: registry `127.0.0.1:"));
}

#[tokio::test]
async fn a_short_name_is_looked_for_behind_the_default_registry() {
    let registry = Registry::open();
    let source = TestStore::new(plain());
    let name = registry.name("team/web:1");
    let info = source.store.load(&name, command("a").as_slice()).await.expect("load");
    source.store.push(&name, &Auth::FromConfig, &Silent).await.expect("push");

    let mut config = plain();
    config.default_registry = Some(registry.name("team"));
    let node = TestStore::new(config);
    let resolved = node.store.resolve("web:1", &Auth::FromConfig).await.expect("resolve");
    assert_eq!(resolved.pinned, format!("{name}@{}", info.digest));
    let pulled = node.store.pull("web:1", &Auth::FromConfig, &Silent).await.expect("pull");
    assert_eq!(pulled.tags, [name]);
    assert_eq!(node.store.inspect("web:1").expect("found").digest, info.digest);
    let own = node.store.load("web:1", command("own").as_slice()).await.expect("load");
    let resolved = node.store.resolve("web:1", &Auth::FromConfig).await.expect("resolve");
    assert_eq!(resolved.digest, own.digest, "the local store comes first");
}

#[tokio::test]
async fn pulls_of_one_image_at_once_fetch_it_once() {
    let registry = Registry::open();
    let name = registry.name("web:1");
    let source = TestStore::new(plain());
    source.store.load(&name, command("a").as_slice()).await.expect("load");
    source.store.push(&name, &Auth::FromConfig, &Silent).await.expect("push");
    let node = TestStore::new(plain());
    let mut pulls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (store, name) = (node.store.clone(), name.clone());
        pulls.spawn(async move {
            let recorder = Recorder::default();
            store.pull(&name, &Auth::FromConfig, &recorder).await.expect("pull");
            recorder.outcomes()
        });
    }
    let outcomes = pulls.join_all().await;
    let downloaded = outcomes.iter().filter(|seen| seen.contains(&Transfer::Downloaded)).count();
    assert_eq!(downloaded, 1, "{outcomes:?}");
    assert_eq!(node.files("blobs/sha256"), 3);
    assert!(Path::new(&node.store.component(&name).expect("here").path).is_file());
}
