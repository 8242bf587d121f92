//! Curve StableSwap pools: from the first lending pools to NG, plain, lending-style, over a base pool, off-peg.
//!
//! All of them share one curve, which the *invariant* and the amplification choose; they differ in rounding, in where
//! the fee is taken, in the divisor of one product and in what they do when an iteration does not settle. [`Rules`] names
//! those differences, one variant a family of contracts, and every answer is the family's to the unit:
//!
//! | module | content |
//! |---|---|
//! | [`rules`] | which family, and what follows from it |
//! | [`invariant`] | the invariant of given balances: the contracts' own iteration |
//! | [`balance`] | the balance of one coin that the others leave: without iteration, and why that is the same number |
//! | [`view`] | quote, swap, exact output |
//! | [`liquidity`] | virtual price, shares for a deposit, one coin for shares |
//! | [`meta`] | pools whose last coin is the share of a base pool |
//!
//! A quote needs the invariant, which costs an iteration. [`Solved`] holds it with the balances, rates and amplification
//! that it belongs to: solved once when the state moves, it leaves a quote without any loop. A view with none, or with
//! one that does not fit the moment asked about, solves for itself, so that a stale one costs time and never an answer.
//!
//! `quote_*` answers what the contract's own view answers, `swap_exact_in` what its `exchange` does: for the first pools,
//! the three-coin pool and off-peg pools the two differ by a unit.

mod arithmetic;
pub mod balance;
pub mod invariant;
pub mod liquidity;
pub mod meta;
pub mod rules;
pub mod view;

pub use meta::{BasePool, PRICE_CACHE_SECONDS, PriceCache};
pub use rules::Rules;
pub use view::{Solved, StableSwapAfter, StableSwapView};

/// Most coins that a pool of this kind has; NG's limit, the largest.
pub const COINS_MAX: usize = 8;

/// One, in every fee of this kind.
pub const FEE_ONE: u64 = 10_000_000_000;
