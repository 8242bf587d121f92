//! The state that a stream of messages describes: applied message by message, taken back block by block, and described
//! again as a snapshot. The relay answers joins from it; consumers trade on it; both share this one meaning of the wire.

mod add;
mod ahead;
mod change;
mod describe;
mod info;
mod lack;
mod part;
mod pool;
mod standing;
mod tick_places;
mod undo;

use std::collections::VecDeque;

use crate::error::ReplicaError;
use crate::id::{AddressBytes, BlockRef, ChainId, PoolId, TokenId};
use crate::message::{BlockContext, Gap, GapRecovery, Message, SnapshotBegin, SnapshotEnd};
use crate::pool_set::PoolSet;
use crate::units::{BlockNumber, Epoch, Position, Sequence};

pub use self::ahead::AHEAD_MAX;
pub use self::describe::describe_pool;
pub use self::info::{PoolInfo, TokenInfo};
use self::lack::Lack;
use self::part::Part;
pub use self::pool::{
    BalancerStableState, BalancerWeightedState, CurveCryptoState, CurveStableState, PoolState, SolidlyState,
    TickLiquidity, V2State, V3State, V4State,
};
pub use self::standing::Quarantine;
use self::tick_places::TickPlaces;
use self::undo::BlockUndo;

/// Blocks that can be taken back by default: two epochs of Ethereum.
pub const REORG_DEPTH_MAX: usize = 64;

/// What a message changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing that a reader of state sees.
    None,
    /// A snapshot began: all state is void until it ends.
    SnapshotBegun,
    /// The snapshot is whole.
    SnapshotReady,
    /// A block began.
    BlockBegun,
    /// The state of a pool.
    Pool(PoolId),
    /// A pool became known.
    PoolAdded(PoolId),
    /// Whether a pool's state can be believed.
    Standing(PoolId),
    /// The block is whole.
    BlockEnded,
    /// Blocks were taken back to this one.
    Reorged(BlockRef),
    /// Messages are missing that nobody will send: all state is void until the next snapshot.
    Voided,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No snapshot yet, or an error voided what was there.
    Empty,
    /// Inside a snapshot: messages seen, tokens and pools announced, and what the newest pool still lacks.
    Snapshot { messages: u32, tokens: u32, pools: u32, due: &'static [Part] },
    /// Between blocks.
    Ready,
    /// Inside a block: changes seen.
    InBlock { updates: u32 },
}

/// Mirror of tokens, pools and their state.
#[derive(Debug, Clone)]
pub struct Replica {
    chain_id: ChainId,
    epoch: Epoch,
    sequence: Sequence,
    context: Option<BlockContext>,
    head_number: BlockNumber,
    tokens: Vec<TokenInfo>,
    pools: Vec<PoolInfo>,
    states: Vec<PoolState>,
    /// By pool id, what of its state has not come.
    lacks: Vec<Lack>,
    /// How many of them are to be filled yet: mostly none, and then no change has to look.
    unfilled: usize,
    /// By pool id, as their states are.
    tick_places: Vec<TickPlaces>,
    /// Sorted by pool id.
    quarantined: Vec<Quarantine>,
    phase: Phase,
    undo: VecDeque<BlockUndo>,
    /// Pools that the block under way has kept for undoing.
    kept: PoolSet,
    /// How many these were at the last look ahead of its messages; none before the second.
    kept_at_look: Option<usize>,
    reorg_depth_max: usize,
    /// Last message of a gap that is being replayed; the state is old until it is applied.
    replay_until: Sequence,
    /// Whether the relay said that the chain cannot be trusted, and has not taken it back.
    is_cautioned: bool,
}

impl Default for Replica {
    fn default() -> Self {
        Self::new(REORG_DEPTH_MAX)
    }
}

impl Replica {
    /// An empty mirror that can take back `reorg_depth_max` blocks.
    #[must_use]
    pub fn new(reorg_depth_max: usize) -> Self {
        Self {
            chain_id: ChainId(0),
            epoch: Epoch(0),
            sequence: Sequence(0),
            context: None,
            head_number: BlockNumber(0),
            tokens: Vec::new(),
            pools: Vec::new(),
            states: Vec::new(),
            lacks: Vec::new(),
            unfilled: 0,
            tick_places: Vec::new(),
            quarantined: Vec::new(),
            phase: Phase::Empty,
            undo: VecDeque::new(),
            kept: PoolSet::default(),
            kept_at_look: None,
            reorg_depth_max,
            replay_until: Sequence(0),
            is_cautioned: false,
        }
    }

    /// Chain of the last snapshot.
    #[must_use]
    pub const fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Stream identity of the last snapshot.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Sequence of the last message applied.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Block whose state this is (or is becoming, inside a block).
    #[must_use]
    pub const fn context(&self) -> Option<&BlockContext> {
        self.context.as_ref()
    }

    /// Whether the state is whole and of the newest block known to the relay, which trusts its nodes. After a reorg it is
    /// not until a block came, even when the chain ends at the ancestor.
    #[must_use]
    pub fn is_tradable(&self) -> bool {
        self.is_whole()
            && !self.is_cautioned
            && self.sequence >= self.replay_until
            && self.context.is_some_and(|context| context.number.get() >= self.head_number.0)
    }

    /// Where a stream that is to continue this mirror must go on, also from inside a block; `None` without a state.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let has_state = matches!(self.phase, Phase::Ready | Phase::InBlock { .. });
        has_state.then_some(Position { epoch: self.epoch, sequence: self.sequence })
    }

    /// Whether the state is that of a whole block.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Tokens by id.
    #[must_use]
    pub fn tokens(&self) -> &[TokenInfo] {
        &self.tokens
    }

    /// Pools by id.
    #[must_use]
    pub fn pools(&self) -> &[PoolInfo] {
        &self.pools
    }

    /// Whether the whole state of a pool came: not when the reader's selection leaves it out, nor before all of its messages
    /// came.
    #[must_use]
    pub fn is_known(&self, pool: PoolId) -> bool {
        self.lacks.get(pool.index()).is_some_and(|lack| lack.is_nothing())
    }

    /// State of a pool, if it is known and can be believed.
    #[must_use]
    pub fn state(&self, pool: PoolId) -> Option<&PoolState> {
        self.told_state(pool).filter(|_| !self.is_quarantined(pool))
    }

    /// State of a pool as it was told, if it is known; also of one in quarantine, on which nobody may trade.
    #[must_use]
    pub fn told_state(&self, pool: PoolId) -> Option<&PoolState> {
        self.states.get(pool.index()).filter(|_| self.is_known(pool))
    }

    /// States by pool id, as far as they came; [`Replica::state`] gives those that may be used.
    #[must_use]
    pub fn states(&self) -> &[PoolState] {
        &self.states
    }

    /// Oldest schema version that can hold these pools: a peer that speaks an older one cannot be served them.
    #[must_use]
    pub fn since_version(&self) -> u16 {
        self.pools.iter().map(|pool| pool.kind.since_version()).max().unwrap_or(1)
    }

    /// Token id of a contract.
    #[must_use]
    pub fn token_by_address(&self, address: &AddressBytes) -> Option<TokenId> {
        let index = self.tokens.iter().position(|token| token.address == *address)?;
        u32::try_from(index).ok().map(TokenId)
    }

    /// Pool id of a contract; the first of those that share one (Uniswap V4's manager).
    #[must_use]
    pub fn pool_by_address(&self, address: &AddressBytes) -> Option<PoolId> {
        let index = self.pools.iter().position(|pool| pool.address == *address)?;
        u32::try_from(index).ok().map(PoolId)
    }

    /// Applies one message; what is not about the market changes nothing.
    ///
    /// After an error the mirror is void: it is neither whole nor tradable, describes nothing, and refuses every market
    /// message until the next [`SnapshotBegin`].
    ///
    /// # Errors
    /// [`ReplicaError`] for a sequence gap, a message out of place, an unknown id, or a change that does not fit the state.
    pub fn apply(&mut self, message: &Message<'_>) -> Result<Change, ReplicaError> {
        if let Some(change) = self.apply_common(message) {
            return change;
        }
        let change = self.try_apply(message);
        if change.is_err() {
            self.phase = Phase::Empty;
        }
        change
    }

    /// Applies one message; an error may leave it half applied.
    fn try_apply(&mut self, message: &Message<'_>) -> Result<Change, ReplicaError> {
        self.check_sequence(message)?;
        match message {
            Message::SnapshotBegin(begin) => Ok(self.begin_snapshot(begin)),
            Message::SnapshotEnd(end) => self.end_snapshot(end),
            Message::Token(token) => self.add_token(token),
            Message::Pool(pool) => self.add_pool(pool),
            Message::MultiTokenPool(pool) => self.add_multi_token_pool(pool),
            Message::V4Pool(pool) => self.add_v4_pool(pool),
            Message::V3Liquidity(m) => self.change_liquidity(m),
            Message::V3Tick(m) => self.add_tick(m),
            Message::PoolStanding(m) => self.stand(m),
            Message::Block(block) => self.begin_block(&block.context, BlockNumber(block.head_number.get())),
            Message::BlockEnd(end) => self.end_block(end.block(), end.update_count.get()),
            Message::Reorg(reorg) => self.rewind(reorg.old_head(), reorg.ancestor()),
            Message::Gap(gap) => self.note_gap(gap),
            Message::Skip(skip) => self.skip(skip.count.get()),
            Message::Caution(caution) => {
                self.is_cautioned = caution.is_safe == 0;
                Ok(Change::None)
            }
            _ => self.apply_state(message),
        }
    }

    /// Live messages rise by one; a snapshot's and a heartbeat repeat the last live sequence. Without a snapshot there
    /// is nothing to compare with, and other messages have no place in the stream.
    fn check_sequence(&mut self, message: &Message<'_>) -> Result<(), ReplicaError> {
        let is_repeat = match message {
            Message::SnapshotBegin(_) => return Ok(()),
            Message::Heartbeat(_) | Message::Gap(_) | Message::Caution(_) => true,
            _ if message.is_market() => matches!(self.phase, Phase::Snapshot { .. }),
            _ => return Ok(()),
        };
        // What is said of the nodes stands apart from the state, which may be none.
        let is_apart = matches!(message, Message::Caution(_)) && self.position().is_none();
        if self.phase == Phase::Empty || is_apart {
            return Ok(());
        }
        let step = match message {
            _ if is_repeat => 0,
            Message::Skip(skip) => u64::from(skip.count.get()),
            _ => 1,
        };
        let due = self.sequence.0.checked_add(step);
        let got = message.header().sequence();
        if due != Some(got.0) {
            return Err(ReplicaError::Gap { expected: Sequence(due.unwrap_or(u64::MAX)), got });
        }
        self.sequence = got;
        Ok(())
    }

    /// A mirror without a state has nothing to lose by a gap.
    fn note_gap(&mut self, gap: &Gap) -> Result<Change, ReplicaError> {
        let recovery = GapRecovery::from_wire(gap.recovery.get());
        let has_extent = recovery == Some(GapRecovery::Snapshot) || gap.last >= gap.first;
        let follows = self.sequence.0.checked_add(1) == Some(gap.first.get());
        match (self.phase, recovery) {
            (Phase::Empty, _) => Ok(Change::None),
            _ if !has_extent || !follows => Err(ReplicaError::OutOfPlace("Gap")),
            (_, Some(GapRecovery::Snapshot)) => {
                self.phase = Phase::Empty;
                Ok(Change::Voided)
            }
            (Phase::Ready | Phase::InBlock { .. }, Some(GapRecovery::Replay)) => {
                self.replay_until = Sequence(gap.last.get());
                Ok(Change::None)
            }
            (Phase::Snapshot { .. }, _) | (_, None) => Err(ReplicaError::OutOfPlace("Gap")),
        }
    }

    fn begin_snapshot(&mut self, begin: &SnapshotBegin) -> Change {
        // What was said of the nodes is not about the state.
        *self = Self { is_cautioned: self.is_cautioned, ..Self::new(self.reorg_depth_max) };
        self.chain_id = ChainId(begin.chain_id.get());
        self.epoch = Epoch(begin.epoch.get());
        self.sequence = begin.header.sequence();
        self.context = Some(begin.context);
        self.head_number = BlockNumber(begin.head_number.get());
        let (tokens, pools) = (begin.token_count.get(), begin.pool_count.get());
        self.phase = Phase::Snapshot { messages: 0, tokens, pools, due: &[] };
        Change::SnapshotBegun
    }

    fn end_snapshot(&mut self, end: &SnapshotEnd) -> Result<Change, ReplicaError> {
        let Phase::Snapshot { messages, tokens, pools, due } = self.phase else {
            return Err(ReplicaError::OutOfPlace("SnapshotEnd"));
        };
        let is_whole = due.is_empty()
            && messages == end.message_count.get()
            && self.tokens.len() == tokens as usize
            && self.pools.len() == pools as usize;
        if !is_whole {
            return Err(ReplicaError::Incomplete("snapshot"));
        }
        self.phase = Phase::Ready;
        Ok(Change::SnapshotReady)
    }

    fn begin_block(&mut self, context: &BlockContext, head_number: BlockNumber) -> Result<Change, ReplicaError> {
        let Some(parent) = self.context.filter(|_| self.phase == Phase::Ready) else {
            return Err(ReplicaError::OutOfPlace("Block"));
        };
        let follows =
            context.parent_hash == parent.hash && context.number.get().checked_sub(1) == Some(parent.number.get());
        if !follows {
            return Err(ReplicaError::Discontinuity { head: parent.block(), got: context.block() });
        }
        self.kept.clear();
        self.kept_at_look = None;
        let is_full = self.undo.len() >= self.reorg_depth_max;
        let oldest = if is_full { self.undo.pop_front() } else { None };
        if self.reorg_depth_max > 0 {
            self.undo.push_back(oldest.map_or_else(|| BlockUndo::new(parent), |undo| undo.renewed(parent)));
        }
        self.context = Some(*context);
        self.head_number = head_number;
        self.phase = Phase::InBlock { updates: 0 };
        Ok(Change::BlockBegun)
    }

    fn end_block(&mut self, block: BlockRef, update_count: u32) -> Result<Change, ReplicaError> {
        let Phase::InBlock { updates } = self.phase else {
            return Err(ReplicaError::OutOfPlace("BlockEnd"));
        };
        if self.context.map(|context| context.block()) != Some(block) {
            return Err(ReplicaError::OutOfPlace("BlockEnd"));
        }
        if updates != update_count {
            return Err(ReplicaError::Incomplete("block"));
        }
        self.phase = Phase::Ready;
        Ok(Change::BlockEnded)
    }

    fn rewind(&mut self, old_head: BlockRef, ancestor: BlockRef) -> Result<Change, ReplicaError> {
        let head = self.context.filter(|_| self.phase == Phase::Ready).map(|context| context.block());
        if head != Some(old_head) {
            return Err(ReplicaError::OutOfPlace("Reorg"));
        }
        let depth = old_head.number.0.saturating_sub(ancestor.number.0);
        let kept = self.undo.len();
        let Some(left) = usize::try_from(depth).ok().and_then(|depth| kept.checked_sub(depth)) else {
            return Err(ReplicaError::TooDeep { depth, kept });
        };
        if self.undo.get(left).map(BlockUndo::parent) != Some(ancestor) {
            return Err(ReplicaError::OutOfPlace("Reorg"));
        }
        let mut restated = Vec::new();
        for undo in self.undo.drain(left..).rev() {
            restated.extend_from_slice(undo.restated());
            self.context = Some(undo.revert(&mut self.pools, &mut self.states, &mut self.lacks, &mut self.tick_places));
        }
        self.unfilled = self.lacks.iter().filter(|lack| lack.is_unfilled()).count();
        // What was told anew in these blocks is gone, and what was wrong before is back.
        restated.into_iter().for_each(|found| self.quarantine(found));
        let pools = self.pools.len();
        self.quarantined.retain(|found| found.pool.index() < pools);
        // `head_number` stays that of the head that was left: the blocks that made the reorg are still to come.
        Ok(Change::Reorged(ancestor))
    }
}
