//! What a relay is told of factories.

use std::collections::BTreeSet;

use alloy::primitives::Address;
use alphapulse_protocol::VenueId;
use alphapulse_protocol::message::{PoolKind, TICK_MAX, TICK_MIN};

/// A factory whose new pools are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorySpec {
    /// Venue of its pools: their kind, fee, deployer and creation code.
    pub venue: VenueId,
    /// Contract that tells of new pools. With most venues that is the one that deploys them; PancakeSwap V3 has two.
    pub address: Address,
    /// Which pools are wanted, by their tokens; `None` wants every one.
    pub wanted: Option<WantedTokens>,
    /// Most pools of this factory that are followed at once beside those that are named in the configuration, above 0.
    pub pools_max: usize,
    /// Price ticks, inclusive, whose liquidity is read and followed; `None` reads the full range.
    pub known_ticks: Option<(i32, i32)>,
    /// Block from which the factory's logs are read at the start; `None` follows only what it tells from then on.
    pub from_block: Option<u64>,
}

/// Tokens by which a pool is wanted. Without them anyone could fill the market with pools of worthless tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedTokens {
    /// Contracts, at least one.
    pub tokens: BTreeSet<Address>,
    /// Whether both tokens of a pool must be among them; else one is enough.
    pub are_both_needed: bool,
}

impl FactorySpec {
    /// Whether a pool of these tokens is to be followed.
    pub(crate) fn wants(&self, tokens: &[Address; 2]) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let is_wanted = |token: &Address| wanted.tokens.contains(token);
        if wanted.are_both_needed { tokens.iter().all(is_wanted) } else { tokens.iter().any(is_wanted) }
    }

    /// What is wrong with it, if something is.
    pub(crate) fn fault(&self, kind: PoolKind) -> Option<String> {
        let address = self.address;
        let is_followed = matches!(kind, PoolKind::UniswapV2 | PoolKind::UniswapV3);
        let ticks = self.known_ticks.is_none_or(|(low, high)| TICK_MIN <= low && low <= high && high <= TICK_MAX);
        let is_empty = self.wanted.as_ref().is_some_and(|wanted| wanted.tokens.is_empty());
        if !is_followed {
            return Some(format!("factory {address}: pools of kind {} are not followed", kind.name()));
        }
        if is_empty {
            return Some(format!("factory {address}: no token is wanted, so no pool ever would be"));
        }
        if self.pools_max == 0 {
            return Some(format!("factory {address}: `pools_max` must be above zero"));
        }
        (!ticks).then(|| format!("factory {address}: known ticks are outside {TICK_MIN}..={TICK_MAX}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(wanted: Option<(&[u8], bool)>) -> FactorySpec {
        let wanted = wanted.map(|(tokens, are_both_needed)| WantedTokens {
            tokens: tokens.iter().map(|byte| Address::repeat_byte(*byte)).collect(),
            are_both_needed,
        });
        let address = Address::repeat_byte(9);
        FactorySpec { venue: VenueId(0), address, wanted, pools_max: 1, known_ticks: None, from_block: None }
    }

    #[test]
    fn a_pool_is_wanted_for_one_of_its_tokens_or_for_both() {
        let pool = |a, b| [Address::repeat_byte(a), Address::repeat_byte(b)];
        let (any, one, both) = (spec(None), spec(Some((&[1, 2], false))), spec(Some((&[1, 2], true))));
        let wanted_by = |pool| [any.wants(&pool), one.wants(&pool), both.wants(&pool)];
        assert_eq!(wanted_by(pool(1, 2)), [true, true, true]);
        assert_eq!(wanted_by(pool(3, 2)), [true, true, false]);
        assert_eq!(wanted_by(pool(1, 3)), [true, true, false]);
        assert_eq!(wanted_by(pool(3, 4)), [true, false, false]);
    }

    #[test]
    fn what_can_never_find_a_pool_is_refused() {
        let kind = PoolKind::UniswapV3;
        assert_eq!(spec(None).fault(kind), None);
        assert!(spec(None).fault(PoolKind::CurveStable).is_some());
        assert!(spec(Some((&[], false))).fault(kind).is_some());
        assert!(FactorySpec { pools_max: 0, ..spec(None) }.fault(kind).is_some());
        assert!(FactorySpec { known_ticks: Some((1, 0)), ..spec(None) }.fault(kind).is_some());
    }
}
