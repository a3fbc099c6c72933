//! Programs that the tests need and the machine may lack, from the system's packages.

use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{found, output, run};

/// A program, and the Debian package that has it.
const NEEDED: [(&str, &str); 2] = [("docker-registry", "docker-registry"), ("skopeo", "skopeo")];

/// Installs what is missing, and says so.
pub(crate) fn test_programs() -> Result<()> {
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !found(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !found("apt-get") {
        bail!("the tests need these programs: {packages}; install them and run this again");
    }
    println!("installing: {packages} (apt-get install)");
    let mut update = as_root()?;
    run(update.args(["apt-get", "update", "-qq"]))?;
    let mut install = as_root()?;
    let quiet = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"];
    run(install.env("DEBIAN_FRONTEND", "noninteractive").args(quiet).args(&missing))
}

/// The start of a command that root runs: `env`, or `sudo` where this is somebody else.
fn as_root() -> Result<Command> {
    if output(Command::new("id").arg("-u"))?.trim() == "0" {
        return Ok(Command::new("env"));
    }
    if !found("sudo") {
        bail!("packages are missing, and this is neither root nor is there sudo");
    }
    let mut sudo = Command::new("sudo");
    // Rather fail than wait for a password where nobody can type one.
    sudo.arg("-n");
    Ok(sudo)
}
