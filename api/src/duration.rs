//! Durations as Go writes them, which is how Docker's users write them: `1m30s`, `500ms`.

use std::time::Duration;

/// The text is not a duration; the message is Go's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDurationError {
    /// Not a duration at all, or too long for one.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number without a unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit that is none.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Below zero.
    #[error("duration {0:?} must not be negative")]
    Negative(String),
}

/// Reads a duration: numbers with units `ns`, `us`, `ms`, `s`, `m`, `h`, one after the other, or `0`.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let invalid = || ParseDurationError::Invalid(text.to_owned());
    if let Some(positive) = text.strip_prefix('-') {
        parse_duration(positive).map_err(|_| invalid())?;
        return Err(ParseDurationError::Negative(text.to_owned()));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total_ns: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, behind) = rest.split_at(digits);
        let unit_end =
            behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, next) = behind.split_at(unit_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(invalid());
        }
        let unit_ns = unit_nanos(unit, text)?;
        total_ns = scaled(whole, fraction, unit_ns)
            .and_then(|ns| total_ns.checked_add(ns))
            .filter(|ns| *ns <= i64::MAX as u128)
            .ok_or_else(invalid)?;
        rest = next;
    }
    Ok(Duration::from_nanos(total_ns as u64))
}

fn unit_nanos(unit: &str, text: &str) -> Result<u128, ParseDurationError> {
    match unit {
        "ns" => Ok(1),
        "us" | "µs" | "μs" => Ok(1_000),
        "ms" => Ok(1_000_000),
        "s" => Ok(1_000_000_000),
        "m" => Ok(60_000_000_000),
        "h" => Ok(3_600_000_000_000),
        "" => Err(ParseDurationError::MissingUnit(text.to_owned())),
        other => {
            Err(ParseDurationError::UnknownUnit { unit: other.to_owned(), text: text.to_owned() })
        }
    }
}

/// `whole.fraction` units in nanoseconds; digits finer than a nanosecond are cut, as in Go.
fn scaled(whole: &str, fraction: &str, unit_ns: u128) -> Option<u128> {
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // 18 digits are far below a nanosecond of an hour; more would change nothing.
    let fraction = &fraction[..fraction.len().min(18)];
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part_ns = part * unit_ns / 10_u128.pow(fraction.len() as u32);
    whole.checked_mul(unit_ns)?.checked_add(part_ns)
}

/// Writes a duration as Go does: `1m30s`, `500ms`, `0s`.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let decimal = |value: u128, unit: u128, name: &str| {
        let digits = unit.ilog10() as usize;
        let text = format!("{}.{:0digits$}", value / unit, value % unit);
        let text = if digits == 0 { format!("{value}") } else { text };
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text
        };
        format!("{text}{name}")
    };
    match nanos {
        n if n < 1_000 => decimal(n, 1, "ns"),
        n if n < 1_000_000 => decimal(n, 1_000, "µs"),
        n if n < 1_000_000_000 => decimal(n, 1_000_000, "ms"),
        n => {
            let (minutes, rest) = (n / 60_000_000_000, n % 60_000_000_000);
            let seconds = decimal(rest, 1_000_000_000, "s");
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        for (text, ns, written) in [
            ("0", 0, "0s"),
            ("5s", 5_000_000_000, "5s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("500ms", 500_000_000, "500ms"),
            ("1500us", 1_500_000, "1.5ms"),
            (".5s", 500_000_000, "500ms"),
            ("7ns", 7, "7ns"),
            ("2160h", 7_776_000_000_000_000, "2160h0m0s"),
        ] {
            let duration = parse_duration(text);
            assert_eq!(duration, Ok(Duration::from_nanos(ns)), "{text}");
            assert_eq!(format_duration(Duration::from_nanos(ns)), written);
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_in_gos_words() {
        for (text, message) in [
            ("5", "time: missing unit in duration \"5\""),
            ("", "time: invalid duration \"\""),
            ("x", "time: invalid duration \"x\""),
            ("5parsecs", "time: unknown unit \"parsecs\" in duration \"5parsecs\""),
            ("-5s", "duration \"-5s\" must not be negative"),
            ("9999999h", "time: invalid duration \"9999999h\""),
        ] {
            assert_eq!(parse_duration(text).map_err(|e| e.to_string()), Err(message.to_owned()));
        }
    }
}
