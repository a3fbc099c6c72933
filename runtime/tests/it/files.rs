//! The one tree of files.

use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use skep_api::{Bytes, SecretBytes};
use skep_runtime::{FileData, Outcome, PlanDir, PlanDirSource, PlanFile};

use crate::bench::{Bench, Stage};

fn file(path: &str, mode: u32, text: &str) -> PlanFile {
    let data = FileData::Public(Arc::new(text.as_bytes().to_vec()));
    PlanFile { path: path.into(), mode, data }
}

fn memory(path: &str, size: Bytes) -> PlanDir {
    PlanDir { path: path.into(), source: PlanDirSource::Memory(size), read_only: false }
}

fn volume(path: &str, host: &std::path::Path) -> PlanDir {
    let dir = Dir::open_ambient_dir(host, ambient_authority()).unwrap();
    PlanDir { path: path.into(), source: PlanDirSource::HostDir(dir), read_only: false }
}

/// Runs the acts, one a line, and compares what came of each.
async fn check(stage: Stage, acts: &[(&str, &str)]) {
    let args: Vec<&str> = acts.iter().flat_map(|(act, _)| act.split(' ')).collect();
    let (outcome, text) = Bench::new().run("rt-acts", &args, stage).await;
    let expected: String = acts.iter().map(|(act, result)| format!("{act}: {result}\n")).collect();
    assert_eq!(text, expected);
    assert_eq!(outcome, Outcome::Exited(0));
}

#[tokio::test]
async fn configs_and_secrets_are_files_that_can_only_be_read() {
    let stage = Stage {
        files: vec![
            file("/etc/app.conf", 0o444, "conf"),
            PlanFile {
                path: "/run/secrets/key".into(),
                mode: 0o400,
                data: FileData::Secret(SecretBytes::new(b"hunter2\xff".to_vec())),
            },
            file("/run/secrets/locked", 0, "x"),
        ],
        ..Stage::default()
    };
    check(
        stage,
        &[
            ("ls /", "etc/ run/"),
            ("ls /run/secrets", "key locked"),
            ("cat /run/secrets/key", "hunter2\\xff"),
            ("read-at /run/secrets/key 3 2", "te"),
            ("cat /etc/../etc/./app.conf", "conf"),
            ("cat /../../etc/app.conf", "conf"),
            ("stat /etc/app.conf", "file 4"),
            ("stat /etc", "folder 0"),
            ("cat /run/secrets/locked", "error: PermissionDenied"),
            ("cat /etc/other", "error: NotFound"),
            ("cat /etc/app.conf/x", "error: NotADirectory"),
            ("cat /etc/app.conf/", "error: NotADirectory"),
            ("write /etc/app.conf x", "error: ReadOnlyFilesystem"),
            ("append /etc/app.conf x", "error: ReadOnlyFilesystem"),
            ("write /etc/new x", "error: ReadOnlyFilesystem"),
            ("rm /etc/app.conf", "error: ReadOnlyFilesystem"),
            ("rename /etc/app.conf /etc/b", "error: ReadOnlyFilesystem"),
            ("mkdir /made", "error: ReadOnlyFilesystem"),
            ("mkdir /etc", "error: AlreadyExists"),
            ("rmdir /etc", "error: ResourceBusy"),
            ("cat /proc/self/environ", "error: NotFound"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_folder_in_memory_does_what_a_file_system_does() {
    let stage = Stage {
        dirs: vec![memory("/tmp", Bytes::mib(1)), memory("/run/shm", Bytes::mib(1))],
        files: vec![file("/tmp/conf/app", 0o444, "from above")],
        ..Stage::default()
    };
    check(
        stage,
        &[
            ("write /tmp/a hello", "done"),
            ("append /tmp/a _world", "done"),
            ("write-at /tmp/a 1 E", "done"),
            ("cat /tmp/a", "hEllo_world"),
            ("write-at /tmp/a 13 !", "done"),
            ("cat /tmp/a", "hEllo_world\\x00\\x00!"),
            ("set-len /tmp/a 3", "done"),
            ("set-len /tmp/a 5", "done"),
            ("cat /tmp/a", "hEl\\x00\\x00"),
            ("mkdir /tmp/d", "done"),
            ("mkdir /tmp/d", "error: AlreadyExists"),
            ("mkdir-all /tmp/d/e/f", "done"),
            ("rename /tmp/a /tmp/d/e/b", "done"),
            ("rename /tmp/d /tmp/d/e/f/g", "error: InvalidInput"),
            ("stat /tmp/d/e/b", "file 5"),
            ("link /tmp/d/e/b /tmp/c", "done"),
            ("rm /tmp/d/e/b", "done"),
            ("stat /tmp/c", "file 5"),
            ("rmdir /tmp/d", "error: DirectoryNotEmpty"),
            ("rm /tmp/d", "error: IsADirectory"),
            ("rmtree /tmp/d", "done"),
            ("ls /tmp", "c conf/"),
            ("cat /tmp/conf/app", "from above"),
            ("held /tmp/h", "still here"),
            ("rename /tmp/c /run/shm/c", "error: CrossesDevices"),
            ("rmdir /tmp", "error: ResourceBusy"),
            ("ls /tmp", "c conf/"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_folder_in_memory_has_its_size_and_no_more() {
    let stage = Stage { dirs: vec![memory("/tmp", Bytes::kib(65))], ..Stage::default() };
    check(
        stage,
        &[
            // The host says "no space"; wasi-libc does not ask what a stream's error means.
            ("fill /tmp/a", "16 blocks, then Io"),
            ("write /tmp/b x", "error: Io"),
            ("rm /tmp/b", "done"),
            ("rm /tmp/a", "done"),
            ("set-len /tmp/a 1", "error: NotFound"),
            ("write /tmp/b x", "done"),
            ("set-len /tmp/b 9000000000", "done"),
            ("stat /tmp/b", "file 9000000000"),
            ("fill /tmp/c", "15 blocks, then Io"),
            ("mkdir /tmp/d", "error: StorageFull"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_volume_is_a_folder_of_the_host_that_nothing_leads_out_of() {
    let host = tempfile::tempdir().unwrap();
    let root = host.path().join("volume");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(host.path().join("outside"), "not for you").unwrap();
    std::fs::write(root.join("real"), "real").unwrap();
    std::os::unix::fs::symlink("../outside", root.join("up")).unwrap();
    std::os::unix::fs::symlink(host.path().join("outside"), root.join("away")).unwrap();
    std::os::unix::fs::symlink("..", root.join("sub/out")).unwrap();
    std::os::unix::fs::symlink("../..", root.join("sub/far")).unwrap();
    std::os::unix::fs::symlink("real", root.join("alias")).unwrap();
    let stage = Stage { dirs: vec![volume("/data", &root)], ..Stage::default() };
    check(
        stage,
        &[
            ("cat /data/real", "real"),
            ("cat /data/alias", "real"),
            ("cat /data/sub/out/real", "real"),
            ("cat /data/up", "error: PermissionDenied"),
            ("cat /data/away", "error: PermissionDenied"),
            ("write /data/up x", "error: PermissionDenied"),
            ("cat /data/sub/far/outside", "error: PermissionDenied"),
            ("cat /data/../outside", "error: NotFound"),
            ("cat /data/../../../etc/passwd", "error: NotFound"),
            ("write /data/new kept", "done"),
            ("append /data/new _on", "done"),
            ("mkdir-all /data/x/y", "done"),
            ("rename /data/new /data/x/y/new", "done"),
            ("sync /data/x/y/new", "done"),
            ("sync /data/x/y", "done"),
            ("sync /data", "done"),
            ("ls /data", "alias away real sub/ up x/"),
            ("mkdir /data", "error: AlreadyExists"),
        ],
    )
    .await;
    assert_eq!(std::fs::read_to_string(root.join("x/y/new")).unwrap(), "kept_on");
    assert_eq!(std::fs::read_to_string(host.path().join("outside")).unwrap(), "not for you");
}

#[tokio::test]
async fn layers_of_files_volumes_and_memory_look_like_one_tree() {
    let (outer, inner) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(outer.path().join("app.json"), "hidden").unwrap();
    std::fs::write(outer.path().join("own"), "own").unwrap();
    std::fs::create_dir(outer.path().join("etc")).unwrap();
    std::fs::write(outer.path().join("etc/below"), "below").unwrap();
    std::fs::write(inner.path().join("deep"), "deep").unwrap();
    let stage = Stage {
        files: vec![
            file("/data/app.json", 0o444, "config"),
            file("/data/etc/above", 0o444, "above"),
            file("/data/cache/conf", 0o444, "nested"),
        ],
        dirs: vec![
            volume("/data", outer.path()),
            volume("/data/cache", inner.path()),
            memory("/data/cache/tmp", Bytes::mib(1)),
        ],
        ..Stage::default()
    };
    check(
        stage,
        &[
            ("ls /data", "app.json cache/ etc/ own"),
            ("ls /data/etc", "above below"),
            ("ls /data/cache", "conf deep tmp/"),
            ("cat /data/app.json", "config"),
            ("cat /data/etc/below", "below"),
            ("cat /data/etc/above", "above"),
            ("cat /data/cache/conf", "nested"),
            ("cat /data/cache/../own", "own"),
            ("write /data/app.json x", "error: ReadOnlyFilesystem"),
            ("rm /data/app.json", "error: ReadOnlyFilesystem"),
            ("rename /data/own /data/cache/own", "error: CrossesDevices"),
            ("rename /data/own /data/cache/tmp/own", "error: CrossesDevices"),
            ("rename /data/own /data/etc/own", "done"),
            ("write /data/cache/tmp/t in_memory", "done"),
            ("rmdir /data/cache", "error: ResourceBusy"),
            ("sync /data", "done"),
            ("ls /data", "app.json cache/ etc/"),
        ],
    )
    .await;
    assert_eq!(std::fs::read_to_string(outer.path().join("app.json")).unwrap(), "hidden");
    assert_eq!(std::fs::read_to_string(outer.path().join("etc/own")).unwrap(), "own");
    assert_eq!(std::fs::read_dir(inner.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_mounted_read_only_can_not_be_changed() {
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir(host.path().join("sub")).unwrap();
    std::fs::write(host.path().join("sub/f"), "kept").unwrap();
    let read_only = |dir| PlanDir { read_only: true, ..dir };
    let stage = Stage {
        dirs: vec![
            read_only(volume("/data", host.path())),
            read_only(memory("/tmp", Bytes::mib(1))),
            memory("/rw", Bytes::mib(1)),
        ],
        ..Stage::default()
    };
    check(
        stage,
        &[
            ("cat /data/sub/f", "kept"),
            ("ls /data/sub", "f"),
            ("write /data/sub/f x", "error: ReadOnlyFilesystem"),
            ("append /data/sub/f x", "error: ReadOnlyFilesystem"),
            ("set-len /data/sub/f 0", "error: ReadOnlyFilesystem"),
            ("rm /data/sub/f", "error: ReadOnlyFilesystem"),
            ("rmtree /data/sub", "error: ReadOnlyFilesystem"),
            ("mkdir /data/new", "error: ReadOnlyFilesystem"),
            ("rename /data/sub /data/s", "error: ReadOnlyFilesystem"),
            ("write /tmp/f x", "error: ReadOnlyFilesystem"),
            ("mkdir /tmp/d", "error: ReadOnlyFilesystem"),
            ("write /rw/f x", "done"),
            ("link /rw/f /tmp/f", "error: ReadOnlyFilesystem"),
        ],
    )
    .await;
    assert_eq!(std::fs::read_to_string(host.path().join("sub/f")).unwrap(), "kept");
}
