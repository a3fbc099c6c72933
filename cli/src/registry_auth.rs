//! `login`, `logout`, and the credentials that go along with a request.
//!
//! They are kept where Docker's client keeps them, `~/.docker/config.json`, so that who is signed in
//! for one is signed in for the other.

use std::io::Read;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::{Map, Value, json};
use skep_api::SecretBytes;

use crate::error::{CliError, CliResult};
use crate::out;

/// Nobody's password is longer.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;

fn config_file() -> CliResult<PathBuf> {
    if let Some(dir) = std::env::var_os("DOCKER_CONFIG") {
        return Ok(PathBuf::from(dir).join("config.json"));
    }
    let home = std::env::var_os("HOME")
        .ok_or_else(|| CliError::new("HOME is not set").hint("set it, or DOCKER_CONFIG"))?;
    Ok(PathBuf::from(home).join(".docker/config.json"))
}

fn read() -> CliResult<Map<String, Value>> {
    let path = config_file()?;
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(CliError::new(format!("{}: {error}", path.display()))),
    };
    serde_json::from_slice(&text)
        .map_err(|error| CliError::new(format!("{} can't be read: {error}", path.display())))
}

/// Writes beside the file and renames, readable by its owner alone.
fn write(config: &Map<String, Value>) -> CliResult<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = config_file()?;
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let beside = path.with_extension(format!("json.{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(out::indented(&Value::Object(config.clone())).as_bytes())?;
    file.sync_all()?;
    Ok(std::fs::rename(beside, path)?)
}

/// Stores a user name, and the password that comes on standard input, for a registry.
pub(crate) fn login(username: &str, registry: &str) -> CliResult<()> {
    let mut password = String::new();
    std::io::stdin().take(PASSWORD_BYTES_MAX).read_to_string(&mut password)?;
    let password = password.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(CliError::new("no password came on standard input")
            .hint("pipe it in: `skep login -u NAME --password-stdin REGISTRY < file`"));
    }
    let mut config = read()?;
    let auths = config.entry("auths").or_insert_with(|| json!({}));
    let auth = STANDARD.encode(format!("{username}:{password}"));
    auths[registry] = json!({ "auth": auth });
    write(&config)?;
    out::note(&format!("The password is stored in {}, not encrypted.", config_file()?.display()));
    out::line(&format!("Credentials for {registry} stored"))
}

/// Forgets them.
pub(crate) fn logout(registry: &str) -> CliResult<()> {
    let mut config = read()?;
    let known = config.get_mut("auths").and_then(Value::as_object_mut);
    match known.and_then(|auths| auths.remove(registry)) {
        None => out::line(&format!("Not logged in to {registry}")),
        Some(_) => {
            write(&config)?;
            out::line(&format!("Removing login credentials for {registry}"))
        }
    }
}

/// The credentials for an image's registry, as Docker's `X-Registry-Auth` has them; none if the
/// name has no registry in it or nobody signed in there.
pub(crate) fn for_image(image: &str) -> CliResult<Option<SecretBytes>> {
    let Some((host, _)) = image.split_once('/') else { return Ok(None) };
    if !host.contains(['.', ':']) && host != "localhost" {
        return Ok(None);
    }
    let config = read()?;
    let Some(auth) = config.get("auths").and_then(|auths| auths.get(host)) else { return Ok(None) };
    let encoded = auth.get("auth").and_then(Value::as_str).unwrap_or_default();
    let unusable = || {
        CliError::new(format!("the credentials stored for {host} can't be used"))
            .hint(format!("sign in again with `skep login -u NAME --password-stdin {host}`"))
    };
    let pair = STANDARD.decode(encoded).map_err(|_| unusable())?;
    let pair = String::from_utf8(pair).map_err(|_| unusable())?;
    let (username, password) = pair.split_once(':').ok_or_else(unusable)?;
    let value = json!({"username": username, "password": password, "serveraddress": host});
    Ok(Some(SecretBytes::new(URL_SAFE.encode(value.to_string()).into_bytes())))
}
