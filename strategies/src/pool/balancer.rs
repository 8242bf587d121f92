//! Swaps in Balancer V2's weighted and stable pools, bit for bit.
//!
//! The vault keeps the balances, as `uint112`, and asks a pool for the price; both refuse, and a query goes the way of a
//! swap to its end before it is undone. So a view's quote is what a swap executes, and every refusal is the query's too.
//! Fees stay in the pool: the vault adds the whole input to one balance and takes the output from the other.
//!
//! | module | contract |
//! |---|---|
//! | [`fixed_point`] | `FixedPoint`, `Math` |
//! | [`log_exp`] | `LogExpMath` |
//! | [`weighted`] | `WeightedMath`, `WeightedPool` |
//! | [`stable`] | `StableMath`, `StablePool`, `MetaStablePool`, `ComposableStablePool` |
//!
//! Of a composable pool the swaps between its tokens are priced, not those for or of its own share, which are joins and
//! exits. A pause of the vault itself, or a pool's recovery mode, is not known here.

pub mod fixed_point;
pub mod log_exp;
pub mod stable;
pub mod weighted;

use ruint::aliases::U256;

use super::{QuoteError, Swapped, Way};
use fixed_point::{complement, div_up, mul_up};

/// Most tokens that a pool has here: a weighted pool's eight; a composable pool has its share and five more.
pub const TOKENS_MAX: usize = 8;

/// Largest balance that the vault stores.
pub const BALANCE_MAX: u128 = (1 << 112) - 1;

/// Balances by token, raw units; those past the pool's tokens are zero.
pub type Balances = [u128; TOKENS_MAX];

/// Takes the fee off an input: it rounds up, for the pool.
// Inlined, so that the division by a constant is one.
#[inline(always)]
fn subtract_fee(amount_in: U256, swap_fee: u64) -> Result<U256, QuoteError> {
    let fee = mul_up(amount_in, U256::from(swap_fee))?;
    amount_in.checked_sub(fee).ok_or(QuoteError::InvalidPoolState)
}

/// The input of which the fee leaves `amount_in` at least.
fn add_fee(amount_in: U256, swap_fee: u64) -> Result<U256, QuoteError> {
    div_up(amount_in, complement(U256::from(swap_fee)))
}

/// Both places of a way through a pool of `token_count` tokens.
fn places(way: Way, token_count: usize) -> Result<(usize, usize), QuoteError> {
    let (token_in, token_out) = (usize::from(way.token_in), usize::from(way.token_out));
    if token_in >= token_count || token_out >= token_count || token_in == token_out {
        return Err(QuoteError::TokenNotInPool);
    }
    Ok((token_in, token_out))
}

/// What the vault books for a swap between two places that exist.
fn settle(
    balances: &[u128],
    (token_in, token_out): (usize, usize),
    amount_in: U256,
    amount_out: U256,
) -> Result<Balances, QuoteError> {
    let mut after = [0; TOKENS_MAX];
    after.get_mut(..balances.len()).ok_or(QuoteError::InvalidPoolState)?.copy_from_slice(balances);
    let paid_in = u128::try_from(amount_in).ok().and_then(|amount| after[token_in].checked_add(amount));
    let paid_in = paid_in.filter(|balance| *balance <= BALANCE_MAX).ok_or(QuoteError::ReserveOverflow)?;
    let paid_out = u128::try_from(amount_out).ok().and_then(|amount| after[token_out].checked_sub(amount));
    after[token_in] = paid_in;
    after[token_out] = paid_out.ok_or(QuoteError::InsufficientLiquidity)?;
    Ok(after)
}

/// One amount that the caller fixes and the other that the pool answers, after the vault's own checks.
fn swapped(
    balances: &[u128],
    way: (usize, usize),
    amount_in: U256,
    amount_out: U256,
) -> Result<Swapped<Balances>, QuoteError> {
    Ok(Swapped { amount_out, after: settle(balances, way, amount_in, amount_out)? })
}
