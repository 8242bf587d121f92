//! Plans of swaps that balance together: a trade split over pools, or several routes at once.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;

use super::abi::IExecutor;
use super::{LEGS_MIN, Leg, PlanReject, WORD};

/// Most swaps that one plan may have; the contract's SWAPS_MAX.
pub const SWAPS_MAX: usize = 12;

/// Words of an encoded plan before its swaps: its own offset, five fields (the last an offset), the number of swaps.
const HEAD_WORDS: usize = 7;
const SWAP_WORDS: usize = 6;

/// One swap of a [`SwapPlan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swap {
    /// Pool and direction.
    pub leg: Leg,
    /// Input, raw units of the leg's `token_in`.
    pub amount_in: U256,
    /// Whether the pool gives its output first, and is paid after all that follows; else it is paid before, from what is held.
    pub is_on_credit: bool,
}

/// Swaps that the executor can make in one transaction, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapPlan {
    block_min: u64,
    block_max: u64,
    token: Address,
    profit_min: U256,
    swaps: [Swap; SWAPS_MAX],
    count: usize,
}

impl SwapPlan {
    /// A plan to run in a block of `block_min..=block_max`, which reverts unless at least `profit_min` raw units of `token` are left over.
    ///
    /// Whether what is held pays for each swap is not checked here: the pools' answers decide it.
    ///
    /// # Errors
    /// [`PlanReject`]; [`PlanReject::BrokenRoute`] for a swap of a token for itself.
    pub fn new(
        (block_min, block_max): (u64, u64),
        token: Address,
        profit_min: U256,
        swaps: &[Swap],
    ) -> Result<Self, PlanReject> {
        if !(LEGS_MIN..=SWAPS_MAX).contains(&swaps.len()) {
            return Err(PlanReject::SwapCount);
        }
        if block_min > block_max {
            return Err(PlanReject::EmptyWindow);
        }
        for (index, Swap { leg, amount_in, .. }) in swaps.iter().enumerate() {
            if amount_in.bit(255) {
                return Err(PlanReject::AmountTooLarge);
            }
            if leg.token_in == leg.token_out {
                return Err(PlanReject::BrokenRoute(index));
            }
            if leg.fee >> 24 != 0 {
                return Err(PlanReject::FeeTooLarge(index));
            }
        }
        let mut all = [Swap::default(); SWAPS_MAX];
        all[..swaps.len()].copy_from_slice(swaps);
        Ok(Self { block_min, block_max, token, profit_min, swaps: all, count: swaps.len() })
    }

    /// First and last block in which it may run.
    #[must_use]
    pub const fn block_window(&self) -> (u64, u64) {
        (self.block_min, self.block_max)
    }

    /// Token that the gain is in.
    #[must_use]
    pub const fn token(&self) -> Address {
        self.token
    }

    /// Least acceptable gain, raw units of [`SwapPlan::token`].
    #[must_use]
    pub const fn profit_min(&self) -> U256 {
        self.profit_min
    }

    /// The swaps, in order.
    #[must_use]
    pub fn swaps(&self) -> &[Swap] {
        &self.swaps[..self.count]
    }
}

/// Calldata of `executeSwaps(plan)`.
#[must_use]
pub fn encode_execute_swaps(plan: &SwapPlan) -> Bytes {
    let mut calldata = Vec::with_capacity(4 + WORD * (HEAD_WORDS + SWAP_WORDS * plan.count));
    calldata.extend_from_slice(&IExecutor::executeSwapsCall::SELECTOR);
    let mut put = |value: U256| calldata.extend_from_slice(&value.to_be_bytes::<WORD>());
    put(U256::from(WORD)); // offset of the plan
    put(U256::from(plan.block_min));
    put(U256::from(plan.block_max));
    put(plan.token.into_word().into());
    put(plan.profit_min);
    put(U256::from(5 * WORD)); // offset of the swaps within the plan
    put(U256::from(plan.count));
    for swap in plan.swaps() {
        put(U256::from(swap.leg.venue));
        put(swap.leg.token_in.into_word().into());
        put(swap.leg.token_out.into_word().into());
        put(U256::from(swap.leg.fee));
        put(swap.amount_in);
        put(U256::from(swap.is_on_credit));
    }
    calldata.into()
}
