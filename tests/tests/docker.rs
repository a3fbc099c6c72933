//! Docker's own client on the node's socket. All names begin with `dockers_own_client`: where there
//! is no `docker`, `cargo xtask test` leaves them out, says so, and counts them as skipped.

use std::process::Command;

use anyhow::Result;
use serde_json::Value;
use skep_tests::Daemon;

/// What Docker's client prints.
fn docker(daemon: &Daemon, args: &[&str]) -> Result<String> {
    let mut docker = Command::new("docker");
    docker.args(["-H", &daemon.host()]).args(args).env_remove("DOCKER_HOST");
    docker.env("HOME", daemon.folder().join("home"));
    daemon.run(&mut docker)?.ok()
}

fn with_objects() -> Result<Daemon> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("echo", "echo:1")?;
    daemon.skep_input(&["config", "create", "-l", "a=b", "greeting", "-"], b"hello\n")?.ok()?;
    daemon.skep_input(&["secret", "create", "password", "-"], b"hunter2")?.ok()?;
    daemon.skep(&["node", "update", "--label-add", "zone=a", "self"])?.ok()?;
    let create = ["service", "create", "-d", "--name", "front", "--replicas", "2"];
    let sees = ["--config", "greeting", "--secret", "password", "--label", "tier=web"];
    let folder = ["--mount", "type=volume,src=files,dst=/files"];
    let all = [&create[..], &sees, &folder, &["-p", "7777", "echo:1", "7777"]].concat();
    daemon.skep(&all)?.ok()?;
    daemon.wait_running("front", 2)?;
    Ok(daemon)
}

#[test]
fn dockers_own_client_prints_the_same_tables() -> Result<()> {
    let daemon = with_objects()?;
    let task = "{{.ID}} {{.Name}} {{.Image}} {{.Node}} {{.DesiredState}} {{.Error}} {{.Ports}}";
    let object = "{{.ID}} {{.Name}} {{.Labels}}";
    for args in [
        &["node", "ls"][..],
        &["node", "ls", "--filter", "node.label=zone=a", "--format", "json"],
        &["service", "ls"],
        &["service", "ls", "--format", "json"],
        &["service", "ls", "-q", "--filter", "name=fr"],
        &["service", "ps", "front", "--format", task],
        &["service", "ps", "front", "-q"],
        &["config", "ls", "--format", object],
        &["secret", "ls", "--format", object],
        &["secret", "ls", "-q"],
        &["volume", "ls"],
    ] {
        assert_eq!(docker(&daemon, args)?, daemon.skep(args)?.ok()?, "{args:?}");
    }
    Ok(())
}

#[test]
fn dockers_own_client_inspects_what_there_is_and_sees_no_secret() -> Result<()> {
    let daemon = with_objects()?;
    for (kind, name) in [
        ("service", "front"),
        ("config", "greeting"),
        ("secret", "password"),
        ("volume", "files"),
        ("network", "ingress"),
        ("node", "self"),
        ("image", "echo:1"),
    ] {
        let seen = docker(&daemon, &[kind, "inspect", name])?;
        let objects: Value = serde_json::from_str(&seen)?;
        assert_eq!(objects.as_array().map(Vec::len), Some(1), "{kind}: {seen}");
        assert!(!seen.contains("hunter2") && !seen.contains("aHVudGVyMg"), "{kind}: {seen}");
        if kind != "network" {
            let ours: Value = serde_json::from_str(&daemon.skep(&[kind, "inspect", name])?.ok()?)?;
            assert_eq!(objects[0]["ID"], ours[0]["ID"], "{kind}");
        }
    }
    let pretty = docker(&daemon, &["config", "inspect", "--pretty", "greeting"])?;
    assert!(pretty.contains("Data:\nhello\n"), "{pretty}");
    let info = docker(&daemon, &["info", "--format", "{{.Swarm.LocalNodeState}} {{.Name}}"])?;
    assert!(info.starts_with("active "), "{info}");
    Ok(())
}
