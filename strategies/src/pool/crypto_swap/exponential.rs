//! How fast old prices fade: powers of a half before NG, of e since.

use ruint::aliases::U256;
use ruint::uint;

use super::geometric::ROUNDS_MAX;
use super::words::{E10, E18, Int, of};
use crate::pool::QuoteError;

/// `10^18 * (1/2)^(power / 10^18)`, by a binomial series of which terms below 10^-8 are left out.
pub(super) fn half_power(power: U256) -> Result<U256, QuoteError> {
    let (whole, part) = power.div_rem(E18);
    let whole = usize::try_from(whole).unwrap_or(usize::MAX);
    // Beyond, nothing of 10^18 is left.
    if whole > 59 {
        return Ok(U256::ZERO);
    }
    let result = E18 >> whole;
    if part.is_zero() {
        return Ok(result);
    }
    let (mut term, mut sum, mut is_negative) = (E18, E18, false);
    let half = E18 >> 1_usize;
    for index in 1..=ROUNDS_MAX {
        let whole = U256::from(index).wrapping_mul(E18);
        let before = whole.wrapping_sub(E18);
        is_negative ^= part > before;
        let factor = part.abs_diff(before);
        term = (of(term) * (of(factor) * half / E18) / whole).get()?;
        sum = if is_negative { of(sum) - term } else { of(sum) + term }.get()?;
        if term < E10 {
            return (of(result) * sum / E18).get();
        }
    }
    Err(QuoteError::NotConverged)
}

/// Argument at or below which the result rounds to zero.
const POWER_MIN: Int = Int::positive(uint!(42_139_678_854_452_767_551_U256));
/// Argument from which the result passes 255 bits.
const POWER_MAX: Int = Int::positive(uint!(135_305_999_368_893_231_589_U256));
const Q96: Int = Int::positive(uint!(0x1000000000000000000000000_U256));
/// `ln(2) * 2^96`.
const LN_2: Int = Int::positive(uint!(54_916_777_467_707_473_351_141_471_128_U256));

/// `10^18 * e^(power / 10^18)`: a rational approximation after the powers of two are taken out.
///
/// Coefficients: the (6, 7)-term one of Remco Bloemen's "exp-ln", which both contracts use. Divisions by 2^96 are
/// shifts and round down. An early source of tricrypto-NG divides towards zero, which takes another `k` near halves of
/// powers of two; the deployed code shifts.
pub(super) fn exponential(power: Int) -> Result<U256, QuoteError> {
    if power <= POWER_MIN.negated() {
        return Ok(U256::ZERO);
    }
    if power >= POWER_MAX {
        return Err(QuoteError::UnsafeValue);
    }
    let scaled = Int::shifted_96;
    let constant = |word: U256| Int::positive(word);
    let x = power.wrapping_mul(Q96).over(constant(E18));
    let half = constant(uint!(0x800000000000000000000000_U256));
    let k = scaled(x.wrapping_mul(Q96).over(LN_2).wrapping_add(half));
    let x = x.wrapping_sub(k.wrapping_mul(LN_2));
    let step = |value: Int, coefficient: U256| scaled(value.wrapping_mul(x)).wrapping_add(constant(coefficient));
    let step_down = |value: Int, coefficient: U256| scaled(value.wrapping_mul(x)).wrapping_sub(constant(coefficient));
    let y = step(
        x.wrapping_add(constant(uint!(1_346_386_616_545_796_478_920_950_773_328_U256))),
        uint!(57_155_421_227_552_351_082_224_309_758_442_U256),
    );
    let p = y.wrapping_add(x).wrapping_sub(constant(uint!(94_201_549_194_550_492_254_356_042_504_812_U256)));
    let p =
        scaled(p.wrapping_mul(y)).wrapping_add(constant(uint!(28_719_021_644_029_726_153_956_944_680_412_240_U256)));
    let last = constant(uint!(4_385_272_521_454_847_904_659_076_985_693_276_U256)).wrapping_mul(Q96);
    let p = p.wrapping_mul(x).wrapping_add(last);
    let q = x.wrapping_sub(constant(uint!(2_855_989_394_907_223_263_936_484_059_900_U256)));
    let q = step(q, uint!(50_020_603_652_535_783_019_961_831_881_945_U256));
    let q = step_down(q, uint!(533_845_033_583_426_703_283_633_433_725_380_U256));
    let q = step(q, uint!(3_604_857_256_930_695_427_073_651_918_091_429_U256));
    let q = step_down(q, uint!(14_423_608_567_350_463_180_887_372_962_807_573_U256));
    let q = step(q, uint!(26_449_188_498_355_588_339_934_803_723_976_023_U256));
    // 10^18 / 2^96, the series' own scale, and room for the shift by k, in one product.
    let scale = uint!(3_822_833_074_963_236_453_042_738_258_902_158_003_155_416_615_667_U256);
    let product = p.over(q).word()?.wrapping_mul(scale);
    let shift = constant(U256::from(195)).wrapping_sub(k).word()?;
    Ok(product.wrapping_shr(usize::try_from(shift).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_half_lives_halve() {
        assert_eq!(half_power(U256::ZERO), Ok(E18));
        assert_eq!(half_power(E18), Ok(E18 >> 1_usize));
        assert_eq!(half_power(E18.wrapping_mul(U256::from(60))), Ok(U256::ZERO));
        assert_eq!(half_power(U256::MAX), Ok(U256::ZERO));
    }

    #[test]
    fn exponential_ends_where_the_contract_s_does() {
        assert_eq!(exponential(Int::positive(U256::ZERO)), Ok(E18));
        assert_eq!(exponential(POWER_MIN.negated()), Ok(U256::ZERO));
        assert_eq!(exponential(POWER_MAX), Err(QuoteError::UnsafeValue));
        assert!(exponential(POWER_MAX.wrapping_sub(Int::positive(U256::ONE))).is_ok());
    }

    /// The first rows are those of KyberSwap's test of this function, the last is the deployed contract's answer just
    /// below a power of two.
    #[test]
    fn exponential_gives_the_contract_s_numbers() {
        let rows: [(i128, u64); 9] = [
            (-42_139_678_854_452_767_551, 0),
            (-42_139_678_854_452_767_552, 0),
            (-10, 999_999_999_999_999_990),
            (-8_293_361, 999_999_999_991_706_639),
            (-8_293_361_234, 999_999_991_706_638_800),
            (10, 1_000_000_000_000_000_010),
            (8_293_361, 1_000_000_000_008_293_361),
            (8_293_361_234, 1_000_000_008_293_361_268),
            (-693_641_618_497_109_826, 499_752_842_138_564_523),
        ];
        for (power, expected) in rows {
            let magnitude = Int::positive(U256::from(power.unsigned_abs()));
            let signed = if power < 0 { magnitude.negated() } else { magnitude };
            assert_eq!(exponential(signed), Ok(U256::from(expected)), "{power}");
        }
    }
}
