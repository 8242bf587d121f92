//! What changed of a market since it was looked at last.

use alphapulse_protocol::{AddressBytes, PoolId, TokenId};

use super::stamps::StampSet;
use crate::market::{Market, MarketEvent};

/// What a strategy has to do at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// Look at everything: nothing is known.
    Everything,
    /// Look at the pools that were written since.
    Touched,
}

/// Pools whose rates were written since the last look, and how much of the market is known.
#[derive(Debug, Default)]
pub(super) struct Touched {
    pools: Vec<PoolId>,
    is_member: StampSet,
    /// Whether the market that was looked at last is still the one that `pools` is about.
    is_known: bool,
}

impl Touched {
    /// Takes in an event. A look is due when a whole block stands at the head; what changes before is kept until then.
    pub(super) fn note(&mut self, market: &Market, event: &MarketEvent) -> Due {
        match event {
            MarketEvent::Reset | MarketEvent::Reorged | MarketEvent::SnapshotReady => self.forget(),
            // Between blocks a pool's rates are written at once; in a block, at its end.
            MarketEvent::PoolStanding(_) if !market.replica().is_whole() => {}
            MarketEvent::PoolStanding(_) | MarketEvent::BlockEnded => self.take(market),
            MarketEvent::None | MarketEvent::BlockBegun | MarketEvent::PoolChanged(_) | MarketEvent::PoolAdded(_) => {}
        }
        let is_due = matches!(event, MarketEvent::SnapshotReady | MarketEvent::BlockEnded);
        match (is_due && market.replica().is_tradable(), self.is_known) {
            (false, _) => Due::Nothing,
            (true, false) => Due::Everything,
            (true, true) => Due::Touched,
        }
    }

    /// The pools, each once.
    pub(super) fn pools(&self) -> &[PoolId] {
        &self.pools
    }

    pub(super) fn contains(&self, pool: PoolId) -> bool {
        self.is_member.contains(pool.index())
    }

    /// The market was looked at.
    pub(super) fn clear(&mut self, market: &Market) {
        self.pools.clear();
        self.is_member.clear();
        self.is_member.grow(market.replica().pools().len());
        self.is_known = true;
    }

    fn forget(&mut self) {
        self.is_known = false;
        self.pools.clear();
        self.is_member.clear();
    }

    fn take(&mut self, market: &Market) {
        if !self.is_known {
            return;
        }
        let pools = market.replica().pools().len();
        self.is_member.grow(pools);
        self.pools.reserve(pools.saturating_sub(self.pools.len()));
        for pool in market.written() {
            if self.is_member.insert(pool.index()) {
                self.pools.push(*pool);
            }
        }
    }
}

/// Those of some tokens that the stream knows: one without pools is not known to it, or not yet.
pub(super) fn known_tokens(market: &Market, addresses: &[AddressBytes], tokens: &mut Vec<TokenId>) {
    tokens.clear();
    for address in addresses {
        let token = market.replica().token_by_address(address).filter(|token| !tokens.contains(token));
        tokens.extend(token);
    }
}
