//! The market as strategies see it: the mirrored state, which pools may be traded, and the rates that search reads.

mod apply;
mod derived;
mod hot;
mod pool_view;
mod tables;

use core::ops::Range;

use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{PoolId, PoolSet, TokenId};
use ruint::aliases::U256;

use self::derived::{Derived, Standing, view_of};
pub use self::hot::HotLine;
use self::hot::{HotLines, NOTHING};
pub(crate) use self::pool_view::CURVE_ROUNDING;
pub use self::pool_view::{
    After, BalancerStablePool, CryptoSwapPool, PoolRanges, PoolView, StableSwapPool, Stepped, WeightedPool,
};
use self::tables::StepTables;
pub use self::tables::{STEP_TABLE_STEPS, STEP_TABLES_BUILT_MAX, STEP_TABLES_MAX};
use crate::admission::{Admission, Refusal};
use crate::pool::{Mobius, QuoteError, Way};
use crate::route::TokenGraph;

/// What a message meant for the market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarketEvent {
    /// Nothing.
    None,
    /// Everything known is void until [`MarketEvent::SnapshotReady`].
    Reset,
    /// A whole state stands, of tokens and pools that may all be new.
    SnapshotReady,
    /// A block began; quotes in it are of a state that never was on chain.
    BlockBegun,
    /// The state of a pool changed.
    PoolChanged(PoolId),
    /// A pool became known; it is traded from the end of the block.
    PoolAdded(PoolId),
    /// Whether a pool's state can be believed; admission and rates say so already.
    PoolStanding(PoolId),
    /// A block is whole; admission and rates are of its state.
    BlockEnded,
    /// Blocks were taken back. Any pool may have changed, and pools that were added with them are gone.
    Reorged,
}

/// Mirrored state plus what search needs to know of it.
///
/// Admission and rates are those of the last whole block; quotes are of the state as it stands, also inside a block.
/// Both are functions of that state: nothing depends on the way by which it was reached.
/// Latency: applying a message allocates only when a pool is added, at a snapshot, or in a reorg.
#[derive(Debug)]
pub struct Market {
    replica: Replica,
    reorg_depth_max: usize,
    admission: Admission,
    is_in_snapshot: bool,
    derived: Vec<Derived>,
    hot: HotLines,
    refused: Vec<(PoolId, Refusal)>,
    graph: TokenGraph,
    topology: u64,
    /// Pools changed since `derived` was made, each once.
    stale: Vec<PoolId>,
    /// The same, to be asked for one.
    is_stale: PoolSet,
    /// Those of them of which a tick changed.
    is_reticked: PoolSet,
    /// Pools whose lines were written last.
    written: Vec<PoolId>,
    /// Pools whose estimates may change without a message: of ramps, and rates that expire.
    moving: Vec<PoolId>,
    /// Room for the ones of the block before.
    moved: Vec<PoolId>,
    /// Pools on a base pool, behind it.
    metas: Vec<(PoolId, PoolId)>,
    tables: StepTables,
}

impl Market {
    /// An empty market that can take back `reorg_depth_max` blocks.
    #[must_use]
    pub fn new(admission: Admission, reorg_depth_max: usize) -> Self {
        Self {
            replica: Replica::new(reorg_depth_max),
            reorg_depth_max,
            admission,
            is_in_snapshot: false,
            derived: Vec::new(),
            hot: HotLines::default(),
            refused: Vec::new(),
            graph: TokenGraph::default(),
            topology: 0,
            stale: Vec::new(),
            is_stale: PoolSet::default(),
            is_reticked: PoolSet::default(),
            written: Vec::new(),
            moving: Vec::new(),
            moved: Vec::new(),
            metas: Vec::new(),
            tables: StepTables::new(STEP_TABLES_MAX),
        }
    }

    /// The state itself.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Whether the pool may be traded and has something to trade.
    #[must_use]
    pub fn is_admitted(&self, pool: PoolId) -> bool {
        self.derived.get(pool.index()).is_some_and(|derived| derived.standing == Standing::Admitted)
    }

    /// Pools that are not traded although known, by id, with the reason. Pools without a price are not listed.
    #[must_use]
    pub fn refused(&self) -> &[(PoolId, Refusal)] {
        &self.refused
    }

    /// Tokens and the pools between them, as far as the allowlists go; whatever the pools' state.
    #[must_use]
    pub const fn graph(&self) -> &TokenGraph {
        &self.graph
    }

    /// Rises whenever [`Market::graph`] changes: what was built from it is then void.
    #[must_use]
    pub const fn topology(&self) -> u64 {
        self.topology
    }

    /// Output of the pool for input as search estimates it, up to its first price boundary. `g` is 0 when not admitted.
    #[inline]
    #[must_use]
    pub fn rate(&self, pool: PoolId, way: Way) -> Mobius {
        self.hot.line(pool, way).map_or(NOTHING, HotLine::rate)
    }

    /// The line of one way through a pool; none where the pool has no such way.
    #[inline]
    #[must_use]
    pub fn line(&self, pool: PoolId, way: Way) -> Option<&HotLine> {
        self.hot.line(pool, way)
    }

    /// What search reads of a pool: a line for each way through it, by the token that goes in and then by the one that comes
    /// out. Written when a block is whole; none for an unknown pool.
    #[must_use]
    pub fn lines(&self, pool: PoolId) -> &[HotLine] {
        self.hot.of_pool(pool)
    }

    /// Whether the pool changed in the block that is under way, or in one that could not be finished: its lines are then of
    /// the state before.
    #[inline]
    #[must_use]
    pub fn is_stale(&self, pool: PoolId) -> bool {
        self.is_stale.contains(pool)
    }

    /// Where the lines of a pool lie in [`Market::all_lines`].
    #[inline]
    #[must_use]
    pub fn line_places(&self, pool: PoolId) -> Range<usize> {
        self.hot.places(pool)
    }

    /// Where the line of one way through a pool lies in [`Market::all_lines`].
    #[inline]
    #[must_use]
    pub fn line_place(&self, pool: PoolId, way: Way) -> Option<usize> {
        self.hot.place(pool, way)
    }

    /// The lines of every pool, by pool.
    #[must_use]
    pub fn all_lines(&self) -> &[HotLine] {
        self.hot.all()
    }

    /// Pools whose lines were written last, each once: at the end of the last block, or when the standing of one changed after it. Besides
    /// those that messages were about, those that change with time, and those that stand on another.
    #[must_use]
    pub fn written(&self) -> &[PoolId] {
        &self.written
    }

    /// Whether a trade in one of the pools leaves the other as it is: they are two, and neither stands on the other.
    #[must_use]
    pub fn are_apart(&self, a: PoolId, b: PoolId) -> bool {
        a != b && !self.metas.iter().any(|pair| *pair == (a, b) || *pair == (b, a))
    }

    /// Pools that stand on another one: `(base, meta)`.
    pub(crate) fn metas(&self) -> &[(PoolId, PoolId)] {
        &self.metas
    }

    /// The pool with its state, for quotes; admitted or not.
    ///
    /// # Errors
    /// [`QuoteError::UnknownPool`]; [`QuoteError::UnknownState`] for a state that is not known because the feed leaves it
    /// out, [`QuoteError::Quarantined`] for one that cannot be believed; else as [`PoolView::new`].
    pub fn pool(&self, pool: PoolId) -> Result<PoolView<'_>, QuoteError> {
        Ok(view_of(&self.replica, &self.derived, pool)?.with_steps(&self.tables, pool))
    }

    /// Unix second of the block whose state this is, or is becoming: the time at which quotes are asked. 0 before the
    /// first.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.replica.context().map_or(0, |context| context.timestamp.get())
    }

    /// Output for exactly `amount_in`, as the pool itself would answer in a block of [`Market::timestamp`]; raw units,
    /// rounded as the pool rounds. Does not ask for admission. An input larger than a pool of Uniswap V3 can use gives what
    /// the pool has, as `QuoterV2`.
    ///
    /// # Errors
    /// [`QuoteError`], with [`QuoteError::UnknownPool`] and [`QuoteError::TokenNotInPool`] for a wrong question.
    pub fn quote_exact_in(
        &self,
        pool: PoolId,
        (token_in, token_out): (TokenId, TokenId),
        amount_in: U256,
    ) -> Result<U256, QuoteError> {
        self.pool(pool)?.quote_exact_in(self.way(pool, token_in, token_out)?, amount_in, self.timestamp())
    }

    /// Input for exactly `amount_out`, as [`Market::quote_exact_in`].
    ///
    /// # Errors
    /// As [`Market::quote_exact_in`]; [`QuoteError::ExactOutputNotOffered`] where the contract has no such view.
    pub fn quote_exact_out(
        &self,
        pool: PoolId,
        (token_in, token_out): (TokenId, TokenId),
        amount_out: U256,
    ) -> Result<U256, QuoteError> {
        self.pool(pool)?.quote_exact_out(self.way(pool, token_in, token_out)?, amount_out, self.timestamp())
    }

    /// The way through a pool from one of its tokens to another.
    ///
    /// # Errors
    /// [`QuoteError::UnknownPool`]; [`QuoteError::TokenNotInPool`], also for the same token twice.
    pub fn way(&self, pool: PoolId, token_in: TokenId, token_out: TokenId) -> Result<Way, QuoteError> {
        let tokens = &self.replica.pools().get(pool.index()).ok_or(QuoteError::UnknownPool)?.tokens;
        let place = |token| {
            let found = tokens.iter().position(|known| *known == token).and_then(|place| u8::try_from(place).ok());
            found.ok_or(QuoteError::TokenNotInPool)
        };
        let way = Way { token_in: place(token_in)?, token_out: place(token_out)? };
        if way.token_in == way.token_out { Err(QuoteError::TokenNotInPool) } else { Ok(way) }
    }
}
