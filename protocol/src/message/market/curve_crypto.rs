//! State of Curve CryptoSwap pools.

use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::CURVE_FEE_ONE;
use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{WireMessage, wire_message};
use crate::values::{CurveCryptoHoldings, CurveCryptoTerms, Ramp};
use crate::wire::{read_u128s, u128s};

/// What an owner sets in a CryptoSwap pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CurveCryptoParameters {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// 1 when the contract refuses swaps, else 0.
    pub is_paused: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 3],
    /// Amplification at `initial_time`, with the contract's precision.
    pub initial_a: U64,
    /// Gamma at `initial_time`, of 10^18.
    pub initial_gamma: U64,
    /// Amplification from `future_time` on.
    pub future_a: U64,
    /// Gamma from `future_time` on.
    pub future_gamma: U64,
    /// `initial_A_gamma_time`, Unix seconds.
    pub initial_time: U64,
    /// `future_A_gamma_time`, Unix seconds; a contract that has it above 0 reckons its invariant anew.
    pub future_time: U64,
    /// Fee in balance, of 10^10.
    pub mid_fee: U64,
    /// Fee far out of balance, of 10^10.
    pub out_fee: U64,
    /// `fee_gamma`, of 10^18.
    pub fee_gamma: U64,
    /// `allowed_extra_profit`, of 10^18.
    pub allowed_extra_profit: U64,
    /// `adjustment_step`, of 10^18.
    pub adjustment_step: U64,
    /// `ma_time`, or `ma_half_time` of older contracts.
    pub ma_time: U64,
    /// Owner's part of the profit, of 10^10.
    pub admin_fee: U64,
}
wire_message!(CurveCryptoParameters = 35, 136, version = 3, check = check_parameters);

fn check_parameters(m: &CurveCryptoParameters) -> Result<(), DecodeError> {
    if m.is_paused > 1 {
        return Err(CurveCryptoParameters::field_error("is_paused"));
    }
    let fees = [("mid_fee", m.mid_fee), ("out_fee", m.out_fee), ("admin_fee", m.admin_fee)];
    match fees.into_iter().find(|(_, fee)| fee.get() > CURVE_FEE_ONE) {
        Some((field, _)) => Err(CurveCryptoParameters::field_error(field)),
        None => Ok(()),
    }
}

impl CurveCryptoParameters {
    /// Parameters of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, terms: &CurveCryptoTerms) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            is_paused: u8::from(terms.is_paused),
            reserved: [0; 3],
            initial_a: U64::new(terms.amplification.initial),
            initial_gamma: U64::new(terms.gamma_initial),
            future_a: U64::new(terms.amplification.future),
            future_gamma: U64::new(terms.gamma_future),
            initial_time: U64::new(terms.amplification.initial_time),
            future_time: U64::new(terms.amplification.future_time),
            mid_fee: U64::new(terms.mid_fee),
            out_fee: U64::new(terms.out_fee),
            fee_gamma: U64::new(terms.fee_gamma),
            allowed_extra_profit: U64::new(terms.allowed_extra_profit),
            adjustment_step: U64::new(terms.adjustment_step),
            ma_time: U64::new(terms.ma_time),
            admin_fee: U64::new(terms.admin_fee),
        }
    }

    /// The values.
    #[must_use]
    pub const fn terms(&self) -> CurveCryptoTerms {
        CurveCryptoTerms {
            is_paused: self.is_paused == 1,
            amplification: Ramp {
                initial: self.initial_a.get(),
                future: self.future_a.get(),
                initial_time: self.initial_time.get(),
                future_time: self.future_time.get(),
            },
            gamma_initial: self.initial_gamma.get(),
            gamma_future: self.future_gamma.get(),
            mid_fee: self.mid_fee.get(),
            out_fee: self.out_fee.get(),
            fee_gamma: self.fee_gamma.get(),
            allowed_extra_profit: self.allowed_extra_profit.get(),
            adjustment_step: self.adjustment_step.get(),
            ma_time: self.ma_time.get(),
            admin_fee: self.admin_fee.get(),
        }
    }
}

/// What a swap changes in a CryptoSwap pool. The largest message of a connection: it cannot grow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CurveCryptoBalances {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// 1 while the contract has still to move its price scale (`not_adjusted`), else 0.
    pub is_not_adjusted: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 3],
    /// `last_prices_timestamp`, Unix seconds.
    pub last_prices_time: U64,
    /// Balances by coin, raw units; that of a third coin which is not there is zero.
    pub balances: [U128; 3],
    /// Prices of coins 1 and 2 around which liquidity is concentrated, times 10^18.
    pub price_scale: [U128; 2],
    /// `price_oracle` as stored, times 10^18.
    pub price_oracle: [U128; 2],
    /// `last_prices`, times 10^18.
    pub last_prices: [U128; 2],
    /// Invariant as stored.
    pub d: U128,
    /// Shares that exist, raw units.
    pub supply: U128,
    /// `virtual_price` as stored, times 10^18.
    pub virtual_price: U128,
    /// `xcp_profit`, times 10^18.
    pub xcp_profit: U128,
}
wire_message!(
    CurveCryptoBalances = 36,
    248,
    version = 3,
    check = |m| {
        if m.is_not_adjusted > 1 {
            return Err(Self::field_error("is_not_adjusted"));
        }
        Ok(())
    }
);

impl CurveCryptoBalances {
    /// State of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, holdings: &CurveCryptoHoldings) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            is_not_adjusted: u8::from(holdings.is_not_adjusted),
            reserved: [0; 3],
            last_prices_time: U64::new(holdings.last_prices_time),
            balances: u128s(holdings.balances),
            price_scale: u128s(holdings.price_scale),
            price_oracle: u128s(holdings.price_oracle),
            last_prices: u128s(holdings.last_prices),
            d: U128::new(holdings.d),
            supply: U128::new(holdings.supply),
            virtual_price: U128::new(holdings.virtual_price),
            xcp_profit: U128::new(holdings.xcp_profit),
        }
    }

    /// The values.
    #[must_use]
    pub fn holdings(&self) -> CurveCryptoHoldings {
        CurveCryptoHoldings {
            is_not_adjusted: self.is_not_adjusted == 1,
            balances: read_u128s(self.balances),
            price_scale: read_u128s(self.price_scale),
            price_oracle: read_u128s(self.price_oracle),
            last_prices: read_u128s(self.last_prices),
            last_prices_time: self.last_prices_time.get(),
            d: self.d.get(),
            supply: self.supply.get(),
            virtual_price: self.virtual_price.get(),
            xcp_profit: self.xcp_profit.get(),
        }
    }
}
