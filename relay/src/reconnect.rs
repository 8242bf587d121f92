//! How long to wait before a node is connected to again.

use core::hash::BuildHasher;
use core::time::Duration;
use std::hash::RandomState;

/// First pause before connecting again; doubled for each failure in a row.
const RECONNECT_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause before connecting again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Doubles with each failure and varies by a quarter, so that many relays do not come back at once.
pub(crate) fn pause_before_reconnect(failures: u32) -> Duration {
    let pause = RECONNECT_PAUSE.saturating_mul(1 << failures.min(16)).min(RECONNECT_PAUSE_MAX);
    // The standard library seeds its hashers differently each time: random enough here, and no dependency.
    let quarter = u32::try_from(RandomState::new().hash_one(failures) % 256).unwrap_or(0);
    pause + pause * quarter / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert!(pause_before_reconnect(0) < Duration::from_millis(63));
        assert!(pause_before_reconnect(3) >= Duration::from_millis(400));
        assert!(pause_before_reconnect(u32::MAX) < Duration::from_millis(12_501));
    }
}
