//! A daemon as a process, and its client.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{self, Finished};
use crate::{guest, http, wait_for};

/// No client command takes longer, unless something is broken.
const CLIENT_LIMIT: Duration = Duration::from_secs(90);

/// How many lines of the daemon's log a failing test shows.
const LOG_LINES_SHOWN: usize = 60;

/// How a daemon is started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The binary; the one that tests are built beside by default, or `SKEP_BIN`.
    pub binary: Option<PathBuf>,
    /// The data folder; one in the daemon's own temporary folder by default.
    pub data: Option<PathBuf>,
    /// A program that starts the daemon, and its arguments; it must become the daemon (`exec`).
    pub launcher: Vec<String>,
    /// Further arguments of `skep daemon`.
    pub args: Vec<String>,
    /// Variables for the client, as `SKEP_HOST` and a home of its own are.
    pub client_env: Vec<(String, String)>,
}

/// A daemon, ended with its handle.
pub struct Daemon {
    setup: Setup,
    binary: PathBuf,
    folder: TempDir,
    child: Option<Child>,
}

impl Daemon {
    /// A daemon with an empty data folder, ready for commands; not in a swarm.
    pub fn start() -> Result<Self> {
        Self::start_with(Setup::default())
    }

    /// A daemon that is the manager of a new swarm.
    pub fn start_swarm() -> Result<Self> {
        let daemon = Self::start()?;
        daemon.skep(&["swarm", "init"])?.ok()?;
        Ok(daemon)
    }

    /// A daemon that is set up in a special way.
    pub fn start_with(setup: Setup) -> Result<Self> {
        let binary = match &setup.binary {
            Some(binary) => binary.clone(),
            None => test_binary()?,
        };
        let folder = tempfile::Builder::new().prefix("skep-").tempdir()?;
        fs::create_dir(folder.path().join("home"))?;
        let mut daemon = Self { setup, binary, folder, child: None };
        daemon.spawn()?;
        Ok(daemon)
    }

    /// Where all of it is: the data folder, the socket, the log, the client's home.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.setup.data.clone().unwrap_or_else(|| self.folder().join("data"))
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("skep.sock")
    }

    /// The socket, as `-H` and `SKEP_HOST` take it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// What the daemon wrote so far, over all its starts.
    pub fn log(&self) -> String {
        fs::read(self.log_file())
            .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The process id.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the daemon is not running")?.id())
    }

    /// Runs a client command.
    pub fn skep(&self, args: &[&str]) -> Result<Finished> {
        self.skep_input(args, b"")
    }

    /// Runs a client command with that as its standard input.
    pub fn skep_input(&self, args: &[&str], stdin: &[u8]) -> Result<Finished> {
        process::run(self.client().args(args), stdin, CLIENT_LIMIT)
    }

    /// Runs a client command that was put together from [`Self::client`].
    pub fn run(&self, client: &mut Command) -> Result<Finished> {
        process::run(client, b"", CLIENT_LIMIT)
    }

    /// The tasks of a service as Docker's API shows them; none if there is no such service.
    pub fn tasks(&self, service: &str) -> Result<Vec<Value>> {
        let filters = format!("%7B%22service%22%3A%5B%22{service}%22%5D%7D");
        let answer = http::get_unix(&self.socket(), &format!("/tasks?filters={filters}"))?;
        match answer.status {
            404 => Ok(Vec::new()),
            200 => answer.json()?.as_array().cloned().context("the tasks are a list"),
            _ => bail!("{answer:?}"),
        }
    }

    /// Waits until a service has so many running tasks.
    pub fn wait_running(&self, service: &str, count: usize) -> Result<Vec<Value>> {
        let running = |tasks: &Vec<Value>| {
            let wanted = |task: &&Value| task["DesiredState"] == "running";
            let runs = |task: &&Value| task["Status"]["State"] == "running";
            tasks.iter().filter(wanted).filter(runs).count() == count
        };
        let what = format!("{count} running tasks of {service}");
        wait_for(&what, || self.tasks(service), running)
    }

    /// A client command, to be given its arguments.
    pub fn client(&self) -> Command {
        let home = self.folder().join("home");
        let mut command = Command::new(&self.binary);
        command
            .env("SKEP_HOST", self.host())
            .env("HOME", &home)
            .env("NO_COLOR", "1")
            .env_remove("DOCKER_CONFIG")
            .current_dir(self.folder())
            .envs(self.setup.client_env.iter().cloned());
        command
    }

    /// Puts a built guest into the node's store.
    pub fn load(&self, name: &str, tag: &str) -> Result<()> {
        let path = guest(name)?;
        self.skep(&["image", "load", &path.to_string_lossy(), "-t", tag])?.ok()?;
        Ok(())
    }

    /// Ends the daemon as a power cut ends a process.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the daemon is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Tells the daemon to stop, waits for it and answers its exit code.
    pub fn stop(&mut self) -> Result<i32> {
        let mut child = self.child.take().context("the daemon is not running")?;
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM)?;
        process::wait(&mut child, crate::LIMIT).context("the daemon, told to stop")
    }

    /// Starts the daemon again on the same data folder.
    pub fn restart(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("the daemon is still running");
        }
        self.spawn()
    }

    /// Starts the daemon where it can't start, and answers how it ended.
    pub fn start_refused(&self) -> Result<Finished> {
        process::run(&mut self.daemon(), b"", CLIENT_LIMIT)
    }

    /// Leaves the daemon running behind this handle: its folder stays too.
    pub fn leave(mut self) -> Result<u32> {
        let pid = self.pid()?;
        self.child = None;
        self.folder.disable_cleanup(true);
        Ok(pid)
    }

    fn log_file(&self) -> PathBuf {
        self.folder().join("daemon.log")
    }

    fn daemon(&self) -> Command {
        let mut command = match self.setup.launcher.split_first() {
            None => Command::new(&self.binary),
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(&self.binary);
                command
            }
        };
        command
            .args(["daemon", "-H", &self.host(), "--ingress-addr", "127.0.0.1", "--data-root"])
            .arg(self.data())
            .args(&self.setup.args)
            .env("HOME", self.folder().join("home"))
            .env_remove("DOCKER_CONFIG")
            .current_dir(self.folder());
        command
    }

    fn spawn(&mut self) -> Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file())?;
        let copy: File = log.try_clone()?;
        let mut daemon = self.daemon();
        let child = daemon.stdin(Stdio::null()).stdout(log).stderr(copy).spawn();
        let child = child.with_context(|| format!("{} can't be started", self.binary.display()))?;
        let child = self.child.insert(child);
        let socket = self.folder.path().join("skep.sock");
        let ready = wait_for(
            "the daemon's answer on its socket",
            || match child.try_wait()? {
                Some(status) => Ok(Err(status)),
                None => Ok(Ok(http::get_unix(&socket, "/_ping")?.status)),
            },
            |seen| matches!(seen, Err(_) | Ok(200)),
        );
        match ready {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => bail!("the daemon ended ({status}):\n{}", self.log_end()),
            Err(error) => Err(error.context(self.log_end())),
        }
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Daemon {
    #[expect(clippy::print_stderr, reason = "shown by the test runner, for tests that fail alone")]
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            eprintln!("the end of the daemon's log:\n{}", self.log_end());
            // It may have ended by itself; then there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The binary that cargo builds beside the tests: `target/debug/deps/TEST` has `target/debug/skep`.
fn test_binary() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("SKEP_BIN") {
        return Ok(binary.into());
    }
    let this = std::env::current_exe()?;
    let beside = this.ancestors().skip(1).map(|folder| folder.join("skep"));
    let found = beside.take(2).find(|binary| binary.is_file());
    found.context("the `skep` binary is not built: run `cargo build -p skep-cli`")
}
