//! A replica as the messages that would build it anew.

use super::{PoolInfo, PoolState, Replica};
use crate::id::{PoolId, TokenId};
use crate::message::{
    Message, Pool, PoolKind, SnapshotBegin, SnapshotEnd, Token, V2Reserves, V3Swap, V3Tick, WireMessage,
};
use crate::units::{Sequence, UnixNanos};

/// Places messages in a snapshot and counts them.
struct Describer<F> {
    sequence: Sequence,
    event_ns: UnixNanos,
    count: u32,
    emit: F,
}

impl<F: FnMut(Message<'_>)> Describer<F> {
    fn put<T: WireMessage>(&mut self, message: T)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.count += 1;
        (self.emit)(Message::from(&message.stamped(self.sequence, self.event_ns)));
    }

    fn put_pool(&mut self, id: PoolId, info: &PoolInfo, state: &PoolState) {
        let pool = Pool::uniswap_v2(id, info.venue, info.address, info.tokens, info.fee);
        self.put(match info.kind {
            PoolKind::UniswapV2 => pool,
            PoolKind::UniswapV3 => pool.with_ticks(info.tick_spacing, info.known_ticks),
        });
        match state {
            PoolState::V2(v2) => self.put(V2Reserves::new(id, v2.reserve_0, v2.reserve_1)),
            PoolState::V3(v3) => {
                self.put(V3Swap::new(id, v3.sqrt_price_x96, v3.tick, v3.liquidity));
                for tick in &v3.ticks {
                    self.put(V3Tick::new(id, tick.tick, tick.liquidity_net, tick.liquidity_gross));
                }
            }
        }
    }
}

impl Replica {
    /// Describes the whole state as snapshot messages, in an order that [`Replica::apply`] takes.
    /// Emits nothing and returns `false` while the state is not that of a whole block.
    pub fn describe(&self, event_ns: UnixNanos, emit: impl FnMut(Message<'_>)) -> bool {
        let Some(context) = self.context().filter(|_| self.is_whole()) else { return false };
        let (Ok(tokens), Ok(pools)) = (u32::try_from(self.tokens().len()), u32::try_from(self.pools().len())) else {
            return false;
        };
        let mut out = Describer { sequence: self.sequence(), event_ns, count: 0, emit };
        let begin = SnapshotBegin::new(*context, self.chain_id(), self.epoch(), tokens, pools);
        out.put(begin.seen_from(self.head_number));
        for (token, id) in self.tokens().iter().zip(0..) {
            out.put(Token::new(TokenId(id), token.address, &token.symbol, token.decimals));
        }
        for ((info, state), id) in self.pools().iter().zip(self.states()).zip(0..) {
            out.put_pool(PoolId(id), info, state);
        }
        let inside = out.count - 1;
        out.put(SnapshotEnd::new(inside));
        true
    }

    /// Whether both mirrors hold the same block, tokens, pools and states, bit for bit.
    /// Stream position and undo history are not compared: a fresh snapshot has neither.
    #[must_use]
    pub fn is_same_state(&self, other: &Self) -> bool {
        self.is_whole()
            && other.is_whole()
            && self.context() == other.context()
            && self.tokens() == other.tokens()
            && self.pools() == other.pools()
            && self.states() == other.states()
    }
}
