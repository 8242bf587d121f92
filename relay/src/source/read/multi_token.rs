//! What pools whose fee is state have in common: Solidly's, Curve's and Balancer's.

use alloy::primitives::Address;
use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{PoolInfo, TokenInfo};
use alphapulse_protocol::values::{MultiTokenDetails, PoolDetails, TOKENS_MAX, TokenList};
use alphapulse_protocol::{FeePpm, TokenId, VenueId};

/// A variant that no build knows: the pool keeps its state, and is not quoted.
pub(super) const UNKNOWN_VARIANT: u16 = 0;

/// Description of a pool whose fee is state.
pub(super) fn multi_token(kind: PoolKind, pool: Address, tokens: TokenList, details: MultiTokenDetails) -> PoolInfo {
    PoolInfo {
        kind,
        venue: VenueId(0),
        address: pool.into_array(),
        tokens,
        fee: FeePpm(0),
        tick_spacing: 0,
        known_ticks: (0, 0),
        details: PoolDetails::MultiToken(details),
    }
}

/// Ids of so many tokens by their place.
pub(super) fn places(count: usize) -> TokenList {
    let ids: Vec<TokenId> = (0..).map(TokenId).take(count).collect();
    TokenList::new(&ids).unwrap_or(TokenList::EMPTY)
}

/// Decimals of the tokens by place.
pub(super) fn decimals(tokens: &[TokenInfo]) -> [u8; TOKENS_MAX] {
    let mut decimals = [0; TOKENS_MAX];
    decimals.iter_mut().zip(tokens).for_each(|(place, token)| *place = token.decimals);
    decimals
}
