//! Compiled contracts: creation code read from the JSON that compilers and npm packages publish.

use alloy::primitives::{B256, Bytes, hex, keccak256};
use serde::Deserialize;

/// Why a compiled contract could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The text is not JSON with a `bytecode` string.
    #[error("artifact {name}: not an artifact")]
    Malformed {
        /// Which artifact.
        name: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// `bytecode` is empty (an interface) or has unlinked library placeholders.
    #[error("artifact {name}: bytecode is not deployable hexadecimal")]
    NotDeployable {
        /// Which artifact.
        name: String,
    },
}

/// One contract that can be deployed.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Contract name, for messages.
    pub name: String,
    /// The contract's interface, as the compiler printed it.
    pub abi: serde_json::Value,
    /// Creation code without constructor arguments.
    pub bytecode: Bytes,
}

#[derive(Deserialize)]
struct RawArtifact {
    #[serde(default)]
    abi: serde_json::Value,
    bytecode: String,
}

impl Artifact {
    /// Reads an artifact in the layout that Truffle, Waffle, Hardhat and our own build share.
    ///
    /// # Errors
    /// [`ArtifactError::Malformed`] when `text` is not such an artifact; [`ArtifactError::NotDeployable`] when its code is
    /// empty or unlinked.
    pub fn parse(name: &str, text: &str) -> Result<Self, ArtifactError> {
        let raw: RawArtifact =
            serde_json::from_str(text).map_err(|source| ArtifactError::Malformed { name: name.to_owned(), source })?;
        let bytecode = hex::decode(&raw.bytecode).unwrap_or_default();
        if bytecode.is_empty() {
            return Err(ArtifactError::NotDeployable { name: name.to_owned() });
        }
        Ok(Self { name: name.to_owned(), abi: raw.abi, bytecode: bytecode.into() })
    }

    /// Creation code followed by constructor arguments, which `SolValue::abi_encode_params` encodes.
    #[must_use]
    pub fn creation_code(&self, arguments: &[u8]) -> Bytes {
        [&self.bytecode, arguments].concat().into()
    }

    /// keccak256 of the creation code without arguments: what a factory's CREATE2 addresses are derived from.
    #[must_use]
    pub fn init_code_hash(&self) -> B256 {
        keccak256(&self.bytecode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_without_code_is_refused() {
        let refused = Artifact::parse("IERC20", r#"{"abi":[],"bytecode":"0x"}"#);
        assert!(matches!(refused, Err(ArtifactError::NotDeployable { .. })));
    }

    #[test]
    fn code_with_unlinked_library_is_refused() {
        let refused = Artifact::parse("Linked", r#"{"abi":[],"bytecode":"0x73__$lib$__63"}"#);
        assert!(matches!(refused, Err(ArtifactError::NotDeployable { .. })));
    }

    #[test]
    fn code_is_read_with_and_without_prefix() {
        for text in [r#"{"bytecode":"0x6001"}"#, r#"{"bytecode":"6001"}"#] {
            let artifact = Artifact::parse("Code", text).expect("valid artifact");
            assert_eq!(artifact.bytecode.as_ref(), [0x60, 0x01]);
        }
    }
}
