//! Chain, venues, tokens and pools.

use alloy::primitives::Address;
use alphapulse_protocol::message::{PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::{ChainId, FEE_PPM_ONE, FeePpm, VenueId};
use alphapulse_relay::{Endpoint, PoolSpec, VenueSpec};

use super::{Checker, parse_nonzero_address};
use crate::config::raw::{RawChain, RawPool, RawToken, RawVenue};
use crate::config::validated::{ChainConfig, TokenSpec};
use crate::execution::calldata::{POOL_KINDS, VENUES_MAX};

/// Most decimals of a token: ten to the 77th is the last power below 2^256.
const DECIMALS_MAX: u64 = 77;
/// Decimals of the native coin.
const NATIVE_DECIMALS: u8 = 18;

impl Checker<'_> {
    pub(super) fn chain(&mut self) -> Option<ChainConfig> {
        let raw = self.layered.raw.chain.clone().unwrap_or_default();
        let id = self.number("chain.id", raw.id.as_ref(), (1, u64::MAX));
        let text = self.required("chain.endpoint", raw.endpoint.as_ref(), "\"ws://127.0.0.1:8545\"");
        let endpoint = text.and_then(|text| self.endpoint("chain.endpoint", &text));
        let confirm_endpoints = self.confirm_endpoints(&raw, endpoint.as_ref());
        let quorum = self.quorum(&raw);
        Some(ChainConfig {
            id: ChainId(id?),
            endpoint: endpoint?,
            confirm_endpoints: confirm_endpoints?,
            quorum: quorum?,
        })
    }

    pub(super) fn endpoint(&mut self, key: &str, text: &str) -> Option<Endpoint> {
        match text.parse::<Endpoint>() {
            Ok(endpoint) => Some(self.set(key, endpoint.clone(), endpoint)),
            Err(_) => {
                // The text is not repeated: it may hold a key.
                self.problem(key, "expected ws://…, wss://…, ipc:PATH or a path ending in .ipc", "correct the value");
                None
            }
        }
    }

    fn confirm_endpoints(&mut self, raw: &RawChain, first: Option<&Endpoint>) -> Option<Vec<Endpoint>> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        let texts = raw.confirm_endpoints.clone().unwrap_or_default();
        for (index, text) in texts.iter().enumerate() {
            let key = format!("chain.confirm_endpoints[{index}]");
            let Some(endpoint) = self.endpoint(&key, text) else { continue };
            if first == Some(&endpoint) || endpoints.contains(&endpoint) {
                self.problem(&key, "this node is named before, and would confirm itself", "name another node");
            }
            endpoints.push(endpoint);
        }
        (endpoints.len() == texts.len()).then_some(endpoints)
    }

    /// How many nodes must agree decides what is traded on, so where there are several it has no default.
    fn quorum(&mut self, raw: &RawChain) -> Option<usize> {
        const KEY: &str = "chain.quorum";
        let nodes = 1 + raw.confirm_endpoints.as_ref().map_or(0, Vec::len);
        if nodes == 1 && raw.quorum.is_none() {
            return Some(1);
        }
        let quorum = self.number(KEY, raw.quorum.as_ref(), (1, u64::try_from(nodes).ok()?))?;
        usize::try_from(quorum).ok()
    }

    pub(super) fn venues(&mut self) -> Vec<VenueSpec> {
        let raws = self.layered.raw.venues.clone().unwrap_or_default();
        if raws.is_empty() {
            self.problem("venues", "no venue is configured", "add a [[venues]] entry");
        }
        if raws.len() > VENUES_MAX {
            let message = format!("{} venues are configured, the executor knows at most {VENUES_MAX}", raws.len());
            self.problem("venues", message, "remove some");
        }
        let mut venues: Vec<VenueSpec> = Vec::new();
        for (index, raw) in raws.iter().enumerate() {
            let Some(venue) = self.venue(index, raw) else { continue };
            if venues.iter().any(|known| known.name == venue.name) {
                self.problem(&format!("venues[{index}].name"), "the name is taken", "choose another name");
            }
            venues.push(venue);
        }
        venues
    }

    fn venue(&mut self, index: usize, raw: &RawVenue) -> Option<VenueSpec> {
        let key = |name: &str| format!("venues[{index}].{name}");
        let name = self.required(&key("name"), raw.name.as_ref(), "\"uniswap_v2\"");
        let name = name.map(|name| self.set(&key("name"), name.clone(), name));
        let kind = self.required(&key("kind"), raw.kind.as_ref(), "\"uniswap_v2\"");
        let kind = kind.and_then(|text| {
            let how = "\"uniswap_v2\" or \"uniswap_v3\"";
            let kind =
                self.parse(&key("kind"), &text, how, |text| POOL_KINDS.into_iter().find(|kind| kind.name() == text))?;
            Some(self.set(&key("kind"), kind, kind.name()))
        });
        let factory = self.address(&key("factory"), raw.factory.as_ref());
        let init_code_hash = self.hash(&key("init_code_hash"), raw.init_code_hash.as_ref());
        let fee = match kind? {
            PoolKind::UniswapV2 => {
                let below_one = u64::from(FEE_PPM_ONE - 1);
                let fee = self.number(&key("fee_ppm"), raw.fee_ppm.as_ref(), (0, below_one))?;
                u32::try_from(fee).ok()?
            }
            _ => {
                self.unwanted(&key("fee_ppm"), raw.fee_ppm.as_ref(), "each pool of this kind states its own fee");
                0
            }
        };
        let id = VenueId(u16::try_from(index).ok()?);
        Some(VenueSpec {
            id,
            name: name?,
            kind: kind?,
            factory: factory?,
            init_code_hash: init_code_hash?,
            fee: FeePpm(fee),
        })
    }

    pub(super) fn tokens(&mut self) -> Vec<TokenSpec> {
        let raws = self.layered.raw.tokens.clone().unwrap_or_default();
        if raws.is_empty() {
            self.problem(
                "tokens",
                "no token is allowed",
                "add a [[tokens]] entry for each token that routes may touch",
            );
        }
        let mut tokens: Vec<TokenSpec> = Vec::new();
        for (index, raw) in raws.iter().enumerate() {
            let Some(token) = self.token(index, raw) else { continue };
            if tokens.iter().any(|known| known.symbol == token.symbol) {
                self.problem(&format!("tokens[{index}].symbol"), "the symbol is taken", "choose another symbol");
            }
            if tokens.iter().any(|known| known.address == token.address) {
                self.problem(&format!("tokens[{index}].address"), "the token is listed twice", "remove one entry");
            }
            tokens.push(token);
        }
        tokens
    }

    fn token(&mut self, index: usize, raw: &RawToken) -> Option<TokenSpec> {
        let key = |name: &str| format!("tokens[{index}].{name}");
        let address = self.address(&key("address"), raw.address.as_ref());
        let symbol = self.required(&key("symbol"), raw.symbol.as_ref(), "\"WETH\"");
        let symbol = symbol.and_then(|text| {
            let how = "a word that does not start with a digit and is no unit of the native coin";
            let is_symbol = |text: &str| {
                let starts = text.starts_with(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '_'));
                starts && !text.contains(char::is_whitespace) && !["ether", "gwei", "wei", "raw"].contains(&text)
            };
            let text = self.parse(&key("symbol"), &text, how, |text| is_symbol(text).then(|| text.to_owned()))?;
            Some(self.set(&key("symbol"), text.clone(), text))
        });
        let decimals = match raw.decimals {
            None => None,
            Some(decimals) => Some(self.within(&key("decimals"), decimals, (0, DECIMALS_MAX))?),
        };
        let decimals = decimals.and_then(|decimals| u8::try_from(decimals).ok());
        Some(TokenSpec { address: address?, symbol: symbol?, decimals })
    }

    pub(super) fn native_token(&mut self, tokens: &[TokenSpec]) -> Option<Address> {
        const KEY: &str = "chain.native_token";
        let raw = self.layered.raw.chain.clone().unwrap_or_default();
        let name = self.required(KEY, raw.native_token.as_ref(), "\"WETH\"")?;
        let token = self.token_named(KEY, &name, tokens)?;
        if token.decimals.is_some_and(|decimals| decimals != NATIVE_DECIMALS) {
            let message = format!("`{name}` has not the native coin's {NATIVE_DECIMALS} decimals");
            self.problem(KEY, message, "name the wrapper of the native coin");
        }
        Some(self.set(KEY, token.address, token.address))
    }

    /// The token of a symbol or address.
    pub(super) fn token_named<'t>(&mut self, key: &str, name: &str, tokens: &'t [TokenSpec]) -> Option<&'t TokenSpec> {
        let address = parse_nonzero_address(name);
        let token = tokens.iter().find(|token| token.symbol == name || Some(token.address) == address);
        // A token that was refused was complained of already.
        let raws = self.layered.raw.tokens.as_deref().unwrap_or_default();
        let is_written = |raw: &RawToken| [&raw.symbol, &raw.address].map(Option::as_deref).contains(&Some(name));
        if token.is_none() && !raws.iter().any(is_written) {
            let message = format!("`{name}` is not the symbol or address of a listed token");
            self.problem(key, message, "add it to [[tokens]]");
        }
        token
    }

    pub(super) fn pools(&mut self, venues: &[VenueSpec]) -> Vec<PoolSpec> {
        let raws = self.layered.raw.pools.clone().unwrap_or_default();
        if raws.is_empty() {
            self.problem("pools", "no pool is allowed", "add a [[pools]] entry for each pool that routes may use");
        }
        let mut pools: Vec<PoolSpec> = Vec::new();
        for (index, raw) in raws.iter().enumerate() {
            let Some(pool) = self.pool(index, raw, venues) else { continue };
            if pools.iter().any(|known| known.address == pool.address) {
                self.problem(&format!("pools[{index}].address"), "the pool is listed twice", "remove one entry");
            }
            pools.push(pool);
        }
        pools
    }

    fn pool(&mut self, index: usize, raw: &RawPool, venues: &[VenueSpec]) -> Option<PoolSpec> {
        let key = |name: &str| format!("pools[{index}].{name}");
        let address = self.address(&key("address"), raw.address.as_ref());
        let venue = self.venue_named(&key("venue"), raw.venue.as_ref(), venues)?;
        if venue.kind == PoolKind::UniswapV2 {
            self.unwanted(&key("known_ticks"), raw.known_ticks.as_ref(), "a pool of this kind has no ticks");
        }
        let known_ticks = match &raw.known_ticks {
            None => None,
            Some(ticks) => Some(self.known_ticks(&key("known_ticks"), ticks)?),
        };
        Some(PoolSpec { address: address?, venue: venue.id, known_ticks })
    }

    /// The venue of a name.
    pub(super) fn venue_named<'v>(
        &mut self,
        key: &str,
        written: Option<&String>,
        venues: &'v [VenueSpec],
    ) -> Option<&'v VenueSpec> {
        let name = self.required(key, written, "the name of a venue, in quotes")?;
        let Some(venue) = venues.iter().find(|venue| venue.name == name) else {
            // A venue that was refused was complained of already.
            let raws = self.layered.raw.venues.as_deref().unwrap_or_default();
            if !raws.iter().any(|raw| raw.name.as_ref() == Some(&name)) {
                let next = "add it to [[venues]] or correct the name";
                self.problem(key, format!("there is no venue `{name}`"), next);
            }
            return None;
        };
        self.set(key, (), &name);
        Some(venue)
    }

    pub(super) fn known_ticks(&mut self, key: &str, ticks: &[i64]) -> Option<(i32, i32)> {
        let range = match ticks {
            [low, high] => i32::try_from(*low).ok().zip(i32::try_from(*high).ok()),
            _ => None,
        };
        let range = range.filter(|(low, high)| TICK_MIN <= *low && low <= high && *high <= TICK_MAX);
        if range.is_none() {
            let how = format!("expected [first, last] with {TICK_MIN} <= first <= last <= {TICK_MAX}");
            self.problem(key, format!("found {ticks:?}, {how}"), "correct the value");
        }
        let (low, high) = range?;
        Some(self.set(key, (low, high), format!("[{low}, {high}]")))
    }
}
