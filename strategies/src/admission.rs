//! Which pools may be traded: closed unless listed, and never a pool whose state contradicts itself.

use std::collections::BTreeSet;

use alphapulse_protocol::AddressBytes;
use alphapulse_protocol::message::PoolKind;
use thiserror::Error;

use crate::pool::Inconsistency;

/// Tokens of Ethereum's mainnet that change every holder's balance by themselves, downwards too: AMPL. A pool that reckons
/// with what was once paid in, as concentrated liquidity does, may hold less of one than it states, and its price is no
/// price: its swaps revert. So does every kind but pairs, which ask for their balance.
pub const ELASTIC_TOKENS: [AddressBytes; 1] = [[
    0xd4, 0x6b, 0xa6, 0xd9, 0x42, 0x05, 0x0d, 0x48, 0x9d, 0xbd, 0x93, 0x8a, 0x2c, 0x90, 0x9a, 0x5d, 0x50, 0x39, 0xa1,
    0x61,
]];

/// Allowlists by contract address and by kind. A pool is admitted when it is listed, its kind is, and all its tokens are;
/// what is barred is not admitted, whatever lists it.
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
    /// Pools that no route may use, and tokens that none may touch.
    pub barred: BTreeSet<AddressBytes>,
    /// Tokens that pools other than pairs may hold less of than they state: [`ELASTIC_TOKENS`].
    pub elastic: BTreeSet<AddressBytes>,
}

impl Admission {
    /// Admits every token and pool that can be believed.
    #[must_use]
    pub fn allow_all() -> Self {
        let elastic = ELASTIC_TOKENS.into_iter().collect();
        Self { tokens: None, pools: None, kinds: None, barred: BTreeSet::new(), elastic }
    }

    /// Admits these tokens and pools, nothing else, of any kind.
    #[must_use]
    pub fn only(tokens: impl IntoIterator<Item = AddressBytes>, pools: impl IntoIterator<Item = AddressBytes>) -> Self {
        let (tokens, pools) = (tokens.into_iter().collect(), pools.into_iter().collect());
        Self { tokens: Some(tokens), pools: Some(pools), ..Self::allow_all() }
    }

    /// The same without these pools and tokens.
    #[must_use]
    pub fn without(mut self, barred: impl IntoIterator<Item = AddressBytes>) -> Self {
        self.barred.extend(barred);
        self
    }

    /// The same, of these kinds of pools only.
    #[must_use]
    pub fn of_kinds(self, kinds: &[PoolKind]) -> Self {
        Self { kinds: Some(kinds.to_vec()), ..self }
    }

    /// What the lists say of a pool, its kind and its tokens.
    ///
    /// # Errors
    /// The first [`Refusal`]; the pool itself is looked up first.
    pub fn check<'a>(
        &self,
        pool: &AddressBytes,
        kind: PoolKind,
        tokens: impl IntoIterator<Item = &'a AddressBytes>,
    ) -> Result<(), Refusal> {
        if !is_listed(self.pools.as_ref(), pool) {
            return Err(Refusal::PoolNotListed);
        }
        if self.barred.contains(pool) {
            return Err(Refusal::PoolBarred);
        }
        for token in tokens {
            self.check_token(token, kind)?;
        }
        let is_traded = self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind));
        if is_traded { Ok(()) } else { Err(Refusal::KindNotTraded { kind }) }
    }

    fn check_token(&self, token: &AddressBytes, kind: PoolKind) -> Result<(), Refusal> {
        if !is_listed(self.tokens.as_ref(), token) {
            return Err(Refusal::TokenNotListed { token: *token });
        }
        if self.barred.contains(token) {
            return Err(Refusal::TokenBarred { token: *token });
        }
        // A pair that was not yet told of its loss quotes too much as well, until somebody calls `sync`; then its swap reverts.
        let is_pair = matches!(kind, PoolKind::UniswapV2 | PoolKind::SolidlyVolatile | PoolKind::SolidlyStable);
        if !is_pair && self.elastic.contains(token) {
            return Err(Refusal::ElasticToken { token: *token });
        }
        Ok(())
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
    /// The pool was barred.
    #[error("the pool is barred")]
    PoolBarred,
    /// A token of the pool was barred.
    #[error("token {} of the pool is barred", Hex(token))]
    TokenBarred {
        /// The token's contract.
        token: AddressBytes,
    },
    /// The pool may hold less than it states: see [`ELASTIC_TOKENS`].
    #[error(
        "token {} changes balances by itself, and the pool reckons with what was once paid in: it may not hold what it states",
        Hex(token)
    )]
    ElasticToken {
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

impl Refusal {
    /// Whether the pool is simply not one that was listed.
    #[must_use]
    pub const fn is_unlisted(self) -> bool {
        matches!(self, Self::PoolNotListed | Self::TokenNotListed { .. })
    }

    /// Whether it stands for good, whatever becomes of the pool's state: nothing is even derived of such a pool.
    pub(crate) const fn is_of_lists(self) -> bool {
        match self {
            Self::PoolNotListed
            | Self::TokenNotListed { .. }
            | Self::PoolBarred
            | Self::TokenBarred { .. }
            | Self::ElasticToken { .. } => true,
            Self::Inconsistent(_) | Self::Quarantined | Self::KindNotTraded { .. } => false,
        }
    }
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

    const PAIR: PoolKind = PoolKind::UniswapV2;

    #[test]
    fn a_pool_is_admitted_only_with_both_its_tokens() {
        assert_eq!(Admission::only([[2; 20], [3; 20]], [POOL]).check(&POOL, PAIR, TOKENS), Ok(()));
        assert_eq!(
            Admission::only([[2; 20]], [POOL]).check(&POOL, PAIR, TOKENS),
            Err(Refusal::TokenNotListed { token: [3; 20] })
        );
        assert_eq!(Admission::only([[2; 20], [3; 20]], []).check(&POOL, PAIR, TOKENS), Err(Refusal::PoolNotListed));
    }

    #[test]
    fn what_is_barred_is_refused_although_it_is_listed() {
        let listed = || Admission::only([[2; 20], [3; 20]], [POOL]);
        assert_eq!(listed().without([POOL]).check(&POOL, PAIR, TOKENS), Err(Refusal::PoolBarred));
        assert_eq!(listed().without([POOL]).without([]).check(&POOL, PAIR, TOKENS), Err(Refusal::PoolBarred));
        assert_eq!(
            listed().without([[3; 20]]).check(&POOL, PAIR, TOKENS),
            Err(Refusal::TokenBarred { token: [3; 20] })
        );
    }

    #[test]
    fn an_elastic_token_is_refused_where_the_pool_keeps_its_own_account() {
        let tokens = [&[2; 20], &ELASTIC_TOKENS[0]];
        let check = |kind| Admission::allow_all().check(&POOL, kind, tokens);
        assert_eq!(check(PAIR), Ok(()));
        for kind in [PoolKind::UniswapV3, PoolKind::UniswapV4, PoolKind::CurveStable, PoolKind::BalancerWeighted] {
            assert_eq!(check(kind), Err(Refusal::ElasticToken { token: ELASTIC_TOKENS[0] }));
        }
    }

    #[test]
    fn a_refusal_names_the_token() {
        let text = Refusal::TokenNotListed { token: [0xab; 20] }.to_string();
        assert!(text.contains(&"ab".repeat(20)), "{text}");
    }
}
