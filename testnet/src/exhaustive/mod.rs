//! An independent search for the best closed route on a block's state, to measure the engine against.
//!
//! It shares nothing with the engine: it reads the pools itself, with calls at a block hash; it has swap formulas of its own,
//! plain and slow, in 512-bit integers, with price constants that it derives instead of quoting; and it tries *every* cycle,
//! each at the input that an integer section search finds. It is an oracle, so it has no speed claim at all.
//!
//! What it leaves out: splitting an amount over parallel routes, and cycles of more than three hops.

mod search;
mod state;
mod swap;

use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::PoolKind;

use crate::deploy;

pub use self::search::{BestCycle, CycleHop, best_cycle};
pub use self::state::{StateReader, StateReaderError};
pub use self::swap::{ConcentratedBook, quote_exact_in};

/// A pool by what never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolKey {
    /// Contract.
    pub address: Address,
    /// Formula.
    pub kind: PoolKind,
    /// Token 0 and token 1 of the contract.
    pub tokens: [Address; 2],
    /// Fee on the input, parts per million.
    pub fee_ppm: u32,
    /// Tick spacing; 0 without ticks.
    pub tick_spacing: i32,
}

/// What a pool holds at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Book {
    /// Reserves of token 0 and token 1, raw units.
    ConstantProduct([U256; 2]),
    /// Price, liquidity and every initialised tick.
    Concentrated(ConcentratedBook),
}

/// A pool and its state at one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// The pool.
    pub key: PoolKey,
    /// Its state.
    pub book: Book,
}

impl From<&deploy::Pool> for PoolKey {
    fn from(pool: &deploy::Pool) -> Self {
        let (kind, tick_spacing) = match pool.kind {
            deploy::PoolKind::V2 => (PoolKind::UniswapV2, 0),
            deploy::PoolKind::V3 { tick_spacing } => (PoolKind::UniswapV3, tick_spacing),
        };
        Self { address: pool.address, kind, tokens: [pool.token_0, pool.token_1], fee_ppm: pool.fee_ppm, tick_spacing }
    }
}

impl PoolSnapshot {
    /// The token that comes out when `token_in` goes in, or `None` when the pool does not hold it.
    #[must_use]
    pub fn other_token(&self, token_in: Address) -> Option<Address> {
        match self.key.tokens {
            [first, second] if first == token_in => Some(second),
            [first, second] if second == token_in => Some(first),
            _ => None,
        }
    }
}
