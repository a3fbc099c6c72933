//! `inspect`, the same for all objects: Docker's JSON from the daemon, whole or through a template.

use serde_json::Value;

use crate::args::Inspect;
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::out;

/// Gets `prefix + name + suffix` for every name and prints what came; then says what did not.
pub(crate) async fn run(
    client: &Client,
    args: &Inspect,
    prefix: &str,
    suffix: &str,
    not_found: impl Fn(&str) -> String,
    pretty: fn(&Value) -> String,
) -> CliResult<()> {
    let (found, errors) = find(client, &args.names, (prefix, suffix), not_found).await;
    print(&found, args, pretty)?;
    errors.into_result()
}

/// Gets what stands at the path `(prefix, suffix)` around every name, and why the others did not
/// come.
pub(crate) async fn find(
    client: &Client,
    names: &[String],
    (prefix, suffix): (&str, &str),
    not_found: impl Fn(&str) -> String,
) -> (Vec<Value>, Errors) {
    let (mut found, mut errors) = (Vec::new(), Errors::default());
    for name in names {
        match client.json(&format!("{prefix}{}{suffix}", encoded(name))).await {
            Ok(value) => found.push(value),
            Err(error) if error.message.ends_with(" not found") => {
                errors.push(CliError { message: not_found(name), ..error });
            }
            Err(error) => errors.push(error),
        }
    }
    (found, errors)
}

/// Prints what was found as `--pretty` and `--format` want it.
pub(crate) fn print(
    found: &[Value],
    args: &Inspect,
    pretty: fn(&Value) -> String,
) -> CliResult<()> {
    if args.pretty {
        let texts: Vec<String> = found.iter().map(pretty).collect();
        return out::raw(texts.join("\n").as_bytes());
    }
    match args.format.as_deref() {
        None if found.is_empty() => out::line("[]"),
        None => out::line(&out::indented(&Value::Array(found.to_vec()))),
        Some(format) => {
            for value in found {
                out::line(&out::formatted(value, Some(format))?)?;
            }
            Ok(())
        }
    }
}

/// A name as one segment of a path.
pub(crate) fn encoded(name: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'@' | b'/' => {
                text.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}
