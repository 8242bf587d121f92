//! Decimal text as whole numbers of 10^-18. No floating point: what does not fit exactly is no number.

/// Digits behind the point.
const DECIMALS: usize = 18;

/// Reads digits, or digits, a point and digits; `None` for anything else, and for what is not a whole number of 10^-18 of at most
/// 128 bits.
pub(super) fn read_units(text: &str) -> Option<u128> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || part.is_empty() {
        return None;
    }
    let (part, beyond) = part.split_at_checked(DECIMALS).unwrap_or((part, ""));
    if beyond.bytes().any(|digit| digit != b'0') {
        return None;
    }
    let padding = core::iter::repeat_n(b'0', DECIMALS - part.len());
    whole.bytes().chain(part.bytes()).chain(padding).try_fold(0_u128, |units, digit| {
        let digit = digit.is_ascii_digit().then(|| u128::from(digit - b'0'))?;
        units.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: u128 = 1_000_000_000_000_000_000;

    #[test]
    fn decimals_are_read_to_the_last_digit() {
        let cases = [
            ("0", 0),
            ("0.00000000", 0),
            ("2", 2 * ONE),
            ("25.35190000", 25_351_900_000_000_000_000),
            ("0.000000000000000001", 1),
            ("0.0000000000000000010", 1),
            ("007.5", 7_500_000_000_000_000_000),
            ("340282366920938463463.374607431768211455", u128::MAX),
        ];
        for (text, units) in cases {
            assert_eq!(read_units(text), Some(units), "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_number_is_refused() {
        let cases = [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            " 1",
            "1 ",
            "0x1",
            "1.2.3",
            "NaN",
            "1.5\u{e9}",
            "\u{0661}",
            "0.0000000000000000011",
            "340282366920938463463.374607431768211456",
            "340282366920938463464",
        ];
        for text in cases {
            assert_eq!(read_units(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(units: u128) {
            let text = format!("{}.{:018}", units / ONE, units % ONE);
            prop_assert_eq!(read_units(&text), Some(units));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = read_units(&text);
        }
    }
}
