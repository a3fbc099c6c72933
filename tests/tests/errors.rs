//! What users get wrong: each is told by Swarm's text where Swarm has one, nothing half-created
//! stays, and nothing is lost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use skep_tests::{Daemon, Setup, free_port, wait_for};

/// Runs a command that must be refused with that text and exit code.
fn refused(daemon: &Daemon, args: &[&str], code: i32, text: &str) -> Result<()> {
    let finished = daemon.skep(args)?;
    ensure!(
        finished.code == code && finished.stderr.contains(text),
        "waited for {code} and `{text}`: {finished:?}"
    );
    Ok(())
}

/// Deploys a compose file that must be refused with that text.
fn deploy_refused(daemon: &Daemon, compose: &str, text: &str) -> Result<()> {
    let file = daemon.folder().join("bad.yml");
    fs::write(&file, compose)?;
    refused(daemon, &["stack", "deploy", "-c", &file.to_string_lossy(), "bad"], 1, text)
}

fn nothing_was_made(daemon: &Daemon) -> Result<()> {
    for kind in ["service", "config", "secret", "volume"] {
        let listed = daemon.skep(&[kind, "ls", "-q"])?.ok()?;
        ensure!(listed.is_empty(), "{kind}s stay: {listed}");
    }
    let stacks = daemon.skep(&["stack", "ls", "--format", "{{.Name}}"])?.ok()?;
    ensure!(stacks.is_empty(), "stacks stay: {stacks}");
    Ok(())
}

#[test]
fn without_a_swarm_or_a_daemon_the_way_out_is_told() -> Result<()> {
    let mut daemon = Daemon::start()?;
    for args in [&["node", "ls"][..], &["service", "ls"], &["stack", "ls"], &["config", "ls"]] {
        refused(&daemon, args, 1, "This node is not a swarm manager.")?;
    }
    let info = daemon.skep(&["info"])?.ok()?;
    assert!(info.contains("Swarm: inactive"), "{info}");
    daemon.skep(&["swarm", "init"])?.ok()?;
    refused(&daemon, &["swarm", "init"], 1, "This node is already part of a swarm.")?;
    assert_eq!(daemon.stop()?, 0);
    refused(&daemon, &["node", "ls"], 1, &daemon.socket().display().to_string())
}

#[test]
fn compose_files_are_refused_before_anything_is_made() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("hello-http", "web:1")?;
    let web = "services:\n  web:\n    image: web:1\n";
    for (more, text) in [
        ("    foo: 1\n", "services.web Additional property foo is not allowed"),
        ("    deploy: {replicas: many}\n", "services.web.deploy.replicas must be a integer"),
        ("    ports: 80\n", "services.web.ports must be a list"),
        ("    secrets: [s]\n", "undefined secret \"s\""),
        ("    configs: [c]\n", "undefined config \"c\""),
        ("    networks: [n]\n", "undefined network \"n\""),
        ("    volumes: ['vol:/data']\n", "undefined volume \"vol\""),
        ("    configs: [c]\nconfigs: {c: {external: true}}\n", "config not found: c"),
        ("    secrets: [s]\nsecrets: {s: {external: true}}\n", "secret not found: s"),
        ("    configs: [c]\nconfigs: {c: {file: ./nothing}}\n", "nothing"),
        ("bogus: {}\n", "(root) Additional property bogus is not allowed"),
        ("  other: {}\n", "no image specified"),
        ("  : [\n", ""),
    ] {
        deploy_refused(&daemon, &format!("{web}{more}"), text)?;
        nothing_was_made(&daemon)?;
    }
    // What comes before the fault in the file is not made either.
    let late = "services:\n  a:\n    image: web:1\n    configs: [c]\n    secrets: [s]\n  b:\n    image: web:1\n    \
                deploy: {placement: {constraints: ['nonsense']}}\nconfigs: {c: {file: ./bad.yml}}\n\
                secrets: {s: {file: ./bad.yml}}\n";
    deploy_refused(&daemon, late, "nonsense")?;
    nothing_was_made(&daemon)
}

#[test]
fn names_and_objects_in_use_are_told_with_their_users() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("hello-http", "web:1")?;
    for kind in ["config", "secret"] {
        daemon.skep_input(&[kind, "create", "x", "-"], b"content")?.ok()?;
        let again = daemon.skep_input(&[kind, "create", "x", "-"], b"content")?.refused()?;
        assert!(again.contains(&format!("{kind} x already exists")), "{again}");
        let label = ["service", "create", "-d", "--name"];
        let name = format!("uses-{kind}");
        let flag = format!("--{kind}");
        daemon.skep(&[&label[..], &[&name, &flag, "x", "web:1"]].concat())?.ok()?;
        let text = format!("{kind} 'x' is in use by the following service: {name}");
        refused(&daemon, &[kind, "rm", "x"], 1, &text)?;
        daemon.skep(&["service", "rm", &name])?.ok()?;
        daemon.skep(&[kind, "rm", "x"])?.ok()?;
    }
    let port = free_port()?;
    let publish = format!("{port}:80");
    let create = |name| ["service", "create", "-d", "--name", name, "-p", &publish, "web:1"];
    daemon.skep(&create("web"))?.ok()?;
    refused(&daemon, &create("web"), 1, "service web already exists")?;
    let text = format!("port '{port}' is already in use by service 'web'");
    refused(&daemon, &create("other"), 1, &text)?;
    let listed = daemon.skep(&["service", "ls", "--format", "{{.Name}}"])?.ok()?;
    assert_eq!(listed, "web\n");
    Ok(())
}

#[test]
fn what_is_too_large_empty_or_missing_is_told_with_the_rule() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    let large = vec![b'x'; 1_100_000];
    let secret = "secret data must be larger than 0 and less than 512000 bytes";
    let config = "config data must be larger than 0 and less than 1024000 bytes";
    for (kind, content, text) in [
        ("secret", &large[..512_000], secret),
        ("secret", &[], "data is empty"),
        ("config", &large[..1_024_000], config),
        ("config", &[], "data is empty"),
    ] {
        let error = daemon.skep_input(&[kind, "create", "x", "-"], content)?.refused()?;
        assert!(error.contains(text), "{error}");
    }
    daemon.skep_input(&["secret", "create", "fits", "-"], &large[..511_999])?.ok()?;
    daemon.skep(&["secret", "rm", "fits"])?.ok()?;
    for (args, text) in [
        (&["service", "inspect", "nosuch"][..], "no such service: nosuch"),
        (&["service", "ps", "nosuch"], "no such service: nosuch"),
        (&["service", "rm", "nosuch"], "service nosuch not found"),
        (&["config", "rm", "nosuch"], "config nosuch not found"),
        (&["node", "inspect", "nosuch"], "node nosuch not found"),
        (&["volume", "rm", "nosuch"], "nosuch"),
        (&["image", "inspect", "nosuch:1"], "No such image: nosuch:1"),
    ] {
        refused(&daemon, args, 1, text)?;
    }
    refused(&daemon, &["service", "ls", "--nosuch"], 125, "--nosuch")?;
    nothing_was_made(&daemon)
}

#[test]
fn a_trap_a_missing_image_and_a_port_that_is_taken_are_told_by_service_ps() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("trap", "trap:1")?;
    daemon.load("hello-http", "web:1")?;
    let once = ["--restart-condition", "none", "trap:1"];
    daemon.skep(&[&["service", "create", "-d", "--name", "t"][..], &once[..]].concat())?.ok()?;
    // As in Swarm the image may still come: the service is made, with a warning.
    let missing = daemon.skep(&["service", "create", "-d", "--name", "m", "nosuch:1"])?;
    let warning = "image nosuch:1 could not be accessed on a registry to record its digest";
    assert!(missing.code == 0 && missing.stderr.contains(warning), "{missing:?}");
    let taken = TcpListener::bind(("127.0.0.1", 0))?;
    let port = taken.local_addr()?.port();
    let publish = format!("{port}:80");
    daemon.skep(&["service", "create", "-d", "--name", "w", "-p", &publish, "web:1"])?.ok()?;
    let in_use = format!("port {port} is in use by another program on this node");
    let no_image = "No such image: nosuch:1";
    for (service, text) in [("t", "task: trapped: "), ("m", no_image), ("w", in_use.as_str())] {
        let ps = ["service", "ps", "--no-trunc", "--format", "{{.Error}}", service];
        wait_for("the reason", || daemon.skep(&ps)?.ok(), |shown| shown.contains(text))?;
    }
    // The port is taken as soon as it is free.
    drop(taken);
    let get = || skep_tests::http::get(port, "/");
    wait_for("an answer on the port", get, |answer| answer.status == 200)?;
    Ok(())
}

#[test]
fn a_folder_that_is_not_ours_is_not_touched() -> Result<()> {
    let mut daemon = Daemon::start_swarm()?;
    let second = daemon.start_refused()?;
    assert_ne!(second.code, 0, "{second:?}");
    assert!(second.stderr.contains("another node uses the data folder"), "{second:?}");
    assert_eq!(daemon.stop()?, 0);

    let data = daemon.data();
    let moved = daemon.folder().join("moved");
    fs::rename(&data, &moved)?;
    fs::create_dir(&data)?;
    fs::write(data.join("letters.txt"), "dear queen")?;
    let foreign = daemon.start_refused()?;
    assert_ne!(foreign.code, 0, "{foreign:?}");
    assert!(foreign.stderr.contains("holds files that are not Skep's"), "{foreign:?}");
    let files = skep_tests::files_below(&data)?;
    assert_eq!(files, [data.join("letters.txt")]);
    assert_eq!(fs::read_to_string(&files[0])?, "dear queen");

    fs::remove_dir_all(&data)?;
    fs::rename(&moved, &data)?;
    daemon.restart()?;
    daemon.skep(&["node", "ls"])?.ok()?;
    Ok(())
}

/// A small file system, seen by processes of its own namespace alone, and full but for a few MB.
struct Disk {
    folder: tempfile::TempDir,
    holder: Child,
}

impl Disk {
    /// Needs a machine that gives namespaces to this user, as Debian does.
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let script = "mount -t tmpfs -o size=16m none \"$0\" && head -c 4m /dev/zero >\"$0/ballast\" && \
                      echo ready && exec sleep 600";
        let mut holder = Command::new("unshare")
            .args(["--mount", "--map-root-user", "sh", "-c", script])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().context("a pipe")?).read_line(&mut line)?;
        let disk = Self { folder, holder };
        ensure!(line == "ready\n", "this machine gives no mount namespaces to this user");
        Ok(disk)
    }

    /// What starts a program that sees the disk.
    fn enter(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        let words = ["nsenter", "--user", "--mount", "--preserve-credentials", "--target", &pid];
        words.map(str::to_owned).to_vec()
    }

    fn make_room(&self) -> Result<()> {
        let enter = self.enter();
        let mut rm = Command::new(&enter[0]);
        let status =
            rm.args(&enter[1..]).arg("rm").arg(self.folder.path().join("ballast")).status()?;
        ensure!(status.success(), "the ballast stays: {status}");
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() -> Result<()> {
    let disk = Disk::new()?;
    let data = Some(disk.folder.path().join("data"));
    let setup = Setup { data, launcher: disk.enter(), ..Setup::default() };
    let mut daemon = Daemon::start_with(setup)?;
    daemon.skep(&["swarm", "init"])?.ok()?;
    let mut stored = Vec::new();
    let error = loop {
        let name = format!("c{}", stored.len());
        let content = vec![b'x'; 900_000];
        let finished = daemon.skep_input(&["config", "create", &name, "-"], &content)?;
        if finished.code != 0 {
            break finished.stderr;
        }
        stored.push(name);
        ensure!(stored.len() < 20, "12 MB hold no 18 MB");
    };
    ensure!(
        error.to_lowercase().contains("no space left on device"),
        "the reason is told: {error}"
    );

    // Whatever it does now, what was acknowledged is there once there is room again.
    daemon.kill()?;
    disk.make_room()?;
    daemon.restart()?;
    let listed = daemon.skep(&["config", "ls", "--format", "{{.Name}}"])?.ok()?;
    let mut listed: Vec<&str> = listed.lines().collect();
    listed.sort_unstable();
    stored.sort();
    assert_eq!(listed, stored);
    daemon.skep_input(&["config", "create", "one-more", "-"], b"there is room")?.ok()?;
    Ok(())
}
