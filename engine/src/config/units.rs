//! Quantities as people write them. A number without its unit is an error: 100 is not a fee, "100 gwei" is.

use std::time::Duration;

use alphapulse_protocol::{U256, Wei};
use rust_decimal::Decimal;

/// What is wrong with a written quantity, and how it is written right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnitError {
    pub(super) expected: String,
}

fn expected(text: impl Into<String>) -> UnitError {
    UnitError { expected: text.into() }
}

/// Decimals of the units of the native coin.
const WEI_UNITS: [(&str, u8); 3] = [("ether", 18), ("gwei", 9), ("wei", 0)];

/// An amount of the native coin: `0.1 ether`, `100 gwei`, `5 wei`.
pub(super) fn wei(text: &str) -> Result<Wei, UnitError> {
    const EXAMPLE: &str = "an amount with a unit, such as \"0.1 ether\", \"100 gwei\" or \"5 wei\"";
    let (number, unit) = split(text).ok_or_else(|| expected(EXAMPLE))?;
    let decimals = WEI_UNITS.iter().find(|known| known.0 == unit).ok_or_else(|| expected(EXAMPLE))?.1;
    let raw = scaled(number, decimals).ok_or_else(|| expected(format!("{EXAMPLE}, exact to the wei")))?;
    u128::try_from(raw).map(Wei).map_err(|_| expected("an amount below 2^128 wei"))
}

/// A token amount in raw units: `0.5 WETH` in the token's whole unit, or `123 raw`. Of the native coin's wrapper, also
/// `0.5 ether`, `100 gwei` and `5 wei`. `decimals` are the token's, where known.
pub(super) fn token_amount(text: &str, symbol: &str, decimals: Option<u8>, is_native: bool) -> Result<U256, UnitError> {
    let how = || format!("an amount with a unit, such as \"0.5 {symbol}\" or \"123 raw\"");
    let (number, unit) = split(text).ok_or_else(|| expected(how()))?;
    let wei_unit = WEI_UNITS.iter().find(|known| is_native && known.0 == unit);
    let decimals = match (unit, wei_unit) {
        ("raw", _) => 0,
        (_, Some(known)) => known.1,
        (unit, None) if unit == symbol => decimals
            .ok_or_else(|| expected(format!("\"… raw\", for the decimals of {symbol} are not stated in [[tokens]]")))?,
        _ => return Err(expected(how())),
    };
    scaled(number, decimals).ok_or_else(|| expected(format!("{} that is exact in its smallest unit", how())))
}

/// Like [`token_amount`], but a number alone counts whole units: for places where the key names the token.
pub(super) fn whole_token_amount(
    text: &str,
    symbol: &str,
    decimals: Option<u8>,
    is_native: bool,
) -> Result<U256, UnitError> {
    let is_alone = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
    if is_alone {
        token_amount(&format!("{text} {symbol}"), symbol, decimals, is_native)
    } else {
        token_amount(text, symbol, decimals, is_native)
    }
}

/// A time span: `250ms`, `3s`, `2m`, `6h`, `7d`; above zero.
pub(super) fn duration(text: &str) -> Result<Duration, UnitError> {
    let how = || expected("a time with a unit, above zero, such as \"250ms\", \"3s\" or \"2m\"");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let number: u64 = digits.parse().map_err(|_| how())?;
    let seconds = |unit: u64| number.checked_mul(unit).map(Duration::from_secs).ok_or_else(how);
    let span = match text[digits.len()..].trim() {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => seconds(60)?,
        "h" => seconds(60 * 60)?,
        "d" => seconds(24 * 60 * 60)?,
        _ => return Err(how()),
    };
    if span.is_zero() { Err(how()) } else { Ok(span) }
}

/// A size on disk: `512 MiB`, `20 GiB`, `1 TiB`; above zero.
pub(super) fn bytes(text: &str) -> Result<u64, UnitError> {
    const UNITS: [(&str, u32); 3] = [("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let how = || expected("a size with a unit, above zero, such as \"512 MiB\", \"20 GiB\" or \"1 TiB\"");
    let (number, unit) = split(text).ok_or_else(how)?;
    let shift = UNITS.iter().find(|known| known.0 == unit).ok_or_else(how)?.1;
    let number: u64 = number.replace('_', "").parse().map_err(|_| how())?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(how)
}

/// Number and unit, separated by at most spaces.
fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let at = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_')))?;
    let (number, unit) = text.split_at(at);
    let unit = unit.trim_start();
    (!number.is_empty() && !unit.contains(char::is_whitespace)).then_some((number, unit))
}

/// `number` times ten to the `decimals`, exactly, or `None`.
fn scaled(number: &str, decimals: u8) -> Option<U256> {
    let is_plain = number.starts_with(|c: char| c.is_ascii_digit()) && number.ends_with(|c: char| c.is_ascii_digit());
    if !is_plain {
        return None;
    }
    let is_whole = !number.contains('.');
    let (mantissa, scale) = if is_whole {
        // Raw amounts may exceed the 96 bits of a decimal.
        (number.replace('_', "").parse::<U256>().ok()?, 0)
    } else {
        let decimal: Decimal = number.parse().ok()?;
        // A decimal that had to round was not what was written.
        let written = number.split('.').nth(1)?.replace('_', "").len();
        if decimal.scale() as usize != written {
            return None;
        }
        let decimal = decimal.normalize();
        (U256::from(u128::try_from(decimal.mantissa()).ok()?), decimal.scale())
    };
    let exponent = u32::from(decimals).checked_sub(scale)?;
    mantissa.checked_mul(U256::from(10).checked_pow(U256::from(exponent))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Option<u128> {
        wei(text).ok().map(|wei| wei.0)
    }

    #[test]
    fn native_amounts_scale_by_their_unit() {
        for (text, expected) in [
            ("1 ether", 1_000_000_000_000_000_000),
            ("0.1 ether", 100_000_000_000_000_000),
            ("0.000000000000000001 ether", 1),
            ("100 gwei", 100_000_000_000),
            ("1.5gwei", 1_500_000_000),
            ("1_000 wei", 1_000),
            ("0 wei", 0),
            ("340282366920938463463374607431768211455 wei", u128::MAX),
        ] {
            assert_eq!(raw(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_number_without_unit_or_with_a_wrong_one_is_no_amount() {
        let wrong = [
            "100",
            "",
            "ether",
            "1 eth",
            "1 Ether",
            "-1 wei",
            "1e3 wei",
            ".5 ether",
            "5. ether",
            "1 wei wei",
            "1,5 ether",
            "0.1 wei",
            "0.0000000001 gwei",
            "0.0000000000000000001 ether",
            "_1 wei",
            "+1 wei",
            "1.2.3 ether",
            "340282366920938463463374607431768211456 wei",
            "0x10 wei",
        ];
        for text in wrong {
            assert_eq!(raw(text), None, "{text}");
        }
    }

    #[test]
    fn a_fraction_too_fine_for_a_decimal_is_not_rounded() {
        // 29 decimals: one more than a decimal holds; it would come back rounded.
        assert_eq!(raw("0.00000000000000000000000000001 ether"), None);
        assert_eq!(raw("79228162514264337593543950335.5 ether"), None);
        // Trailing zeros change nothing.
        assert_eq!(raw("1.0000000000000000000000 ether"), Some(1_000_000_000_000_000_000));
    }

    #[test]
    fn token_amounts_take_the_token_s_unit_or_raw() {
        let usdc = |text| token_amount(text, "USDC", Some(6), false).ok();
        assert_eq!(usdc("5.25 USDC"), Some(U256::from(5_250_000)));
        assert_eq!(usdc("7 raw"), Some(U256::from(7)));
        assert_eq!(usdc("0.0000001 USDC"), None);
        assert_eq!(usdc("1 WETH"), None);
        assert_eq!(usdc("1 ether"), None);
        assert_eq!(usdc("5"), None);
        assert_eq!(token_amount("1 ether", "WETH", Some(18), true).ok(), Some(U256::from(10).pow(U256::from(18))));
        assert_eq!(token_amount("1 X", "X", None, false).ok(), None);
        assert_eq!(token_amount("1 raw", "X", None, false).ok(), Some(U256::from(1)));
    }

    #[test]
    fn a_number_alone_is_whole_units_where_the_key_names_the_token() {
        assert_eq!(whole_token_amount("5", "USDC", Some(6), false).ok(), Some(U256::from(5_000_000)));
        assert_eq!(whole_token_amount("5 raw", "USDC", Some(6), false).ok(), Some(U256::from(5)));
        assert_eq!(whole_token_amount("", "USDC", Some(6), false).ok(), None);
    }

    #[test]
    fn raw_amounts_reach_256_bits_and_no_further() {
        let max = U256::MAX.to_string();
        assert_eq!(token_amount(&format!("{max} raw"), "X", None, false).ok(), Some(U256::MAX));
        assert_eq!(token_amount(&format!("{max}0 raw"), "X", None, false).ok(), None);
        assert_eq!(token_amount(&format!("{max} X"), "X", Some(1), false).ok(), None);
    }

    #[test]
    fn sizes_have_a_unit_and_are_above_zero() {
        assert_eq!(bytes("1 MiB").ok(), Some(1_048_576));
        assert_eq!(bytes("20GiB").ok(), Some(21_474_836_480));
        assert_eq!(bytes("1_000 TiB").ok(), Some(1_099_511_627_776_000));
        for text in ["5", "0 MiB", "-1 MiB", "1.5 GiB", "MiB", "", "1 MB", "99999999999 TiB", "1 GiB 2"] {
            assert_eq!(bytes(text).ok(), None, "{text}");
        }
    }

    #[test]
    fn durations_have_a_unit_and_are_above_zero() {
        assert_eq!(duration("1500ms").ok(), Some(Duration::from_millis(1500)));
        assert_eq!(duration("2 s").ok(), Some(Duration::from_secs(2)));
        assert_eq!(duration("3m").ok(), Some(Duration::from_secs(180)));
        assert_eq!(duration("6h").ok(), Some(Duration::from_secs(21_600)));
        assert_eq!(duration("7d").ok(), Some(Duration::from_secs(604_800)));
        for text in ["5", "0s", "-1s", "1.5s", "s", "", "1h2", "18446744073709551615m", "1 hour"] {
            assert_eq!(duration(text).ok(), None, "{text}");
        }
    }
}
