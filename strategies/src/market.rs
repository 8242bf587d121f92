//! The market as strategies see it: the mirrored state, which pools may be traded, and the rates that search reads.

mod hot;
mod pool_view;

use alphapulse_protocol::ReplicaError;
use alphapulse_protocol::message::{Message, PoolKind};
use alphapulse_protocol::replica::{Change, Replica};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

pub use self::hot::HotLine;
use self::hot::{HotLines, NOTHING};
pub use self::pool_view::{
    After, BalancerStablePool, CryptoSwapPool, PoolRanges, PoolView, StableSwapPool, WeightedPool,
};
use crate::admission::{Admission, Refusal};
use crate::pool::stable_swap::Solved;
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

/// Whether a pool is traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Admitted,
    /// Allowed, but without price or reserves.
    Empty,
    Refused(Refusal),
}

/// What is derived from a pool's description and state, and from nothing else.
#[derive(Debug, Clone)]
struct Derived {
    standing: Standing,
    /// The invariant of a StableSwap pool in the last whole block. A quote from another state solves it anew.
    solved: Option<Box<Solved>>,
}

impl Derived {
    const EMPTY: Self = Self { standing: Standing::Empty, solved: None };
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
    is_stale: Vec<bool>,
    /// Pools whose estimates may change without a message of their own: of ramps, expiring rates, and base pools.
    moving: Vec<PoolId>,
    /// Room for the ones of the block before.
    moved: Vec<PoolId>,
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
            is_stale: Vec::new(),
            moving: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Applies one message of the feed; other messages change nothing.
    ///
    /// # Errors
    /// [`ReplicaError`] when the message does not continue the state. The market is then empty, hence not tradable,
    /// until a snapshot begins, and refuses every market message before it.
    pub fn apply(&mut self, message: &Message<'_>) -> Result<MarketEvent, ReplicaError> {
        match self.replica.apply(message) {
            Ok(change) => Ok(self.follow(change)),
            Err(error) => {
                self.replica = Replica::new(self.reorg_depth_max);
                self.forget();
                Err(error)
            }
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
    pub fn rate(&self, pool: PoolId, zero_for_one: bool) -> Mobius {
        self.hot.line(pool, Way::of_pair(zero_for_one)).map_or(NOTHING, HotLine::rate)
    }

    /// What search reads of a pool: a line for each way through it, by the token that goes in and then by the one that comes
    /// out. Written when a block is whole; none for an unknown pool.
    #[must_use]
    pub fn lines(&self, pool: PoolId) -> &[HotLine] {
        self.hot.of_pool(pool)
    }

    /// The lines of every pool, by pool.
    #[must_use]
    pub fn all_lines(&self) -> &[HotLine] {
        self.hot.all()
    }

    /// The pool with its state, for quotes; admitted or not.
    ///
    /// # Errors
    /// [`QuoteError::UnknownPool`]; [`QuoteError::UnknownState`] for a state that is not known because the feed leaves it
    /// out, [`QuoteError::Quarantined`] for one that cannot be believed; else as [`PoolView::new`].
    pub fn pool(&self, pool: PoolId) -> Result<PoolView<'_>, QuoteError> {
        view_of(&self.replica, &self.derived, pool)
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

    fn follow(&mut self, change: Change) -> MarketEvent {
        match change {
            Change::Voided => {
                self.replica = Replica::new(self.reorg_depth_max);
                self.forget();
                MarketEvent::Reset
            }
            Change::SnapshotBegun => {
                self.forget();
                self.is_in_snapshot = true;
                MarketEvent::Reset
            }
            Change::SnapshotReady => {
                self.is_in_snapshot = false;
                self.derive_all();
                MarketEvent::SnapshotReady
            }
            Change::Reorged(_) => {
                self.derive_all();
                MarketEvent::Reorged
            }
            // Inside a snapshot nothing stands yet.
            Change::None | Change::Pool(_) | Change::PoolAdded(_) | Change::Standing(_) if self.is_in_snapshot => {
                MarketEvent::None
            }
            Change::None => MarketEvent::None,
            Change::BlockBegun => MarketEvent::BlockBegun,
            Change::Pool(pool) => {
                self.mark_stale(pool);
                MarketEvent::PoolChanged(pool)
            }
            Change::PoolAdded(pool) => {
                self.add(pool);
                MarketEvent::PoolAdded(pool)
            }
            Change::Standing(pool) => {
                self.stand_anew(pool);
                MarketEvent::PoolStanding(pool)
            }
            Change::BlockEnded => {
                self.derive_stale();
                MarketEvent::BlockEnded
            }
        }
    }

    /// Between blocks it counts at once: nobody may trade on a pool that is in quarantine from here on. In a block the pool was in
    /// quarantine before, or is what the block's end finds.
    #[cold]
    fn stand_anew(&mut self, pool: PoolId) {
        self.mark_stale(pool);
        if self.replica.is_whole() {
            self.derive_stale();
        } else {
            self.hot.refuse(pool);
        }
    }

    #[cold]
    fn forget(&mut self) {
        self.is_in_snapshot = false;
        self.derived.clear();
        self.hot.clear();
        self.moving.clear();
        self.refused.clear();
        self.stale.clear();
        self.is_stale.clear();
        self.graph.clear();
        self.topology += 1;
    }

    /// Makes everything anew from the state: after a snapshot, and after a reorg, which may have taken pools away.
    #[cold]
    fn derive_all(&mut self) {
        self.forget();
        for index in 0..self.replica.pools().len() {
            if let Ok(id) = u32::try_from(index) {
                self.add(PoolId(id));
            }
        }
        self.derive_stale();
    }

    fn add(&mut self, pool: PoolId) {
        debug_assert_eq!(pool.index(), self.derived.len(), "pools are described in order of id");
        self.derived.push(Derived::EMPTY);
        if let Some(info) = self.replica.pools().get(pool.index()) {
            self.hot.add(info.kind, &info.tokens);
        }
        self.is_stale.push(false);
        self.mark_stale(pool);
        if self.check_lists(pool).is_ok()
            && let Some(tokens) = self.replica.pools().get(pool.index()).and_then(|info| info.tokens.pair())
        {
            self.graph.add(pool, tokens);
            self.topology += 1;
        }
    }

    fn mark_stale(&mut self, pool: PoolId) {
        if let Some(is_stale) = self.is_stale.get_mut(pool.index())
            && !*is_stale
        {
            *is_stale = true;
            self.stale.push(pool);
            self.hot.mark_stale(pool);
        }
    }

    /// Makes anew what is derived of every pool that changed, and of those that change by themselves.
    fn derive_stale(&mut self) {
        core::mem::swap(&mut self.moving, &mut self.moved);
        while let Some(pool) = self.moved.pop() {
            self.mark_stale(pool);
        }
        while let Some(pool) = self.stale.pop() {
            let (standing, is_estimated) = self.stand(pool);
            self.note_refusal(pool, standing);
            self.derived[pool.index()].standing = standing;
            self.solve(pool);
            self.estimate(pool, standing == Standing::Admitted, is_estimated);
            self.is_stale[pool.index()] = false;
        }
    }

    /// Whether the pool is traded, and whether it is sound and listed, so that its rates mean something.
    fn stand(&self, pool: PoolId) -> (Standing, bool) {
        let admitted = match self.check_lists(pool) {
            Ok(()) => Standing::Admitted,
            Err(refusal @ Refusal::KindNotTraded { .. }) => Standing::Refused(refusal),
            Err(refusal) => return (Standing::Refused(refusal), false),
        };
        if self.replica.is_quarantined(pool) {
            return (Standing::Refused(Refusal::Quarantined), false);
        }
        let is_traded = admitted == Standing::Admitted;
        let Some(view) = self.pool(pool).ok().filter(PoolView::has_price) else {
            return (if is_traded { Standing::Empty } else { admitted }, false);
        };
        match view.check_consistency() {
            Err(flaw) if is_traded => (Standing::Refused(Refusal::Inconsistent(flaw)), false),
            Err(_) => (admitted, false),
            Ok(()) => (admitted, true),
        }
    }

    /// Writes the pool's lines, and remembers it when they will not stand for long.
    fn estimate(&mut self, pool: PoolId, is_admitted: bool, is_estimated: bool) {
        let at = self.timestamp();
        let view = view_of(&self.replica, &self.derived, pool).ok().filter(|_| is_estimated);
        self.hot.write(pool, is_admitted, |way| view.and_then(|view| view.rate(way, at)));
        let stands_on_another = self.replica.pools().get(pool.index()).is_some_and(
            |info| matches!(&info.details, PoolDetails::MultiToken(details) if details.base_pool.is_some()),
        );
        if stands_on_another || view.is_some_and(|view| view.is_moving(at)) {
            self.moving.push(pool);
        }
    }

    /// Solves a StableSwap pool's invariant once for all quotes from this state.
    fn solve(&mut self, pool: PoolId) {
        let Ok(PoolView::StableSwap(view)) = self.pool(pool) else { return };
        let solved = view.with_view(|view| view.solve(self.timestamp())).ok();
        let kept = &mut self.derived[pool.index()].solved;
        match (kept, solved) {
            (Some(kept), Some(solved)) => **kept = solved,
            (kept, solved) => *kept = solved.map(Box::new),
        }
    }

    fn check_lists(&self, pool: PoolId) -> Result<(), Refusal> {
        let Some(info) = self.replica.pools().get(pool.index()) else { return Err(Refusal::PoolNotListed) };
        let token = |id: TokenId| &self.replica.tokens()[id.index()].address;
        self.admission.check(&info.address, info.tokens.iter().map(|id| token(*id)))?;
        match info.kind {
            PoolKind::UniswapV2 | PoolKind::UniswapV3 => Ok(()),
            kind => Err(Refusal::KindNotTraded { kind }),
        }
    }

    /// Keeps `refused` sorted by id and true to the standings.
    fn note_refusal(&mut self, pool: PoolId, standing: Standing) {
        let position = self.refused.binary_search_by_key(&pool, |(refused, _)| *refused);
        match (position, standing) {
            (Ok(at), Standing::Refused(refusal)) => self.refused[at].1 = refusal,
            (Ok(at), _) => drop(self.refused.remove(at)),
            (Err(at), Standing::Refused(refusal)) => self.refused.insert(at, (pool, refusal)),
            (Err(_), _) => {}
        }
    }
}

/// A pool of a mirror with its state, and with what is kept for its quotes.
fn view_of<'a>(replica: &'a Replica, derived: &'a [Derived], pool: PoolId) -> Result<PoolView<'a>, QuoteError> {
    let described = |id: PoolId| replica.pools().get(id.index()).zip(replica.state(id));
    let known = replica.pools().get(pool.index()).ok_or(QuoteError::UnknownPool)?;
    if replica.is_quarantined(pool) {
        return Err(QuoteError::Quarantined);
    }
    let state = replica.state(pool).ok_or(QuoteError::UnknownState)?;
    let view = PoolView::new((known, state), described)?;
    Ok(view.with_solved(derived.get(pool.index()).and_then(|derived| derived.solved.as_deref())))
}
