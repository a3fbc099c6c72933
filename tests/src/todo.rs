//! The to-do sample as its users drive it: deployed by the client, looked at over HTTP.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::{Daemon, Finished, http, repository, wait_for};

/// The images of the sample: the guest, and the name its compose files use.
pub const IMAGES: [(&str, &str); 3] =
    [("todo-web", "todo-web:1.0"), ("todo-db", "todo-db:1.0"), ("todo-db-2", "todo-db:2.0")];

/// The stack called `todo` on a daemon, published on a port.
pub struct Todo<'a> {
    daemon: &'a Daemon,
    port: u16,
}

/// What `GET /api/items` shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The task that answered.
    pub task: String,
    /// Where the items are.
    pub storage: String,
    /// The items.
    pub items: Vec<Value>,
}

impl Shown {
    /// The titles, in order.
    pub fn titles(&self) -> Vec<&str> {
        self.items.iter().filter_map(|item| item["title"].as_str()).collect()
    }
}

/// A file of the sample.
pub fn file(name: &str) -> PathBuf {
    repository().join("samples/todo").join(name)
}

impl<'a> Todo<'a> {
    /// The stack on that daemon and port; nothing is deployed yet.
    pub const fn new(daemon: &'a Daemon, port: u16) -> Self {
        Self { daemon, port }
    }

    /// Gives the daemon the images.
    pub fn load_images(&self) -> Result<()> {
        IMAGES.iter().try_for_each(|(guest, tag)| self.daemon.load(guest, tag))
    }

    /// Deploys a version, 1 to 6.
    pub fn deploy(&self, version: u32) -> Result<Finished> {
        self.deploy_file(&file(&format!("v{version}.yml")))
    }

    /// Deploys a compose file under the stack's name.
    pub fn deploy_file(&self, file: &std::path::Path) -> Result<Finished> {
        let mut client = self.daemon.client();
        client.env("TODO_PORT", self.port.to_string());
        client.args(["stack", "deploy", "-c"]).arg(file).arg("todo");
        self.daemon.run(&mut client)
    }

    /// What the page's address answers.
    pub fn page(&self) -> Result<http::Answer> {
        http::get(self.port, "/")
    }

    /// What programs are shown.
    pub fn shown(&self) -> Result<Shown> {
        let answer = http::get(self.port, "/api/items")?;
        ensure!(answer.status == 200, "{answer:?}");
        let value = answer.json()?;
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Ok(Shown {
            task: text("task").context("no task")?,
            storage: text("storage").context("no storage")?,
            items: value["items"].as_array().context("no items")?.clone(),
        })
    }

    /// Waits until the page is served from a storage whose name has that word in it.
    pub fn wait_for_storage(&self, word: &str) -> Result<Shown> {
        let what = format!("items in {word}");
        wait_for(&what, || self.shown(), |shown| shown.storage.contains(word))
    }

    /// Adds an item as a program does, and answers its number.
    pub fn add(&self, title: &str) -> Result<u64> {
        let body = json!({ "title": title }).to_string();
        let answer = http::send(self.port, "POST", "/api/items", &[], body.as_bytes())?;
        ensure!(answer.status == 201, "{answer:?}");
        answer.json()?["id"].as_u64().context("no number")
    }

    /// Sends a form as a browser does.
    pub fn form(&self, path: &str, fields: &str) -> Result<http::Answer> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        http::send(self.port, "POST", path, &headers, fields.as_bytes())
    }

    /// Whether somebody listens on the stack's port.
    pub fn port_is_open(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Removes the stack and waits until nothing of it runs or listens.
    pub fn remove(&self) -> Result<()> {
        self.daemon.skep(&["stack", "rm", "todo"])?.ok()?;
        for service in ["todo_web", "todo_todo-db"] {
            let what = format!("the end of {service}'s tasks");
            wait_for(&what, || self.daemon.tasks(service), |tasks| tasks.is_empty())?;
        }
        wait_for("the port to be closed", || Ok(self.port_is_open()), |open| !open)?;
        Ok(())
    }
}
