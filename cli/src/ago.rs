//! Times as Docker's tables tell them: how long ago, roughly.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use skep_api::Time;

/// `5 seconds ago`, by the client's clock: for display only.
pub(crate) fn ago(at: Time) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = now.saturating_sub(Duration::from_nanos(at.as_nanos()));
    format!("{} ago", human(since))
}

/// A duration in one unit, the words of Docker's `HumanDuration`.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let minutes = seconds / 60;
    let hours = (duration.as_secs_f64() / 3600.0 + 0.5) as u64;
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// `2026-11-21 02:01:08.391514516 +0000 utc`, as Docker's `--pretty` writes times.
pub(crate) fn pretty_time(rfc3339: &str) -> String {
    let text = rfc3339.replacen('T', " ", 1);
    match text.strip_suffix('Z') {
        Some(text) => format!("{text} +0000 utc"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_dockers_words() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (600, "10 minutes"),
            (3_700, "About an hour"),
            (36_000, "10 hours"),
            (5 * 86_400, "5 days"),
            (21 * 86_400, "3 weeks"),
            (90 * 86_400, "3 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), words);
        }
    }
}
