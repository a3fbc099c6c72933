//! What a plain YAML scalar stands for, by the rules of Go's yaml.v3.
//!
//! These are neither YAML 1.1's nor 1.2's: `0444` is octal, `yes` is a string, `1_000` is a number,
//! `0o17` is octal too. The printer asks the same function whether a string needs quotes.

use serde_json::{Number, Value};

/// What a plain scalar is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// Infinity or not a number, which no key of a compose file can hold.
    NotFinite,
    /// A date or a moment; its text is kept.
    Timestamp,
    Text,
}

impl Scalar {
    /// The value in a tree, if it has one.
    pub(crate) fn into_value(self, text: &str) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::Timestamp | Self::Text => Value::String(text.to_owned()),
            Self::NotFinite => return None,
        })
    }
}

/// What the unquoted text stands for.
pub(crate) fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return Scalar::NotFinite,
        _ => {}
    }
    match text.as_bytes().first() {
        Some(b'.') => float(text).unwrap_or(Scalar::Text),
        Some(b'+' | b'-' | b'0'..=b'9') => {
            if is_timestamp(text) {
                return Scalar::Timestamp;
            }
            let plain = text.replace('_', "");
            integer(&plain)
                .map(Scalar::Number)
                .or_else(|| if is_yaml_float(&plain) { float(&plain) } else { None })
                .unwrap_or(Scalar::Text)
        }
        _ => Scalar::Text,
    }
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`.
fn integer(text: &str) -> Option<Number> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = rest.to_ascii_lowercase();
    let (digits, radix) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (lower.as_str(), 10),
    };
    // `from_str_radix` takes a sign of its own, which would allow `0x-1`.
    if !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return i64::try_from(-i128::from(magnitude)).ok().map(Number::from);
    }
    // Only a number without a sign may use the last bit.
    let signed_only = text.starts_with('+');
    (!signed_only || i64::try_from(magnitude).is_ok()).then(|| Number::from(magnitude))
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_yaml_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, Some(exponent)),
        None => (text, None),
    };
    let number_ok = match number.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, "")) => digits(whole),
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(number),
    };
    let exponent_ok = exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)));
    number_ok && exponent_ok
}

fn float(text: &str) -> Option<Scalar> {
    if !text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let float: f64 = text.parse().ok()?;
    // Go refuses to read a number that is too big for a float.
    Number::from_f64(float).map(Scalar::Number)
}

/// Whether it is a date (`2001-1-2`) or a date and a time of day, as yaml.v3 reads them.
pub(crate) fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = split_date(text) else { return false };
    if !date_exists(date) {
        return false;
    }
    match time {
        "" => true,
        _ => is_time_of_day(time),
    }
}

/// Splits off `YYYY-M-D`; what follows is empty or starts with `T`, `t` or a space.
fn split_date(text: &str) -> Option<((u32, u32, u32), &str)> {
    let (year, rest) = text.split_at_checked(4)?;
    let (month, rest) = rest.strip_prefix('-')?.split_once('-')?;
    let end = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (day, time) = rest.split_at(end);
    let all_digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if ![year, month, day].into_iter().all(all_digits) || month.len() > 2 || day.len() > 2 {
        return None;
    }
    Some(((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?), time))
}

fn date_exists((year, month, day): (u32, u32, u32)) -> bool {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// `T15:4:5.999Z`, `t15:4:5+01:00` or ` 15:4:5` (which takes no zone).
fn is_time_of_day(text: &str) -> bool {
    let (clock, zone) = match text.strip_prefix(['T', 't']) {
        Some(rest) => match rest.find(['Z', '+', '-']) {
            Some(at) => (&rest[..at], &rest[at..]),
            None => return false,
        },
        None => match text.strip_prefix(' ') {
            Some(rest) => (rest, "Z"),
            None => return false,
        },
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let below = |part: &str, limit: u32| {
        (1..=2).contains(&part.len()) && part.parse::<u32>().is_ok_and(|n| n < limit)
    };
    let zone_ok = zone == "Z"
        || zone
            .strip_prefix(['+', '-'])
            .and_then(|z| z.split_once(':'))
            .is_some_and(|(h, m)| h.len() == 2 && m.len() == 2 && below(h, 25) && below(m, 60));
    let fraction_ok = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    matches!(parts[..], [h, m, s] if below(h, 24) && below(m, 60) && below(s, 60))
        && fraction_ok
        && zone_ok
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plain_scalars_are_what_gos_yaml_takes_them_for() {
        for (text, value) in [
            ("0444", json!(292)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("-0b101", json!(-5)),
            ("1_000", json!(1000)),
            ("08", json!(8.0)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
            ("5.", json!(5.0)),
            ("-7", json!(-7)),
            ("18446744073709551615", json!(u64::MAX)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("True", json!(true)),
            ("tRue", json!("tRue")),
            ("~", json!(null)),
            ("1:30", json!("1:30")),
            ("0x", json!("0x")),
            ("0x-1", json!("0x-1")),
            ("-", json!("-")),
            ("+", json!("+")),
            ("1.2.3", json!("1.2.3")),
            ("2001-01-01", json!("2001-01-01")),
        ] {
            assert_eq!(resolve(text).into_value(text), Some(value), "{text}");
        }
        assert_eq!(resolve("-.inf").into_value("-.inf"), None);
    }

    #[test]
    fn timestamps_are_recognised() {
        for text in [
            "2001-01-01",
            "2001-1-2",
            "2001-12-14T21:59:43.1Z",
            "2001-12-14t21:59:43+01:00",
            "2001-12-14 1:5:3",
        ] {
            assert!(is_timestamp(text), "{text}");
        }
        for text in ["2001-02-29", "2001-13-01", "01-01-2001", "2001-01-01T", "2001-01-01 1:2"] {
            assert!(!is_timestamp(text), "{text}");
        }
    }
}
