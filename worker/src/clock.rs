//! The node's clock: the one place of this crate that reads it.

use std::time::{Duration, SystemTime};

use skep_api::Time;

/// Now, by the node's wall clock. For display and for delays on this node; managers stamp what
/// they decide by with their own.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::ZERO.after(since)
}

/// How long it is from now to a moment; nothing if it is past.
pub(crate) fn until(moment: Time) -> Duration {
    moment.since(now())
}
