//! The executor contract as this program sees it: deployment, calls, its event, its refusals.
//!
//! The interface below is written by hand and compared with the compiled contract's by a test, so that neither can drift.

mod revert;
mod swaps;

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes, Log, U256, hex};
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use alphapulse_protocol::message::PoolKind;
use alphapulse_relay::VenueSpec;
use serde::Deserialize;

/// Most legs that one plan may have; the contract's LEGS_MAX.
pub const LEGS_MAX: usize = 4;
/// Fewest legs that one plan may have; the contract's LEGS_MIN.
pub const LEGS_MIN: usize = 2;
/// Most venues that one executor may know; the contract's VENUES_MAX.
pub const VENUES_MAX: usize = 8;

/// Kinds of pools that the executor contract swaps in.
pub const POOL_KINDS: [PoolKind; 2] = [PoolKind::UniswapV2, PoolKind::UniswapV3];

const WORD: usize = 32;
/// Words of an encoded plan before its legs: its own offset, five fields (the last an offset), the number of legs.
const HEAD_WORDS: usize = 7;
const LEG_WORDS: usize = 4;

/// The contract's interface, with Solidity's names and types.
#[allow(missing_docs, reason = "generated; Executor.sol documents each item")]
pub mod abi {
    alloy::sol! {
        #[derive(Debug, PartialEq, Eq)]
        interface IExecutor {
            struct Venue { address factory; bytes32 initCodeHash; uint8 kind; uint24 feePpm; }
            struct Leg { uint16 venue; address tokenIn; address tokenOut; uint24 fee; }
            struct Plan { uint64 blockMin; uint64 blockMax; uint256 amountIn; uint256 profitMin; Leg[] legs; }
            struct Swap { Leg leg; uint256 amountIn; bool onCredit; }
            struct SwapPlan { uint64 blockMin; uint64 blockMax; address token; uint256 profitMin; Swap[] swaps; }

            function execute(Plan plan) external returns (uint256 gain);
            function executeSwaps(SwapPlan plan) external returns (uint256 gain);
            function sweep(address token) external;
            function pause() external;
            function unpause() external;

            function owner() external view returns (address);
            function guardian() external view returns (address);
            function profitRecipient() external view returns (address);
            function paused() external view returns (bool);
            function venueCount() external view returns (uint256);
            function venue(uint256 index) external view returns (Venue);

            function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes data) external;
            function pancakeCall(address sender, uint256 amount0, uint256 amount1, bytes data) external;
            function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes data) external;
            function pancakeV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes data) external;

            event Executed(address indexed token, uint256 amountIn, uint256 gain);
            event Swept(address indexed token, uint256 amount);
            event PauseChanged(bool paused);

            error ZeroAddress();
            error BadVenue(uint256 index);
            error NotOwner();
            error NotGuardian();
            error ExecutionPaused();
            error Reentered();
            error OutsideBlockWindow(uint256 blockNumber);
            error AmountTooLarge();
            error BadLegCount(uint256 count);
            error BrokenRoute(uint256 leg);
            error UnknownVenue(uint256 venue);
            error UnexpectedCallback(address caller);
            error PartialFill(address pool, uint256 consumed);
            error TransferFailed(address token);
            error ProfitBelowFloor(uint256 gain);
        }
    }
}

use self::abi::IExecutor;
pub use self::revert::{ExecutorRevert, decode_revert};
pub use self::swaps::{SWAPS_MAX, Swap, SwapPlan, encode_execute_swaps};

/// Which model the pools of a venue follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VenueKind {
    /// Constant product with one fee for all pools of the venue.
    V2 {
        /// Parts per million of the input.
        fee_ppm: u32,
    },
    /// Concentrated liquidity; the fee is part of each pool's key.
    V3,
}

/// A family of pools that the executor may trade on; its index in the constructor's list is the `venue` of a [`Leg`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Venue {
    /// Deployer of the pools.
    pub factory: Address,
    /// keccak256 of the pools' creation code.
    pub init_code_hash: B256,
    /// Model and fee.
    pub kind: VenueKind,
}

/// One swap of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leg {
    /// Index of the pool's venue in the executor.
    pub venue: u16,
    /// Token given.
    pub token_in: Address,
    /// Token taken.
    pub token_out: Address,
    /// V3 fee tier, parts per million; 0 for V2.
    pub fee: u32,
}

/// Why a plan was not made. The contract would refuse each of them too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanReject {
    /// Not [`LEGS_MIN`]`..=`[`LEGS_MAX`] legs.
    #[error("a plan has 2 to 4 legs")]
    LegCount,
    /// Not [`LEGS_MIN`]`..=`[`SWAPS_MAX`] swaps.
    #[error("a plan of swaps has 2 to 12 of them")]
    SwapCount,
    /// This leg does not begin where the one before it ended, the first where the last ended; or it swaps a token for itself.
    #[error("leg {0} breaks the route")]
    BrokenRoute(usize),
    /// This leg's fee does not fit in the 24 bits of a V3 pool's key.
    #[error("fee of leg {0} is out of range")]
    FeeTooLarge(usize),
    /// Input above the largest int256.
    #[error("input is out of range")]
    AmountTooLarge,
    /// The block window ends before it begins.
    #[error("block window is empty")]
    EmptyWindow,
}

/// A trade that the executor can run: a closed route with its input, its floor and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    block_min: u64,
    block_max: u64,
    amount_in: U256,
    profit_min: U256,
    legs: [Leg; LEGS_MAX],
    leg_count: usize,
}

impl Plan {
    /// A plan to run in a block of `block_min..=block_max`, that gives `amount_in` to the first of `legs` and reverts unless
    /// at least `profit_min` is left over. Both amounts are raw units of the first leg's token.
    ///
    /// # Errors
    /// [`PlanReject`], one variant per rule.
    pub fn new(
        block_min: u64,
        block_max: u64,
        amount_in: U256,
        profit_min: U256,
        legs: &[Leg],
    ) -> Result<Self, PlanReject> {
        if !(LEGS_MIN..=LEGS_MAX).contains(&legs.len()) {
            return Err(PlanReject::LegCount);
        }
        if block_min > block_max {
            return Err(PlanReject::EmptyWindow);
        }
        if amount_in.bit(255) {
            return Err(PlanReject::AmountTooLarge);
        }
        let mut token = legs[legs.len() - 1].token_out;
        for (i, leg) in legs.iter().enumerate() {
            if leg.token_in != token || leg.token_out == token {
                return Err(PlanReject::BrokenRoute(i));
            }
            if leg.fee >> 24 != 0 {
                return Err(PlanReject::FeeTooLarge(i));
            }
            token = leg.token_out;
        }
        let mut plan = Self {
            block_min,
            block_max,
            amount_in,
            profit_min,
            legs: [Leg::default(); LEGS_MAX],
            leg_count: legs.len(),
        };
        plan.legs[..legs.len()].copy_from_slice(legs);
        Ok(plan)
    }

    /// First and last block in which it may run.
    #[must_use]
    pub fn block_window(&self) -> (u64, u64) {
        (self.block_min, self.block_max)
    }

    /// Input of the first leg, raw units of [`Plan::token`].
    #[must_use]
    pub fn amount_in(&self) -> U256 {
        self.amount_in
    }

    /// Least acceptable gain, raw units of [`Plan::token`].
    #[must_use]
    pub fn profit_min(&self) -> U256 {
        self.profit_min
    }

    /// The legs, in order.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs[..self.leg_count]
    }

    /// The token that the route begins and ends with, and that the gain is in.
    #[must_use]
    pub fn token(&self) -> Address {
        self.legs[0].token_in
    }
}

/// Calldata of `execute(plan)`.
#[must_use]
pub fn encode_execute(plan: &Plan) -> Bytes {
    let mut calldata = Vec::new();
    encode_execute_into(plan, &mut calldata);
    calldata.into()
}

/// Calldata of `execute(plan)` in place of what `calldata` held.
///
/// Latency: does not allocate when `calldata` has room for 740 bytes.
pub fn encode_execute_into(plan: &Plan, calldata: &mut Vec<u8>) {
    calldata.clear();
    calldata.reserve(4 + WORD * (HEAD_WORDS + LEG_WORDS * plan.leg_count));
    calldata.extend_from_slice(&IExecutor::executeCall::SELECTOR);
    let mut put = |value: U256| calldata.extend_from_slice(&value.to_be_bytes::<WORD>());
    put(U256::from(WORD)); // offset of the plan
    put(U256::from(plan.block_min));
    put(U256::from(plan.block_max));
    put(plan.amount_in);
    put(plan.profit_min);
    put(U256::from(5 * WORD)); // offset of the legs within the plan
    put(U256::from(plan.leg_count));
    for leg in plan.legs() {
        put(U256::from(leg.venue));
        put(leg.token_in.into_word().into());
        put(leg.token_out.into_word().into());
        put(U256::from(leg.fee));
    }
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: String,
}

/// The committed build of `contracts/Executor.sol`.
static CREATION_CODE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let artifact: Artifact = serde_json::from_str(include_str!("../../contracts/Executor.json"))
        .expect("the committed artifact is what build.mjs writes");
    hex::decode(artifact.bytecode).expect("the committed artifact is what build.mjs writes")
});

/// Data of the transaction that deploys an executor with these roles and venues, none of which can change later.
///
/// # Panics
/// When a fee does not fit in 24 bits. Zero addresses, invalid fees and more than [`VENUES_MAX`] venues are left to the
/// contract's own refusal.
#[must_use]
pub fn deployment_code(owner: Address, guardian: Address, profit_recipient: Address, venues: &[Venue]) -> Bytes {
    let venues: Vec<IExecutor::Venue> = venues.iter().map(Venue::to_abi).collect();
    let mut code = CREATION_CODE.clone();
    code.extend_from_slice(&(owner, guardian, profit_recipient, venues).abi_encode_params());
    code.into()
}

impl Venue {
    /// A configured venue as the executor is to know it.
    #[must_use]
    pub fn of(venue: &VenueSpec) -> Self {
        let kind = match venue.kind {
            PoolKind::UniswapV2 => VenueKind::V2 { fee_ppm: venue.fee.0 },
            _ => VenueKind::V3,
        };
        Self { factory: venue.factory, init_code_hash: venue.init_code_hash, kind }
    }

    /// The venue as the contract keeps it.
    #[must_use]
    pub fn to_abi(&self) -> IExecutor::Venue {
        let (kind, fee_ppm) = match self.kind {
            VenueKind::V2 { fee_ppm } => (0, fee_ppm),
            VenueKind::V3 => (1, 0),
        };
        IExecutor::Venue {
            factory: self.factory,
            initCodeHash: self.init_code_hash,
            kind,
            feePpm: fee_ppm.try_into().expect("a fee in parts per million is below 2^24"),
        }
    }
}

/// What the executor says of a trade that it completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// Token of the input and the gain.
    pub token: Address,
    /// Input of the first leg, raw units.
    pub amount_in: U256,
    /// What was sent to the profit recipient, raw units.
    pub gain: U256,
}

/// Reads the `Executed` event; `None` for any other log, or one of another contract than `executor`.
#[must_use]
pub fn decode_executed(executor: Address, log: &Log) -> Option<Executed> {
    if log.address != executor {
        return None;
    }
    let event = IExecutor::Executed::decode_log_data_validate(&log.data).ok()?;
    Some(Executed { token: event.token, amount_in: event.amountIn, gain: event.gain })
}

#[cfg(test)]
mod tests;
