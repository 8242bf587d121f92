//! Which contract may be called: the one whose source is in `contracts/`, and no other.

use std::sync::LazyLock;

use alloy::primitives::Bytes;
use serde::Deserialize;

/// What is read of the committed artifact.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    deployed_bytecode: Bytes,
}

static TEMPLATE: LazyLock<Bytes> = LazyLock::new(|| {
    let artifact: Artifact = serde_json::from_str(include_str!("../../contracts/Executor.json"))
        .expect("the artifact is built by build.mjs");
    artifact.deployed_bytecode
});

/// EVM `PUSH1`; `PUSH2` to `PUSH32` follow it.
const PUSH1: u8 = 0x60;
const PUSH32: u8 = 0x7f;

/// Whether `code` is what the executor's source compiles to, whatever its immutables (owner, guardian, recipient, venues).
///
/// The compiler leaves 32 zero bytes behind a `PUSH32` where the constructor writes an immutable; only those may differ.
/// What the immutables are is asked of the contract itself.
#[must_use]
pub fn is_ours(code: &[u8]) -> bool {
    fits(code, &TEMPLATE)
}

fn fits(code: &[u8], template: &[u8]) -> bool {
    if code.len() != template.len() {
        return false;
    }
    let mut at = 0;
    while let Some(&opcode) = template.get(at) {
        let operand_bytes = match opcode {
            PUSH1..=PUSH32 => usize::from(opcode - PUSH1) + 1,
            _ => 0,
        };
        let end = (at + 1 + operand_bytes).min(template.len());
        let is_placeholder = opcode == PUSH32 && template[at + 1..end] == [0; 32];
        if code[at] != opcode || (!is_placeholder && code[at + 1..end] != template[at + 1..end]) {
            return false;
        }
        at = end;
    }
    true
}

#[cfg(test)]
mod tests {
    use alloy::primitives::hex;

    use super::*;

    #[test]
    fn only_immutables_may_differ() {
        let template = [hex!("6001").as_slice(), &[PUSH32], &[0; 32], &hex!("7f"), &[9; 32], &hex!("00")].concat();
        let with = |at: usize, byte: u8| {
            let mut code = template.clone();
            code[at] = byte;
            code
        };
        assert!(fits(&template, &template));
        assert!(fits(&with(3, 0xaa), &template) && fits(&with(34, 0xaa), &template), "both ends of the immutable");
        for at in [0, 1, 2, 35, 36, 67, 68] {
            assert!(!fits(&with(at, 0xaa), &template), "byte {at}");
        }
        assert!(!fits(&template[..template.len() - 1], &template) && !fits(&[], &template));
    }

    #[test]
    fn the_artifact_has_immutables_and_fits_itself() {
        assert!(is_ours(&TEMPLATE));
        let placeholders = TEMPLATE.windows(33).filter(|window| window[0] == PUSH32 && window[1..] == [0; 32]).count();
        assert!(placeholders >= 20, "owner, guardian, recipient, count and two words for each of eight venues");
    }
}
