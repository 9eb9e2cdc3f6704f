//! Moments to the millisecond, which is what stores keep of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The current time, without the fraction of a millisecond: what comes back from a store equals what went in.
pub(crate) fn now() -> SystemTime {
    from_millis(to_millis(SystemTime::now()))
}

/// Milliseconds since 1970-01-01T00:00:00Z; 0 for a moment before.
pub(crate) fn to_millis(moment: SystemTime) -> i64 {
    moment.duration_since(UNIX_EPOCH).map_or(0, duration_millis)
}

/// The moment so many milliseconds after 1970-01-01T00:00:00Z; that moment for a negative number.
pub(crate) fn from_millis(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// A duration in whole milliseconds, at most `i64::MAX`.
pub(crate) fn duration_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
