//! Cluster time.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment in cluster time: nanoseconds since 1970, never running backwards.
///
/// A manager's "now" is the last applied entry's time plus the monotonic time since, so that every
/// manager decides alike and a wall clock that jumps moves no deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The start of the count; stands for "never" in objects that were not written yet.
    pub const ZERO: Self = Self(0);

    /// A moment from its nanoseconds since 1970.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// A moment from seconds since 1970, mostly for tests.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// Nanoseconds since 1970.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment and `by` more; stops at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long it is from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 in UTC with up to nine digits of a second, as Docker's API writes times.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0))
            .map_err(|_| fmt::Error)?;
        f.write_str(&moment.format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_docker_writes_them() {
        assert_eq!(Time::from_secs(1_700_000_000).to_string(), "2023-11-14T22:13:20Z");
        let late = Time::from_secs(1).after(Duration::from_nanos(5));
        assert_eq!(late.to_string(), "1970-01-01T00:00:01.000000005Z");
    }

    #[test]
    fn arithmetic_saturates() {
        let end = Time::from_nanos(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Time::ZERO.since(end), Duration::ZERO);
    }
}
