//! Where a swap's next step ends: `TickBitmap.nextInitializedTickWithinOneWord`, on a sorted tick list.
//!
//! The pool looks for initialised ticks one 256-bit bitmap word at a time and ends a step at the word's edge when it
//! finds none. Amounts are rounded at the end of every step, so the edges are part of the price.

use alphapulse_protocol::replica::TickLiquidity;

/// Slots in one bitmap word.
pub(super) const WORD_SLOTS: i32 = 256;

/// Last tick of the bitmap word that a search from `tick` reads, in the direction of the swap.
/// Downwards the search starts at the slot of `tick` itself, upwards at the next one, as in the contract.
///
/// `tick_spacing` must be positive. The result may lie outside the tick domain; callers clamp as the pool does.
#[inline]
#[must_use]
pub fn word_edge(tick: i32, tick_spacing: i32, zero_for_one: bool) -> i32 {
    debug_assert!(tick_spacing > 0, "checked by the caller");
    let slot = tick.div_euclid(tick_spacing);
    let edge = if zero_for_one {
        slot.div_euclid(WORD_SLOTS) * WORD_SLOTS
    } else {
        slot.saturating_add(1).div_euclid(WORD_SLOTS) * WORD_SLOTS + (WORD_SLOTS - 1)
    };
    edge.saturating_mul(tick_spacing)
}

/// A position in a sorted list of initialised ticks, moved along by a swap.
#[derive(Debug, Clone, Copy)]
pub struct TickCursor<'a> {
    ticks: &'a [TickLiquidity],
    /// Ticks at or below the current one; in `0..=ticks.len()`.
    at_or_below: usize,
}

impl<'a> TickCursor<'a> {
    /// Starts at `tick`. `ticks` is sorted by tick.
    #[inline]
    #[must_use]
    pub fn new(ticks: &'a [TickLiquidity], tick: i32) -> Self {
        Self { ticks, at_or_below: ticks.partition_point(|entry| entry.tick <= tick) }
    }

    /// The next initialised tick: at or below the position when `zero_for_one`, above it otherwise.
    #[inline]
    #[must_use]
    pub fn peek(&self, zero_for_one: bool) -> Option<&'a TickLiquidity> {
        if zero_for_one { self.ticks.get(self.at_or_below.checked_sub(1)?) } else { self.ticks.get(self.at_or_below) }
    }

    /// Moves past the tick that [`TickCursor::peek`] shows; stays when there is none.
    #[inline]
    pub fn cross(&mut self, zero_for_one: bool) {
        self.at_or_below = if zero_for_one {
            self.at_or_below.saturating_sub(1)
        } else {
            (self.at_or_below + 1).min(self.ticks.len())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_down_starts_at_the_own_slot_and_up_at_the_next() {
        assert_eq!(word_edge(0, 1, true), 0);
        assert_eq!(word_edge(255, 1, true), 0);
        assert_eq!(word_edge(256, 1, true), 256);
        assert_eq!(word_edge(254, 1, false), 255);
        assert_eq!(word_edge(255, 1, false), 511);
        assert_eq!(word_edge(-1, 1, true), -256);
        assert_eq!(word_edge(-1, 1, false), 255);
        assert_eq!(word_edge(-2, 1, false), -1);
    }

    #[test]
    fn slots_round_towards_negative_infinity() {
        assert_eq!(word_edge(-1, 60, true), -256 * 60);
        assert_eq!(word_edge(-60, 60, true), -256 * 60);
        assert_eq!(word_edge(59, 60, true), 0);
        assert_eq!(word_edge(-61, 60, false), -60);
        assert_eq!(word_edge(-60, 60, false), 255 * 60);
    }

    #[test]
    fn cursor_walks_every_tick_once_in_both_directions() {
        let ticks = [-60, 0, 60].map(|tick| TickLiquidity { tick, liquidity_net: 0, liquidity_gross: 1 });
        let walk = |start, zero_for_one| {
            let mut cursor = TickCursor::new(&ticks, start);
            let mut seen = Vec::new();
            while let Some(entry) = cursor.peek(zero_for_one) {
                seen.push(entry.tick);
                cursor.cross(zero_for_one);
            }
            cursor.cross(zero_for_one);
            seen
        };
        assert_eq!(walk(60, true), [60, 0, -60]);
        assert_eq!(walk(59, true), [0, -60]);
        assert_eq!(walk(-60, false), [0, 60]);
        assert_eq!(walk(-61, false), [-60, 0, 60]);
        assert!(walk(60, false).is_empty());
    }
}
