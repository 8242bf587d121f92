//! Amounts and foreign text for people to read.

use alphapulse_protocol::U256;

/// Digits after the point that a person still reads.
const FRACTION_DIGITS: usize = 6;

/// Raw units in whole ones, with at most six digits after the point, cut, not rounded; `<0.000001` when those are zero.
pub(crate) fn units(amount: U256, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{amount:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    let shown = fraction[..decimals.min(FRACTION_DIGITS)].trim_end_matches('0');
    if shown.is_empty() && whole == "0" && !amount.is_zero() {
        return format!("<0.{:0>FRACTION_DIGITS$}", 1);
    }
    if shown.is_empty() { whole.to_owned() } else { format!("{whole}.{shown}") }
}

/// Decimals of ether, and of the token that wraps it.
pub(crate) const ETHER_DECIMALS: u8 = 18;

/// Raw units in whole ones, every digit.
pub(crate) fn exact(amount: U256, decimals: u8) -> String {
    let decimals = usize::from(decimals);
    let digits = format!("{amount:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// A duration in the unit that a person reads it in.
pub(crate) fn nanos(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..10_000_000_000 => format!("{} ms", nanos / 1_000_000),
        _ => format!("{} s", nanos / 1_000_000_000),
    }
}

/// A token's symbol is whatever its contract says: control characters must not reach a terminal.
pub(crate) fn plain(symbol: &str) -> String {
    let text: String = symbol.chars().filter(|character| !character.is_control()).take(16).collect();
    if text.trim().is_empty() { "?".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_cut_to_what_can_be_read() {
        let check = |raw: u64, decimals, expected| assert_eq!(units(U256::from(raw), decimals), expected);
        check(0, 18, "0");
        check(1, 18, "<0.000001");
        check(1_500_000_000_000_000_000, 18, "1.5");
        check(1_999_999_999_999_999_999, 18, "1.999999");
        check(1_000_000, 6, "1");
        check(1, 6, "0.000001");
        check(1, 2, "0.01");
        check(123, 0, "123");
    }

    #[test]
    fn exact_amounts_have_every_digit() {
        assert_eq!(exact(U256::from(1), 18), "0.000000000000000001");
        assert_eq!(exact(U256::from(1_234), 2), "12.34");
        assert_eq!(exact(U256::from(5), 0), "5");
    }

    #[test]
    fn a_symbol_cannot_drive_the_terminal() {
        assert_eq!(plain("\u{1b}[2JWETH\n"), "[2JWETH");
        assert_eq!(plain("\u{7}"), "?");
        assert_eq!(plain(&"x".repeat(99)).len(), 16);
    }
}
