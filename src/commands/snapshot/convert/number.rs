//! Numbers as other people write them.

use alphapulse_protocol::U256;

/// A decimal fraction times `10^digits`, if that is a whole number: `0.003` times a million is 3000.
pub(super) fn scaled(text: &str, digits: usize) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > digits {
        return None;
    }
    format!("{whole}{fraction:0<digits$}").parse().ok()
}

/// `0x` and hex digits, of which there may be an odd number.
pub(super) fn hexadecimal(text: &str) -> Option<U256> {
    let digits = text.strip_prefix("0x")?;
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| U256::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_taken_whole_or_not_at_all() {
        let read = ["0.003", "1", "0.00250", "0.0000001", "", ".5", "-1", "1e3", "0.0.1"].map(|text| scaled(text, 6));
        assert_eq!(read, [Some(3_000), Some(1_000_000), Some(2_500), None, None, None, None, None, None]);
        assert_eq!(scaled("0.333333333333333334", 18), Some(333_333_333_333_333_334));
        assert_eq!(scaled("1000000000000000000000000000000000", 18), None);
    }

    #[test]
    fn hexadecimal_takes_what_others_write_and_nothing_else() {
        let read = ["0x0bb8", "0xbb8", "0x", "bb8", "0x+1", "0x_1"].map(hexadecimal);
        assert_eq!(read, [Some(U256::from(3_000)), Some(U256::from(3_000)), None, None, None, None]);
        assert_eq!(hexadecimal(&format!("0x1{}", "0".repeat(64))), None);
    }
}
