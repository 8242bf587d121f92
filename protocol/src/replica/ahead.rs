//! Looks into memory before it is needed. A message that is applied by itself waits for its pool's state to come from memory; those
//! of messages that come next are asked for together, and their waits overlap.

use core::hint::black_box;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::{PoolState, Replica};
use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{
    BalancerStableBalances, BalancerWeightedBalances, CurveCryptoBalances, CurveStableBalances, SolidlyReserves,
    V2Reserves, V3Liquidity, V3Swap, V4Swap, WireMessage,
};

/// What a message that is still to be read will ask of memory. A hint: nothing of the message was checked, and all that follows from
/// it is what lies in the processor's caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    pool: PoolId,
    ticks: Option<[i32; 2]>,
}

impl Ahead {
    /// Messages worth a look at once: what they touch takes a part of the nearest cache.
    pub const TOGETHER: usize = 32;

    /// By a message's bytes, whatever they hold; `None` where it does not look like one that changes a pool.
    #[inline]
    #[must_use]
    pub fn of(message: &[u8]) -> Option<Self> {
        let (header, rest) = MessageHeader::ref_from_prefix(message).ok()?;
        match header.template_id.get() {
            V3Liquidity::TEMPLATE_ID => {
                let (change, _) = V3Liquidity::ref_from_prefix(message).ok()?;
                let ticks = Some([change.tick_lower.get(), change.tick_upper.get()]);
                Some(Self { pool: PoolId(change.pool.get()), ticks })
            }
            V2Reserves::TEMPLATE_ID
            | V3Swap::TEMPLATE_ID
            | V4Swap::TEMPLATE_ID
            | SolidlyReserves::TEMPLATE_ID
            | CurveStableBalances::TEMPLATE_ID
            | CurveCryptoBalances::TEMPLATE_ID
            | BalancerWeightedBalances::TEMPLATE_ID
            | BalancerStableBalances::TEMPLATE_ID => {
                let (pool, _) = U32::ref_from_prefix(rest).ok()?;
                Some(Self { pool: PoolId(pool.get()), ticks: None })
            }
            _ => None,
        }
    }

    /// Pool that the message seems to be about.
    #[must_use]
    pub const fn pool(self) -> PoolId {
        self.pool
    }
}

impl Replica {
    /// Looks at what these messages will change, so that it is near when they are applied. Changes nothing; worth it for a few dozen
    /// messages at a time, of pools that are more than the caches hold.
    #[inline]
    pub fn look_ahead(&self, next: impl IntoIterator<Item = Ahead>) {
        let mut seen = 0;
        for ahead in next {
            if let Some(state) = self.states.get(ahead.pool.index()) {
                seen ^= glance(state, ahead.ticks);
            }
        }
        // Otherwise nothing would be looked at.
        black_box(seen);
    }
}

/// Touches each line of a state that its next message will write, and whatever the search for its ticks will read.
#[inline]
fn glance(state: &PoolState, ticks: Option<[i32; 2]>) -> usize {
    match state {
        PoolState::V2(pair) => low(pair.reserve_0) ^ low(pair.reserve_1),
        PoolState::V3(curve) => {
            let place = |tick: i32| curve.ticks.partition_point(|known| known.tick < tick);
            let places = ticks.map_or(0, |[lower, upper]| place(lower) ^ place(upper));
            low(curve.liquidity) ^ curve.ticks.len() ^ places
        }
        PoolState::V4(state) => low(state.curve.liquidity) ^ state.curve.ticks.len(),
        PoolState::Solidly(_) | PoolState::Unknown(_) => 0,
        // Behind a pointer.
        PoolState::CurveStable(state) => low(state.holdings.balances[0]),
        PoolState::CurveCrypto(state) => low(state.holdings.balances[0]),
        PoolState::BalancerWeighted(state) => low(state.balances[0]),
        PoolState::BalancerStable(state) => low(state.holdings.balances[0]),
    }
}

const fn low(number: u128) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::BlockRef;
    use crate::message::{BlockEnd, Message};

    #[test]
    fn the_pool_of_a_message_is_known_before_it_is_read() {
        let of = |message: Message<'_>| Ahead::of(message.as_bytes()).map(|ahead| (ahead.pool().0, ahead.ticks));
        assert_eq!(of(Message::from(&V2Reserves::new(PoolId(7), 1, 2))), Some((7, None)));
        let swap = V3Swap::new(PoolId(8), ruint::aliases::U256::from(1), 2, 3);
        assert_eq!(of(Message::from(&swap)), Some((8, None)));
        let mint = V3Liquidity::new(PoolId(9), -60, 120, 5);
        assert_eq!(of(Message::from(&mint)), Some((9, Some([-60, 120]))));
        assert_eq!(of(Message::from(&BlockEnd::new(BlockRef::default(), 0))), None);
    }

    #[test]
    fn bytes_that_are_no_message_say_nothing_and_unknown_pools_are_passed_over() {
        let bytes = Message::from(&V3Liquidity::new(PoolId(u32::MAX), -60, 120, 5)).as_bytes().to_vec();
        for end in 0..bytes.len() {
            let ahead = Ahead::of(&bytes[..end]);
            assert_eq!(ahead, None, "{end} bytes");
        }
        Replica::new(1).look_ahead(Ahead::of(&bytes));
    }
}
