//! A real registry: Debian's `docker-registry`, on loopback, with a folder of its own.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{http, process, wait_for};

/// Who may use a registry that asks.
pub const USER: &str = "bee";
/// Its password.
pub const PASSWORD: &str = "sesame";
/// The password's bcrypt hash, as the registry wants it.
const PASSWORD_HASH: &str = "$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O";

/// Whom a registry lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// [`USER`] with [`PASSWORD`].
    Password,
}

/// A registry, ended with its handle.
pub struct Registry {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Registry {
    /// An empty registry on a free port.
    pub fn start(access: Access) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("skep-registry-").tempdir()?;
        let at = folder.path().display().to_string();
        let port = process::free_port()?;
        let mut config = format!(
            "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {at}/data}}, \
             delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        );
        if access == Access::Password {
            fs::write(folder.path().join("users"), format!("{USER}:{PASSWORD_HASH}\n"))?;
            config += &format!("auth: {{htpasswd: {{realm: skep, path: {at}/users}}}}\n");
        }
        fs::write(folder.path().join("config.yml"), config)?;
        let log = File::create(folder.path().join("log"))?;
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("docker-registry can't be started: `apt-get install docker-registry`")?;
        let registry = Self { folder, child, port };
        let ready = |answer: &http::Answer| matches!(answer.status, 200 | 401);
        wait_for("the registry's answer", || http::get(port, "/v2/"), ready).with_context(
            || fs::read_to_string(registry.folder.path().join("log")).unwrap_or_default(),
        )?;
        Ok(registry)
    }

    /// An image in it, `127.0.0.1:PORT/NAME`.
    pub fn image(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps a blob of that digest, to damage it.
    pub fn blob(&self, digest: &str) -> std::path::PathBuf {
        let hex = digest.trim_start_matches("sha256:");
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
