//! Messages about tokens and pools. One state message brings its pool to its new state.

mod balancer;
mod concentrated;
mod curve_crypto;
mod curve_stable;
mod kind;
mod multi_token;
mod pair;
mod rates;
mod solidly;
mod standing;
mod token;
mod v4;

pub use self::balancer::{
    BalancerStableBalances, BalancerStableParameters, BalancerWeightedBalances, BalancerWeightedParameters,
};
pub use self::concentrated::{TICK_MAX, TICK_MIN, V3Liquidity, V3Swap, V3Tick};
pub use self::curve_crypto::{CurveCryptoBalances, CurveCryptoParameters};
pub use self::curve_stable::{CurveStableBalances, CurveStableParameters};
pub use self::kind::{PoolKind, PoolVariant};
pub use self::multi_token::{MultiTokenPool, NO_BASE_POOL, NO_BPT};
pub use self::pair::{Pool, V2Reserves};
pub use self::rates::{PoolRates, RatesUse};
pub use self::solidly::SolidlyReserves;
pub use self::standing::{PoolStanding, PoolTrust, StateParts};
pub use self::token::{SYMBOL_BYTES_MAX, Token};
pub use self::v4::{FEE_DYNAMIC, V4Pool, V4Swap};

/// One, in the fees of Curve's pools.
const CURVE_FEE_ONE: u64 = 10_000_000_000;
