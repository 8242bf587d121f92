//! What a block changed, kept so that it can be taken back.

use ruint::aliases::U256;

use super::{Lack, PoolInfo, PoolState, TickLiquidity, V3State};
use crate::id::{BlockRef, PoolId};
use crate::message::BlockContext;
use crate::values::V4Fees;

/// A pool's part before its first change in the block.
#[derive(Debug, Clone)]
enum Before {
    /// All of a pool without ticks.
    Whole(PoolState),
    /// What a pool with ticks has beside them; only Uniswap V4's fees change.
    Slot {
        sqrt_price_x96: U256,
        tick: i32,
        liquidity: u128,
        fees: V4Fees,
    },
    Ticks(Vec<TickLiquidity>),
}

/// Everything needed to go back to the parent of a block.
#[derive(Debug, Clone)]
pub(super) struct BlockUndo {
    parent: BlockContext,
    before: Vec<(PoolId, Before)>,
    /// What lacked of pools before something of it came.
    lacks: Vec<(PoolId, Lack)>,
    pools_added: usize,
}

impl BlockUndo {
    pub(super) const fn new(parent: BlockContext) -> Self {
        Self { parent, before: Vec::new(), lacks: Vec::new(), pools_added: 0 }
    }

    /// The block that is gone back to.
    pub(super) const fn parent(&self) -> BlockRef {
        self.parent.block()
    }

    /// A pool described inside a block vanishes with it. Its tokens stay: an unused description harms nobody.
    pub(super) const fn remember_pool_added(&mut self) {
        self.pools_added += 1;
    }

    /// Keeps what is about to change, once per block; tick maps are only copied when a tick is to change.
    pub(super) fn remember(&mut self, id: PoolId, state: &PoolState, touches_ticks: bool) {
        let Some(curve) = state.concentrated() else {
            return self.keep(id, || Before::Whole(state.clone()), |kept| matches!(kept, Before::Whole(_)));
        };
        let fees = if let PoolState::V4(v4) = state { v4.fees } else { V4Fees::default() };
        let (sqrt_price_x96, tick, liquidity) = (curve.sqrt_price_x96, curve.tick, curve.liquidity);
        let slot = || Before::Slot { sqrt_price_x96, tick, liquidity, fees };
        self.keep(id, slot, |kept| matches!(kept, Before::Slot { .. }));
        if touches_ticks {
            self.keep(id, || Before::Ticks(curve.ticks.clone()), |kept| matches!(kept, Before::Ticks(_)));
        }
    }

    pub(super) fn remember_lack(&mut self, id: PoolId, lack: Lack) {
        self.lacks.push((id, lack));
    }

    fn keep(&mut self, id: PoolId, make: impl FnOnce() -> Before, is_same: impl Fn(&Before) -> bool) {
        if !self.before.iter().any(|(pool, kept)| *pool == id && is_same(kept)) {
            self.before.push((id, make()));
        }
    }

    /// Puts everything back and returns the parent.
    pub(super) fn revert(
        self,
        pools: &mut Vec<PoolInfo>,
        states: &mut Vec<PoolState>,
        lacks: &mut Vec<Lack>,
    ) -> BlockContext {
        for (id, before) in self.before {
            let state = states.get_mut(id.index()).expect("pools are only added while their changes are kept");
            match before {
                Before::Whole(whole) => *state = whole,
                Before::Slot { sqrt_price_x96, tick, liquidity, fees } => {
                    if let PoolState::V4(v4) = state {
                        v4.fees = fees;
                    }
                    with_curve(state, |curve| curve.set_slot(sqrt_price_x96, tick, liquidity));
                }
                Before::Ticks(ticks) => with_curve(state, |curve| curve.ticks = ticks),
            }
        }
        pools.truncate(pools.len() - self.pools_added);
        states.truncate(pools.len());
        for (id, lack) in self.lacks.into_iter().rev() {
            if let Some(now) = lacks.get_mut(id.index()) {
                *now = lack;
            }
        }
        lacks.truncate(pools.len());
        self.parent
    }
}

/// Puts back a part of a curve; parts are only kept of pools that have one.
fn with_curve(state: &mut PoolState, put: impl FnOnce(&mut V3State)) {
    put(state.concentrated_mut().expect("only pools with ticks have parts kept"));
}
