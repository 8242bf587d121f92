//! What a block changed, kept so that it can be taken back.

use ruint::aliases::U256;

use super::{PoolInfo, PoolState, TickLiquidity, V2State};
use crate::id::{BlockRef, PoolId};
use crate::message::BlockContext;

/// A pool's part before its first change in the block.
#[derive(Debug, Clone)]
enum Before {
    Reserves(V2State),
    Slot { sqrt_price_x96: U256, tick: i32, liquidity: u128 },
    Ticks(Vec<TickLiquidity>),
}

/// Everything needed to go back to the parent of a block.
#[derive(Debug, Clone)]
pub(super) struct BlockUndo {
    parent: BlockContext,
    before: Vec<(PoolId, Before)>,
    pools_added: usize,
}

impl BlockUndo {
    pub(super) const fn new(parent: BlockContext) -> Self {
        Self { parent, before: Vec::new(), pools_added: 0 }
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
        match state {
            PoolState::V2(reserves) => {
                self.keep(id, || Before::Reserves(*reserves), |kept| matches!(kept, Before::Reserves(_)))
            }
            PoolState::V3(v3) => {
                let slot =
                    || Before::Slot { sqrt_price_x96: v3.sqrt_price_x96, tick: v3.tick, liquidity: v3.liquidity };
                self.keep(id, slot, |kept| matches!(kept, Before::Slot { .. }));
                if touches_ticks {
                    self.keep(id, || Before::Ticks(v3.ticks.clone()), |kept| matches!(kept, Before::Ticks(_)));
                }
            }
        }
    }

    fn keep(&mut self, id: PoolId, make: impl FnOnce() -> Before, is_same: impl Fn(&Before) -> bool) {
        if !self.before.iter().any(|(pool, kept)| *pool == id && is_same(kept)) {
            self.before.push((id, make()));
        }
    }

    /// Puts everything back and returns the parent.
    pub(super) fn revert(self, pools: &mut Vec<PoolInfo>, states: &mut Vec<PoolState>) -> BlockContext {
        for (id, before) in self.before {
            match (states.get_mut(id.index()), before) {
                (Some(PoolState::V2(state)), Before::Reserves(reserves)) => *state = reserves,
                (Some(PoolState::V3(state)), Before::Slot { sqrt_price_x96, tick, liquidity }) => {
                    (state.sqrt_price_x96, state.tick, state.liquidity) = (sqrt_price_x96, tick, liquidity);
                }
                (Some(PoolState::V3(state)), Before::Ticks(ticks)) => state.ticks = ticks,
                (state, before) => unreachable!("kept {before:?} of a pool that is {state:?}"),
            }
        }
        pools.truncate(pools.len() - self.pools_added);
        states.truncate(pools.len());
        self.parent
    }
}
