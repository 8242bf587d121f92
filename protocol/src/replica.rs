//! The state that a stream of messages describes: applied message by message, taken back block by block, and described
//! again as a snapshot. The relay answers joins from it; consumers trade on it; both share this one meaning of the wire.

mod describe;
mod pool;
mod undo;

use std::collections::VecDeque;

use crate::error::ReplicaError;
use crate::id::{AddressBytes, BlockRef, ChainId, PoolId, TokenId, VenueId};
use crate::message::{BlockContext, Message, Pool, PoolKind, SnapshotBegin, SnapshotEnd, Token, V3Liquidity, V3Tick};
use crate::units::{Epoch, FeePpm, Sequence};

pub use self::pool::{PoolState, TickLiquidity, V2State, V3State};
use self::undo::BlockUndo;

/// Blocks that can be taken back by default: two epochs of Ethereum.
pub const REORG_DEPTH_MAX: usize = 64;

/// A token as described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Contract.
    pub address: AddressBytes,
    /// Symbol as the contract gave it: hostile text.
    pub symbol: String,
    /// Decimals of the display unit.
    pub decimals: u8,
}

/// A pool as described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolInfo {
    /// Formula.
    pub kind: PoolKind,
    /// Factory it belongs to.
    pub venue: VenueId,
    /// Contract.
    pub address: AddressBytes,
    /// Token 0 and token 1 of the contract.
    pub tokens: [TokenId; 2],
    /// Fee on the input.
    pub fee: FeePpm,
    /// Tick spacing; 0 without ticks.
    pub tick_spacing: i32,
    /// Range in which every initialised tick is known, inclusive; `(0, 0)` without ticks.
    pub known_ticks: (i32, i32),
}

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
    /// The block is whole.
    BlockEnded,
    /// Blocks were taken back to this one.
    Reorged(BlockRef),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No snapshot yet.
    Empty,
    /// Inside a snapshot: messages seen, tokens and pools announced.
    Snapshot { messages: u32, tokens: u32, pools: u32 },
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
    is_at_head: bool,
    tokens: Vec<TokenInfo>,
    pools: Vec<PoolInfo>,
    states: Vec<PoolState>,
    phase: Phase,
    undo: VecDeque<BlockUndo>,
    reorg_depth_max: usize,
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
            is_at_head: false,
            tokens: Vec::new(),
            pools: Vec::new(),
            states: Vec::new(),
            phase: Phase::Empty,
            undo: VecDeque::new(),
            reorg_depth_max,
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

    /// Whether the state is whole and of the newest block known to the relay.
    #[must_use]
    pub fn is_tradable(&self) -> bool {
        self.phase == Phase::Ready && self.is_at_head
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

    /// States by pool id.
    #[must_use]
    pub fn states(&self) -> &[PoolState] {
        &self.states
    }

    /// Token id of a contract.
    #[must_use]
    pub fn token_by_address(&self, address: &AddressBytes) -> Option<TokenId> {
        let index = self.tokens.iter().position(|token| token.address == *address)?;
        u32::try_from(index).ok().map(TokenId)
    }

    /// Pool id of a contract.
    #[must_use]
    pub fn pool_by_address(&self, address: &AddressBytes) -> Option<PoolId> {
        let index = self.pools.iter().position(|pool| pool.address == *address)?;
        u32::try_from(index).ok().map(PoolId)
    }

    /// Applies one message. On an error the mirror must be thrown away: what it holds is not what the stream says.
    ///
    /// # Errors
    /// [`ReplicaError`] for a sequence gap, a message out of place, an unknown id, or a change that does not fit the state.
    pub fn apply(&mut self, message: &Message<'_>) -> Result<Change, ReplicaError> {
        self.check_sequence(message)?;
        match message {
            Message::SnapshotBegin(begin) => Ok(self.begin_snapshot(begin)),
            Message::SnapshotEnd(end) => self.end_snapshot(end),
            Message::Token(token) => self.add_token(token),
            Message::Pool(pool) => self.add_pool(pool),
            Message::V2Reserves(m) => self.change_pool(m.pool.get(), false, |state| state.set_reserves(m)),
            Message::V3Swap(m) => self.change_pool(m.pool.get(), false, |state| state.set_slot(m)),
            Message::V3Liquidity(m) => self.change_liquidity(m),
            Message::V3Tick(m) => self.add_tick(m),
            Message::Block(block) => self.begin_block(&block.context, block.is_at_head()),
            Message::BlockEnd(end) => self.end_block(end.block(), end.update_count.get()),
            Message::Reorg(reorg) => self.rewind(reorg.old_head(), reorg.ancestor()),
            _ => Ok(Change::None),
        }
    }

    /// Live messages rise by one; a snapshot's and a heartbeat repeat the last live sequence.
    fn check_sequence(&mut self, message: &Message<'_>) -> Result<(), ReplicaError> {
        let expected = match message {
            Message::SnapshotBegin(_) => return Ok(()),
            _ if matches!(self.phase, Phase::Snapshot { .. }) => self.sequence,
            Message::Heartbeat(_) if self.phase != Phase::Empty => self.sequence,
            _ if message.is_market() => Sequence(self.sequence.0 + 1),
            _ => return Ok(()),
        };
        let got = message.header().sequence();
        if got != expected {
            return Err(ReplicaError::Gap { expected, got });
        }
        self.sequence = got;
        Ok(())
    }

    fn begin_snapshot(&mut self, begin: &SnapshotBegin) -> Change {
        *self = Self::new(self.reorg_depth_max);
        self.chain_id = ChainId(begin.chain_id.get());
        self.epoch = Epoch(begin.epoch.get());
        self.sequence = begin.header.sequence();
        self.context = Some(begin.context);
        self.phase = Phase::Snapshot { messages: 0, tokens: begin.token_count.get(), pools: begin.pool_count.get() };
        Change::SnapshotBegun
    }

    fn end_snapshot(&mut self, end: &SnapshotEnd) -> Result<Change, ReplicaError> {
        let Phase::Snapshot { messages, tokens, pools } = self.phase else {
            return Err(ReplicaError::OutOfPlace("SnapshotEnd"));
        };
        let is_whole = messages == end.message_count.get()
            && self.tokens.len() == tokens as usize
            && self.pools.len() == pools as usize;
        if !is_whole {
            return Err(ReplicaError::Incomplete("snapshot"));
        }
        self.phase = Phase::Ready;
        self.is_at_head = true;
        Ok(Change::SnapshotReady)
    }

    /// Counts a message towards the end mark of its snapshot or block.
    fn count_update(&mut self, name: &'static str) -> Result<(), ReplicaError> {
        match &mut self.phase {
            Phase::Snapshot { messages: count, .. } | Phase::InBlock { updates: count } => {
                *count += 1;
                Ok(())
            }
            Phase::Empty | Phase::Ready => Err(ReplicaError::OutOfPlace(name)),
        }
    }

    fn add_token(&mut self, token: &Token) -> Result<Change, ReplicaError> {
        self.count_update("Token")?;
        if token.token.get() as usize != self.tokens.len() {
            return Err(ReplicaError::UnknownToken(TokenId(token.token.get())));
        }
        self.tokens.push(TokenInfo {
            address: token.address,
            symbol: token.symbol().to_owned(),
            decimals: token.decimals,
        });
        Ok(Change::None)
    }

    fn add_pool(&mut self, pool: &Pool) -> Result<Change, ReplicaError> {
        self.count_update("Pool")?;
        let id = PoolId(pool.pool.get());
        if id.index() != self.pools.len() {
            return Err(ReplicaError::UnknownPool(id));
        }
        let tokens = [TokenId(pool.token_0.get()), TokenId(pool.token_1.get())];
        if let Some(unknown) = tokens.into_iter().find(|token| token.index() >= self.tokens.len()) {
            return Err(ReplicaError::UnknownToken(unknown));
        }
        let kind = PoolKind::from_wire(pool.kind).ok_or(ReplicaError::UnknownPool(id))?;
        self.pools.push(PoolInfo {
            kind,
            venue: VenueId(pool.venue.get()),
            address: pool.address,
            tokens,
            fee: FeePpm(pool.fee_ppm.get()),
            tick_spacing: pool.tick_spacing.get(),
            known_ticks: (pool.known_tick_low.get(), pool.known_tick_high.get()),
        });
        self.states.push(PoolState::empty(kind));
        if let Some(undo) = self.undo.back_mut().filter(|_| matches!(self.phase, Phase::InBlock { .. })) {
            undo.remember_pool_added();
        }
        Ok(Change::PoolAdded(id))
    }

    fn change_pool(
        &mut self,
        pool: u32,
        touches_ticks: bool,
        change: impl FnOnce(&mut PoolState) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        self.count_update("pool state")?;
        let id = PoolId(pool);
        let state = self.states.get_mut(id.index()).ok_or(ReplicaError::UnknownPool(id))?;
        if matches!(self.phase, Phase::InBlock { .. })
            && let Some(undo) = self.undo.back_mut()
        {
            undo.remember(id, state, touches_ticks);
        }
        change(state).map_err(|reason| ReplicaError::Contradiction { pool: id, reason })?;
        Ok(Change::Pool(id))
    }

    fn add_tick(&mut self, tick: &V3Tick) -> Result<Change, ReplicaError> {
        if !matches!(self.phase, Phase::Snapshot { .. } | Phase::InBlock { .. }) {
            return Err(ReplicaError::OutOfPlace("V3Tick"));
        }
        self.change_pool(tick.pool.get(), true, |state| state.add_tick(tick))
    }

    fn change_liquidity(&mut self, change: &V3Liquidity) -> Result<Change, ReplicaError> {
        let known = self.pools.get(PoolId(change.pool.get()).index()).map_or((0, 0), |pool| pool.known_ticks);
        self.change_pool(change.pool.get(), true, |state| state.change_liquidity(change, known))
    }

    fn begin_block(&mut self, context: &BlockContext, is_at_head: bool) -> Result<Change, ReplicaError> {
        let Some(parent) = self.context.filter(|_| self.phase == Phase::Ready) else {
            return Err(ReplicaError::OutOfPlace("Block"));
        };
        let follows = context.parent_hash == parent.hash && context.number.get() == parent.number.get() + 1;
        if !follows {
            return Err(ReplicaError::Discontinuity { head: parent.block(), got: context.block() });
        }
        if self.undo.len() == self.reorg_depth_max {
            self.undo.pop_front();
        }
        self.undo.push_back(BlockUndo::new(parent));
        self.context = Some(*context);
        self.is_at_head = is_at_head;
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
        if depth > self.undo.len() as u64 {
            return Err(ReplicaError::TooDeep { depth, kept: self.undo.len() });
        }
        for _ in 0..depth {
            let undo = self.undo.pop_back().expect("depth was checked against the length");
            self.context = Some(undo.revert(&mut self.pools, &mut self.states));
        }
        if self.context.map(|context| context.block()) != Some(ancestor) {
            return Err(ReplicaError::OutOfPlace("Reorg"));
        }
        // The blocks that made the reorg are still to come.
        self.is_at_head = false;
        Ok(Change::Reorged(ancestor))
    }
}
