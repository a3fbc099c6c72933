//! Durations as Go reads and writes them: `1h30m`, `1.5s`, `1m0s`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use skep_api::{format_duration, parse_duration};

/// A span of time in nanoseconds, which may be negative, as in Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct GoDuration(pub i64);

impl GoDuration {
    /// Go's `time.ParseDuration`; nothing if the text is not a duration.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) if !rest.starts_with(['-', '+']) => (true, rest),
            Some(_) => return None,
            None => (false, text),
        };
        let nanos = i64::try_from(parse_duration(rest).ok()?.as_nanos()).ok()?;
        Some(Self(if negative { -nanos } else { nanos }))
    }

    /// The duration for a spec; nothing if it is negative.
    pub fn to_std(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_nanos)
    }
}

/// Go's `Duration.String`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        f.write_str(&format_duration(Duration::from_nanos(self.0.unsigned_abs())))
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("invalid duration {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_in_go() {
        for (text, written) in [
            ("1m30s", "1m30s"),
            ("60s", "1m0s"),
            ("0", "0s"),
            ("1.5h", "1h30m0s"),
            ("90m", "1h30m0s"),
            ("1500ms", "1.5s"),
            ("1.5ms", "1.5ms"),
            ("10us", "10µs"),
            ("7ns", "7ns"),
            ("-5s", "-5s"),
            ("+.5s", "500ms"),
            ("1.s", "1s"),
            ("2540400h10m10.000000000s", "2540400h10m10s"),
        ] {
            assert_eq!(GoDuration::parse(text).map(|d| d.to_string()).as_deref(), Some(written));
        }
        for bad in ["", "5", "5y", "s", "-", ".s", "1 s", "9999999h", "1s2", "ü"] {
            assert_eq!(GoDuration::parse(bad), None, "{bad}");
        }
        assert_eq!(GoDuration(-1).to_std(), None);
    }
}
