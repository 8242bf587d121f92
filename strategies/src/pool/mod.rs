//! Exact pool arithmetic, and the estimates that search ranks routes by.
//!
//! Every amount that a `quote_*` function returns is an integer and equals, to the unit, what the pool contract itself
//! would compute from the same state; where the contract would revert the answer is a [`QuoteError`]. The pure
//! arithmetic mirrors the contracts' libraries file by file, so that a reader can hold them side by side:
//!
//! | module | contract |
//! |---|---|
//! | [`full_math`] | `FullMath`, `UnsafeMath` |
//! | [`constant_product`] | `UniswapV2Library`, the checks of `UniswapV2Pair.swap` |
//! | [`tick_math`], [`tick_bitmap`] | `TickMath`, `TickBitmap` |
//! | [`sqrt_price_math`], [`swap_math`] | `SqrtPriceMath`, `SwapMath` |
//! | [`concentrated_liquidity`] | `UniswapV3Pool.swap`, `QuoterV2` |
//! | [`steps`] | none: the same answers as [`concentrated_liquidity`] from steps summed beforehand |
//! | [`stable_swap`] | Curve's StableSwap contracts, `get_dy`, `get_dx`, `exchange` |
//! | [`crypto_swap`] | Curve's CryptoSwap pools of two and three coins, and their maths contracts |
//! | [`balancer`] | `WeightedPool`, `StablePool`, `MetaStablePool`, `ComposableStablePool` of Balancer V2, `Vault.swap` |
//! | [`v4`] | `PoolManager.swap`, `V4Quoter`, for pools whose hooks leave swaps alone |
//! | [`ramp`], [`square_root`] | what several kinds share: amplification that moves over time, the floor of a root |
//! | [`solidly`] | `Pair` of Solidly and Velodrome V1, `Pool` of Velodrome V2 and Aerodrome |
//!
//! Floats appear in [`mobius`], [`ladder`] and [`estimate`] only. They rank and filter; no amount comes from them.
//!
//! Nothing here blocks or panics on any input, and nothing allocates but a [`StepTable`] while it is built.

pub mod balancer;
mod checked;
pub mod concentrated_liquidity;
pub mod consistency;
pub mod constant_product;
pub mod crypto_swap;
mod error;
pub mod estimate;
pub mod full_math;
pub mod ladder;
pub mod mobius;
mod quotient;
pub mod ramp;
pub mod solidly;
pub mod sqrt_price_math;
pub mod square_root;
pub mod stable_swap;
pub mod steps;
pub mod swap_math;
pub mod tick_bitmap;
pub mod tick_math;
pub mod v4;
pub mod way;

pub use concentrated_liquidity::{AmountSpecified, SwapResult, V3View};
pub(crate) use consistency::check_moved;
pub use consistency::{Inconsistency, check_consistency};
pub use error::QuoteError;
pub use ladder::{PriceRange, RANGES_MAX};
pub use mobius::Mobius;
pub use ramp::Ramp;
pub use steps::StepTable;
pub use way::{Swapped, Way};

/// Parts per million in one: the scale of every fee.
pub const PPM: u32 = 1_000_000;
