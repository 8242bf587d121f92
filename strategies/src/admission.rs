//! Which pools may be traded: closed unless listed, and never a pool whose state contradicts itself.

use std::collections::BTreeSet;

use alphapulse_protocol::AddressBytes;
use alphapulse_protocol::message::PoolKind;
use thiserror::Error;

use crate::pool::Inconsistency;

/// Allowlists by contract address and by kind. A pool is admitted when it is listed, its kind is, and all its tokens are.
///
/// `None` lists every contract, or kind: for offline tools, whose market the user chose. A node always lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Tokens that a route may touch.
    pub tokens: Option<BTreeSet<AddressBytes>>,
    /// Pools that a route may use.
    pub pools: Option<BTreeSet<AddressBytes>>,
    /// Kinds of pools that a route may use: those that can be swapped in.
    pub kinds: Option<Vec<PoolKind>>,
}

impl Admission {
    /// Admits every token and pool.
    #[must_use]
    pub const fn allow_all() -> Self {
        Self { tokens: None, pools: None, kinds: None }
    }

    /// Admits these tokens and pools, nothing else, of any kind.
    #[must_use]
    pub fn only(tokens: impl IntoIterator<Item = AddressBytes>, pools: impl IntoIterator<Item = AddressBytes>) -> Self {
        Self { tokens: Some(tokens.into_iter().collect()), pools: Some(pools.into_iter().collect()), kinds: None }
    }

    /// The same, of these kinds of pools only.
    #[must_use]
    pub fn of_kinds(self, kinds: &[PoolKind]) -> Self {
        Self { kinds: Some(kinds.to_vec()), ..self }
    }

    /// Whether routes may go through pools of this kind.
    ///
    /// # Errors
    /// [`Refusal::KindNotTraded`].
    pub fn check_kind(&self, kind: PoolKind) -> Result<(), Refusal> {
        let is_traded = self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind));
        if is_traded { Ok(()) } else { Err(Refusal::KindNotTraded { kind }) }
    }

    /// What the lists say of a pool and its tokens.
    ///
    /// # Errors
    /// The first [`Refusal`]; the pool itself is looked up first.
    pub fn check<'a>(
        &self,
        pool: &AddressBytes,
        tokens: impl IntoIterator<Item = &'a AddressBytes>,
    ) -> Result<(), Refusal> {
        if !is_listed(self.pools.as_ref(), pool) {
            return Err(Refusal::PoolNotListed);
        }
        match tokens.into_iter().find(|token| !is_listed(self.tokens.as_ref(), token)) {
            Some(token) => Err(Refusal::TokenNotListed { token: *token }),
            None => Ok(()),
        }
    }
}

fn is_listed(list: Option<&BTreeSet<AddressBytes>>, address: &AddressBytes) -> bool {
    list.is_none_or(|list| list.contains(address))
}

/// Why a pool is not traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The pool is not on the allowlist.
    #[error("the pool is not on the allowlist")]
    PoolNotListed,
    /// A token of the pool is not on the allowlist.
    #[error("token {} of the pool is not on the allowlist", Hex(token))]
    TokenNotListed {
        /// The token's contract.
        token: AddressBytes,
    },
    /// The pool's parts do not fit each other.
    #[error("the pool's state contradicts itself: {0}")]
    Inconsistent(Inconsistency),
    /// The pool's state was found to differ from the chain's, and has not been found equal since.
    #[error("the pool is in quarantine: its state differed from the chain's")]
    Quarantined,
    /// Routes do not go through pools of this kind.
    #[error("pools of kind {} are quoted, not traded", kind.name())]
    KindNotTraded {
        /// The pool's kind.
        kind: PoolKind,
    },
}

/// Prints an address as `0x…`.
struct Hex<'a>(&'a AddressBytes);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: AddressBytes = [1; 20];
    const TOKENS: [&AddressBytes; 2] = [&[2; 20], &[3; 20]];

    #[test]
    fn a_pool_is_admitted_only_with_both_its_tokens() {
        assert_eq!(Admission::only([[2; 20], [3; 20]], [POOL]).check(&POOL, TOKENS), Ok(()));
        assert_eq!(
            Admission::only([[2; 20]], [POOL]).check(&POOL, TOKENS),
            Err(Refusal::TokenNotListed { token: [3; 20] })
        );
        assert_eq!(Admission::only([[2; 20], [3; 20]], []).check(&POOL, TOKENS), Err(Refusal::PoolNotListed));
    }

    #[test]
    fn a_refusal_names_the_token() {
        let text = Refusal::TokenNotListed { token: [0xab; 20] }.to_string();
        assert!(text.contains(&"ab".repeat(20)), "{text}");
    }
}
