//! Ways out of a breach: the key that was probably meant, quotes to add or to leave out.

use serde_json::Value;

use super::{NEWEST, Object, Type};
use crate::scalar::{self, Scalar};

/// Keys of today's compose specification that this format does not have, and what stands in.
const ELSEWHERE: &[(&str, &str)] = &[
    ("name", "the stack's name is given on the command line"),
    ("include", "give several files instead: -c one.yaml -c two.yaml"),
    ("profiles", "give several files instead: -c one.yaml -c two.yaml"),
    ("cpus", "set it with `deploy.resources.limits.cpus`"),
    ("mem_reservation", "set it with `deploy.resources.reservations.memory`"),
    ("memory", "set it with `deploy.resources.limits.memory`"),
    ("replicas", "set it with `deploy.replicas`"),
    ("scale", "set it with `deploy.replicas`"),
    ("content", "put it into a file and name that with `file`"),
    ("environment", "put it into a file and name that with `file`"),
];

/// For a key that the object does not have.
pub(crate) fn for_unknown(key: &str, object: &Object, minor: u8) -> Option<String> {
    if let Some(field) = object.fields.iter().find(|field| field.name == key) {
        let since = field.since;
        return Some(format!(
            "`{key}` needs `version: \"3.{since}\"` or newer, this file has 3.{minor}; without \
             `version` it is 3.{NEWEST}"
        ));
    }
    let names = object.fields.iter().filter(|field| field.since <= minor).map(|field| field.name);
    if let Some(near) = nearest(key, names) {
        return Some(format!("did you mean `{near}`?"));
    }
    ELSEWHERE.iter().find(|(name, _)| *name == key).map(|(_, hint)| (*hint).to_owned())
}

/// For a value of the wrong type.
pub(crate) fn for_type(types: &[Type], value: &Value) -> Option<String> {
    let wants = |kind: Type| types.contains(&kind);
    match value {
        Value::Bool(_) | Value::Number(_) if wants(Type::String) => {
            Some(format!("put it in quotes: \"{value}\""))
        }
        Value::String(text) => {
            let fits = match scalar::resolve(text) {
                Scalar::Number(number) => {
                    wants(Type::Number) || (wants(Type::Integer) && !number.is_f64())
                }
                Scalar::Bool(_) => wants(Type::Boolean),
                _ => false,
            };
            if fits {
                return Some(format!("write it without quotes: {text}"));
            }
            let word = wants(Type::Boolean)
                && ["yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
            word.then(|| "write `true` or `false`".to_owned())
        }
        _ => None,
    }
}

/// For a text that does not have its format.
pub(crate) fn for_format(format: &str, value: &Value) -> Option<String> {
    Some(match format {
        "duration" => format!("{value} is not a duration; write it as 30s, 1m30s or 500ms"),
        "ports" => format!("{value} is not a port; write it as \"8080:80\" or \"8080:80/udp\""),
        _ => return None,
    })
}

/// The name that is at most two slips of the finger away, fewer for short names.
fn nearest<'a>(key: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = match key.chars().count() {
        0..=2 => return None,
        3..=4 => 1,
        // A long key can't be a slip away from any name.
        65.. => return None,
        _ => 2,
    };
    names
        .map(|name| (distance(key, name), name))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, name)| name)
}

/// How many characters must be added, removed, replaced or swapped with the next one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ROOT, SERVICE};
    use serde_json::json;

    #[test]
    fn slips_are_recognised() {
        for (key, hint) in [
            ("imgae", Some("did you mean `image`?")),
            ("enviroment", Some("did you mean `environment`?")),
            ("port", Some("did you mean `ports`?")),
            ("replicas", Some("set it with `deploy.replicas`")),
            ("zzz", None),
            ("foo", None),
        ] {
            assert_eq!(for_unknown(key, &SERVICE, NEWEST).as_deref(), hint, "{key}");
        }
        let hint = for_unknown("configs", &ROOT, 1).expect("a hint");
        assert!(hint.contains("needs `version: \"3.3\"`"), "{hint}");
    }

    #[test]
    fn quotes_are_suggested() {
        let hint = |types: &[Type], value| for_type(types, &value);
        assert_eq!(hint(&[Type::String], json!(3.8)), Some("put it in quotes: \"3.8\"".into()));
        assert_eq!(hint(&[Type::Integer], json!("3")), Some("write it without quotes: 3".into()));
        assert_eq!(hint(&[Type::Boolean], json!("yes")), Some("write `true` or `false`".into()));
        assert_eq!(hint(&[Type::Array], json!("yes")), None);
    }
}
