//! What a pool's description says beyond kind, contract and tokens.

use super::{PerToken, TokenList};
use crate::id::{AddressBytes, HashBytes, PoolId};

/// Description that only some kinds have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolDetails {
    /// Nothing more: Uniswap V2 and V3.
    None,
    /// A pool in a Uniswap V4 pool manager.
    V4(V4Details),
    /// A pool described by `MultiTokenPool`.
    MultiToken(MultiTokenDetails),
}

/// The rest of a Uniswap V4 pool's key, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V4Details {
    /// Keccak-256 of the pool's key, under which the manager knows it.
    pub pool_id: HashBytes,
    /// Hooks contract; zero when there is none.
    pub hooks: AddressBytes,
    /// Fee in the pool's key: parts per million, or the mark of a fee that the hooks set.
    pub key_fee: u32,
}

/// Parts that pools of Solidly, Curve and Balancer have or lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MultiTokenDetails {
    /// Whose arithmetic: a `PoolVariant`, or one that this build does not know.
    pub variant: u16,
    /// What amplification is multiplied with when stored: 1 or 100 with Curve, 1000 with Balancer, else 1.
    pub amplification_precision: u16,
    /// Curve pool whose share is the last token of this meta pool.
    pub base_pool: Option<PoolId>,
    /// Place of the pool's own share among its tokens (Balancer composable).
    pub bpt_index: Option<u8>,
    /// Decimals by token, as the pool's contract reckons with them.
    pub decimals: PerToken<u8>,
    /// Tokens that `exchange_underlying` takes, by place; the token itself where it wraps none.
    pub underlying: TokenList,
    /// Id under which the vault knows the pool (Balancer); else zero.
    pub pool_id: HashBytes,
    /// Vault that holds the balances (Balancer); else zero.
    pub vault: AddressBytes,
}
