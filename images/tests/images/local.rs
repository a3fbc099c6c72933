//! The store alone, without a registry.

use skep_api::{ErrorKind, Workload, WorkloadKind};
use skep_images::{Auth, Force, ImageStore, Silent};

use crate::wasm::{TestStore, command, component, plain, shown};

#[tokio::test]
async fn a_loaded_component_is_listed_inspected_resolved_and_found_for_running() {
    let test = TestStore::new(plain());
    let wasm = command("a");
    let info = test.store.load("web:1.0", wasm.as_slice()).await.expect("load");
    assert_eq!(info.tags, ["web:1.0"]);
    assert_eq!(info.kind, WorkloadKind::Command);
    assert_eq!(info.imports, ["wasi:cli/environment@0.2.3"]);
    assert_eq!(info.exports, ["wasi:cli/run@0.2.3"]);
    assert_eq!(info.size.0, wasm.len() as u64);
    assert_eq!(test.store.list(), std::slice::from_ref(&info));
    let hex = info.digest.hex();
    for name in
        ["web:1.0", &hex, &hex[..12], &format!("sha256:{hex}"), &format!("web@sha256:{hex}")]
    {
        assert_eq!(test.store.inspect(name).expect(name), info, "{name}");
    }
    let resolved = test.store.resolve("web:1.0", &Auth::FromConfig).await.expect("resolve");
    assert_eq!(resolved.pinned, format!("web:1.0@{}", info.digest));
    let workload = Workload { kind: WorkloadKind::Command, platform: "wasip2".to_owned() };
    assert_eq!(resolved.workload.as_ref(), Some(&workload));
    assert_eq!(test.store.workload(&resolved.pinned), Some(workload));
    assert_eq!(test.store.workload("nosuch:1"), None);
    let local = test.store.component(&resolved.pinned).expect("here");
    assert_eq!((local.digest, local.info), (info.component, info.clone()));
    assert_eq!(std::fs::read(local.path).expect("read"), wasm);
    let pulled = test.store.pull(&resolved.pinned, &Auth::FromConfig, &Silent).await;
    assert_eq!(pulled.expect("it is here"), info);
}

#[tokio::test]
async fn the_same_component_has_the_same_digest_in_every_store_and_after_a_restart() {
    let (one, two) = (TestStore::new(plain()), TestStore::new(plain()));
    let first = one.store.load("a:1", command("x").as_slice()).await.expect("load");
    let second = two.store.load("b:2", command("x").as_slice()).await.expect("load");
    assert_eq!(first.digest, second.digest);
    let listed = one.store.list();
    let root = one.root;
    drop(one.store);
    let again = ImageStore::open(root.path(), plain()).expect("open");
    assert_eq!(again.list(), listed);
}

#[tokio::test]
async fn a_name_without_a_tag_means_latest_and_an_unknown_one_is_no_such_image() {
    let test = TestStore::new(plain());
    test.store.load("web", command("a").as_slice()).await.expect("load");
    assert_eq!(test.store.inspect("web:latest").expect("there").tags, ["web:latest"]);
    let error = test.store.inspect("redis:6.0").expect_err("unknown");
    assert!(shown(error).starts_with("NotFound: No such image: redis:6.0; load it with"));
    let error = test.store.resolve("redis:6.0", &Auth::FromConfig).await.expect_err("unknown");
    assert!(shown(error).starts_with("NotFound: No such image: redis:6.0; "));
    let error = test.store.push("web", &Auth::FromConfig, &Silent).await.expect_err("no host");
    assert!(shown(error).contains("`web:latest` names no registry to push to"));
    assert_eq!(test.store.component("redis:6.0"), None);
}

#[tokio::test]
async fn an_image_goes_with_its_last_name_and_its_blobs_with_it() {
    let test = TestStore::new(plain());
    let wasm = command("a");
    let info = test.store.load("web:1", wasm.as_slice()).await.expect("load");
    test.store.load("web:2", wasm.as_slice()).await.expect("load");
    assert_eq!(test.files("blobs/sha256"), 3);

    let error = test.store.remove(&info.digest.hex(), Force::No).await.expect_err("two names");
    assert!(shown(error).contains("must be forced"));
    let removed = test.store.remove("web:1", Force::No).await.expect("untag");
    assert_eq!((removed.untagged, removed.deleted), (vec!["web:1".to_owned()], None));
    assert_eq!(test.files("blobs/sha256"), 3);
    let removed = test.store.remove("web:2", Force::No).await.expect("delete");
    assert_eq!(removed.deleted, Some(info.digest));
    assert_eq!(test.files("blobs/sha256"), 0);
    let error = test.store.remove("web:2", Force::No).await.expect_err("gone");
    assert_eq!(skep_api::Error::from(error).kind, ErrorKind::NotFound);

    test.store.load("web:1", wasm.as_slice()).await.expect("load");
    test.store.load("web:2", wasm.as_slice()).await.expect("load");
    let removed = test.store.remove(&info.digest.hex(), Force::Yes).await.expect("force");
    assert_eq!(removed.untagged, ["web:1", "web:2"]);
    assert_eq!(test.files("blobs/sha256"), 0);
}

#[tokio::test]
async fn a_name_that_is_given_away_leaves_the_old_image_to_those_who_run_it() {
    let test = TestStore::new(plain());
    let old = test.store.load("web:1", command("old").as_slice()).await.expect("load");
    let new = test.store.load("web:1", command("new").as_slice()).await.expect("load");
    assert_ne!(old.digest, new.digest);
    assert_eq!(test.store.inspect("web:1").expect("there").digest, new.digest);
    let pinned = format!("web:1@{}", old.digest);
    assert_eq!(test.store.component(&pinned).expect("there").digest, old.component);
    let listed = test.store.list();
    assert_eq!(listed.iter().map(|info| info.tags.len()).collect::<Vec<_>>(), [1, 0]);
    test.store.remove(&old.digest.to_string(), Force::No).await.expect("remove");
    assert_eq!(test.store.list(), [new]);
}

#[tokio::test]
async fn what_cannot_run_is_refused_and_leaves_nothing() {
    let test = TestStore::new(plain());
    let handler = "wasi:http/incoming-handler@0.2.0";
    let module = wat::parse_str("(module)").expect("a module");
    for (name, bytes, reason) in [
        ("web:1", b"#!/bin/sh".to_vec(), "InvalidArgument: `web:1` is not WebAssembly"),
        ("web:1", vec![], "it is empty"),
        (
            "web:1",
            module,
            "`web:1` is a core module, not a component; build it for `wasm32-wasip2`",
        ),
        (
            "web:1",
            component("", &["wasi:cli/stdin@0.2.0", "wasi:nn/graph@0.2.0"], handler),
            "`web:1` imports `wasi:nn/graph@0.2.0`, which this host does not offer",
        ),
        ("web:1", component("", &[], "a:b/c@1.0.0"), "exports neither"),
        ("Web:1", command(""), "InvalidArgument: invalid reference format: `Web:1`"),
        (&format!("web@sha256:{}", "0".repeat(64)), command(""), "loaded under a tag"),
    ] {
        let error = shown(test.store.load(name, bytes.as_slice()).await.expect_err(reason));
        assert!(error.contains(reason), "{reason}: {error}");
        assert_eq!((test.files("blobs/sha256"), test.files("partial")), (0, 0), "{reason}");
    }
    assert_eq!(test.store.list(), []);
}

#[tokio::test]
async fn many_loads_at_once_and_removals_between_them_leave_every_name_whole() {
    let test = TestStore::new(plain());
    let mut work = tokio::task::JoinSet::new();
    for n in 0..40_usize {
        let store = test.store.clone();
        work.spawn(async move {
            // Four components under twenty names: they share blobs and take names from another.
            let name = format!("web:{}", n % 20);
            store.load(&name, command(&format!("{}", n % 4)).as_slice()).await.expect("load");
            if n % 3 == 0 {
                // Another may have removed it before.
                let _ = store.remove(&name, Force::No).await;
            }
        });
    }
    while let Some(done) = work.join_next().await {
        done.expect("no panic");
    }
    let listed = test.store.list();
    let root = test.root;
    drop(test.store);
    let again = ImageStore::open(root.path(), plain()).expect("open");
    assert_eq!(again.list(), listed, "every image has all its blobs");
    for info in listed {
        let local = again.component(&info.digest.to_string()).expect("there");
        assert_eq!(std::fs::metadata(local.path).expect("a file").len(), info.size.0);
    }
}

#[tokio::test]
async fn an_image_whose_blob_was_taken_away_is_forgotten_and_can_be_loaded_again() {
    let test = TestStore::new(plain());
    let info = test.store.load("web:1", command("a").as_slice()).await.expect("load");
    let path = test.store.component("web:1").expect("there").path;
    std::fs::remove_file(path).expect("remove");
    let root = test.root;
    drop(test.store);
    let again = ImageStore::open(root.path(), plain()).expect("open");
    assert_eq!(again.list(), []);
    let loaded = again.load("web:1", command("a").as_slice()).await.expect("load");
    assert_eq!(loaded.digest, info.digest);
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let root = tempfile::tempdir().expect("a folder");
    let file = root.path().join("ca.pem");
    std::fs::write(&file, "no certificate").expect("write");
    let mut config = plain();
    config.ca_files = vec![file];
    let error = ImageStore::open(&root.path().join("a"), config).err().expect("no certificate");
    assert!(error.to_string().contains("has no certificate in it"), "{error}");
    let mut config = plain();
    config.default_registry = Some("me".to_owned());
    let error = ImageStore::open(&root.path().join("b"), config).err().expect("no host");
    assert!(error.to_string().contains("must begin with a host"), "{error}");
}

#[test]
fn a_damaged_store_is_reported_and_not_touched() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(root.path().join("partial")).expect("make");
    std::fs::write(root.path().join("partial/0"), "half").expect("write");
    std::fs::write(root.path().join("images.json"), "{").expect("write");
    let error = ImageStore::open(root.path(), plain()).err().expect("damaged");
    assert!(shown(error).contains("is damaged"));
    assert_eq!(std::fs::read(root.path().join("partial/0")).expect("kept"), b"half");
}
