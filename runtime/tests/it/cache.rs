//! Compiled code that is kept.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use skep_runtime::{Outcome, PrepareError};

use crate::bench::{Bench, Stage, digest, guest_file, runtime};

/// The one entry of a cache.
fn entry(cache: &Path) -> PathBuf {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(cache).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn written(path: &Path) -> SystemTime {
    std::fs::metadata(path).unwrap().modified().unwrap()
}

#[tokio::test]
async fn code_is_compiled_once_and_a_damaged_entry_again() {
    let bench = Bench::new();
    let (digest, wasm) = guest_file("exit-code");
    let prepared = bench.runtime.prepare(digest, &wasm).await.unwrap();
    let again = bench.runtime.prepare(digest, &wasm).await.unwrap();
    assert_eq!(prepared.digest(), again.digest());
    drop((prepared, again));
    let entry = entry(bench.cache.path());
    let first = written(&entry);

    // A new runtime, as after a restart, needs no compiler: not even the component.
    let restarted = runtime(bench.cache.path());
    let gone = Path::new("/nonexistent");
    let component = restarted.prepare(digest, gone).await.unwrap();
    assert_eq!(written(&entry), first);
    let sandbox = restarted.start(&component, Stage::default().plan("x", &["3"])).unwrap();
    assert_eq!(sandbox.wait().await, Outcome::Exited(3));

    let mut bytes = std::fs::read(&entry).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::remove_file(&entry).unwrap();
    std::fs::write(&entry, &bytes).unwrap();
    let restarted = runtime(bench.cache.path());
    let error = restarted.prepare(digest, gone).await.err().unwrap();
    assert!(matches!(error, PrepareError::Read(_)), "{error}");
    let component = restarted.prepare(digest, &wasm).await.unwrap();
    let sandbox = restarted.start(&component, Stage::default().plan("x", &["4"])).unwrap();
    assert_eq!(sandbox.wait().await, Outcome::Exited(4));
    assert_ne!(std::fs::read(&entry).unwrap(), bytes);
}

#[tokio::test]
async fn a_cache_that_can_not_be_written_only_means_that_nothing_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let runtime = runtime(&file);
    for guest in ["exit-code", "hello-http"] {
        let (digest, wasm) = guest_file(guest);
        runtime.prepare(digest, &wasm).await.unwrap();
    }
}

#[tokio::test]
async fn preparing_at_the_same_time_is_preparing_once() {
    let bench = Bench::new();
    let (digest, wasm) = guest_file("exit-code");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (runtime, wasm) = (bench.runtime.clone(), wasm.clone());
            tokio::spawn(async move { runtime.prepare(digest, &wasm).await.map(|_| ()) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    entry(bench.cache.path());
}

#[tokio::test]
async fn bytes_that_are_not_those_asked_for_are_refused() {
    let bench = Bench::new();
    let (_, wasm) = guest_file("exit-code");
    let other = digest(b"something else");
    let error = bench.runtime.prepare(other, &wasm).await.err().unwrap();
    assert!(matches!(error, PrepareError::Digest { .. }), "{error}");
}
