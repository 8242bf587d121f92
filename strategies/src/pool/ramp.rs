//! Amplification that moves in a straight line between two times.

use super::QuoteError;

/// Amplification as the contract stores it, times its precision: a straight line between two times, and level outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    /// Amplification at `initial_time`.
    pub initial: u64,
    /// Amplification from `future_time` on.
    pub future: u64,
    /// Unix seconds.
    pub initial_time: u64,
    /// Unix seconds; not above `initial_time` where nothing moves.
    pub future_time: u64,
}

impl Ramp {
    /// Amplification that does not move.
    #[must_use]
    pub const fn constant(amplification: u64) -> Self {
        Self { initial: amplification, future: amplification, initial_time: 0, future_time: 0 }
    }

    /// Amplification in a block of that timestamp. Rounding: the distance moved rounds down.
    ///
    /// # Errors
    /// [`QuoteError::InvalidPoolState`] before the ramp began, where the contract's subtraction reverts, and for an
    /// amplification of zero.
    pub fn at(&self, timestamp: u64) -> Result<u64, QuoteError> {
        let amplification = if timestamp < self.future_time { self.on_the_way(timestamp)? } else { self.future };
        if amplification == 0 { Err(QuoteError::InvalidPoolState) } else { Ok(amplification) }
    }

    fn on_the_way(&self, timestamp: u64) -> Result<u64, QuoteError> {
        let elapsed = timestamp.checked_sub(self.initial_time).ok_or(QuoteError::InvalidPoolState)?;
        // Not zero: the timestamp lies between the two.
        let duration = u128::from(self.future_time - self.initial_time);
        let moved = u128::from(self.initial.abs_diff(self.future)) * u128::from(elapsed) / duration;
        // Less than the distance between two `u64`, since `elapsed` is less than `duration`.
        let moved = u64::try_from(moved).map_err(|_| QuoteError::InvalidPoolState)?;
        Ok(if self.future > self.initial { self.initial + moved } else { self.initial - moved })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amplification_moves_in_a_straight_line_both_ways() {
        let up = Ramp { initial: 100, future: 203, initial_time: 1000, future_time: 2000 };
        let down = Ramp { initial: 203, future: 100, ..up };
        // A third of the way is 34.3, which rounds down from either end.
        assert_eq!((up.at(1333), down.at(1333)), (Ok(134), Ok(169)));
        assert_eq!((up.at(1000), down.at(1000)), (Ok(100), Ok(203)));
        assert_eq!((up.at(1999), up.at(2000), up.at(u64::MAX)), (Ok(202), Ok(203), Ok(203)));
    }

    #[test]
    fn time_before_the_ramp_is_refused() {
        let ramp = Ramp { initial: 100, future: 200, initial_time: 1000, future_time: 2000 };
        assert_eq!(ramp.at(999), Err(QuoteError::InvalidPoolState));
        assert_eq!(Ramp::constant(0).at(5), Err(QuoteError::InvalidPoolState));
    }

    #[test]
    fn extremes_stay_within_their_type() {
        let ramp = Ramp { initial: u64::MAX, future: 1, initial_time: 0, future_time: u64::MAX };
        assert_eq!(ramp.at(u64::MAX - 1), Ok(2));
        assert_eq!(Ramp { initial: 1, future: u64::MAX, ..ramp }.at(u64::MAX - 1), Ok(u64::MAX - 1));
    }

    #[test]
    fn amplification_moves_in_a_line_and_rounds_the_way_walked_down() {
        let rising = Ramp { initial: 1000, future: 2000, initial_time: 100, future_time: 400 };
        let times = [100, 101, 250, 399, 400, u64::MAX];
        assert_eq!(times.map(|time| rising.at(time)), [1000, 1003, 1500, 1996, 2000, 2000].map(Ok));
        let falling = Ramp { initial: 2000, future: 1000, ..rising };
        assert_eq!(times.map(|time| falling.at(time)), [2000, 1997, 1500, 1004, 1000, 1000].map(Ok));
        assert_eq!(rising.at(99), Err(QuoteError::InvalidPoolState));
        assert_eq!(Ramp::constant(0).at(7), Err(QuoteError::InvalidPoolState));
        let widest = Ramp { initial: 0, future: u64::MAX, initial_time: 0, future_time: u64::MAX };
        assert_eq!(widest.at(u64::MAX - 1), Ok(u64::MAX - 1));
    }
}
