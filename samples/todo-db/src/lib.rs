//! The database of the to-do stack: a TCP server with one log file.
//!
//! Invariants:
//! 1. What was answered with `ok` is on the disk: the log is synced before any answer leaves.
//! 2. A record that was cut off at the log's end was never acknowledged, and is dropped at start.
//!    Damage anywhere else stops the database, with the file untouched.
//! 3. Without a password it serves nobody.
//!
//! WASI has no threads: one loop (`server`) waits for all connections at once.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use todo_items::{Format, SECRETS_FILE, read_connection};

mod log;
mod server;
mod session;

pub use log::{Log, LogError};
pub use server::Server;
pub use session::Database;

/// Where it listens unless `TODO_PORT` says otherwise.
const PORT_DEFAULT: u16 = 4040;

/// Where it keeps its log unless `TODO_DATA` says otherwise.
const DATA_DEFAULT: &str = "/data";

/// A release of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// What it calls itself.
    pub name: &'static str,
    /// What it writes; it reads that and all before it.
    pub format: Format,
}

impl Release {
    /// The first release.
    pub const ONE: Self = Self { name: "1.0", format: Format::One };
    /// Keeps the time an item was added.
    pub const TWO: Self = Self { name: "2.0", format: Format::Two };

    /// The time that a new item gets; the first release has no place for it.
    fn now_secs(self) -> Option<u64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        (self.format >= Format::Two).then_some(now.as_secs())
    }
}

/// Serves until the task is told to stop.
pub fn run(release: Release) -> ExitCode {
    match serve(release) {
        Ok(()) => {
            println!("todo-db {} was told to stop", release.name);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("todo-db {}: {error}", release.name);
            ExitCode::FAILURE
        }
    }
}

fn serve(release: Release) -> Result<(), String> {
    let folder =
        std::env::var_os("TODO_DATA").map_or_else(|| PathBuf::from(DATA_DEFAULT), PathBuf::from);
    let port = match std::env::var("TODO_PORT") {
        Ok(text) => text.parse().map_err(|_| format!("TODO_PORT: `{text}` is not a port"))?,
        Err(_) => PORT_DEFAULT,
    };
    let log = Log::open(&folder, release.format).map_err(|error| error.to_string())?;
    println!(
        "todo-db {}: {} items in {}",
        release.name,
        log.list().items().len(),
        folder.display()
    );
    let password = match read_connection(Path::new(SECRETS_FILE)) {
        Ok(connection) => Some(connection.password),
        Err(error) => {
            eprintln!("no password, so nobody is served: {SECRETS_FILE}: {error}");
            None
        }
    };
    let listener = TcpListener::bind(("0.0.0.0", port))
        .map_err(|error| format!("can't listen on port {port}: {error}"))?;
    println!("todo-db {} listens on port {port}", release.name);
    Server::new(listener, Database::new(log, release, password))
        .and_then(Server::run)
        .map_err(|error| error.to_string())
}
