//! A pool of its own: description and state, outside any market.

use alphapulse_protocol::message::{BlockContext, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage};
use alphapulse_protocol::replica::{PoolInfo, PoolState, describe_pool};
use alphapulse_protocol::values::{PoolDetails, TokenList};
use alphapulse_protocol::{ChainId, Epoch, PoolId, ReplicaError, Sequence, TokenId, UnixNanos};
use thiserror::Error;

use crate::admission::Admission;
use crate::conformance::{pool_address, token_address};
use crate::market::{After, Market, PoolView};
use crate::pool::QuoteError;
use crate::snapshot::{Snapshot, SnapshotError, to_json};

/// Decimals of a token whose pool does not say.
const DECIMALS: u8 = 18;

/// A pool that owns its state, the pool that it stands on, and the time at which it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamplePool {
    /// Description. A base pool is named `PoolId(0)` in it, whatever its own id was.
    pub info: PoolInfo,
    /// State.
    pub state: PoolState,
    /// The pool whose share is the last token.
    pub base: Option<Box<(PoolInfo, PoolState)>>,
    /// Unix second of the block in which swaps run.
    pub at: u64,
}

/// Why a pool has no market around it. The pool may be one that no feed could carry.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NoMarket {
    /// The mirror refuses its description or state.
    #[error("the mirror refuses the pool")]
    Replica(#[from] ReplicaError),
    /// The file of it cannot be read again.
    #[error("the file of the pool cannot be read")]
    Snapshot(#[from] SnapshotError),
    /// The state is not one that a file can hold.
    #[error("a file cannot hold the pool")]
    NotWritten,
}

impl SamplePool {
    /// A copy of a pool in a market, with the pool under it.
    ///
    /// # Errors
    /// [`QuoteError::UnknownPool`]; [`QuoteError::UnknownState`] where the feed leaves a state out.
    pub fn of(market: &Market, pool: PoolId) -> Result<Self, QuoteError> {
        let replica = market.replica();
        let described = |id: PoolId| {
            let info = *replica.pools().get(id.index()).ok_or(QuoteError::UnknownPool)?;
            let state = replica.state(id).ok_or(QuoteError::UnknownState)?.clone();
            Ok::<_, QuoteError>((info, state))
        };
        let (mut info, state) = described(pool)?;
        let mut base = None;
        if let PoolDetails::MultiToken(details) = &mut info.details
            && let Some(under) = &mut details.base_pool
        {
            let (info, state) = described(*under)?;
            *under = PoolId(0);
            base = Some(Box::new((renumbered(info, 8), state)));
        }
        Ok(Self { info: renumbered(info, 0), state, base, at: market.timestamp() })
    }

    /// The pool as quotes see it.
    ///
    /// # Errors
    /// As [`PoolView::new`].
    pub fn view(&self) -> Result<PoolView<'_>, QuoteError> {
        PoolView::new((&self.info, &self.state), |_| self.base.as_deref().map(|(info, state)| (info, state)))
    }

    /// Number of tokens.
    #[must_use]
    pub fn token_count(&self) -> u8 {
        u8::try_from(self.info.tokens.len()).unwrap_or(u8::MAX)
    }

    /// Writes what a swap changed into the state, as the pool's own next message would; one of another kind changes
    /// nothing.
    pub fn put(&mut self, after: &After) {
        match (&mut self.state, after) {
            (PoolState::V2(state), After::Reserves(now)) => [state.reserve_0, state.reserve_1] = *now,
            (PoolState::Solidly(state), After::Reserves(now)) => [state.reserve_0, state.reserve_1] = *now,
            (PoolState::V3(curve), After::Slot { sqrt_price_x96, tick, liquidity }) => {
                (curve.sqrt_price_x96, curve.tick, curve.liquidity) = (*sqrt_price_x96, *tick, *liquidity);
            }
            (PoolState::V4(state), After::Slot { sqrt_price_x96, tick, liquidity }) => {
                let curve = &mut state.curve;
                (curve.sqrt_price_x96, curve.tick, curve.liquidity) = (*sqrt_price_x96, *tick, *liquidity);
            }
            (PoolState::CurveStable(state), After::StableSwap(now)) => {
                state.holdings.balances = now.balances;
                if let Some(cache) = now.price_cache {
                    state.holdings.base_virtual_price = cache.price;
                    state.holdings.base_cache_updated = cache.updated;
                }
            }
            (PoolState::CurveCrypto(state), After::CryptoSwap { holdings, ramp_end }) => {
                state.holdings = *holdings;
                state.terms.amplification.future_time = *ramp_end;
            }
            (PoolState::BalancerWeighted(state), After::Balances(now)) => state.balances = *now,
            (PoolState::BalancerStable(state), After::Balances(now)) => state.holdings.balances = *now,
            _ => {}
        }
    }

    /// A market of this pool alone, told by the messages of a feed; and the pool's id in it.
    ///
    /// # Errors
    /// [`NoMarket::Replica`].
    pub fn market(&self) -> Result<(Market, PoolId), NoMarket> {
        let mut market = Market::new(Admission::allow_all(), 1);
        let pools = self.base.as_deref().map(|(info, state)| (info, state)).into_iter();
        let pools: Vec<_> = pools.chain([(&self.info, &self.state)]).collect();
        let id = PoolId(if pools.len() == 2 { 1 } else { 0 });
        let mut bodies = self.tokens();
        for ((info, state), id) in pools.iter().zip((0..).map(PoolId)) {
            describe_pool(id, info, state, (Sequence(0), UnixNanos(0)), |message| {
                bodies.push(message.as_bytes().to_vec());
                Ok::<(), ReplicaError>(())
            })?;
        }
        let (tokens, count) = (16, u32::try_from(bodies.len()).unwrap_or(u32::MAX));
        let pools = if id.0 == 0 { 1 } else { 2 };
        apply(&mut market, &bytes(SnapshotBegin::new(self.context(), ChainId(1), Epoch(1), tokens, pools)))?;
        bodies.iter().try_for_each(|message| apply(&mut market, message))?;
        apply(&mut market, &bytes(SnapshotEnd::new(count)))?;
        Ok((market, id))
    }

    /// The market of [`SamplePool::market`], written to a file and read again; and the pool's id in it.
    ///
    /// # Errors
    /// Any [`NoMarket`].
    pub fn market_of_file(&self) -> Result<(Market, PoolId), NoMarket> {
        let (told, id) = self.market()?;
        let text = to_json(told.replica()).ok_or(NoMarket::NotWritten)?;
        let file = Snapshot::from_bytes(text.as_bytes())?;
        let mut market = Market::new(Admission::allow_all(), 1);
        file.describe(|message| market.apply(&message).map(drop))?;
        Ok((market, id))
    }

    fn context(&self) -> BlockContext {
        BlockContext {
            number: 1.into(),
            hash: [1; 32],
            parent_hash: [0; 32],
            timestamp: self.at.into(),
            base_fee: 1.into(),
            gas_used: 0.into(),
            gas_limit: 30_000_000.into(),
        }
    }

    /// Sixteen tokens: the pool's own and its base's.
    fn tokens(&self) -> Vec<Vec<u8>> {
        let mut decimals = [DECIMALS; 16];
        let under = self.base.as_deref().map(|(info, _)| info);
        for info in [Some(&self.info), under].into_iter().flatten() {
            if let PoolDetails::MultiToken(details) = &info.details {
                for (token, known) in info.tokens.iter().zip(details.decimals) {
                    decimals[token.index() % 16] = known;
                }
            }
        }
        let token = |(id, decimals)| bytes(Token::new(TokenId(id), token_address(id), "T", decimals));
        (0..).zip(decimals).map(token).collect()
    }
}

fn apply(market: &mut Market, message: &[u8]) -> Result<(), ReplicaError> {
    market.apply(&Message::decode(message).expect("written here")).map(drop)
}

fn bytes<T: WireMessage>(message: T) -> Vec<u8>
where
    for<'a> Message<'a>: From<&'a T>,
{
    Message::from(&message).as_bytes().to_vec()
}

/// The pool with tokens numbered from `first` on.
fn renumbered(mut info: PoolInfo, first: u32) -> PoolInfo {
    info.tokens = numbered(first, info.tokens.len());
    info.address = pool_address(first);
    if let PoolDetails::MultiToken(details) = &mut info.details {
        details.underlying = info.tokens;
    }
    info
}

/// `count` tokens from `first` on.
pub(super) fn numbered(first: u32, count: usize) -> TokenList {
    let ids: Vec<_> = (first..).map(TokenId).take(count).collect();
    TokenList::new(&ids).unwrap_or(TokenList::EMPTY)
}
