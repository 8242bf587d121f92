//! When each block of a recording is due.

use core::time::Duration;

use tokio::time::Instant;

use super::ReplaySpeed;
use crate::follower::ChainEvent;

/// When each block is due.
pub(super) struct Pace {
    pub(super) speed: ReplaySpeed,
    /// Timestamp of the block that all others are timed by, and when it was served.
    pub(super) start: Option<(u64, Instant)>,
}

impl Pace {
    /// How long an event is still to wait. A snapshot does not: what lies before it is the time in which nothing was
    /// recorded.
    pub(super) fn wait(&mut self, event: &ChainEvent, now: Instant) -> Duration {
        let (timestamp, is_start) = match event {
            ChainEvent::Snapshot(image, _) => (image.context.timestamp.get(), true),
            ChainEvent::Block { context, .. } => (context.timestamp.get(), self.start.is_none()),
            ChainEvent::Reorg { .. } | ChainEvent::Standing(_) | ChainEvent::Lost | ChainEvent::Found => {
                return Duration::ZERO;
            }
        };
        if is_start {
            self.start = Some((timestamp, now));
        }
        let (ReplaySpeed::Times(times), Some((first, since))) = (self.speed, self.start) else { return Duration::ZERO };
        let recorded = Duration::from_secs(timestamp.saturating_sub(first));
        // What is too long for a duration is never served.
        let due = Duration::try_from_secs_f64(recorded.as_secs_f64() / times).unwrap_or(Duration::MAX);
        due.saturating_sub(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::BlockNumber;
    use alphapulse_protocol::message::BlockContext;

    fn block(timestamp: u64) -> ChainEvent {
        let zero = BlockContext {
            number: 1.into(),
            hash: [0; 32],
            parent_hash: [0; 32],
            timestamp: timestamp.into(),
            base_fee: 0_u128.into(),
            gas_used: 0.into(),
            gas_limit: 0.into(),
        };
        ChainEvent::Block {
            context: zero,
            head_number: BlockNumber(1),
            news: crate::discovery::News::default(),
            restated: Vec::new(),
            updates: Vec::new(),
            read_at: std::time::Instant::now(),
        }
    }

    #[test]
    fn blocks_are_due_by_their_timestamps_and_late_ones_at_once() {
        let mut pace = Pace { speed: ReplaySpeed::Times(4.0), start: None };
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.wait(&block(1_000), start), Duration::ZERO);
        assert_eq!(pace.wait(&block(1_012), start), Duration::from_secs(3));
        assert_eq!(pace.wait(&block(1_012), after(3)), Duration::ZERO);
        assert_eq!(pace.wait(&block(1_024), after(4)), Duration::from_secs(2));
        assert_eq!(pace.wait(&block(900), after(4)), Duration::ZERO, "a block of a branch that is older");
        let mut fastest = Pace { speed: ReplaySpeed::Max, start: pace.start };
        assert_eq!(fastest.wait(&block(9_000), start), Duration::ZERO);
    }
}
