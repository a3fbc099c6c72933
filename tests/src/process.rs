//! Running programs with a time limit, and ports for them.

use std::fmt;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A program that ended.
#[derive(Clone)]
pub struct Finished {
    /// What was run.
    pub command: String,
    /// Its exit code; -1 if a signal ended it.
    pub code: i32,
    /// What it wrote to standard output, as bytes: configs may be binary.
    pub stdout_bytes: Vec<u8>,
    /// The same as text.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$ {}\n{}{}(exit code {})", self.command, self.stdout, self.stderr, self.code)
    }
}

impl Finished {
    /// Its standard output, if it ended well.
    pub fn ok(self) -> Result<String> {
        if self.code != 0 {
            bail!("{self:?}");
        }
        Ok(self.stdout)
    }

    /// Its standard error, if it ended badly, as a refused command should.
    pub fn refused(self) -> Result<String> {
        if self.code == 0 {
            bail!("this should have been refused: {self:?}");
        }
        Ok(self.stderr)
    }
}

/// Runs a program to its end, with that as its standard input, for at most so long.
pub(crate) fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> Result<Finished> {
    let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
    let shown = words.collect::<Vec<_>>().join(" ");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{shown}` can't be started"))?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends without reading its input is judged by what it says.
        let _ = pipe.write_all(stdin);
    }
    let code = wait(&mut child, limit).with_context(|| format!("`{shown}`"));
    let collect = |thread: std::thread::JoinHandle<Vec<u8>>| thread.join().unwrap_or_default();
    let (stdout_bytes, stderr) = (collect(out), collect(err));
    let stdout = String::from_utf8_lossy(&stdout_bytes).into_owned();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    match code {
        Ok(code) => Ok(Finished { command: shown, code, stdout_bytes, stdout, stderr }),
        Err(error) => Err(error.context(format!("it wrote: {stdout}{stderr}"))),
    }
}

/// Waits for a program's end and answers its exit code; ends it when the limit is reached.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<i32> {
    let until = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.code().unwrap_or(-1));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            bail!("it was still running after {} s", limit.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is what there is.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// A port on which nobody listens. Below the range that the kernel gives to outgoing connections,
/// and a different one each time, so that nobody takes it before it is used.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs run at the same time: each starts elsewhere.
    let start = (std::process::id() % 500) as u16 * 20;
    for _ in 0..10_000 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (start + step) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("there is no free port between 20000 and 30000")
}
