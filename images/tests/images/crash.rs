//! The process is killed at any moment: no acknowledged image is lost, no blob is wrong.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use skep_images::{Force, ImageStore};

use crate::wasm::{command, plain};

const ROOT: &str = "SKEP_TEST_CRASH_ROOT";
const THIS_TEST: &str =
    "crash::a_kill_at_any_moment_loses_no_acknowledged_image_and_shows_no_wrong_blob";
const KILLS: u64 = 12;

/// What the process does that is killed.
fn load_and_remove_for_ever(root: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut acknowledged = OpenOptions::new()
        .create(true)
        .append(true)
        .open(root.join("acknowledged"))
        .expect("the list");
    let store = ImageStore::open(&root.join("images"), plain()).expect("open");
    let start = store.list().len();
    for n in start.. {
        let name = format!("web:{n}");
        // Large enough for a kill in the middle of a blob.
        let wasm = command(&format!("{n}{}", "_".repeat(300_000)));
        runtime.block_on(store.load(&name, wasm.as_slice())).expect("load");
        writeln!(acknowledged, "+{name}").expect("write");
        if n % 3 == 0 {
            writeln!(acknowledged, "-{name}").expect("write");
            runtime.block_on(store.remove(&name, Force::No)).expect("remove");
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_no_acknowledged_image_and_shows_no_wrong_blob() {
    // The process that is killed is this test again, told where to work.
    if let Some(root) = std::env::var_os(ROOT) {
        return load_and_remove_for_ever(Path::new(&root));
    }
    let root = tempfile::tempdir().expect("a folder");
    let list = root.path().join("acknowledged");
    File::create(&list).expect("the list");
    for kill in 0..KILLS {
        let before = std::fs::metadata(&list).expect("the list").len();
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([THIS_TEST, "--exact"])
            .env(ROOT, root.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start");
        // Each time at another point after its first acknowledgement.
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::fs::metadata(&list).expect("the list").len() <= before {
            assert!(Instant::now() < deadline, "the process loads nothing");
            std::thread::yield_now();
        }
        let until = Instant::now() + Duration::from_micros(1700 * kill);
        while Instant::now() < until {
            std::thread::yield_now();
        }
        child.kill().expect("kill");
        child.wait().expect("wait");
        check(&root.path().join("images"), &list);
    }
}

fn check(images: &Path, list: &Path) {
    for entry in std::fs::read_dir(images.join("blobs/sha256")).expect("blobs") {
        let path = entry.expect("an entry").path();
        let digest: [u8; 32] = Sha256::digest(std::fs::read(&path).expect("a blob")).into();
        let hex = skep_api::Digest(digest).hex();
        assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(hex.as_str()));
    }
    let store = ImageStore::open(images, plain()).expect("open after a kill");
    let text = std::fs::read_to_string(list).expect("the list");
    for name in text.lines().filter_map(|line| line.strip_prefix('+')) {
        if !text.contains(&format!("-{name}\n")) {
            store.inspect(name).expect("acknowledged");
        }
    }
}
