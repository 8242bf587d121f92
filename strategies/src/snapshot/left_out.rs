//! Pools that a file does not hold.

use serde::Serialize;

use super::document::Node;
use super::error::SnapshotError;

/// A pool that was to be in a file and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its address or id, or whatever name it had where it was taken from.
    pub pool: String,
    /// Its kind, as far as it was known, in the words of where it was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Why, for people.
    pub reason: String,
}

impl LeftOut {
    /// A pool that is left out for a reason.
    #[must_use]
    pub fn new(pool: &str, kind: Option<&str>, reason: &str) -> Self {
        Self { pool: pool.to_owned(), kind: kind.map(str::to_owned), reason: reason.to_owned() }
    }

    pub(super) fn read(node: &Node<'_>) -> Result<Self, SnapshotError> {
        let kind = node.optional("kind")?.map(|kind| kind.text()).transpose()?;
        Ok(Self::new(node.field("pool")?.text()?, kind, node.field("reason")?.text()?))
    }
}
