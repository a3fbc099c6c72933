//! Tasks as they run: reached on their ports, ended, started again, and heard through their logs.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use skep_tests::{Daemon, free_port, wait_for};

/// What a TCP server on that port sends back.
fn exchange(port: u16, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut back = Vec::new();
    stream.read_to_end(&mut back)?;
    Ok(back)
}

#[test]
fn a_command_that_listens_is_reached_on_its_published_port() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("echo", "echo:1")?;
    let port = free_port()?;
    let publish = format!("{port}:7777");
    daemon.skep(&["service", "create", "--name", "e", "-p", &publish, "echo:1", "7777"])?.ok()?;
    let said: Vec<u8> = (0..20_000_u32).map(|at| at as u8).collect();
    wait_for("the echo", || exchange(port, &said), |back| *back == said)?;
    daemon.skep(&["service", "rm", "e"])?.ok()?;
    wait_for("the port to be closed", || Ok(exchange(port, b"x").is_err()), |closed| *closed)?;
    Ok(())
}

#[test]
fn a_client_that_waits_returns_once_all_tasks_run() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("echo", "echo:1")?;
    for command in [
        &["service", "create", "--name", "e", "echo:1"][..],
        &["service", "scale", "e=3"],
        &["service", "update", "--replicas", "2", "e"],
        &["service", "update", "--env-add", "A=b", "e"],
    ] {
        let told = daemon.skep(command)?.ok()?;
        // By its name, or by its id after `create`, as Docker's client says it.
        let converged = told.lines().last().is_some_and(|line| {
            line.starts_with("verify: Service ") && line.ends_with(" converged")
        });
        assert!(converged, "{command:?}: {told}");
    }
    daemon.wait_running("e", 2)?;
    Ok(())
}

/// The newest task of a service that ended.
fn ended(daemon: &Daemon, service: &str) -> Result<Value> {
    let states = ["complete", "failed", "rejected", "shutdown"];
    let over = |task: &&Value| states.iter().any(|state| task["Status"]["State"] == *state);
    let find = || Ok(daemon.tasks(service)?.iter().find(over).cloned());
    let found = wait_for(&format!("the end of a task of {service}"), find, Option::is_some)?;
    Ok(found.unwrap_or_default())
}

#[test]
fn each_way_to_end_is_told_apart() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("exit-code", "exit:1")?;
    daemon.load("trap", "trap:1")?;
    let once = ["service", "create", "-d", "--restart-condition", "none", "--name"];
    for (name, image, state, code, error) in [
        ("well", &["exit:1", "0"][..], "complete", 0, ""),
        ("one", &["exit:1", "1"], "failed", 1, "task: non-zero exit (1)"),
        ("seven", &["exit:1", "7"], "failed", 7, "task: non-zero exit (7)"),
        ("trap", &["trap:1"], "failed", 134, "task: trapped: "),
    ] {
        daemon.skep(&[&once[..], &[name], image].concat())?.ok()?;
        let task = ended(&daemon, name)?;
        let status = &task["Status"];
        assert_eq!(status["State"], state, "{task}");
        let told = status["Err"].as_str().unwrap_or_default();
        assert!(if error.is_empty() { told.is_empty() } else { told.starts_with(error) }, "{task}");
        let seen = status["ContainerStatus"]["ExitCode"].as_i64().unwrap_or(0);
        assert_eq!(seen, code, "{task}");
    }
    let logs = daemon.skep(&["service", "logs", "--raw", "trap"])?;
    assert!(logs.stderr.contains("trapped on purpose"), "{logs:?}");
    Ok(())
}

#[test]
fn a_task_that_fails_is_replaced_as_often_as_it_may() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("exit-code", "exit:1")?;
    let create =
        ["service", "create", "-d", "--restart-delay", "10ms", "--restart-max-attempts", "2"];
    daemon.skep(&[&create[..], &["--name", "again", "exit:1", "3"]].concat())?.ok()?;
    let failed = |tasks: &Vec<Value>| {
        tasks.iter().filter(|task| task["Status"]["State"] == "failed").count() == 3
    };
    wait_for("one start and two more", || daemon.tasks("again"), failed)?;
    Ok(())
}

#[test]
fn a_busy_loop_is_stopped_and_keeps_nobody_waiting() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("spin", "spin:1")?;
    daemon.load("echo", "echo:1")?;
    let spin = ["service", "create", "-d", "--name", "spin", "--stop-grace-period", "100ms"];
    daemon.skep(&[&spin[..], &["--replicas", "2", "spin:1"]].concat())?.ok()?;
    daemon.wait_running("spin", 2)?;
    let port = free_port()?;
    let publish = format!("{port}:7");
    daemon.skep(&["service", "create", "-d", "--name", "e", "-p", &publish, "echo:1"])?.ok()?;
    wait_for("an echo beside busy tasks", || exchange(port, b"hi"), |back| back == b"hi")?;
    daemon.skep(&["service", "rm", "spin"])?.ok()?;
    wait_for("the end of busy tasks", || daemon.tasks("spin"), Vec::is_empty)?;
    Ok(())
}

#[test]
fn logs_and_tasks_survive_a_clean_stop_of_the_daemon() -> Result<()> {
    let mut daemon = Daemon::start_swarm()?;
    daemon.load("files", "files:1")?;
    let acts = ["files:1", "env", "COLOUR", "args", "cat", "/nothing", "wait"];
    let create = ["service", "create", "-d", "--name", "f", "-e", "COLOUR=yellow"];
    daemon.skep(&[&create[..], &acts[..]].concat())?.ok()?;
    let logs = |daemon: &Daemon| daemon.skep(&["service", "logs", "--raw", "f"])?.ok();
    let text = wait_for("its lines", || logs(&daemon), |text| text.contains("wait : waits"))?;
    assert!(text.contains("env COLOUR: yellow\n"), "{text}");
    assert!(text.contains("cat /nothing: error: NotFound\n"), "{text}");
    assert_eq!(daemon.stop()?, 0);
    daemon.restart()?;
    daemon.wait_running("f", 1)?;
    assert!(logs(&daemon)?.starts_with(&text), "what was written before is still there");
    Ok(())
}

#[test]
fn a_task_sees_its_grant_and_nothing_else() -> Result<()> {
    let daemon = Daemon::start_swarm()?;
    daemon.load("files", "files:1")?;
    daemon.skep_input(&["config", "create", "c", "-"], b"config\n")?.ok()?;
    let create =
        ["service", "create", "-d", "--name", "f", "--config", "source=c,target=/data/c.txt"];
    let mount = ["--mount", "type=volume,source=v,target=/data", "files:1"];
    let acts = "ls / ls /data cat /data/c.txt write /data/c.txt x write /data/mine y ls /data ls /tmp \
                write /tmp/t z cat /tmp/t cat /etc/passwd cat /data/../../etc/passwd rm /data/c.txt \
                write /elsewhere x env HOME env PATH wait";
    let acts: Vec<&str> = acts.split_whitespace().collect();
    daemon.skep(&[&create[..], &mount[..], &acts[..]].concat())?.ok()?;
    let logs = || daemon.skep(&["service", "logs", "--raw", "f"])?.ok();
    let text = wait_for("its lines", logs, |text| text.contains("wait : waits"))?;
    for line in [
        "ls /: data/ tmp/",
        "ls /data: c.txt",
        "cat /data/c.txt: config\\n",
        "write /data/mine: 1 bytes",
        "ls /data: c.txt mine",
        "ls /tmp: ",
        "cat /tmp/t: z",
        "cat /etc/passwd: error: NotFound",
        "cat /data/../../etc/passwd: error: ",
        "env HOME: (not set)",
        "env PATH: (not set)",
    ] {
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }
    for refused in
        ["write /data/c.txt: error: ", "rm /data/c.txt: error: ", "write /elsewhere: error: "]
    {
        assert!(text.contains(refused), "`{refused}` is not in:\n{text}");
    }
    Ok(())
}
