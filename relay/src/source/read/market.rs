//! Tokens, pools and their state as a relay's configuration names them.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256, keccak256};
use alloy::rpc::client::RpcClient;
use alloy::sol_types::SolValue;
use alphapulse_protocol::message::{BlockContext, PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{FEE_PPM_ONE, FeePpm, TokenId};
use futures_util::future::try_join_all;

use super::calls::Calls;
use super::concentrated::{Store, feeCall, tickSpacingCall};
use super::pair::{token0Call, token1Call};
use super::{check, refuse};
use crate::config::{PoolSpec, VenueSpec};
use crate::error::SourceError;
use crate::source::MarketImage;
use crate::source::node::CALL_TIMEOUT;

/// Reads everything. The result is ordered by the configuration, so that ids do not depend on timing.
pub(in crate::source) async fn read_market(
    client: &RpcClient,
    venues: &[VenueSpec],
    pools: &[PoolSpec],
    at: &BlockContext,
) -> Result<MarketImage, SourceError> {
    let calls = Calls::new(client, at, CALL_TIMEOUT);
    let identities = try_join_all(pools.iter().map(|spec| calls.read_identity(venues, spec))).await?;
    let tokens = token_order(&identities);
    let infos = try_join_all(tokens.iter().map(|(token, pool)| calls.read_token(*token, *pool))).await?;
    let ids = tokens.iter().zip(0..).map(|((token, _), id)| (*token, TokenId(id))).collect();
    let states = try_join_all(identities.iter().map(|identity| calls.read_state(identity))).await?;
    let pools = identities.iter().map(|identity| identity.info(&ids)).zip(states).collect();
    Ok(MarketImage { context: *at, tokens: infos, pools })
}

/// What a pool says that it is.
pub(in crate::source) struct Identity<'a> {
    spec: &'a PoolSpec,
    kind: PoolKind,
    pub(in crate::source) tokens: [Address; 2],
    fee: FeePpm,
    tick_spacing: i32,
    known_ticks: (i32, i32),
}

impl Identity<'_> {
    pub(in crate::source) fn info(&self, ids: &BTreeMap<Address, TokenId>) -> PoolInfo {
        PoolInfo {
            kind: self.kind,
            venue: self.spec.venue,
            address: self.spec.address.into_array(),
            tokens: self.tokens.map(|token| ids[&token]).into(),
            fee: self.fee,
            tick_spacing: self.tick_spacing,
            known_ticks: self.known_ticks,
            details: PoolDetails::None,
        }
    }

    /// Address at which the venue's factory deploys a pool with these properties.
    fn expected_address(&self, venue: &VenueSpec) -> Address {
        let [token_0, token_1] = self.tokens;
        let salt = match self.kind {
            PoolKind::UniswapV2 => keccak256((token_0, token_1).abi_encode_packed()),
            _ => keccak256((token_0, token_1, U256::from(self.fee.0)).abi_encode()),
        };
        venue.factory.create2(salt, venue.init_code_hash)
    }
}

/// Tokens in the order in which the pools name them, each with the first pool that does.
fn token_order(pools: &[Identity<'_>]) -> Vec<(Address, Address)> {
    let mut tokens: Vec<(Address, Address)> = Vec::new();
    for pool in pools {
        for token in pool.tokens {
            if !tokens.iter().any(|(known, _)| *known == token) {
                tokens.push((token, pool.spec.address));
            }
        }
    }
    tokens
}

impl Calls {
    pub(in crate::source) async fn read_identity<'a>(
        &self,
        venues: &'a [VenueSpec],
        spec: &'a PoolSpec,
    ) -> Result<Identity<'a>, SourceError> {
        let pool = spec.address;
        let wrong = |reason: String| refuse(pool, reason);
        let venue = venues
            .iter()
            .find(|venue| venue.id == spec.venue)
            .ok_or_else(|| wrong(format!("venue {} is not configured", spec.venue)))?;
        let token_0 = self.call(pool, pool, token0Call {}).await?;
        let token_1 = self.call(pool, pool, token1Call {}).await?;
        let mut identity = Identity {
            spec,
            kind: venue.kind,
            tokens: [token_0, token_1],
            fee: venue.fee,
            tick_spacing: 0,
            known_ticks: (0, 0),
        };
        if venue.kind == PoolKind::UniswapV3 {
            identity.fee = FeePpm(self.call(pool, pool, feeCall {}).await?.to());
            identity.tick_spacing = self.call(pool, pool, tickSpacingCall {}).await?.as_i32();
            identity.known_ticks = spec.known_ticks.unwrap_or((TICK_MIN, TICK_MAX));
        }
        let expected = identity.expected_address(venue);
        if expected != pool {
            let (name, fee) = (&venue.name, identity.fee);
            return Err(wrong(format!(
                "it is not the factory's pool for these tokens: venue `{name}` deploys {token_0}, {token_1}, fee {fee} ppm \
                 at {expected}; check the pool's venue, factory and init code hash"
            )));
        }
        // Proven by the factory, but hostile to what follows if the factory is.
        if identity.fee.0 >= FEE_PPM_ONE || (venue.kind == PoolKind::UniswapV3 && identity.tick_spacing < 1) {
            return Err(wrong(format!("fee {} ppm, tick spacing {}", identity.fee, identity.tick_spacing)));
        }
        Ok(identity)
    }

    /// A pool's state, within the domains of the messages that tell it: contracts, and nodes, may say anything.
    pub(in crate::source) async fn read_state(&self, identity: &Identity<'_>) -> Result<PoolState, SourceError> {
        let pool = identity.spec.address;
        let state = match identity.kind {
            PoolKind::UniswapV2 => PoolState::V2(self.read_reserves(pool).await?),
            PoolKind::UniswapV3 => {
                let known_ticks = identity.known_ticks;
                PoolState::V3(self.read_curve(Store::Pool(pool), identity.tick_spacing, known_ticks).await?)
            }
            _ => return Err(refuse(pool, "its kind cannot be read")),
        };
        let ids = identity.tokens.into_iter().zip([TokenId(0), TokenId(1)]).collect();
        check(pool, &identity.info(&ids), &state)?;
        Ok(state)
    }
}
