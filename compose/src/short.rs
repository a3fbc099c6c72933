//! The short forms that compose files may use, written out while a tree becomes a record.
//!
//! Trees that come here fit the schema; what a short form of its own has wrong (a volume, a command
//! with an open quote, a size) is found here.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::model::{Build, FileReference, Port, ServiceNetwork, VolumeMount};
use crate::{number, ports, shell, volume};

/// `null` is the same as nothing.
pub(crate) fn null_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// `a` or `[a, b]`.
pub(crate) fn string_list<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(d)? {
        Value::String(text) => Ok(vec![text]),
        list => from_value(list),
    }
}

/// `[80, "81"]`.
pub(crate) fn string_or_number_list<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Vec<String>, D::Error> {
    Ok(Vec::<Value>::deserialize(d)?.iter().map(text).collect())
}

/// `64` or `64m`.
pub(crate) fn string_or_number<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    Ok(text(&Value::deserialize(d)?))
}

/// `run -a "b c"` or `[run, -a, b c]`.
pub(crate) fn command<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(d)? {
        Value::String(text) => shell::split(&text)
            .map_err(|why| D::Error::custom(format!("{text:?} can't be split into words: {why}"))),
        list => from_value(list),
    }
}

/// `curl x`, which a shell runs, or `[CMD, curl, x]`.
pub(crate) fn health_test<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(d)? {
        Value::String(line) => Ok(vec!["CMD-SHELL".to_owned(), line]),
        list => from_value(list),
    }
}

/// `{A: b}` or `[A=b]`; a name without a value has an empty one.
pub(crate) fn mapping<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(pairs(Value::deserialize(d)?)
        .map(|(name, value)| (name, value.unwrap_or_default()))
        .collect())
}

/// `{A: b}` or `[A=b]`; a name without a value stays without.
pub(crate) fn environment<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<BTreeMap<String, Option<String>>, D::Error> {
    Ok(pairs(Value::deserialize(d)?).collect())
}

/// `{name: address}` or `[name:address]` (or `name=address`), always written in the latter form.
pub(crate) fn hosts<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let entries: Vec<String> = match Value::deserialize(d)? {
        Value::Object(map) => {
            let mut entries: Vec<String> = map
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name}:{}", text(value)))
                .collect();
            entries.sort();
            entries
        }
        Value::Array(items) => items
            .iter()
            .map(text)
            .filter_map(|entry| {
                let (name, address) = entry.split_once('=').or_else(|| entry.split_once(':'))?;
                Some(format!("{name}:{address}"))
            })
            .collect(),
        _ => Vec::new(),
    };
    Ok(entries.into_iter().map(|entry| without_brackets(&entry)).collect())
}

/// `name:[::1]` is `name:::1`.
fn without_brackets(entry: &str) -> String {
    let (name, address) = entry.split_once(':').unwrap_or((entry, ""));
    let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) if !inner.is_empty() => format!("{name}:{inner}"),
        _ => format!("{name}:{address}"),
    }
}

/// `.` or `{context: .}`.
pub(crate) fn build<'de, D: Deserializer<'de>>(d: D) -> Result<Build, D::Error> {
    match Value::deserialize(d)? {
        Value::String(context) => Ok(Build { context, ..Build::default() }),
        long => from_value(long),
    }
}

/// `[name]` or `[{source: name}]`.
pub(crate) fn file_references<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<Vec<FileReference>, D::Error> {
    let items = Vec::<Value>::deserialize(d)?.into_iter();
    items
        .map(|item| match item {
            Value::String(source) => Ok(FileReference { source, ..FileReference::default() }),
            long => from_value(long),
        })
        .collect()
}

/// `[data:/var/data]` or `[{type: volume, source: data, target: /var/data}]`.
pub(crate) fn volumes<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<VolumeMount>, D::Error> {
    let items = Vec::<Value>::deserialize(d)?.into_iter();
    items
        .map(|item| match item {
            Value::String(text) => volume::parse_short(&text).map_err(D::Error::custom),
            long => from_value(long),
        })
        .collect()
}

/// `[a, b]` or `{a: {aliases: [c]}, b: null}`.
pub(crate) fn networks<'de, D: Deserializer<'de>>(
    d: D,
) -> Result<BTreeMap<String, Option<ServiceNetwork>>, D::Error> {
    match Value::deserialize(d)? {
        Value::Array(names) => Ok(names.iter().map(|name| (text(name), None)).collect()),
        long => from_value(long),
    }
}

/// `[80, "8080:80", {target: 80}]`; one entry may stand for several ports.
pub(crate) fn ports<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Port>, D::Error> {
    let mut out = Vec::new();
    for item in Vec::<Value>::deserialize(d)? {
        match item {
            long @ Value::Object(_) => out.push(from_value(long)?),
            short => {
                out.extend(ports::parse_short(&text(&short)).map_err(D::Error::custom)?.ports);
            }
        }
    }
    Ok(out)
}

/// Mappings whose values become texts, so that how a number is written stays as it is.
const TEXT_MAPPINGS: [&str; 7] =
    ["args", "driver_opts", "environment", "extra_hosts", "labels", "options", "sysctls"];

/// A tree whose numbers without a fraction are integers: `replicas: 3.0` is 3.
pub(crate) fn whole_numbers(value: Value) -> Value {
    /// Up to here, a float is the integer it is written as.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(ref number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT_MAX => {
                json!(float as i64)
            }
            _ => value,
        },
        Value::Array(items) => Value::Array(items.into_iter().map(whole_numbers).collect()),
        Value::Object(map) => {
            let entries = map.into_iter().map(|(key, value)| {
                let kept = key.starts_with("x-") || TEXT_MAPPINGS.contains(&key.as_str());
                (key, if kept { value } else { whole_numbers(value) })
            });
            Value::Object(entries.collect())
        }
        other => other,
    }
}

fn pairs(value: Value) -> impl Iterator<Item = (String, Option<String>)> {
    let pairs: Vec<_> = match value {
        Value::Object(map) => map
            .into_iter()
            .map(|(name, value)| (name, (!value.is_null()).then(|| text(&value))))
            .collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| match text(item).split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text(item), None),
            })
            .collect(),
        _ => Vec::new(),
    };
    pairs.into_iter()
}

/// A scalar's text, as Go writes it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number::format_number(number),
        other => other.to_string(),
    }
}

fn from_value<T: DeserializeOwned, E: Error>(value: Value) -> Result<T, E> {
    T::deserialize(value).map_err(E::custom)
}
