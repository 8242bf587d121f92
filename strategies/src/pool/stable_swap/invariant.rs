//! The invariant of given balances.

use ruint::aliases::U256;

use super::super::QuoteError;
use super::arithmetic::{add, div, mul, over, sub};
use super::rules::{Divisor, Rules};

/// Steps after which every contract gives up.
pub(super) const STEPS_MAX: usize = 255;

/// Invariant of balances `scaled`, by the iteration of the family's contract, step by step: its floors leave no other way
/// to the same number.
///
/// Units: the common unit of all coins; `amplification` as stored. Shape: 1 to [`super::COINS_MAX`] coins. Zero for a
/// pool that holds nothing.
///
/// # Errors
/// [`QuoteError::InsufficientLiquidity`] when some but not all coins are absent, [`QuoteError::AmountOverflow`] where the
/// contract overflows, [`QuoteError::NotConverged`] where it gives up, [`QuoteError::InvalidPoolState`] for an
/// amplification below its own precision.
pub fn invariant(rules: Rules, scaled: &[U256], amplification: u64) -> Result<U256, QuoteError> {
    let count = scaled.len() as u64;
    let coins = U256::from(count);
    let precision = U256::from(rules.amplification_precision());
    let ann = U256::from(u128::from(amplification) * u128::from(count));
    let ann_less_one = ann.checked_sub(precision).ok_or(QuoteError::InvalidPoolState)?;
    let mut sum = U256::ZERO;
    for &balance in scaled {
        sum = add(sum, balance)?;
    }
    if sum.is_zero() {
        return Ok(sum);
    }
    let ann_sum = over(mul(ann, sum)?, precision);
    let mut d = sum;
    for _ in 0..STEPS_MAX {
        let product = product(rules.divisor(), scaled, coins, d)?;
        let numerator = mul(add(ann_sum, mul(product, coins)?)?, d)?;
        let denominator = add(over(mul(ann_less_one, d)?, precision), mul(coins.wrapping_add(U256::ONE), product)?)?;
        let before = d;
        d = div(numerator, denominator)?;
        if d.abs_diff(before) <= U256::ONE {
            return Ok(d);
        }
    }
    if rules.refuses_unsettled() { Err(QuoteError::NotConverged) } else { Ok(d) }
}

/// `d^(n + 1) / (n^n x_1 ... x_n)` with a floor after each coin, in the coins' order.
fn product(divisor: Divisor, scaled: &[U256], coins: U256, d: U256) -> Result<U256, QuoteError> {
    let mut product = d;
    for &balance in scaled {
        let by = match divisor {
            Divisor::Scaled => mul(balance, coins)?,
            Divisor::ScaledPlusOne => add(mul(balance, coins)?, U256::ONE)?,
            Divisor::Plain => balance,
        };
        product = div(mul(product, d)?, by)?;
    }
    if divisor == Divisor::Plain {
        // At most 8^8.
        product = over(product, coins.wrapping_pow(coins));
    }
    Ok(product)
}

/// Part of an invariant that `taken` of `supply` shares leave.
pub(super) fn less_shares(invariant: U256, taken: U256, supply: U256) -> Result<U256, QuoteError> {
    sub(invariant, div(mul(taken, invariant)?, supply)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [Rules; 6] =
        [Rules::First, Rules::ThreePool, Rules::Classic, Rules::Factory, Rules::Ng, Rules::Offpeg];

    #[test]
    fn balanced_pool_s_invariant_is_its_sum() {
        let scaled = [U256::from(10_u128.pow(24)); 4];
        for rules in FAMILIES {
            assert_eq!(invariant(rules, &scaled, 20_000), Ok(U256::from(4 * 10_u128.pow(24))), "{rules:?}");
        }
    }

    #[test]
    fn empty_coin_is_a_division_by_zero_except_where_the_divisor_is_one_more() {
        let scaled = [U256::from(10_u128.pow(18)), U256::ZERO];
        for rules in FAMILIES {
            let is_one_more = matches!(rules, Rules::First | Rules::Offpeg);
            assert_eq!(
                invariant(rules, &scaled, 20_000) == Err(QuoteError::InsufficientLiquidity),
                !is_one_more,
                "{rules:?}"
            );
            assert_eq!(invariant(rules, &[U256::ZERO; 2], 20_000), Ok(U256::ZERO), "{rules:?}");
        }
    }

    #[test]
    fn amplification_below_its_precision_is_refused() {
        let scaled = [U256::from(10_u128.pow(18)); 2];
        assert_eq!(invariant(Rules::Classic, &scaled, 49), Err(QuoteError::InvalidPoolState));
        assert!(invariant(Rules::Classic, &scaled, 50).is_ok());
    }

    #[test]
    fn overflow_of_the_contract_is_a_refusal() {
        for rules in FAMILIES {
            assert_eq!(invariant(rules, &[U256::MAX >> 3_usize; 2], 100), Err(QuoteError::AmountOverflow), "{rules:?}");
            assert_eq!(invariant(rules, &[U256::MAX; 2], 100), Err(QuoteError::AmountOverflow), "{rules:?}");
        }
    }
}
