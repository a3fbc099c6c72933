//! A secret is nowhere on the disk and in no log, whatever happens to the tasks that use it, and no
//! answer of the API shows it.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use skep_tests::{Daemon, files_below, http, wait_for};

/// A secret of text and one of bytes. Nothing else here looks like them.
const TEXT: &[u8] = b"swarm-of-7319-bees-and-one-queen-Qz8rT2";
const BYTES: &[u8] = &[
    0xf3, 0x01, 0x9a, 0x77, 0xe4, 0x0d, 0x0a, 0xc8, 0x5b, 0x92, 0x3e, 0xd1, 0x6f, 0xa0, 0x48, 0xb7,
    0x1c, 0x85, 0xee, 0x29,
];

/// So many bytes in a row of a secret are a leak; fewer can be chance.
const WINDOW: usize = 9;

/// All forms in which pieces of a secret could be written down.
fn traces(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut traces = Vec::new();
    for piece in secret.windows(WINDOW) {
        traces.push(piece.to_vec());
        let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
        traces.push(hex.to_uppercase().into_bytes());
        traces.push(hex.into_bytes());
        // Three bytes are four letters: a piece that starts anywhere in a stream of base64 is one of
        // these, since pieces start at every byte.
        traces.push(STANDARD_NO_PAD.encode(piece).into_bytes());
        traces.push(URL_SAFE_NO_PAD.encode(piece).into_bytes());
    }
    // As a debug print of bytes shows them.
    for piece in secret.windows(WINDOW) {
        let numbers: Vec<String> = piece.iter().map(u8::to_string).collect();
        traces.push(numbers.join(", ").into_bytes());
    }
    traces
}

/// Which of the traces a text has.
fn found(text: &[u8], traces: &[Vec<u8>]) -> Vec<String> {
    // By their first two bytes: files are large, traces are many.
    let mut by_start = vec![Vec::new(); 1 << 16];
    let key = |bytes: &[u8]| usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    for trace in traces {
        by_start[key(trace)].push(trace);
    }
    let mut seen = Vec::new();
    for at in 0..text.len().saturating_sub(1) {
        for trace in &by_start[key(&text[at..])] {
            if text[at..].starts_with(trace) {
                seen.push(String::from_utf8_lossy(trace).into_owned());
            }
        }
    }
    seen
}

/// No file below the folder has a trace of the secrets, neither in its content nor in its name.
fn nothing_in(folder: &Path, when: &str) -> Result<()> {
    let traces: Vec<_> = [TEXT, BYTES].into_iter().flat_map(traces).collect();
    for file in files_below(folder)? {
        // A file may go away between being listed and being read.
        let content = fs::read(&file).unwrap_or_default();
        let leaks = found(&content, &traces);
        ensure!(leaks.is_empty(), "{when}: {} has {leaks:?}", file.display());
        let leaks = found(file.to_string_lossy().as_bytes(), &traces);
        ensure!(leaks.is_empty(), "{when}: a file is called {}", file.display());
    }
    Ok(())
}

#[test]
fn the_scanner_finds_what_it_looks_for() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let traces: Vec<_> = [TEXT, BYTES].into_iter().flat_map(traces).collect();
    for secret in [TEXT, BYTES] {
        for before in 0..3 {
            let hidden = [&b"xyz"[..before], secret, b"tail"].concat();
            let hex: String = hidden.iter().map(|byte| format!("{byte:02X}")).collect();
            for written in [hidden.clone(), STANDARD.encode(&hidden).into_bytes(), hex.into_bytes()]
            {
                assert!(!found(&written, &traces).is_empty(), "before {before}");
                fs::write(folder.path().join("leak"), written)?;
                assert!(nothing_in(folder.path(), "a test").is_err());
            }
        }
    }
    assert!(found(b"nothing of the kind", &traces).is_empty());
    Ok(())
}

fn logs(daemon: &Daemon, service: &str, line: &str) -> Result<String> {
    let read = || daemon.skep(&["service", "logs", "--raw", service])?.ok();
    wait_for("a line of the task", read, |logs| logs.contains(line))
}

#[test]
fn no_byte_of_a_secret_is_on_the_disk_in_a_log_or_in_an_answer() -> Result<()> {
    let mut daemon = Daemon::start_swarm()?;
    daemon.load("files", "files:1")?;
    daemon.load("trap", "trap:1")?;
    // From standard input: a file of ours would be a find of its own.
    daemon.skep_input(&["secret", "create", "text", "-"], TEXT)?.ok()?;
    daemon.skep_input(&["secret", "create", "bytes", "-"], BYTES)?.ok()?;
    nothing_in(daemon.folder(), "after create")?;

    let image =
        ["--name", "s", "--secret", "text", "--secret", "source=bytes,target=/app/key,mode=0400"];
    let acts = ["files:1", "sum", "/run/secrets/text", "sum", "/app/key", "wait"];
    daemon.skep(&[&["service", "create", "-d"], &image[..], &acts[..]].concat())?.ok()?;
    let shown = logs(&daemon, "s", "sum /app/key: 20 ")?;
    assert!(shown.contains(&format!("sum /run/secrets/text: {} ", TEXT.len())), "{shown}");
    nothing_in(daemon.folder(), "while a task uses it")?;

    // Tasks that fail while they hold it, an update, a kill, a restart.
    let trap = ["service", "create", "-d", "--name", "t", "--secret", "text"];
    daemon.skep(&[&trap[..], &["--restart-condition", "none", "trap:1"]].concat())?.ok()?;
    wait_for(
        "the trap",
        || daemon.tasks("t"),
        |tasks| tasks.iter().any(|task| task["Status"]["State"] == "failed"),
    )?;
    daemon.skep(&["service", "update", "-d", "--env-add", "A=b", "s"])?.ok()?;
    daemon.kill()?;
    nothing_in(daemon.folder(), "after a kill")?;
    daemon.restart()?;
    daemon.wait_running("s", 1)?;
    nothing_in(daemon.folder(), "after a restart")?;
    answers_show_nothing(&daemon)?;

    daemon.skep(&["service", "rm", "s", "t"])?.ok()?;
    daemon.skep(&["secret", "rm", "text", "bytes"])?.ok()?;
    assert_eq!(daemon.stop()?, 0);
    nothing_in(daemon.folder(), "after the end")
}

fn answers_show_nothing(daemon: &Daemon) -> Result<()> {
    let traces: Vec<_> = [TEXT, BYTES].into_iter().flat_map(traces).collect();
    let commands: [&[&str]; 8] = [
        &["secret", "inspect", "text", "bytes"],
        &["secret", "inspect", "--pretty", "text"],
        &["secret", "ls"],
        &["service", "inspect", "s"],
        &["service", "inspect", "--pretty", "s"],
        &["service", "logs", "s"],
        &["service", "logs", "t"],
        &["service", "ps", "--no-trunc", "s", "t"],
    ];
    for command in commands {
        let finished = daemon.skep(command)?;
        assert_eq!(finished.code, 0, "{finished:?}");
        let all = [finished.stdout_bytes.as_slice(), finished.stderr.as_bytes()].concat();
        assert!(found(&all, &traces).is_empty(), "{finished:?}");
    }
    for path in ["/secrets", "/secrets/text", "/services", "/tasks", "/info", "/nodes"] {
        let answer = http::get_unix(&daemon.socket(), path)?;
        assert!(found(answer.body.as_bytes(), &traces).is_empty(), "{answer:?}");
    }
    Ok(())
}
