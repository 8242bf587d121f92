//! Damaged configurations.

use proptest::prelude::*;

use super::*;

/// Pieces that a careless hand leaves behind.
const SCRAPS: [&str; 16] = [
    "\"",
    "'",
    "[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    "\n",
    "-1",
    "18446744073709551616",
    "0x",
    "\u{0}",
    "é",
    "[profile]",
    "\"\"\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cut, repeated or scribbled upon: a configuration is read or refused, and a refusal names a place.
    #[test]
    fn no_text_makes_the_loader_panic(edits in prop::collection::vec((0_usize..9000, 0_usize..60, 0_usize..17), 1..4)) {
        let mut text: Vec<char> = RawConfig::example().chars().collect();
        for (at, length, scrap) in edits {
            let start = at % text.len().max(1);
            let end = (start + length).min(text.len());
            let scrap = SCRAPS.get(scrap).map_or_else(|| text[start..end].repeat(2), |scrap| scrap.chars().collect());
            text.splice(start..end, scrap);
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = from_toml(&text) {
            prop_assert!(!error.problems().is_empty());
            prop_assert!(error.problems().iter().all(|problem| !problem.message.is_empty() && !problem.next.is_empty()));
        }
    }

    /// A value of any text in a variable is read or refused by name.
    #[test]
    fn no_variable_makes_the_loader_panic(key in "[A-Z_]{0,24}", value in any::<String>()) {
        for name in [format!("ALPHAPULSE__RISK__{key}"), format!("ALPHAPULSE__{key}"), "ALPHAPULSE__CHAIN__ID".into()] {
            if let Err(error) = in_environment(None, &[(&name, &value)]) {
                prop_assert!(!error.problems().is_empty());
            }
        }
    }
}
