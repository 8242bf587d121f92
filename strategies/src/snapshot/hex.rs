//! Bytes as `0x…` text. Checksum casing of addresses is accepted, not verified.

use core::fmt::Write;

/// Bytes of exactly `N` hex pairs after `0x`.
pub(super) fn parse<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

pub(super) fn format(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes every write");
    }
    text
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_length_of_hex_digits_is_bytes() {
        assert_eq!(parse::<2>("0x0aFf"), Some([0x0a, 0xff]));
        for bad in ["0x0af", "0x0aff0", "0aff", "0x0a f", "0x0agf", "", "0x+aff", "0X0aff"] {
            assert_eq!(parse::<2>(bad), None, "{bad}");
        }
        assert_eq!(format(&[0x0a, 0xff]), "0x0aff");
    }
}
