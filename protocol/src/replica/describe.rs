//! A replica as the messages that would build it anew.

use core::convert::Infallible;

use super::{PoolInfo, PoolState, Replica, V3State};
use crate::id::{PoolId, TokenId};
use crate::message::{
    BalancerStableBalances, BalancerStableParameters, BalancerWeightedBalances, BalancerWeightedParameters,
    CurveCryptoBalances, CurveCryptoParameters, CurveStableBalances, CurveStableParameters, Message, MultiTokenPool,
    Pool, PoolKind, PoolRates, RatesUse, Skip, SnapshotBegin, SnapshotEnd, SolidlyReserves, Token, V2Reserves, V3Swap,
    V3Tick, V4Pool, V4Swap, WireMessage,
};
use crate::units::{Sequence, UnixNanos};
use crate::values::PoolDetails;

/// Places messages in a stream and counts them.
struct Describer<F> {
    sequence: Sequence,
    event_ns: UnixNanos,
    count: u32,
    emit: F,
}

/// Describes a pool and its state, in the messages and the order in which a snapshot does; each stands at `sequence`.
///
/// # Errors
/// Whatever `emit` returns; nothing is emitted after that.
pub fn describe_pool<E>(
    id: PoolId,
    info: &PoolInfo,
    state: &PoolState,
    (sequence, event_ns): (Sequence, UnixNanos),
    emit: impl FnMut(Message<'_>) -> Result<(), E>,
) -> Result<(), E> {
    Describer { sequence, event_ns, count: 0, emit }.put_pool(id, info, state)
}

impl<E, F: FnMut(Message<'_>) -> Result<(), E>> Describer<F> {
    fn put<T: WireMessage>(&mut self, message: T) -> Result<(), E>
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.count += 1;
        (self.emit)(Message::from(&message.stamped(self.sequence, self.event_ns)))
    }

    fn put_pool(&mut self, id: PoolId, info: &PoolInfo, state: &PoolState) -> Result<(), E> {
        self.put_description(id, info)?;
        match state {
            PoolState::Unknown(_) => self.put(Skip::new(1)),
            PoolState::V2(v2) => self.put(V2Reserves::new(id, v2.reserve_0, v2.reserve_1)),
            PoolState::V3(v3) => {
                self.put(V3Swap::new(id, v3.sqrt_price_x96, v3.tick, v3.liquidity))?;
                self.put_ticks(id, v3)
            }
            PoolState::V4(v4) => {
                let curve = &v4.curve;
                self.put(V4Swap::new(id, curve.sqrt_price_x96, curve.tick, curve.liquidity, v4.fees))?;
                self.put_ticks(id, curve)
            }
            PoolState::Solidly(solidly) => {
                self.put(SolidlyReserves::new(id, solidly.fee, solidly.reserve_0, solidly.reserve_1))
            }
            PoolState::CurveStable(stable) => {
                self.put(CurveStableParameters::new(id, &stable.terms))?;
                self.put(PoolRates::new(id, RatesUse::Swap, &stable.rates))?;
                self.put(CurveStableBalances::new(id, &stable.holdings))
            }
            PoolState::CurveCrypto(crypto) => {
                self.put(CurveCryptoParameters::new(id, &crypto.terms))?;
                self.put(CurveCryptoBalances::new(id, &crypto.holdings))
            }
            PoolState::BalancerWeighted(weighted) => {
                self.put(BalancerWeightedParameters::new(id, &weighted.terms))?;
                self.put(BalancerWeightedBalances::new(id, &weighted.balances))
            }
            PoolState::BalancerStable(stable) => {
                self.put(BalancerStableParameters::new(id, &stable.terms))?;
                self.put(PoolRates::new(id, RatesUse::Swap, &stable.rates))?;
                self.put(PoolRates::new(id, RatesUse::LastJoinExit, &stable.last_join_exit_rates))?;
                self.put(BalancerStableBalances::new(id, &stable.holdings))
            }
        }
    }

    fn put_description(&mut self, id: PoolId, info: &PoolInfo) -> Result<(), E> {
        match &info.details {
            PoolDetails::MultiToken(details) => {
                self.put(MultiTokenPool::new(id, info.kind, info.venue, info.address, &info.tokens, details))
            }
            PoolDetails::V4(details) => {
                let tokens = info.tokens.pair().unwrap_or_default();
                let ticks = (info.tick_spacing, info.known_ticks);
                self.put(V4Pool::new(id, info.venue, info.address, tokens, details, ticks.0, ticks.1))
            }
            PoolDetails::None => {
                let tokens = info.tokens.pair().unwrap_or_default();
                let pool = Pool::uniswap_v2(id, info.venue, info.address, tokens, info.fee);
                let has_ticks = info.kind == PoolKind::UniswapV3;
                self.put(if has_ticks { pool.with_ticks(info.tick_spacing, info.known_ticks) } else { pool })
            }
        }
    }

    fn put_ticks(&mut self, id: PoolId, curve: &V3State) -> Result<(), E> {
        let mut ticks = curve.ticks.iter();
        ticks.try_for_each(|tick| self.put(V3Tick::new(id, tick.tick, tick.liquidity_net, tick.liquidity_gross)))
    }
}

impl Replica {
    /// Describes the whole state as snapshot messages, in an order that [`Replica::apply`] takes.
    /// Emits nothing and returns `false` while the state is not that of a whole block.
    pub fn describe(&self, event_ns: UnixNanos, mut emit: impl FnMut(Message<'_>)) -> bool {
        let described = self.try_describe(event_ns, |message| -> Result<(), Infallible> {
            emit(message);
            Ok(())
        });
        matches!(described, Ok(true))
    }

    fn try_describe<E>(&self, event_ns: UnixNanos, emit: impl FnMut(Message<'_>) -> Result<(), E>) -> Result<bool, E> {
        let Some(context) = self.context().filter(|_| self.is_whole()) else { return Ok(false) };
        let (Ok(tokens), Ok(pools)) = (u32::try_from(self.tokens().len()), u32::try_from(self.pools().len())) else {
            return Ok(false);
        };
        let mut out = Describer { sequence: self.sequence(), event_ns, count: 0, emit };
        let begin = SnapshotBegin::new(*context, self.chain_id(), self.epoch(), tokens, pools);
        out.put(begin.seen_from(self.head_number))?;
        for (token, id) in self.tokens().iter().zip(0..) {
            out.put(Token::new(TokenId(id), token.address, &token.symbol, token.decimals))?;
        }
        for ((info, state), id) in self.pools().iter().zip(self.known_states()).zip(0..) {
            // What has come in part is no state either.
            out.put_pool(PoolId(id), info, state.unwrap_or(&PoolState::Unknown(info.kind)))?;
            if let Ok(at) = self.quarantine_place(PoolId(id)) {
                out.put(self.quarantined[at].message())?;
            }
        }
        let inside = out.count - 1;
        out.put(SnapshotEnd::new(inside))?;
        Ok(true)
    }

    /// Whether both mirrors hold the same block, tokens, pools and states, bit for bit, know of the same pools, and
    /// believe the same.
    /// Stream position and undo history are not compared: a fresh snapshot has neither.
    #[must_use]
    pub fn is_same_state(&self, other: &Self) -> bool {
        self.is_whole()
            && other.is_whole()
            && self.context() == other.context()
            && self.tokens() == other.tokens()
            && self.pools() == other.pools()
            && self.known_states().eq(other.known_states())
            && self.quarantined() == other.quarantined()
    }

    /// The state of each pool, as far as it is known.
    fn known_states(&self) -> impl Iterator<Item = Option<&PoolState>> {
        self.states().iter().zip(&self.lacks).map(|(state, lack)| lack.is_nothing().then_some(state))
    }
}
