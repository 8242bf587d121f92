//! State of Balancer's weighted and stable pools.

use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{WireMessage, wire_message};
use crate::values::{BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, PerToken, Ramp, TOKENS_MAX};
use crate::wire::{read_u128s, u128s};

/// One, in Balancer's fixed-point numbers.
const ONE: u64 = 1_000_000_000_000_000_000;

/// The vault packs balances into uint112.
fn fit_vault(balances: &[U128; TOKENS_MAX]) -> bool {
    balances.iter().all(|balance| balance.get() >> 112 == 0)
}

/// What an owner sets in a weighted pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BalancerWeightedParameters {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// 1 when the pool refuses swaps, else 0.
    pub is_paused: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 3],
    /// Fee on the input, of 10^18.
    pub swap_fee: U64,
    /// Weights by token, of 10^18 together; those past the pool's tokens are zero.
    pub weights: [U64; TOKENS_MAX],
}
wire_message!(
    BalancerWeightedParameters = 37,
    104,
    version = 3,
    check = |m| {
        if m.is_paused > 1 {
            return Err(Self::field_error("is_paused"));
        }
        if m.swap_fee.get() > ONE {
            return Err(Self::field_error("swap_fee"));
        }
        if m.weights.iter().any(|weight| weight.get() > ONE) {
            return Err(Self::field_error("weights"));
        }
        Ok(())
    }
);

impl BalancerWeightedParameters {
    /// Parameters of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, terms: &BalancerWeightedTerms) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            is_paused: u8::from(terms.is_paused),
            reserved: [0; 3],
            swap_fee: U64::new(terms.swap_fee),
            weights: terms.weights.map(U64::new),
        }
    }

    /// The values.
    #[must_use]
    pub fn terms(&self) -> BalancerWeightedTerms {
        BalancerWeightedTerms {
            is_paused: self.is_paused == 1,
            swap_fee: self.swap_fee.get(),
            weights: self.weights.map(U64::get),
        }
    }
}

/// Balances of a weighted pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BalancerWeightedBalances {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
    /// Balances by token in the vault, raw units below 2^112; those past the pool's tokens are zero.
    pub balances: [U128; TOKENS_MAX],
}
wire_message!(
    BalancerWeightedBalances = 38,
    160,
    version = 3,
    check = |m| if fit_vault(&m.balances) { Ok(()) } else { Err(Self::field_error("balances")) }
);

impl BalancerWeightedBalances {
    /// Balances of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, balances: &PerToken<u128>) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            reserved: [0; 4],
            balances: u128s(*balances),
        }
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> PerToken<u128> {
        read_u128s(self.balances)
    }
}

/// What an owner sets in a stable pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BalancerStableParameters {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// 1 when the pool refuses swaps, else 0.
    pub is_paused: u8,
    /// A bit for each token whose yield pays no protocol fee, the lowest for token 0.
    pub yield_fee_exempt: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 2],
    /// Amplification at `initial_a_time`, times 1000.
    pub initial_a: U64,
    /// Amplification from `future_a_time` on, times 1000.
    pub future_a: U64,
    /// Unix seconds at which it began to move.
    pub initial_a_time: U64,
    /// Unix seconds at which it stops.
    pub future_a_time: U64,
    /// Fee on the input, of 10^18.
    pub swap_fee: U64,
    /// Protocol's part of the swap fee, of 10^18.
    pub protocol_swap_fee: U64,
    /// Protocol's part of the yield, of 10^18.
    pub protocol_yield_fee: U64,
}
wire_message!(BalancerStableParameters = 39, 88, version = 3, check = check_stable);

fn check_stable(m: &BalancerStableParameters) -> Result<(), DecodeError> {
    if m.is_paused > 1 {
        return Err(BalancerStableParameters::field_error("is_paused"));
    }
    let fees = [
        ("swap_fee", m.swap_fee),
        ("protocol_swap_fee", m.protocol_swap_fee),
        ("protocol_yield_fee", m.protocol_yield_fee),
    ];
    match fees.into_iter().find(|(_, fee)| fee.get() > ONE) {
        Some((field, _)) => Err(BalancerStableParameters::field_error(field)),
        None => Ok(()),
    }
}

impl BalancerStableParameters {
    /// Parameters of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, terms: &BalancerStableTerms) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            is_paused: u8::from(terms.is_paused),
            yield_fee_exempt: terms.yield_fee_exempt,
            reserved: [0; 2],
            initial_a: U64::new(terms.amplification.initial),
            future_a: U64::new(terms.amplification.future),
            initial_a_time: U64::new(terms.amplification.initial_time),
            future_a_time: U64::new(terms.amplification.future_time),
            swap_fee: U64::new(terms.swap_fee),
            protocol_swap_fee: U64::new(terms.protocol_swap_fee),
            protocol_yield_fee: U64::new(terms.protocol_yield_fee),
        }
    }

    /// The values.
    #[must_use]
    pub const fn terms(&self) -> BalancerStableTerms {
        BalancerStableTerms {
            is_paused: self.is_paused == 1,
            yield_fee_exempt: self.yield_fee_exempt,
            amplification: Ramp {
                initial: self.initial_a.get(),
                future: self.future_a.get(),
                initial_time: self.initial_a_time.get(),
                future_time: self.future_a_time.get(),
            },
            swap_fee: self.swap_fee.get(),
            protocol_swap_fee: self.protocol_swap_fee.get(),
            protocol_yield_fee: self.protocol_yield_fee.get(),
        }
    }
}

/// What swaps and providers change in a stable pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BalancerStableBalances {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
    /// Amplification at the last join or exit, times 1000.
    pub last_join_exit_amplification: U64,
    /// Invariant after the last join or exit.
    pub last_join_exit_invariant: U128,
    /// Shares that exist, those in the vault included, raw units.
    pub supply: U128,
    /// Balances by token in the vault, raw units below 2^112; those past the pool's tokens are zero.
    pub balances: [U128; TOKENS_MAX],
}
wire_message!(
    BalancerStableBalances = 40,
    200,
    version = 3,
    check = |m| if fit_vault(&m.balances) { Ok(()) } else { Err(Self::field_error("balances")) }
);

impl BalancerStableBalances {
    /// State of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, holdings: &BalancerStableHoldings) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            reserved: [0; 4],
            last_join_exit_amplification: U64::new(holdings.last_join_exit_amplification),
            last_join_exit_invariant: U128::new(holdings.last_join_exit_invariant),
            supply: U128::new(holdings.supply),
            balances: u128s(holdings.balances),
        }
    }

    /// The values.
    #[must_use]
    pub fn holdings(&self) -> BalancerStableHoldings {
        BalancerStableHoldings {
            balances: read_u128s(self.balances),
            supply: self.supply.get(),
            last_join_exit_amplification: self.last_join_exit_amplification.get(),
            last_join_exit_invariant: self.last_join_exit_invariant.get(),
        }
    }
}
