//! `cargo xtask demo`: a node of its own with the to-do sample on it.

use std::io::{IsTerminal, Write};
use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use skep_tests::todo::{Todo, file};
use skep_tests::{Daemon, Setup, free_port};

use crate::{guests, release};

/// Where the compose files publish the page unless they are told otherwise.
const PORT: u16 = 8080;

/// What happens once the stack is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It stays, for somebody to play with.
    Stay,
    /// It is talked to and taken down.
    Check,
}

/// Runs the demo.
pub(crate) fn run(then: Then) -> Result<()> {
    guests::build()?;
    let binary = release::build()?;
    println!("starting a node with a fresh data folder");
    let setup = Setup { binary: Some(binary.clone()), ..Setup::default() };
    let mut daemon = Daemon::start_with(setup)?;
    let port = port()?;
    deploy(&daemon, port)?;
    println!("\nThe to-do list is up: http://localhost:{port}\n");
    match then {
        Then::Check => {
            check(&Todo::new(&daemon, port))?;
            let code = daemon.stop()?;
            ensure!(code == 0, "the daemon stopped with exit code {code}");
            println!("checked: all is well");
            Ok(())
        }
        Then::Stay => stay(daemon, &binary.display().to_string()),
    }
}

fn port() -> Result<u16> {
    if TcpListener::bind(("127.0.0.1", PORT)).is_ok() {
        return Ok(PORT);
    }
    let port = free_port()?;
    println!("port {PORT} is in use here: taking {port}");
    Ok(port)
}

fn deploy(daemon: &Daemon, port: u16) -> Result<()> {
    let todo = Todo::new(daemon, port);
    daemon.skep(&["swarm", "init"])?.ok()?;
    todo.load_images()?;
    let config = file("config.json");
    daemon.skep(&["config", "create", "todo-config", &config.to_string_lossy()])?.ok()?;
    let node = daemon.skep(&["node", "ls", "-q"])?.ok()?;
    daemon.skep(&["node", "update", "--label-add", "storage=raid", node.trim()])?.ok()?;
    println!("deploying samples/todo/v6.yml");
    todo.deploy(6)?.ok()?;
    todo.wait_for_storage("todo-db 2.0").map(|_| ())
}

fn check(todo: &Todo<'_>) -> Result<()> {
    let id = todo.add("Look at the demo")?;
    let form = todo.form("/add", "title=Look+again")?;
    ensure!(form.status == 303, "a form was answered with {form:?}");
    let shown = todo.shown()?;
    let titles = ["Look at the demo", "Look again"];
    ensure!(id == 1 && shown.titles() == titles, "the items are {shown:?}");
    let page = todo.page()?;
    let all = titles.iter().all(|title| page.body.contains(title));
    ensure!(page.status == 200 && all, "the page is {page:?}");
    println!("two items were added and read back");
    todo.remove().context("the stack was to be removed")?;
    println!("the stack is removed");
    Ok(())
}

/// Lets people play until they press Enter; without a terminal, leaves the node running.
fn stay(mut daemon: Daemon, binary: &str) -> Result<()> {
    let host = daemon.host();
    println!("Try next, in another terminal:\n");
    println!("    export SKEP_HOST={host}");
    println!("    alias skep={binary}");
    println!("    skep stack services todo");
    println!("    skep stack ps todo");
    println!("    skep service logs todo_todo-db");
    println!("    skep service scale todo_web=4");
    println!("    skep service update --force todo_todo-db");
    println!("    skep stack rm todo\n");
    println!("samples/todo/README.md walks through all six versions.\n");
    if std::io::stdin().is_terminal() {
        print!("Press Enter to stop the node and remove its data. ");
        std::io::stdout().flush()?;
        std::io::stdin().read_line(&mut String::new())?;
        daemon.stop()?;
        return Ok(());
    }
    let folder = daemon.folder().display().to_string();
    let pid = daemon.leave()?;
    println!("To stop the node and remove its data: kill {pid}; rm -r {folder}");
    Ok(())
}
