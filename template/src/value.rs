//! Values while a template runs.

use std::borrow::Cow;

use serde_json::Value;

/// A value: part of the data, or made by a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Val<'a> {
    /// A key that was not there. It goes on through field chains, where `null` is an error.
    Missing,
    Json(Cow<'a, Value>),
}

impl<'a> Val<'a> {
    pub(crate) fn borrowed(value: &'a Value) -> Self {
        Self::Json(Cow::Borrowed(value))
    }

    pub(crate) fn owned(value: impl Into<Value>) -> Self {
        Self::Json(Cow::Owned(value.into()))
    }

    /// The value; what is missing is `null`.
    pub(crate) fn json(&self) -> &Value {
        match self {
            Self::Missing => &Value::Null,
            Self::Json(value) => value,
        }
    }

    /// The value of a key or index, found by `get`.
    pub(crate) fn part(&self, get: impl Fn(&Value) -> Option<&Value>) -> Self {
        match self {
            Self::Missing => Self::Missing,
            Self::Json(Cow::Borrowed(value)) => get(value).map_or(Self::Missing, Self::borrowed),
            Self::Json(Cow::Owned(value)) => {
                get(value).map_or(Self::Missing, |part| Self::owned(part.clone()))
            }
        }
    }

    /// Go's truth: not zero and not empty.
    pub(crate) fn is_true(&self) -> bool {
        match self.json() {
            Value::Null => false,
            Value::Bool(truth) => *truth,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(map) => !map.is_empty(),
        }
    }
}

/// What Go would call the type of a value.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if is_integer(number) => "int",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Whether a number is one without a fraction, however it is written.
pub(crate) fn is_integer(number: &serde_json::Number) -> bool {
    as_integer(number).is_some()
}

/// The number without a fraction, `3` and `3.0` alike: JSON has one kind of numbers.
pub(crate) fn as_integer(number: &serde_json::Number) -> Option<i128> {
    if let Some(n) = number.as_i64() {
        return Some(i128::from(n));
    }
    if let Some(n) = number.as_u64() {
        return Some(i128::from(n));
    }
    // Beyond 2^53 not every integer is a float: there the exponent is the honest form.
    let float = number.as_f64()?;
    (float.fract() == 0.0 && float.abs() < 9.0e15).then_some(float as i128)
}
