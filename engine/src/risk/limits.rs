//! The limits in force. None has a default: who builds this states each one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy::primitives::Address;
use alphapulse_protocol::{FeePerGas, Gas, U256, Wei};

/// What a trade must not exceed. "At the limit" passes, one past it does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Wrapper of the native coin: one raw unit of it is worth one wei. Profit in any other token is refused.
    pub native_token: Address,
    /// Tokens that a trade may touch.
    pub tokens: BTreeSet<Address>,
    /// Pools that a trade may touch.
    pub pools: BTreeSet<Address>,
    /// Most raw units of a token that the swaps of a trade pay: of the one it profits in, and of those that go round without it. A token
    /// without an entry is refused there.
    pub notional_max: BTreeMap<Address, U256>,
    /// Most trades whose outcome is open, unknown ones included; above 0.
    pub in_flight_max: u32,
    /// Most trades whose submission got no clear answer; above 0. At this many, no new trade.
    pub unknown_max: u32,
    /// Least profit after gas.
    pub profit_min: Wei,
    /// Most wei per gas of a transaction, base fee included.
    pub fee_max: FeePerGas,
    /// Most gas of a transaction.
    pub gas_max: Gas,
    /// Longest time since the head arrived.
    pub market_age_max: Duration,
    /// Most net loss of a UTC day, with everything in flight counted as lost.
    pub loss_day_max: Wei,
    /// Whether every trade must be simulated before it is approved.
    pub is_simulation_required: bool,
}
