//! Factories whose new pools a relay follows.

use alphapulse_protocol::message::PoolKind;
use alphapulse_relay::{FactorySpec, VenueSpec, WantedTokens};

use super::Checker;
use crate::config::raw::{RawRelay, RawRelayFactory};
use crate::config::validated::TokenSpec;

/// Most pools of one factory: their state is kept in memory, and read at each snapshot.
const POOLS_MAX: u64 = 100_000;

impl Checker<'_> {
    pub(super) fn relay_factories(
        &mut self,
        raw: &RawRelay,
        venues: &[VenueSpec],
        tokens: &[TokenSpec],
    ) -> Vec<FactorySpec> {
        let mut factories: Vec<FactorySpec> = Vec::new();
        for (index, raw) in raw.factories.iter().flatten().enumerate() {
            let Some(factory) = self.factory(index, raw, venues, tokens) else { continue };
            if factories.iter().any(|known| known.address == factory.address) {
                self.problem(&key(index, "venue"), "the factory is listed twice", "remove one entry");
            }
            factories.push(factory);
        }
        factories
    }

    fn factory(
        &mut self,
        index: usize,
        raw: &RawRelayFactory,
        venues: &[VenueSpec],
        tokens: &[TokenSpec],
    ) -> Option<FactorySpec> {
        let wanted = self.wanted_tokens(index, raw, tokens);
        let pools_max = self.number(&key(index, "pools_max"), raw.pools_max.as_ref(), (1, POOLS_MAX));
        let from_block = raw.from_block.map(|block| self.set(&key(index, "from_block"), block, block));
        let venue = self.venue_named(&key(index, "venue"), raw.venue.as_ref(), venues)?;
        let address = match &raw.address {
            Some(_) => self.address(&key(index, "address"), raw.address.as_ref())?,
            None => venue.factory,
        };
        if venue.kind == PoolKind::UniswapV2 {
            let why = "a pool of this kind has no ticks";
            self.unwanted(&key(index, "known_ticks"), raw.known_ticks.as_ref(), why);
        }
        let known_ticks = match &raw.known_ticks {
            None => None,
            Some(ticks) => Some(self.known_ticks(&key(index, "known_ticks"), ticks)?),
        };
        let pools_max = usize::try_from(pools_max?).ok()?;
        Some(FactorySpec { venue: venue.id, address, wanted: wanted?, pools_max, known_ticks, from_block })
    }

    /// Which pools are wanted. Without tokens every pool is, and then how many are needed says nothing.
    fn wanted_tokens(
        &mut self,
        index: usize,
        raw: &RawRelayFactory,
        tokens: &[TokenSpec],
    ) -> Option<Option<WantedTokens>> {
        let needed = key(index, "tokens_needed");
        let key = key(index, "tokens");
        let Some(names) = &raw.tokens else {
            self.unwanted(&needed, raw.tokens_needed.as_ref(), "says nothing without `tokens`");
            return Some(None);
        };
        if names.is_empty() {
            self.problem(&key, "no token is wanted, so no pool ever would be", "name some, or remove the key");
            return None;
        }
        let found: Vec<_> =
            names.iter().filter_map(|name| Some(self.token_named(&key, name, tokens)?.address)).collect();
        self.set(&key, (), format!("{names:?}"));
        let text = self.or_default(&needed, raw.tokens_needed.as_ref(), "one".to_owned());
        let are_both_needed = self.parse(&needed, &text, "\"one\" or \"both\"", |text| match text {
            "one" => Some(false),
            "both" => Some(true),
            _ => None,
        })?;
        let is_whole = found.len() == names.len();
        is_whole.then(|| Some(WantedTokens { tokens: found.into_iter().collect(), are_both_needed }))
    }
}

fn key(index: usize, name: &str) -> String {
    format!("relay.factories[{index}].{name}")
}
