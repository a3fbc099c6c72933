//! The values of flags that have a grammar of their own: ports, mounts, files, variables, labels.
//!
//! Grammar and error texts are Docker's where it has one.

use std::collections::BTreeMap;
use std::path::Path;

use skep_api::{
    Bytes, ConfigRef, FileTarget, Id, Mount, MountKind, NetworkAttachment, PortConfig, Preference,
    Protocol, PublishMode, SecretRef,
};

use crate::error::{CliError, CliResult};

/// The ports a single flag may stand for: the longest range there is.
const RANGE_MAX: u16 = u16::MAX;

/// Reads `[published:]target[/protocol]`, ranges too, or `published=,target=,protocol=,mode=`.
pub(crate) fn ports(text: &str) -> CliResult<Vec<PortConfig>> {
    if text.contains('=') { long_port(text).map(|port| vec![port]) } else { short_ports(text) }
}

fn short_ports(text: &str) -> CliResult<Vec<PortConfig>> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol_of(protocol)?;
    let mut parts = ports.rsplitn(3, ':');
    let target = range(parts.next().unwrap_or_default(), text)?;
    let published = match parts.next() {
        None | Some("") => None,
        Some(published) => Some(range(published, text)?),
    };
    if let Some(ip) = parts.next().filter(|ip| !ip.is_empty()) {
        return Err(CliError::new(format!(
            "`{text}`: a port can't be published on one address, got {ip}"
        ))
        .hint("published ports listen on the daemon's --ingress-addr; leave the address out"));
    }
    if published.is_some_and(|(first, last)| last - first != target.1 - target.0) {
        return Err(CliError::new(format!(
            "invalid ranges specified for container and host Ports: {text}"
        ))
        .hint("both ranges must have as many ports"));
    }
    Ok((0..=target.1 - target.0)
        .map(|at| PortConfig {
            name: String::new(),
            protocol,
            target: target.0 + at,
            published: published.map_or(0, |(first, _)| first + at),
            mode: PublishMode::Ingress,
        })
        .collect())
}

fn range(text: &str, whole: &str) -> CliResult<(u16, u16)> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port @ 1..=RANGE_MAX) => Ok(port),
        _ => Err(CliError::new(format!("invalid containerPort: {text} (in `{whole}`)"))
            .hint("a port is a number from 1 to 65535: -p 8080:80")),
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(CliError::new(format!("invalid range format for port: {text}")));
    }
    Ok((first, last))
}

fn long_port(text: &str) -> CliResult<PortConfig> {
    let mut port = PortConfig::default();
    for field in text.split(',') {
        let Some((key, value)) = field.split_once('=') else {
            return Err(CliError::new(format!("invalid field {field}")));
        };
        let number = |what| {
            value.parse().map_err(|_| {
                CliError::new(format!("invalid {what} port ({value}): value must be an integer"))
            })
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "protocol" => port.protocol = protocol_of(value)?,
            "mode" => {
                port.mode = match value {
                    "ingress" => PublishMode::Ingress,
                    "host" => PublishMode::Host,
                    _ => {
                        return Err(CliError::new(format!("invalid publish mode value ({value})"))
                            .hint("the mode is ingress or host"));
                    }
                }
            }
            "target" => port.target = number("target")?,
            "published" => port.published = number("published")?,
            _ => return Err(CliError::new(format!("invalid field key {key}"))),
        }
    }
    if port.target == 0 {
        return Err(CliError::new("missing mandatory field \"target\"")
            .hint("the target is the port that the component listens on"));
    }
    Ok(port)
}

fn protocol_of(text: &str) -> CliResult<Protocol> {
    match text {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        _ => Err(CliError::new(format!("invalid protocol value '{text}'"))
            .hint("the protocol is tcp or udp")),
    }
}

/// Reads `type=volume,source=,target=,readonly,...`.
pub(crate) fn mount(text: &str) -> CliResult<Mount> {
    let bad = |message: String| {
        CliError::new(format!("invalid argument {text:?} for --mount: {message}"))
    };
    let (mut kind, mut source, mut target) = ("volume", None, String::new());
    let (mut read_only, mut size, mut labels) = (false, None, BTreeMap::new());
    for field in text.split(',') {
        let (key, value) = match field.split_once('=') {
            Some((key, value)) => (key.trim().to_ascii_lowercase(), Some(value)),
            None => (field.trim().to_ascii_lowercase(), None),
        };
        match (key.as_str(), value) {
            ("readonly" | "ro", None) => read_only = true,
            ("readonly" | "ro", Some(value)) => {
                read_only = boolean(value)
                    .ok_or_else(|| bad(format!("invalid value for {key}: {value}")))?;
            }
            (_, None) => {
                return Err(bad(format!("invalid field '{field}' must be a key=value pair")));
            }
            ("type", Some(value @ ("volume" | "bind" | "tmpfs"))) => kind = value,
            ("type", Some(value)) => return Err(bad(format!("invalid mount type '{value}'"))),
            ("source" | "src", Some(value)) => source = Some(value.to_owned()),
            ("target" | "dst" | "destination", Some(value)) => value.clone_into(&mut target),
            ("tmpfs-size", Some(value)) => {
                size = Some(value.parse::<Bytes>().map_err(|error| bad(error.to_string()))?);
            }
            ("volume-label", Some(value)) => {
                let (key, value) = value.split_once('=').unwrap_or((value, ""));
                labels.insert(key.to_owned(), value.to_owned());
            }
            ("volume-nocopy" | "tmpfs-mode" | "bind-propagation" | "consistency", Some(_)) => {}
            (_, Some(_)) => return Err(bad(format!("unexpected key '{key}' in '{field}'"))),
        }
    }
    if target.is_empty() {
        return Err(bad("target is required".to_owned()));
    }
    let kind = match (kind, source) {
        ("volume", source) => {
            MountKind::Volume { source: source.filter(|s| !s.is_empty()), labels }
        }
        ("bind", Some(source)) => MountKind::Bind { source },
        ("bind", None) => {
            return Err(bad("source is required when specifying type=bind".to_owned()));
        }
        (_, None) => MountKind::Tmpfs { size },
        (_, Some(_)) => return Err(bad("cannot specify a source with type=tmpfs".to_owned())),
    };
    Ok(Mount { kind, target, read_only })
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "True" | "TRUE" | "t" | "T" => Some(true),
        "0" | "false" | "False" | "FALSE" | "f" | "F" => Some(false),
        _ => None,
    }
}

/// Reads `NAME` or `source=,target=,uid=,gid=,mode=`: the name, and the target with the default
/// `prefix` before the name (`/` for configs, none for secrets).
fn file(text: &str, prefix: &str) -> CliResult<(String, FileTarget)> {
    let (mut source, mut target) = (String::new(), None);
    let (mut uid, mut gid, mut mode) = ("0".to_owned(), "0".to_owned(), 0o444);
    if !text.contains(['=', ',']) {
        text.clone_into(&mut source);
    } else {
        for field in text.split(',') {
            let Some((key, value)) = field.split_once('=') else {
                return Err(CliError::new(format!(
                    "invalid field '{field}' must be a key=value pair"
                )));
            };
            match key.trim().to_ascii_lowercase().as_str() {
                "source" | "src" => value.clone_into(&mut source),
                "target" => target = Some(value.to_owned()),
                "uid" => value.clone_into(&mut uid),
                "gid" => value.clone_into(&mut gid),
                "mode" => {
                    let octal = value.strip_prefix("0o").unwrap_or(value);
                    mode = u32::from_str_radix(octal, 8).ok().filter(|m| *m <= 0o7777).ok_or_else(
                        || {
                            CliError::new(format!(
                                "invalid mode specified: {value:?} is not an octal number"
                            ))
                            .hint("write modes as 0444")
                        },
                    )?;
                }
                _ => return Err(CliError::new(format!("invalid field key: {key}"))),
            }
        }
    }
    if source.is_empty() {
        return Err(CliError::new("source is required"));
    }
    let name = target.unwrap_or_else(|| format!("{prefix}{source}"));
    Ok((source, FileTarget { name, uid, gid, mode }))
}

/// Reads a `--secret`; the managers look its id up.
pub(crate) fn secret(text: &str) -> CliResult<SecretRef> {
    let (name, target) = file(text, "")?;
    Ok(SecretRef { id: Id::from_u128(0), name, target })
}

/// Reads a `--config`; the managers look its id up.
pub(crate) fn config(text: &str) -> CliResult<ConfigRef> {
    let (name, target) = file(text, "/")?;
    Ok(ConfigRef { id: Id::from_u128(0), name, target })
}

/// Reads a `--network`: `NAME` or `name=,alias=`.
pub(crate) fn network(text: &str) -> CliResult<NetworkAttachment> {
    if !text.contains('=') {
        return Ok(NetworkAttachment { target: text.to_owned(), aliases: Vec::new() });
    }
    let mut network = NetworkAttachment::default();
    for field in text.split(',') {
        match field.split_once('=') {
            Some(("name", value)) => value.clone_into(&mut network.target),
            Some(("alias", value)) => network.aliases.push(value.to_owned()),
            _ => return Err(CliError::new(format!("invalid field key {field}"))),
        }
    }
    if network.target.is_empty() {
        return Err(CliError::new("missing mandatory field \"name\" in --network"));
    }
    Ok(network)
}

/// Reads a `--placement-pref`: `spread=node.labels.zone`.
pub(crate) fn preference(flag: &str, text: &str) -> CliResult<Preference> {
    let bad = |why: &dyn std::fmt::Display| CliError::flag(flag, text, why);
    match text.split_once('=') {
        Some(("spread", label)) => Ok(Preference::Spread(label.to_owned())),
        None | Some(("", _)) => {
            Err(bad(&"placement preference must be of the format \"<strategy>=<arg>\""))
        }
        Some((strategy, _)) => Err(bad(&format!(
            "unsupported placement preference {strategy} (only spread is supported)"
        ))),
    }
}

/// Reads `--generic-resource`s: `KIND=NUMBER` each. A service asks for an amount, never for one by
/// its name.
pub(crate) fn generic(all: &[String]) -> CliResult<BTreeMap<String, u64>> {
    let mut resources = BTreeMap::new();
    for text in all {
        let bad = |why: &str| {
            CliError::new(format!("invalid generic resource specification: {why}"))
                .hint("write KIND=NUMBER, such as --generic-resource gpu=2")
        };
        let (kind, amount) = match text.split_once('=') {
            Some((kind, amount)) if !kind.is_empty() && !amount.contains('=') => (kind, amount),
            _ => {
                return Err(bad(&format!(
                    "could not parse GenericResource: incorrect term {text}, missing '=' or \
                     malformed expression"
                )));
            }
        };
        let Ok(amount) = amount.parse::<u64>() else {
            if amount.parse::<i64>().is_ok() {
                return Err(bad(&format!(
                    "could not parse GenericResource: cannot ask for negative resource {kind}"
                )));
            }
            return Err(CliError::new(format!(
                "invalid generic-resource request `{text}`, Named Generic Resources is not \
                 supported for service create or update"
            ))
            .hint("ask for a number of them: --generic-resource gpu=1"));
        };
        resources.insert(kind.to_owned(), amount);
    }
    Ok(resources)
}

/// Reads a `KEY=VALUE` variable; a bare `KEY` takes the client's own value, or removes it.
pub(crate) fn variable(text: &str) -> CliResult<String> {
    match text.split_once('=') {
        Some(("", _)) => Err(CliError::new(format!("invalid environment variable: {text}"))),
        Some(_) => Ok(text.to_owned()),
        None => {
            Ok(std::env::var(text)
                .map_or_else(|_| text.to_owned(), |value| format!("{text}={value}")))
        }
    }
}

/// Reads a file of variables: a line each, `#` comments, bare names take the client's own value.
pub(crate) fn variables_file(path: &Path) -> CliResult<Vec<String>> {
    let unreadable =
        |why: &dyn std::fmt::Display| CliError::new(format!("open {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(&os_text(&error)))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut variables = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(unreadable(&format!("variable '{name}' contains whitespaces or is empty")));
        }
        if line.contains('=') {
            variables.push(line.to_owned());
        } else if let Ok(value) = std::env::var(name) {
            variables.push(format!("{name}={value}"));
        }
    }
    Ok(variables)
}

/// An I/O error in the words of the C library: `no such file or directory`.
pub(crate) fn os_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Reads `KEY=VALUE` labels; a bare `KEY` has an empty value.
pub(crate) fn labels(all: &[String]) -> BTreeMap<String, String> {
    all.iter()
        .map(|label| label.split_once('=').unwrap_or((label, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_both_forms() {
        let one =
            |text| ports(text).ok().map(|p| (p[0].published, p[0].target, p[0].mode, p.len()));
        assert_eq!(one("8080:80"), Some((8080, 80, PublishMode::Ingress, 1)));
        assert_eq!(one("80"), Some((0, 80, PublishMode::Ingress, 1)));
        assert_eq!(one("8000-8002:80-82/udp"), Some((8000, 80, PublishMode::Ingress, 3)));
        assert_eq!(one("published=1,target=2,mode=host"), Some((1, 2, PublishMode::Host, 1)));
        for bad in
            ["", "0", "70000", "1-3:1-2", "80/sctp", "published=1", "target=x", "1.2.3.4:80:80"]
        {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mounts_are_read() {
        let volume = mount("type=volume,src=data,dst=/data,readonly").map_err(|e| e.message);
        let kind = MountKind::Volume { source: Some("data".into()), labels: BTreeMap::new() };
        assert_eq!(volume, Ok(Mount { kind, target: "/data".into(), read_only: true }));
        let tmpfs = mount("type=tmpfs,target=/t,tmpfs-size=1m").map_err(|e| e.message);
        let kind = MountKind::Tmpfs { size: Some(Bytes::mib(1)) };
        assert_eq!(tmpfs, Ok(Mount { kind, target: "/t".into(), read_only: false }));
        for bad in ["", "type=npipe,target=/x", "src=a", "type=bind,target=/x", "target=/x,foo=1"] {
            assert!(mount(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_and_configs_have_swarms_default_targets() {
        assert_eq!(secret("pw").map(|s| s.target.name).ok(), Some("pw".into()));
        assert_eq!(config("app").map(|c| c.target.name).ok(), Some("/app".into()));
        let long = secret("source=pw,target=/etc/pw,mode=0400").ok();
        assert_eq!(
            long.map(|s| (s.name, s.target.name, s.target.mode)),
            Some(("pw".into(), "/etc/pw".into(), 0o400))
        );
        assert!(secret("target=/x").is_err());
        assert!(secret("source=a,mode=9").is_err());
    }
}
