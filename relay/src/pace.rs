//! A bound on how often something is done: what comes faster waits.

use core::time::Duration;

use tokio::time::{Instant, sleep_until};

/// A bucket that fills at an even rate. What is taken out too fast is waited for.
#[derive(Debug)]
pub(crate) struct Pace {
    every: Duration,
    burst: Duration,
    /// When the bucket will be full again.
    full_at: Instant,
}

impl Pace {
    /// So many a second, and `burst` at once after a rest.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let every = Duration::from_secs(1) / per_second;
        Self { every, burst: every * burst, full_at: Instant::now() }
    }

    /// Takes one, when it may.
    pub(crate) async fn take(&mut self) {
        let now = Instant::now();
        self.full_at = self.full_at.max(now) + self.every;
        if self.full_at > now + self.burst {
            sleep_until(self.full_at - self.burst).await;
        }
    }

    /// Puts back so many that were taken.
    pub(crate) fn give_back(&mut self, count: u32) {
        self.full_at = self.full_at.checked_sub(self.every * count).unwrap_or_else(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_is_free_and_what_comes_faster_waits() {
        let mut pace = Pace::new(100, 5);
        let start = Instant::now();
        for _ in 0..25 {
            pace.take().await;
        }
        // Five at once, and the twenty behind them 10 ms each.
        assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn what_is_given_back_can_be_taken_again() {
        let mut pace = Pace::new(100, 3);
        for _ in 0..40 {
            pace.take().await;
            pace.give_back(1);
        }
        assert!(pace.full_at <= Instant::now(), "nothing is missing");
        // More than was ever taken makes the bucket no larger.
        pace.give_back(100);
        let start = Instant::now();
        for _ in 0..5 {
            pace.take().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(20), "{:?}", start.elapsed());
    }
}
