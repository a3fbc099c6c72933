//! Cluster time: the last applied entry's time and the monotonic time since.
//!
//! Never runs backwards. The wall clock is asked once, at the start, and believed only if it is
//! ahead of what the store has seen: a device without a battery-backed clock wakes up in 1970.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skep_api::Time;

/// Tells cluster time.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Since>);

/// A moment of cluster time, and when it was.
#[derive(Debug, Clone, Copy)]
struct Since {
    time: Time,
    at: Instant,
}

impl Since {
    fn at(self, now: Instant) -> Time {
        self.time.after(now.saturating_duration_since(self.at))
    }
}

impl Clock {
    /// A clock that shows `wall`, the time by the wall clock, and no earlier than `seen`, the time
    /// of the last applied entry.
    pub(crate) fn start(seen: Time, wall: Time) -> Self {
        Self(Mutex::new(Since { time: seen.max(wall), at: Instant::now() }))
    }

    /// Now.
    pub(crate) fn now(&self) -> Time {
        self.since().at(Instant::now())
    }

    /// An entry of that time was applied: now is no earlier.
    pub(crate) fn saw(&self, time: Time) {
        let mut since = self.since();
        let at = Instant::now();
        *since = Since { time: since.at(at).max(time), at };
    }

    /// How long it is until `time`.
    pub(crate) fn until(&self, time: Time) -> Duration {
        time.since(self.now())
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the wall clock shows.
pub(crate) fn wall() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::ZERO.after(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_behind_is_not_believed() {
        let (early, late) = (Time::from_secs(1), Time::from_secs(1_000_000_000));
        assert!(Clock::start(late, early).now() >= late);
        assert!(Clock::start(early, late).now() >= late);
    }

    #[test]
    fn now_follows_entries_and_never_runs_backwards() {
        let clock = Clock::start(Time::from_secs(100), Time::ZERO);
        let before = clock.now();
        clock.saw(Time::from_secs(50));
        assert!(clock.now() >= before, "an older entry moves nothing");
        clock.saw(Time::from_secs(200));
        assert!(clock.now() >= Time::from_secs(200));
        assert!(clock.now() < Time::from_secs(300));
        assert_eq!(clock.until(Time::from_secs(150)), Duration::ZERO);
        assert!(clock.until(Time::from_secs(10_000)) > Duration::from_secs(9000));
    }

    #[test]
    fn time_goes_on_between_entries() {
        let at = Instant::now();
        let since = Since { time: Time::from_secs(5), at };
        let later = at + Duration::from_secs(3);
        assert_eq!(since.at(later), Time::from_secs(8));
        assert_eq!(Since { time: Time::from_secs(5), at: later }.at(at), Time::from_secs(5));
    }
}
