//! Names for the tokens and pools that records mention by number.

use alloy::primitives::Address;
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_testnet::{PANCAKE_V2, Pool, UNISWAP_V2, UNISWAP_V3};

use crate::screen::{plain, units};

/// What the demo calls things.
#[derive(Debug)]
pub(crate) struct Legend {
    tokens: Vec<(Address, String, u8)>,
    pools: Vec<(Address, String)>,
}

impl Legend {
    /// Names by the ids of `market`, from what was deployed.
    pub(crate) fn new(market: &Replica, deployed: &[Pool]) -> Self {
        let token = |token: &alphapulse_protocol::replica::TokenInfo| {
            (Address::from(token.address), plain(&token.symbol), token.decimals)
        };
        let pool = |pool: &alphapulse_protocol::replica::PoolInfo| {
            let address = Address::from(pool.address);
            let known = deployed.iter().find(|known| known.address == address);
            (address, known.map_or_else(|| address.to_string(), venue))
        };
        Self { tokens: market.tokens().iter().map(token).collect(), pools: market.pools().iter().map(pool).collect() }
    }

    /// Symbol of a token.
    pub(crate) fn token(&self, id: TokenId) -> &str {
        self.tokens.get(id.index()).map_or("?", |(_, symbol, _)| symbol)
    }

    /// Symbol of a token by its contract.
    pub(crate) fn token_at(&self, address: Address) -> &str {
        self.tokens.iter().find(|token| token.0 == address).map_or("?", |(_, symbol, _)| symbol)
    }

    /// Venue and fee of a pool.
    pub(crate) fn pool(&self, id: PoolId) -> &str {
        self.pools.get(id.index()).map_or("?", |(_, name)| name)
    }

    /// Venue and fee of a pool by its contract.
    pub(crate) fn pool_at(&self, address: Address) -> &str {
        self.pools.iter().find(|pool| pool.0 == address).map_or("?", |(_, name)| name)
    }

    /// Raw units of a token, by its contract, with its symbol.
    pub(crate) fn amount_at(&self, amount: U256, address: Address) -> String {
        let decimals = self.tokens.iter().find(|token| token.0 == address).map_or(0, |token| token.2);
        format!("{} {}", units(amount, decimals), self.token_at(address))
    }
}

fn venue(pool: &Pool) -> String {
    match pool.venue {
        UNISWAP_V2 => "Uniswap V2".to_owned(),
        PANCAKE_V2 => "Pancake V2".to_owned(),
        UNISWAP_V3 => format!("Uniswap V3 {}%", f64::from(pool.fee_ppm) / 10_000.0),
        other => format!("venue {other}"),
    }
}
