//! Variables in values: `$VAR`, `${VAR}` and their defaults (semantics part 12.2).
//!
//! Values only, never keys; nothing nests. Where a number or a boolean belongs, the text that a
//! substitution left is read as one; text without a variable is not, so that `"3"` stays text.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::{ComposeError, path};

/// Replaces the variables in all values of a file.
pub(crate) fn interpolate(
    root: Value,
    variables: &BTreeMap<String, String>,
) -> Result<Value, ComposeError> {
    walk(root, variables, &mut Vec::new())
}

/// What the text at a path is read as after a substitution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    Integer,
    Float,
    Boolean,
}

/// Where casts apply; `*` is any key, `[]` any item of a list.
const CASTS: &[(&str, Cast)] = &[
    ("services.*.configs.[].mode", Cast::Integer),
    ("services.*.secrets.[].mode", Cast::Integer),
    ("services.*.healthcheck.retries", Cast::Integer),
    ("services.*.healthcheck.disable", Cast::Boolean),
    ("services.*.deploy.replicas", Cast::Integer),
    ("services.*.deploy.update_config.parallelism", Cast::Integer),
    ("services.*.deploy.update_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.rollback_config.parallelism", Cast::Integer),
    ("services.*.deploy.rollback_config.max_failure_ratio", Cast::Float),
    ("services.*.deploy.restart_policy.max_attempts", Cast::Integer),
    ("services.*.deploy.placement.max_replicas_per_node", Cast::Integer),
    ("services.*.ports.[].target", Cast::Integer),
    ("services.*.ports.[].published", Cast::Integer),
    ("services.*.ulimits.*", Cast::Integer),
    ("services.*.ulimits.*.hard", Cast::Integer),
    ("services.*.ulimits.*.soft", Cast::Integer),
    ("services.*.privileged", Cast::Boolean),
    ("services.*.read_only", Cast::Boolean),
    ("services.*.stdin_open", Cast::Boolean),
    ("services.*.tty", Cast::Boolean),
    ("services.*.volumes.[].read_only", Cast::Boolean),
    ("services.*.volumes.[].volume.nocopy", Cast::Boolean),
    ("networks.*.external", Cast::Boolean),
    ("networks.*.internal", Cast::Boolean),
    ("networks.*.attachable", Cast::Boolean),
    ("volumes.*.external", Cast::Boolean),
    ("secrets.*.external", Cast::Boolean),
    ("configs.*.external", Cast::Boolean),
];

/// An item of a list in a path; its index is kept for the line, Docker's text has `[]`.
fn is_index(part: &str) -> bool {
    part.starts_with('[')
}

fn walk(
    value: Value,
    variables: &BTreeMap<String, String>,
    path: &mut Vec<String>,
) -> Result<Value, ComposeError> {
    Ok(match value {
        Value::String(text) if !path.is_empty() => leaf(text, variables, path)?,
        Value::Object(map) => {
            let mut out = serde_json::Map::new();
            for (key, value) in map {
                path.push(key.clone());
                let value = walk(value, variables, path)?;
                path.pop();
                out.insert(key, value);
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                path.push(format!("[{index}]"));
                out.push(walk(item, variables, path)?);
                path.pop();
            }
            Value::Array(out)
        }
        other => other,
    })
}

fn leaf(
    text: String,
    variables: &BTreeMap<String, String>,
    path: &[String],
) -> Result<Value, ComposeError> {
    let shown: Vec<String> =
        path.iter().map(|p| if is_index(p) { "[]".to_owned() } else { p.clone() }).collect();
    let place: Vec<String> =
        path.iter().map(|p| p.trim_start_matches('[').trim_end_matches(']').to_owned()).collect();
    let new = substitute(&text, variables).map_err(|wrong| {
        let message = format!(
            "invalid interpolation format for {}: {:?}; you may need to escape any $ with \
             another $",
            path::display(&shown),
            wrong.template
        );
        let error = ComposeError::new(message).at(&place);
        match wrong.variable {
            Some(variable) => error.hint(format!("set it: export {variable}=...")),
            None => error.hint("write `$$` for a `$` that is not a variable"),
        }
    })?;
    if new == text {
        return Ok(Value::String(new));
    }
    let Some(cast) = cast_for(&shown) else { return Ok(Value::String(new)) };
    cast_text(&new, cast).map_err(|why| {
        let place_text = path::display(&shown);
        ComposeError::new(format!(
            "error while interpolating {place_text}: failed to cast to expected type: {why}"
        ))
        .at(&place)
    })
}

fn cast_for(path: &[String]) -> Option<Cast> {
    CASTS.iter().find(|(pattern, _)| matches(pattern, path)).map(|(_, cast)| *cast)
}

fn matches(pattern: &str, path: &[String]) -> bool {
    let mut parts = path.iter();
    let all = pattern.split('.').all(|want| parts.next().is_some_and(|p| want == "*" || want == p));
    all && parts.next().is_none()
}

fn cast_text(text: &str, cast: Cast) -> Result<Value, String> {
    match cast {
        Cast::Integer => text.parse::<i64>().map(Value::from).map_err(|error| {
            let why = match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                    "value out of range"
                }
                _ => "invalid syntax",
            };
            format!("strconv.Atoi: parsing {text:?}: {why}")
        }),
        Cast::Float => text
            .parse::<f64>()
            .ok()
            .and_then(Number::from_f64)
            .map(Value::Number)
            .ok_or_else(|| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
        Cast::Boolean => match text.to_lowercase().as_str() {
            "y" | "yes" | "true" | "on" => Ok(Value::Bool(true)),
            "n" | "no" | "false" | "off" => Ok(Value::Bool(false)),
            _ => Err(format!("invalid boolean: {text}")),
        },
    }
}

/// What can't be substituted.
#[derive(Debug, PartialEq, Eq)]
struct BadTemplate {
    /// The whole text, or what is missing.
    template: String,
    /// The required variable that is not set.
    variable: Option<String>,
}

fn substitute(text: &str, variables: &BTreeMap<String, String>) -> Result<String, BadTemplate> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (expression, after) = expression(rest)
            .ok_or_else(|| BadTemplate { template: text.to_owned(), variable: None })?;
        out.push_str(&evaluate(expression, variables)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// Splits off `NAME`, `NAME:-default`, `{NAME}` or `{NAME?message}`, without the braces. A default
/// reaches to the next `}`, or without braces to the end of the text.
fn expression(text: &str) -> Option<(&str, &str)> {
    let (braced, body) = match text.strip_prefix('{') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(body.len());
    if end == 0 || body.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let operator = body[end..].strip_prefix(':').unwrap_or(&body[end..]);
    let end = match operator.starts_with(['-', '?']) {
        true => body.find('}').unwrap_or(body.len()),
        false => end,
    };
    let (expression, after) = body.split_at(end);
    match braced {
        true => after.strip_prefix('}').map(|after| (expression, after)),
        false => Some((expression, after)),
    }
}

fn evaluate(expression: &str, variables: &BTreeMap<String, String>) -> Result<String, BadTemplate> {
    // In Docker's order: what stands first in this list is looked for first, wherever it is in the
    // text, so that `A-b:-c` is the variable `A-b` with the default `c`, which is never set.
    for operator in [":-", "-", ":?", "?"] {
        let Some((name, operand)) = expression.split_once(operator) else { continue };
        let value = variables.get(name).filter(|v| !operator.starts_with(':') || !v.is_empty());
        return match value {
            Some(value) => Ok(value.clone()),
            None if operator.ends_with('-') => Ok(operand.to_owned()),
            None => Err(BadTemplate {
                template: format!("required variable {name} is missing a value: {operand}"),
                variable: Some(name.to_owned()),
            }),
        };
    }
    Ok(variables.get(expression).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variables() -> BTreeMap<String, String> {
        [("FOO", "first"), ("BAR", ""), ("N", "3"), ("B", "Yes")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into()
    }

    #[test]
    fn variables_and_defaults_are_substituted() {
        for (text, result) in [
            ("ok $FOO!", "ok first!"),
            ("${FOO}", "first"),
            ("$UNSET$FOO", "first"),
            ("$$FOO $$", "$FOO $"),
            ("${BAR:-d}", "d"),
            ("${BAR-d}", ""),
            ("${UNSET-d e}", "d e"),
            ("${UNSET:-}", ""),
            ("$UNSET:-to the end", "to the end"),
            ("${FOO?m}${BAR?m}", "first"),
            ("x${A:-${FOO}}", "x${FOO}"),
            ("${UNSET:-a:?b}", "a:?b"),
            ("ü$FOO", "üfirst"),
        ] {
            assert_eq!(substitute(text, &variables()), Ok(result.to_owned()), "{text}");
        }
    }

    #[test]
    fn malformed_expressions_are_refused_whole() {
        for text in ["$", "a ${", "${}", "${ FOO}", "${FOO!}", "${FOO:+x}", "${1a}", "$1", "$ü"] {
            let wrong = BadTemplate { template: text.to_owned(), variable: None };
            assert_eq!(substitute(text, &variables()), Err(wrong), "{text}");
        }
        let error = interpolate(json!({"a": {"b": ["x", "${BAR:?set it}"]}}), &variables());
        let error = error.expect_err("a required variable is empty");
        assert_eq!(
            error.message,
            "invalid interpolation format for a.b.[]: \"required variable BAR is missing a \
             value: set it\"; you may need to escape any $ with another $"
        );
        assert_eq!(*error.path, ["a", "b", "1"]);
    }

    #[test]
    fn what_was_substituted_is_read_as_what_belongs_there() {
        let tree = json!({"services": {"a": {
            "tty": "$B", "image": "$N", "read_only": "yes",
            "deploy": {"replicas": "${N}", "update_config": {"max_failure_ratio": "0.$N"}},
            "ports": [{"target": "80$N"}]}}});
        let result = interpolate(tree, &variables()).expect("all set");
        assert_eq!(
            result["services"]["a"],
            json!({"tty": true, "image": "3", "read_only": "yes",
                "deploy": {"replicas": 3, "update_config": {"max_failure_ratio": 0.3}},
                "ports": [{"target": 803}]})
        );
        let tree = json!({"services": {"a": {"tty": "$FOO"}}});
        assert_eq!(
            interpolate(tree, &variables()).expect_err("not a boolean").message,
            "error while interpolating services.a.tty: failed to cast to expected type: invalid \
             boolean: first"
        );
    }
}
