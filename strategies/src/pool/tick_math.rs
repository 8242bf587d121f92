//! Prices of ticks and ticks of prices: `TickMath` of Uniswap V3, bit for bit.
//!
//! A price is `sqrt(token1 / token0)` as an unsigned Q64.96.

use ruint::aliases::U256;

use super::QuoteError;
use super::full_math::words::{high_word, low_word};

/// Lowest tick: `log_1.0001(2^-128)`, rounded in. Source: `TickMath.MIN_TICK`.
pub const MIN_TICK: i32 = -887_272;
/// Highest tick. Source: `TickMath.MAX_TICK`.
pub const MAX_TICK: i32 = -MIN_TICK;
/// Price of [`MIN_TICK`], 4295128739; a pool's price is never below it. Source: `TickMath.MIN_SQRT_RATIO`.
pub const MIN_SQRT_RATIO: U256 = U256::from_limbs([4_295_128_739, 0, 0, 0]);
/// Price of [`MAX_TICK`], 1461446703485210103287273052203988822378723970342; a pool's price is always below it.
/// Source: `TickMath.MAX_SQRT_RATIO`.
pub const MAX_SQRT_RATIO: U256 = U256::from_limbs([0x5d95_1d52_6398_8d26, 0xefd1_fc6a_5064_8849, 0xfffd_8963, 0]);

/// `2^128 / 1.0001^(2^k / 2)` for each bit `k` of a tick, as `TickMath.getSqrtRatioAtTick` lists them.
const RATIO_OF_BIT: [u128; 20] = [
    0xfffc_b933_bd6f_ad37_aa2d_162d_1a59_4001,
    0xfff9_7272_373d_4132_59a4_6990_580e_213a,
    0xfff2_e50f_5f65_6932_ef12_357c_f3c7_fdcc,
    0xffe5_caca_7e10_e4e6_1c36_24ea_a094_1cd0,
    0xffcb_9843_d60f_6159_c9db_5883_5c92_6644,
    0xff97_3b41_fa98_c081_472e_6896_dfb2_54c0,
    0xff2e_a164_66c9_6a38_43ec_78b3_26b5_2861,
    0xfe5d_ee04_6a99_a2a8_11c4_61f1_969c_3053,
    0xfcbe_86c7_900a_88ae_dcff_c83b_479a_a3a4,
    0xf987_a725_3ac4_1317_6f2b_074c_f781_5e54,
    0xf339_2b08_22b7_0005_940c_7a39_8e4b_70f3,
    0xe715_9475_a2c2_9b74_43b2_9c7f_a6e8_89d9,
    0xd097_f3bd_fd20_22b8_845a_d8f7_92aa_5825,
    0xa9f7_4646_2d87_0fdf_8a65_dc1f_90e0_61e5,
    0x70d8_69a1_56d2_a1b8_90bb_3df6_2baf_32f7,
    0x31be_135f_97d0_8fd9_8123_1505_542f_cfa6,
    0x09aa_508b_5b7a_84e1_c677_de54_f3e9_9bc9,
    0x005d_6af8_dedb_8119_6699_c329_225e_e604,
    0x0000_2216_e584_f5fa_1ea9_2604_1bed_fe98,
    0x0000_0000_048a_1703_91f7_dc42_444e_8fa2,
];

/// Price of `tick`, rounded up: `getSqrtRatioAtTick`.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a tick outside `MIN_TICK..=MAX_TICK`.
pub fn get_sqrt_ratio_at_tick(tick: i32) -> Result<U256, QuoteError> {
    let magnitude = tick.unsigned_abs();
    if magnitude > MAX_TICK.unsigned_abs() {
        return Err(QuoteError::InvalidPoolState);
    }
    let Some(ratio) = inverse_ratio(magnitude) else {
        return Ok(U256::ONE << 96_usize);
    };
    if tick < 0 {
        return Ok(U256::from(ceil_shift_32(ratio)));
    }
    let [a, b, c, d] = *U256::MAX.wrapping_div(U256::from(ratio)).as_limbs();
    let shifted = U256::from_limbs([(a >> 32) | (b << 32), (b >> 32) | (c << 32), (c >> 32) | (d << 32), d >> 32]);
    // At most 2^224 after the shift, so one more fits.
    Ok(shifted.wrapping_add(U256::from(u8::from(a.trailing_zeros() < 32))))
}

/// `2^128 / 1.0001^(magnitude / 2)` with the contract's rounding after every factor; `None` stands for 2^128 itself.
fn inverse_ratio(magnitude: u32) -> Option<u128> {
    let mut ratio = None;
    for (bit, &factor) in RATIO_OF_BIT.iter().enumerate() {
        if magnitude >> bit & 1 == 1 {
            ratio = Some(ratio.map_or(factor, |ratio| mul_high(ratio, factor)));
        }
    }
    ratio
}

/// Q128 to Q96, rounded up, so that a price never lies below its tick.
fn ceil_shift_32(ratio: u128) -> u128 {
    (ratio >> 32) + u128::from(ratio.trailing_zeros() < 32)
}

/// Upper and lower 128 bits of a 256-bit product.
const fn widening_mul(a: u128, b: u128) -> (u128, u128) {
    const LOW: u128 = u64::MAX as u128;
    let (a_high, a_low) = (a >> 64, a & LOW);
    let (b_high, b_low) = (b >> 64, b & LOW);
    let low = a_low * b_low;
    // Each sum stays below 2^128: (2^64 - 1)^2 + 2 (2^64 - 1) is 2^128 - 1.
    let middle = a_high * b_low + (low >> 64);
    let cross = a_low * b_high + (middle & LOW);
    (a_high * b_high + (middle >> 64) + (cross >> 64), (cross << 64) | (low & LOW))
}

fn mul_high(a: u128, b: u128) -> u128 {
    widening_mul(a, b).0
}

/// Greatest tick whose price is at most `sqrt_price_x96`: `getTickAtSqrtRatio`.
///
/// The contract squares the price fourteen times to come to two ticks, and compares the price with that of the higher one. A
/// table and a parabola between two of its entries come nearer, and leave the comparison out for 499 prices of 500.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a price outside `MIN_SQRT_RATIO..MAX_SQRT_RATIO`.
#[inline]
pub fn get_tick_at_sqrt_ratio(sqrt_price_x96: U256) -> Result<i32, QuoteError> {
    if sqrt_price_x96 < MIN_SQRT_RATIO || sqrt_price_x96 >= MAX_SQRT_RATIO {
        return Err(QuoteError::InvalidPoolState);
    }
    let (exponent, mantissa) = leading_bits(sqrt_price_x96);
    let (low, high) = tick_bounds(exponent, mantissa);
    if low == high { Ok(low) } else { tick_at_or_above(low, sqrt_price_x96) }
}

/// The same of a price of 128 bits; `None` for one below the domain.
#[inline]
pub(super) fn tick_at_narrow(sqrt_price_x96: u128) -> Option<i32> {
    const ZEROS_MAX: u32 = 128 - 33;
    let zeros = sqrt_price_x96.leading_zeros();
    // The lowest price has 33 bits.
    if zeros >= ZEROS_MAX && U256::from(sqrt_price_x96) < MIN_SQRT_RATIO {
        return None;
    }
    let (low, high) = tick_bounds(31 - i64::from(zeros), high_word(sqrt_price_x96 << zeros));
    if low == high { Some(low) } else { tick_at_or_above(low, U256::from(sqrt_price_x96)).ok() }
}

/// The tick above `low` if the price is not below it, else `low`.
#[cold]
fn tick_at_or_above(low: i32, sqrt_price_x96: U256) -> Result<i32, QuoteError> {
    let is_above = low < MAX_TICK && get_sqrt_ratio_at_tick(low + 1)? <= sqrt_price_x96;
    Ok(if is_above { low + 1 } else { low })
}

/// Binary digits of a tick's fraction in what follows.
const TICK_DIGITS: u32 = 24;
/// Ticks for each doubling of a price, times 2^64: the contract's constant.
const TICKS_PER_LOG_2_X64: u128 = 255_738_958_999_603_826_347_141;
/// Pieces that a doubling of the price is cut into.
const PIECES: usize = 256;
/// Ticks from a power of two to each piece's start and end.
const TICKS_OF_PIECE: [Piece; PIECES] = pieces();
/// Ticks of a whole doubling.
const TICKS_OF_DOUBLING: i64 = ticks_of(PIECES).cast_signed();
/// Between two of its points a logarithm lies above the straight line, here by 0.0382 ticks at most, and near a parabola, here
/// by a three thousandth. That, and what the line, the table and the prices of ticks are rounded by, is below a thousandth.
const ERROR: i64 = (1 << TICK_DIGITS) / 1_000;

/// The logarithm between two of its points.
#[derive(Clone, Copy)]
struct Piece {
    /// At the first one, rounded down.
    start: u64,
    /// From there to the other, times 2^9; less than 2^39.
    rise: u64,
    /// How high the parabola stands above the line, in units of a square of the way: `T / (2 ln 2 256^2 m^2)`, times `2^9`,
    /// where `T` are the ticks of a doubling and `m` is the middle of the piece, from one to two.
    curve: u64,
}

const fn pieces() -> [Piece; PIECES] {
    let mut pieces = [Piece { start: 0, rise: 0, curve: 0 }; PIECES];
    let mut piece = 0;
    while piece < PIECES {
        let (start, end) = (ticks_of(piece), ticks_of(piece + 1));
        let middle = (2 * (PIECES + piece) + 1) as u64;
        let curve = (CURVE + middle * middle / 2) / (middle * middle);
        pieces[piece] = Piece { start, rise: (end - start) << 9, curve };
        piece += 1;
    }
    pieces
}

/// `T / (2 ln 2 256^2) 512^2`, `2^24` digits of a tick, over `2^15`: the curve of a piece around one, times its middle's square.
const CURVE: u64 = 20_481_024;

/// Ticks from a power of two to a piece's start, rounded down.
const fn ticks_of(piece: usize) -> u64 {
    const LOG_DIGITS: u32 = 40;
    // The whole doubling has no fraction, and one in front.
    let mut log = if piece == PIECES { 1 } else { 0 };
    let mut mantissa = if piece == PIECES { 1 << 127 } else { ((PIECES + piece) as u128) << 119 };
    let mut digit = 0;
    while digit < LOG_DIGITS {
        let (high, low) = widening_mul(mantissa, mantissa);
        log = log << 1 | high >> 127;
        mantissa = if high >> 127 == 1 { high } else { high << 1 | low >> 127 };
        digit += 1;
    }
    low_word((log * TICKS_PER_LOG_2_X64) >> (64 + LOG_DIGITS - TICK_DIGITS))
}

/// The two ticks between which the answer lies; most often equal, and never more than one apart.
///
/// Neither falls when the price rises, so what holds at the first and the last price of a tick holds at all of its prices:
/// that is how a test shows it for every tick. The price must be in the price domain.
#[inline]
fn tick_bounds(exponent: i64, mantissa: u64) -> (i32, i32) {
    const WHOLE: u64 = 1 << 24;
    // The bit in front is not looked at; eight choose the piece, and 24 say how far into it.
    let [first, second, ..] = mantissa.to_be_bytes();
    let Piece { start, rise, curve } = TICKS_OF_PIECE[usize::from(first << 1 | second >> 7)];
    let into_piece = mantissa << 9 >> 40;
    // Grows with the way into the piece, as the rise is more than the curve times the whole of it.
    let risen = into_piece * (rise + curve * (WHOLE - into_piece));
    let ticks = exponent * TICKS_OF_DOUBLING + start.cast_signed() + (risen >> 33).cast_signed();
    (whole(ticks - ERROR), whole(ticks + ERROR))
}

/// The place of the first bit, counted from that of a price of one, and 64 bits from there on.
#[inline]
fn leading_bits(sqrt_price_x96: U256) -> (i64, u64) {
    let [low, middle, high, _] = *sqrt_price_x96.as_limbs();
    let (limb, next, place) = match (high, middle) {
        (0, 0) => (low, 0, 0),
        (0, _) => (middle, low, 64),
        _ => (high, middle, 128),
    };
    let zeros = limb.leading_zeros();
    let mantissa = if zeros == 0 { limb } else { limb << zeros | next >> (64 - zeros) };
    (place + 63 - i64::from(zeros) - 96, mantissa)
}

/// The tick at or below a fraction of one.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a tick of the domain has 21 bits")]
const fn whole(ticks: i64) -> i32 {
    (ticks >> TICK_DIGITS) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_the_domain_have_the_contract_s_prices() {
        assert_eq!(get_sqrt_ratio_at_tick(MIN_TICK), Ok(MIN_SQRT_RATIO));
        assert_eq!(get_sqrt_ratio_at_tick(MAX_TICK), Ok(MAX_SQRT_RATIO));
        assert_eq!(MAX_SQRT_RATIO.to_string(), "1461446703485210103287273052203988822378723970342");
        assert_eq!(get_tick_at_sqrt_ratio(MIN_SQRT_RATIO), Ok(MIN_TICK));
        assert_eq!(get_tick_at_sqrt_ratio(MAX_SQRT_RATIO - U256::ONE), Ok(MAX_TICK - 1));
    }

    #[test]
    fn outside_the_domain_is_an_error() {
        for tick in [MIN_TICK - 1, MAX_TICK + 1, i32::MIN, i32::MAX] {
            assert_eq!(get_sqrt_ratio_at_tick(tick), Err(QuoteError::InvalidPoolState));
        }
        for price in [U256::ZERO, MIN_SQRT_RATIO - U256::ONE, MAX_SQRT_RATIO, U256::MAX] {
            assert_eq!(get_tick_at_sqrt_ratio(price), Err(QuoteError::InvalidPoolState));
        }
        assert_eq!((tick_at_narrow(0), tick_at_narrow(4_295_128_738)), (None, None));
        assert_eq!(tick_at_narrow(4_295_128_739), Some(MIN_TICK));
    }

    /// Every price belongs to the tick at or below it. The bounds do not fall when the price rises, so that holding at both
    /// edges of every tick is holding everywhere.
    #[test]
    fn tick_of_every_price_is_the_greatest_at_or_below_it() {
        let mut price = MIN_SQRT_RATIO;
        let mut compared = 0;
        for tick in MIN_TICK..MAX_TICK {
            let next = get_sqrt_ratio_at_tick(tick + 1).expect("in the domain");
            assert!(price < next);
            let last = next - U256::ONE;
            for edge in [price, last, price + ((last - price) >> 1_usize)] {
                let (exponent, mantissa) = leading_bits(edge);
                let (low, high) = tick_bounds(exponent, mantissa);
                assert!(
                    low >= tick - 1 && low <= tick && high >= tick && high <= tick + 1 && high - low <= 1,
                    "{tick}"
                );
                assert_eq!(get_tick_at_sqrt_ratio(edge), Ok(tick));
                if let Ok(edge) = u128::try_from(edge) {
                    assert_eq!(tick_at_narrow(edge), Some(tick));
                }
                compared += u32::from(low != high);
            }
            price = next;
        }
        assert_eq!(compared, 4 * MAX_TICK.unsigned_abs(), "at both edges of each tick, and nowhere between");
    }

    /// The contract's own way to the answer.
    fn tick_by_squaring(sqrt_price_x96: U256) -> i32 {
        const TICKS_PER_LOG_2: U256 = U256::from_limbs([0xa301_d710_5577_4c85, 0x3627, 0, 0]);
        const ERROR_ABOVE: U256 = U256::from_limbs([0x5af0_12a1_9d00_3aaa, 0x028f_6481_ab7f_045a, 0, 0]);
        const ERROR_BELOW: U256 = U256::from_limbs([0x455e_2607_99a0_632f, 0xdb2d_f09e_8195_9a81, 0, 0]);
        let bits = sqrt_price_x96.bit_len();
        let normal = sqrt_price_x96 << (256 - bits);
        let mut mantissa: u128 = (normal >> 128_usize).to();
        let mut fraction = 0_i128;
        for digit in (50..64).rev() {
            let (high, low) = widening_mul(mantissa, mantissa);
            fraction |= i128::from((high >> 127) == 1) << digit;
            mantissa = if high >> 127 == 1 { high } else { high << 1 | low >> 127 };
        }
        let exponent = i128::try_from(bits).expect("256 at most") + 32 - 1 - 128;
        let log_2 = exponent << 64 | fraction;
        let sign = if log_2 < 0 { u128::MAX } else { 0 };
        let log_2 = U256::from(log_2.cast_unsigned()) | U256::from(sign) << 128_usize;
        let log = log_2.wrapping_mul(TICKS_PER_LOG_2);
        let tick = |value: U256| {
            let shifted: u128 = (value >> 128_usize).to();
            i32::try_from(shifted.cast_signed()).expect("a tick")
        };
        let (low, high) = (tick(log.wrapping_sub(ERROR_ABOVE)), tick(log.wrapping_add(ERROR_BELOW)));
        if low == high || get_sqrt_ratio_at_tick(high).expect("in the domain") > sqrt_price_x96 { low } else { high }
    }

    #[test]
    fn tick_is_the_one_that_the_contract_s_logarithm_gives() {
        let mut price = MIN_SQRT_RATIO;
        let mut count = 0;
        while price < MAX_SQRT_RATIO {
            assert_eq!(get_tick_at_sqrt_ratio(price), Ok(tick_by_squaring(price)), "{price}");
            // Steps of a third of a tick or so.
            price += (price >> 15_usize) + U256::from(count % 7 + 1_u64);
            count += 1;
        }
        assert!(count > 2_000_000);
    }
}
