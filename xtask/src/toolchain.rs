//! A Rust compiler for `wasm32-wasip2`.
//!
//! rustup's, where the target is installed or can be within a short time. Else Debian's packaged
//! Rust, unpacked into the user's cache folder: nothing is installed system-wide. Its packages are
//! checked with Debian's archive keyring by apt itself.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, found, output, run, run_within};

/// What guests are built for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// rustup's server either answers at once or is not to be reached.
const RUSTUP_LIMIT: Duration = Duration::from_secs(20);

/// Debian's release whose Rust is used: the oldest compiler that guests are written for.
const SUITE: &str = "trixie";

/// The linker that makes components of core modules; Debian does not package it.
const COMPONENT_LINKER: (&str, &str) = ("wasm-component-ld", "0.5.31");

/// Raised when the recipe below changes, so that what an older one installed is replaced.
const RECIPE: &str = "1";

/// What Debian's rustc depends on and the host has anyway: a C compiler and its libraries.
const HOST_HAS: [&str; 26] = [
    "gcc",
    "cpp",
    "binutils",
    "libbinutils",
    "libgprofng",
    "libctf",
    "libsframe",
    "libc6-dev",
    "libc-dev-bin",
    "linux-libc-dev",
    "rpcsvc-proto",
    "libcrypt-dev",
    "libasan",
    "libtsan",
    "liblsan",
    "libubsan",
    "libhwasan",
    "libcc1",
    "libgomp",
    "libitm",
    "libatomic",
    "libquadmath",
    "libisl",
    "libmpfr",
    "libmpc",
    "libjansson",
];

/// A compiler for guests.
pub(crate) enum Toolchain {
    /// The one that builds the rest.
    Host,
    /// Debian's, unpacked there.
    Debian(PathBuf),
}

impl Toolchain {
    /// Finds one, or installs one and says so.
    pub(crate) fn find() -> Result<Self> {
        if host_has_target()? {
            return Ok(Self::Host);
        }
        if found("rustup") {
            println!("installing: rustup's target {TARGET}");
            let mut add = Command::new("rustup");
            if run_within(add.args(["target", "add", TARGET]), RUSTUP_LIMIT)? && host_has_target()?
            {
                return Ok(Self::Host);
            }
            println!("rustup could not get it within {} s", RUSTUP_LIMIT.as_secs());
        }
        let folder = cache()?.join("skep/guest-toolchain");
        install_debian(&folder)?;
        Ok(Self::Debian(folder))
    }

    /// The cargo that builds guests with it.
    pub(crate) fn cargo(&self) -> Result<Command> {
        let mut command = cargo();
        // Flags for the host's code would be taken for the guests' too.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        if let Self::Debian(folder) = self {
            let bin = folder.join("bin");
            let paths = std::env::var_os("PATH").unwrap_or_default();
            let paths = std::iter::once(bin.clone()).chain(std::env::split_paths(&paths));
            command.env("PATH", std::env::join_paths(paths)?).env("RUSTC", bin.join("guest-rustc"));
        }
        Ok(command)
    }
}

fn host_has_target() -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]))?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib").is_dir())
}

fn cache() -> Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME says where a cache can be")
}

fn install_debian(folder: &Path) -> Result<()> {
    let parent = folder.parent().context("the cache folder has a parent")?;
    fs::create_dir_all(parent)?;
    // Two tasks at once: the second waits here and finds it done.
    let lock = File::create(parent.join("guest-toolchain.lock"))?;
    lock.lock()?;
    let done = folder.join(".recipe");
    if fs::read_to_string(&done).is_ok_and(|found| found == RECIPE) {
        return Ok(());
    }
    if !found("apt-get") || !found("dpkg") {
        bail!("there is no Rust for {TARGET} here: run `rustup target add {TARGET}`");
    }
    println!("installing: Debian's Rust for {TARGET} into {} (800 MB)", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for part in ["root", "bin", "debs"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let root = folder.join("root");
    unpack_packages(folder, &root)?;
    write_starters(&folder.join("bin"), &root)?;
    let (name, version) = COMPONENT_LINKER;
    let mut linker = cargo();
    linker.args(["install", "--quiet", "--locked", name, "--version", version, "--root"]);
    run(linker.arg(folder).env_remove("CARGO_TARGET_DIR"))?;
    run(Command::new(folder.join("bin/guest-rustc")).arg("--version"))?;
    fs::write(done, RECIPE).context("the toolchain can't be marked as complete")
}

fn unpack_packages(folder: &Path, root: &Path) -> Result<()> {
    let apt = Apt::new(folder)?;
    run(apt.command().arg("update"))?;
    let mut plan = apt.command();
    plan.args(["-s", "install", "--no-install-recommends"]);
    let plan = output(plan.args(["rustc", "libstd-rust-dev-wasm32", "wasi-libc", "lld"]))?;
    let packages: Vec<&str> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .filter(|name| !host_has(name))
        .collect();
    let debs = folder.join("debs");
    run(apt.command().arg("download").args(&packages).current_dir(&debs))?;
    for deb in fs::read_dir(&debs)? {
        run(Command::new("dpkg").arg("-x").arg(deb?.path()).arg(root))?;
    }
    fs::remove_dir_all(debs)?;
    fs::remove_dir_all(apt.folder).context("apt's own files can't be removed")
}

/// Whether the package is one of those that the host has: by its name, whatever its version.
fn host_has(package: &str) -> bool {
    let versioned_dev = package.starts_with("libgcc-") && package.ends_with("-dev");
    versioned_dev || HOST_HAS.iter().any(|name| package.starts_with(name))
}

/// An apt with lists and a package status of its own, and the mirror of this machine.
struct Apt {
    folder: PathBuf,
    architecture: String,
}

impl Apt {
    fn new(folder: &Path) -> Result<Self> {
        let folder = folder.join("apt");
        for part in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("status"), "")?;
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let source = format!("deb [signed-by={keyring}] {} {SUITE} main\n", mirror()?);
        fs::write(folder.join("sources.list"), source)?;
        let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
        Ok(Self { folder, architecture: architecture.trim().to_owned() })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("apt-get");
        let at = self.folder.display();
        command.arg("-qq");
        for option in [
            format!("Dir::Etc::sourcelist={at}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::Lists={at}/lists"),
            format!("Dir::State::status={at}/status"),
            format!("Dir::Cache={at}"),
            format!("APT::Architectures={}", self.architecture),
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

/// The Debian mirror that this machine's apt is set up for.
fn mirror() -> Result<String> {
    let files = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    let text: String = files.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    let uri = text.lines().find_map(|line| match line.strip_prefix("URIs:") {
        Some(uris) => uris.split_whitespace().next(),
        None => {
            let words = line.strip_prefix("deb ")?.split_whitespace();
            words.into_iter().find(|word| word.starts_with("http"))
        }
    });
    uri.filter(|uri| uri.contains("debian")).map(str::to_owned).with_context(|| {
        format!("no Debian mirror is set up in /etc/apt: run `rustup target add {TARGET}`")
    })
}

/// Debian's programs want a newer libc than the host's: they are started by their own loader.
fn write_starters(bin: &Path, root: &Path) -> Result<()> {
    let llvm = only(&root.join("usr/lib"), |name| name.starts_with("llvm-"))?;
    let libraries = only(&root.join("usr/lib"), |name| name.ends_with("-linux-gnu"))?;
    let loader = only(&libraries, |name| name.starts_with("ld-linux"))?;
    let start = |arguments: String| {
        format!(
            "#!/bin/sh\nexec {} --library-path {}:{} {arguments} \"$@\"\n",
            loader.display(),
            libraries.display(),
            llvm.join("lib").display()
        )
    };
    let usr = root.join("usr");
    let rustc = format!("{} --sysroot {}", usr.join("bin/rustc").display(), usr.display());
    // lld tells by its name, argument 0, which linker it is to be.
    let lld = format!("--argv0 wasm-ld {} -flavor wasm", llvm.join("bin/lld").display());
    for (name, text) in [("guest-rustc", start(rustc)), ("wasm-ld", start(lld))] {
        let path = bin.join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// The one entry of a folder with such a name.
fn only(folder: &Path, named: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if named(&entry.file_name().to_string_lossy()) {
            found.push(entry.path());
        }
    }
    found.sort();
    found.pop().with_context(|| format!("{} is not what Debian's packages hold", folder.display()))
}
