//! What a block changed, kept so that it can be taken back.

use super::{Lack, PoolInfo, PoolState, Quarantine, TickLiquidity, TickPlaces, V2State, V3State};
use crate::id::{BlockRef, PoolId};
use crate::message::BlockContext;
use crate::values::V4Fees;
use ruint::aliases::U256;

/// What a pool with ticks has beside them.
#[derive(Debug, Clone, Copy)]
struct Slot {
    sqrt_price_x96: U256,
    liquidity: u128,
    tick: i32,
    pool: PoolId,
}

/// A tick before a change.
#[derive(Debug, Clone, Copy)]
struct TickBefore {
    liquidity_net: i128,
    liquidity_gross: u128,
    pool: PoolId,
    tick: i32,
    /// Otherwise there was no such tick, and it had no liquidity.
    is_initialised: bool,
}

impl TickBefore {
    fn entry(&self) -> Option<TickLiquidity> {
        let &Self { tick, liquidity_net, liquidity_gross, .. } = self;
        self.is_initialised.then_some(TickLiquidity { tick, liquidity_net, liquidity_gross })
    }
}

/// Everything needed to go back to the parent of a block. Ticks are kept change by change, so that a mint in a pool of a
/// thousand ticks keeps two of them.
#[derive(Debug, Clone)]
pub(super) struct BlockUndo {
    parent: BlockContext,
    /// Pools before their first change in the block, but for their ticks; by kind, so that a pair takes no more room than it
    /// needs.
    pairs: Vec<(PoolId, V2State)>,
    slots: Vec<Slot>,
    /// Fees of pools of Uniswap V4, the only ones with ticks that change them.
    fees: Vec<(PoolId, V4Fees)>,
    /// Pools of all other kinds, and those that were told anew.
    wholes: Vec<(PoolId, PoolState)>,
    ticks: Vec<TickBefore>,
    /// What lacked of pools before something of it came.
    lacks: Vec<(PoolId, Lack)>,
    /// Pools that were told anew, as they were thought of before.
    restated: Vec<Quarantine>,
    pools_added: usize,
}

/// Where the changes of a pool's ticks are noted; nowhere outside of a block.
#[derive(Debug)]
pub(super) struct TickLog<'a> {
    pool: PoolId,
    ticks: Option<&'a mut Vec<TickBefore>>,
}

impl TickLog<'_> {
    pub(super) const fn nowhere(pool: PoolId) -> Self {
        Self { pool, ticks: None }
    }

    /// Notes a tick that is about to change.
    #[inline]
    pub(super) fn note(&mut self, before: &TickLiquidity) {
        if let Some(ticks) = &mut self.ticks {
            let &TickLiquidity { tick, liquidity_net, liquidity_gross } = before;
            ticks.push(TickBefore { liquidity_net, liquidity_gross, pool: self.pool, tick, is_initialised: true });
        }
    }

    /// Notes a tick that is not initialised yet.
    pub(super) fn note_new(&mut self, tick: i32) {
        if let Some(ticks) = &mut self.ticks {
            let (liquidity_net, liquidity_gross) = (0, 0);
            ticks.push(TickBefore { liquidity_net, liquidity_gross, pool: self.pool, tick, is_initialised: false });
        }
    }
}

impl BlockUndo {
    pub(super) const fn new(parent: BlockContext) -> Self {
        Self {
            parent,
            pairs: Vec::new(),
            slots: Vec::new(),
            fees: Vec::new(),
            wholes: Vec::new(),
            ticks: Vec::new(),
            lacks: Vec::new(),
            restated: Vec::new(),
            pools_added: 0,
        }
    }

    /// One for a new block out of one that nobody goes back to any more: the room of its lists is used again.
    pub(super) fn renewed(mut self, parent: BlockContext) -> Self {
        self.pairs.clear();
        self.slots.clear();
        self.fees.clear();
        self.wholes.clear();
        self.ticks.clear();
        self.lacks.clear();
        self.restated.clear();
        Self { parent, pools_added: 0, ..self }
    }

    /// The block that is gone back to.
    pub(super) const fn parent(&self) -> BlockRef {
        self.parent.block()
    }

    /// Pools that are kept.
    #[inline]
    pub(super) const fn pool_count(&self) -> usize {
        self.pairs.len() + self.slots.len() + self.wholes.len()
    }

    /// A pool described inside a block vanishes with it. Its tokens stay: an unused description harms nobody.
    pub(super) const fn remember_pool_added(&mut self) {
        self.pools_added += 1;
    }

    /// Keeps a pool that is about to change for the first time in the block.
    #[inline]
    pub(super) fn remember(&mut self, pool: PoolId, state: &PoolState) {
        match state {
            PoolState::V2(state) => self.pairs.push((pool, *state)),
            PoolState::V3(curve) => self.remember_slot(pool, curve),
            other => self.remember_other(pool, other),
        }
    }

    #[inline(never)]
    fn remember_other(&mut self, pool: PoolId, state: &PoolState) {
        match state {
            PoolState::V4(state) => {
                self.remember_slot(pool, &state.curve);
                self.fees.push((pool, state.fees));
            }
            other => self.wholes.push((pool, other.clone())),
        }
    }

    #[inline]
    fn remember_slot(&mut self, pool: PoolId, curve: &V3State) {
        let &V3State { sqrt_price_x96, tick, liquidity, .. } = curve;
        self.slots.push(Slot { sqrt_price_x96, liquidity, tick, pool });
    }

    /// Keeps all of a pool that is about to be told anew.
    pub(super) fn remember_restated(&mut self, before: Quarantine, state: &PoolState, lack: Lack) {
        self.wholes.push((before.pool, state.clone()));
        self.lacks.push((before.pool, lack));
        self.restated.push(before);
    }

    pub(super) fn restated(&self) -> &[Quarantine] {
        &self.restated
    }

    pub(super) const fn tick_log(&mut self, pool: PoolId) -> TickLog<'_> {
        TickLog { pool, ticks: Some(&mut self.ticks) }
    }

    pub(super) fn remember_lack(&mut self, id: PoolId, lack: Lack) {
        self.lacks.push((id, lack));
    }

    /// Puts everything back and returns the parent.
    pub(super) fn revert(
        self,
        pools: &mut Vec<PoolInfo>,
        states: &mut Vec<PoolState>,
        lacks: &mut Vec<Lack>,
        places: &mut Vec<TickPlaces>,
    ) -> BlockContext {
        for before in self.ticks.iter().rev() {
            let places = &mut places[before.pool.index()];
            with_curve(at(states, before.pool), |curve| curve.put_tick(before.tick, before.entry(), places));
        }
        // No pool is kept twice, so these may go back in any order.
        for (id, pair) in self.pairs {
            *at(states, id) = PoolState::V2(pair);
        }
        for (id, whole) in self.wholes {
            places[id.index()].follow(whole.ticks());
            *at(states, id) = whole;
        }
        for Slot { sqrt_price_x96, liquidity, tick, pool } in self.slots {
            with_curve(at(states, pool), |curve| curve.set_slot(sqrt_price_x96, tick, liquidity));
        }
        for (id, before) in self.fees {
            if let PoolState::V4(v4) = at(states, id) {
                v4.fees = before;
            }
        }
        pools.truncate(pools.len() - self.pools_added);
        states.truncate(pools.len());
        places.truncate(pools.len());
        for (id, lack) in self.lacks.into_iter().rev() {
            if let Some(now) = lacks.get_mut(id.index()) {
                *now = lack;
            }
        }
        lacks.truncate(pools.len());
        self.parent
    }
}

fn at(states: &mut [PoolState], id: PoolId) -> &mut PoolState {
    states.get_mut(id.index()).expect("pools are only added while their changes are kept")
}

/// Puts back a part of a curve; parts are only kept of pools that have one.
fn with_curve(state: &mut PoolState, put: impl FnOnce(&mut V3State)) {
    put(state.concentrated_mut().expect("only pools with ticks have parts kept"));
}
