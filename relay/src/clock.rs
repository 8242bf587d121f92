//! The wall clock. Only labels come from it (epochs, heartbeats), no decision does.

use std::time::{SystemTime, UNIX_EPOCH};

use alphapulse_protocol::UnixNanos;

/// Now; 0 before 1970 and the end of time after 2554.
pub(crate) fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
