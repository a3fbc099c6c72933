//! The functions that a template may call: Go's and Docker's.

use std::cmp::Ordering;

use serde_json::Value;

use crate::eval::OUTPUT_MAX;
use crate::format::{json, plain, print, printf, println};
use crate::value::{Val, as_integer, type_name};

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    And,
    Or,
    Not,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Len,
    Index,
    Slice,
    Print,
    Printf,
    Println,
    Json,
    Split,
    Join,
    Title,
    Lower,
    Upper,
    Pad,
    Truncate,
}

use Function as F;

/// Each function with its name and how many arguments it takes.
const TABLE: [(Function, &str, usize, usize); 23] = [
    (F::And, "and", 1, ANY),
    (F::Or, "or", 1, ANY),
    (F::Not, "not", 1, 1),
    (F::Eq, "eq", 2, ANY),
    (F::Ne, "ne", 2, 2),
    (F::Lt, "lt", 2, 2),
    (F::Le, "le", 2, 2),
    (F::Gt, "gt", 2, 2),
    (F::Ge, "ge", 2, 2),
    (F::Len, "len", 1, 1),
    (F::Index, "index", 1, ANY),
    (F::Slice, "slice", 1, 3),
    (F::Print, "print", 0, ANY),
    (F::Printf, "printf", 1, ANY),
    (F::Println, "println", 0, ANY),
    (F::Json, "json", 1, 1),
    (F::Split, "split", 2, 2),
    (F::Join, "join", 2, 2),
    (F::Title, "title", 1, 1),
    (F::Lower, "lower", 1, 1),
    (F::Upper, "upper", 1, 1),
    (F::Pad, "pad", 3, 3),
    (F::Truncate, "truncate", 2, 2),
];

/// As many arguments as one likes.
const ANY: usize = usize::MAX;

impl Function {
    pub(crate) fn named(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    pub(crate) fn name(self) -> &'static str {
        TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }
}

/// Calls a function. The error is the reason, in Go's words.
pub(crate) fn call<'a>(function: Function, args: &[Val<'a>]) -> Result<Val<'a>, String> {
    let name = function.name();
    let (least, most) =
        TABLE.iter().find(|row| row.0 == function).map_or((0, ANY), |row| (row.2, row.3));
    if args.len() < least || args.len() > most {
        let want = if least == most { format!("{least}") } else { format!("at least {least}") };
        return Err(format!("wrong number of args for {name}: want {want} got {}", args.len()));
    }
    let failed = |reason: String| format!("error calling {name}: {reason}");
    match function {
        F::And | F::Or => Err("`and` and `or` need their arguments unevaluated".to_owned()),
        F::Not => Ok(Val::owned(!args[0].is_true())),
        F::Eq | F::Ne | F::Lt | F::Le | F::Gt | F::Ge => {
            compare(function, args).map(Val::owned).map_err(failed)
        }
        F::Len => length(args[0].json()).map(Val::owned).map_err(failed),
        F::Index => index(args).map_err(failed),
        F::Slice => slice(args).map_err(failed),
        F::Print => Ok(Val::owned(print(args))),
        F::Println => Ok(Val::owned(println(args))),
        F::Printf => Ok(Val::owned(printf(text(&args[0])?, &args[1..]))),
        F::Json => Ok(Val::owned(json(args[0].json()))),
        F::Split => Ok(Val::owned(split(text(&args[0])?, text(&args[1])?))),
        F::Join => join(args[0].json(), text(&args[1])?).map(Val::owned),
        F::Title => Ok(Val::owned(title(text(&args[0])?))),
        F::Lower => Ok(Val::owned(text(&args[0])?.to_lowercase())),
        F::Upper => Ok(Val::owned(text(&args[0])?.to_uppercase())),
        F::Pad => pad(text(&args[0])?, count(&args[1])?, count(&args[2])?).map(Val::owned),
        F::Truncate => Ok(Val::owned(truncate(text(&args[0])?, count(&args[1])?))),
    }
}

fn text<'v>(value: &'v Val<'_>) -> Result<&'v str, String> {
    let found = value.json();
    found.as_str().ok_or_else(|| match found {
        Value::Null => "invalid value; expected string".to_owned(),
        found => format!("wrong type for value; expected string; got {}", type_name(found)),
    })
}

fn count(value: &Val<'_>) -> Result<usize, String> {
    let found = value.json();
    let wrong = || format!("wrong type for value; expected int; got {}", type_name(found));
    let number = found.as_number().and_then(as_integer).ok_or_else(wrong)?;
    usize::try_from(number).map_err(|_| format!("{number} must not be negative"))
}

/// `eq` takes any number of values and asks whether the first is one of the others.
fn compare(function: Function, args: &[Val<'_>]) -> Result<bool, String> {
    let first = args[0].json();
    match function {
        F::Eq => {
            for other in &args[1..] {
                if equal(first, other.json())? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        F::Ne => equal(first, args[1].json()).map(|same| !same),
        ordering => {
            let order = order(first, args[1].json())?;
            Ok(match ordering {
                F::Lt => order.is_lt(),
                F::Le => order.is_le(),
                F::Gt => order.is_gt(),
                _ => order.is_ge(),
            })
        }
    }
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Array(_) | Value::Object(_), _) | (_, Value::Array(_) | Value::Object(_)) => {
            Err("non-comparable types for comparison".to_owned())
        }
        (Value::Null, _) | (_, Value::Null) => Ok(a == b),
        (Value::Number(_), Value::Number(_)) => order(a, b).map(Ordering::is_eq),
        _ if type_name(a) == type_name(b) => Ok(a == b),
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering, String> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => match (as_integer(a), as_integer(b)) {
            (Some(a), Some(b)) => Ok(a.cmp(&b)),
            _ => {
                let (a, b) = (a.as_f64().unwrap_or_default(), b.as_f64().unwrap_or_default());
                Ok(a.total_cmp(&b))
            }
        },
        (Value::String(_) | Value::Number(_), Value::String(_) | Value::Number(_)) => {
            Err("incompatible types for comparison".to_owned())
        }
        _ => Err("invalid type for comparison".to_owned()),
    }
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::String(text) => Ok(text.len()),
        Value::Array(items) => Ok(items.len()),
        Value::Object(map) => Ok(map.len()),
        Value::Null => Err("len of nil pointer".to_owned()),
        other => Err(format!("len of type {}", type_name(other))),
    }
}

fn index<'a>(args: &[Val<'a>]) -> Result<Val<'a>, String> {
    let mut value = args[0].clone();
    for key in &args[1..] {
        value = match (value.json(), key.json()) {
            (Value::Null, _) => return Err("index of untyped nil".to_owned()),
            (Value::Object(map), Value::String(key)) => {
                let found = value.part(|value| value.get(key));
                // A Go map of strings gives an empty one, another map gives nothing.
                let strings = map.values().all(Value::is_string);
                if found == Val::Missing && strings { Val::owned("") } else { found }
            }
            (Value::Object(_), key) => {
                let found = type_name(key);
                return Err(format!("value has type {found}; should be string"));
            }
            (Value::Array(items), key) => {
                let at = position(key, items.len())?;
                if at == items.len() {
                    return Err(format!("index out of range: {at}"));
                }
                value.part(|value| value.get(at))
            }
            (Value::String(text), key) => {
                let at = position(key, text.len())?;
                let byte = text.as_bytes().get(at);
                Val::owned(*byte.ok_or_else(|| format!("index out of range: {at}"))?)
            }
            (other, _) => return Err(format!("can't index item of type {}", type_name(other))),
        };
    }
    Ok(value)
}

fn slice<'a>(args: &[Val<'a>]) -> Result<Val<'a>, String> {
    let value = args[0].json();
    let length = match value {
        Value::String(_) | Value::Array(_) => length(value)?,
        Value::Null => return Err("slice of untyped nil".to_owned()),
        other => return Err(format!("can't slice item of type {}", type_name(other))),
    };
    let bound = |at: usize, default: usize| {
        args.get(at).map_or(Ok(default), |bound| position(bound.json(), length))
    };
    let (from, to) = (bound(1, 0)?, bound(2, length)?);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match value {
        Value::Array(items) => Val::owned(items[from..to].to_vec()),
        value => {
            let bytes = value.as_str().unwrap_or_default().as_bytes();
            Val::owned(String::from_utf8_lossy(&bytes[from..to]).into_owned())
        }
    })
}

/// A position from 0 to the length.
fn position(key: &Value, length: usize) -> Result<usize, String> {
    let number = key
        .as_number()
        .and_then(as_integer)
        .ok_or_else(|| format!("cannot index slice/array with type {}", type_name(key)))?;
    let at = usize::try_from(number).ok().filter(|at| *at <= length);
    at.ok_or_else(|| format!("index out of range: {number}"))
}

fn split(text: &str, separator: &str) -> Vec<String> {
    if separator.is_empty() {
        return text.chars().map(String::from).collect();
    }
    text.split(separator).map(str::to_owned).collect()
}

fn join(value: &Value, separator: &str) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Array(items) => {
            let all: Vec<String> = items.iter().map(plain).collect();
            let between = separator.len().saturating_mul(all.len());
            if between > OUTPUT_MAX {
                return Err(format!("error calling join: it makes more than {OUTPUT_MAX} bytes"));
            }
            Ok(all.join(separator))
        }
        other => Err(format!("wrong type for value; expected []string; got {}", type_name(other))),
    }
}

/// Go's `strings.Title`: the first letter of each word.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        let inside = before.is_alphanumeric() || before == '_';
        if inside || before.len_utf8() > 1 && !before.is_whitespace() {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        before = c;
    }
    out
}

fn pad(text: &str, before: usize, after: usize) -> Result<String, String> {
    if before.saturating_add(after) > OUTPUT_MAX {
        return Err(format!("error calling pad: it makes more than {OUTPUT_MAX} bytes"));
    }
    if text.is_empty() {
        return Ok(String::new());
    }
    Ok(format!("{}{text}{}", " ".repeat(before), " ".repeat(after)))
}

/// Docker cuts at a byte; a character that would be cut goes as a whole.
fn truncate(text: &str, length: usize) -> String {
    text[..text.floor_char_boundary(length)].to_owned()
}
