//! Reads tokens, pools and their whole state from a node, everything at one block's hash.

use core::time::Duration;
use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::RpcError;
use alloy::rpc::types::{BlockId, TransactionRequest};
use alloy::sol_types::{SolCall, SolValue};
use alloy::transports::TransportErrorKind;
use alphapulse_protocol::message::{BlockContext, Message, PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, TokenInfo, V2State, V3State, describe_pool};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{FEE_PPM_ONE, FeePpm, PoolId, Sequence, TokenId, UnixNanos};
use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use super::MarketImage;
use super::node::{CALL_TIMEOUT, call};
use crate::config::{PoolSpec, VenueSpec};
use crate::error::SourceError;

mod contract {
    alloy::sol! {
        function token0() external view returns (address);
        function token1() external view returns (address);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
        function fee() external view returns (uint24);
        function tickSpacing() external view returns (int24);
        function liquidity() external view returns (uint128);
        function tickBitmap(int16 word) external view returns (uint256);
        function decimals() external view returns (uint8);
        function symbol() external view returns (string);
        // Forks widen what follows these words; only the words themselves are read.
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick);
        function ticks(int24 tick) external view returns (uint128 liquidityGross, int128 liquidityNet);
    }
}

/// Calls under way at once: enough to hide a network's round trip, few enough for a provider's rate limit.
const CALLS_IN_FLIGHT: usize = 64;
/// Gas of each call. Without it a node takes its own cap, and a contract that burns all it gets, or looks at what it gets, would
/// be one thing at one node and another at the next. Below every cap in use: nodes' 50 million, blocks' 30 million and the 2^24 of
/// one transaction; what is read here takes less than a hundredth of it.
const CALL_GAS: u64 = 10_000_000;
/// Price ticks per word of the contract's bitmap.
const WORD_TICKS: i32 = 256;

/// Reads everything. The result is ordered by the configuration, so that ids do not depend on timing.
pub(super) async fn read_market(
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
pub(super) struct Identity<'a> {
    spec: &'a PoolSpec,
    kind: PoolKind,
    pub(super) tokens: [Address; 2],
    fee: FeePpm,
    tick_spacing: i32,
    known_ticks: (i32, i32),
}

impl Identity<'_> {
    pub(super) fn info(&self, ids: &BTreeMap<Address, TokenId>) -> PoolInfo {
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

/// Calls at one block. The permits bound what is under way, however much is asked for at once.
pub(super) struct Calls<'a> {
    client: &'a RpcClient,
    block: BlockId,
    permits: Semaphore,
    /// Longest wait for one of them.
    timeout: Duration,
}

impl<'c> Calls<'c> {
    pub(super) fn new(client: &'c RpcClient, at: &BlockContext, timeout: Duration) -> Self {
        let block = BlockId::hash(B256::from(at.hash));
        Self { client, block, permits: Semaphore::new(CALLS_IN_FLIGHT), timeout }
    }
}

impl Calls<'_> {
    pub(super) async fn call_raw(&self, to: Address, data: Vec<u8>) -> Result<Bytes, SourceError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let transaction = TransactionRequest::default().to(to).input(data.into()).gas_limit(CALL_GAS);
        call(self.client, transaction, self.block, self.timeout).await
    }

    /// Calls a contract for `pool`; an answer that does not fit the function is the pool's fault, not the node's.
    async fn call<C: SolCall>(&self, pool: Address, to: Address, call: C) -> Result<C::Return, SourceError> {
        let wrong = |reason: &str| SourceError::Pool {
            pool,
            reason: format!("contract {to} has no usable {}: {reason}", C::SIGNATURE),
        };
        let answer = match self.call_raw(to, call.abi_encode()).await {
            Err(error) if is_revert(&error) => return Err(wrong("the call reverts")),
            answer => answer?,
        };
        if answer.is_empty() {
            return Err(wrong("no code at this address, or no such function"));
        }
        C::abi_decode_returns_validate(&answer).map_err(|error| wrong(&error.to_string()))
    }

    pub(super) async fn read_identity<'a>(
        &self,
        venues: &'a [VenueSpec],
        spec: &'a PoolSpec,
    ) -> Result<Identity<'a>, SourceError> {
        let pool = spec.address;
        let wrong = |reason: String| SourceError::Pool { pool, reason };
        let venue = venues
            .iter()
            .find(|venue| venue.id == spec.venue)
            .ok_or_else(|| wrong(format!("venue {} is not configured", spec.venue)))?;
        let token_0 = self.call(pool, pool, contract::token0Call {}).await?;
        let token_1 = self.call(pool, pool, contract::token1Call {}).await?;
        let mut identity = Identity {
            spec,
            kind: venue.kind,
            tokens: [token_0, token_1],
            fee: venue.fee,
            tick_spacing: 0,
            known_ticks: (0, 0),
        };
        if venue.kind == PoolKind::UniswapV3 {
            identity.fee = FeePpm(self.call(pool, pool, contract::feeCall {}).await?.to());
            identity.tick_spacing = self.call(pool, pool, contract::tickSpacingCall {}).await?.as_i32();
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

    pub(super) async fn read_token(&self, token: Address, pool: Address) -> Result<TokenInfo, SourceError> {
        let decimals = self.call(pool, token, contract::decimalsCall {}).await?;
        let symbol = match self.call_raw(token, contract::symbolCall {}.abi_encode()).await {
            Ok(answer) => read_symbol(&answer),
            // A token need not have a symbol, and some burn all gas when asked. A node that is only busy is no reason for another name.
            Err(error) if is_revert(&error) => String::new(),
            Err(error) => return Err(error),
        };
        Ok(TokenInfo { address: token.into_array(), symbol, decimals })
    }

    /// A pool's state, within the domains of the messages that tell it: contracts, and nodes, may say anything.
    pub(super) async fn read_state(&self, identity: &Identity<'_>) -> Result<PoolState, SourceError> {
        let state = self.read_unchecked(identity).await?;
        let ids = identity.tokens.into_iter().zip([TokenId(0), TokenId(1)]).collect();
        let place = (Sequence(0), UnixNanos(0));
        let is_fit = |message: Message<'_>| Message::decode(message.as_bytes()).map(|_| ());
        describe_pool(PoolId(0), &identity.info(&ids), &state, place, is_fit)
            .map_err(|error| SourceError::Pool { pool: identity.spec.address, reason: error.to_string() })?;
        Ok(state)
    }

    async fn read_unchecked(&self, identity: &Identity<'_>) -> Result<PoolState, SourceError> {
        let pool = identity.spec.address;
        match identity.kind {
            PoolKind::UniswapV2 => {
                let reserves = self.call(pool, pool, contract::getReservesCall {}).await?;
                Ok(PoolState::V2(V2State { reserve_0: reserves.reserve0.to(), reserve_1: reserves.reserve1.to() }))
            }
            PoolKind::UniswapV3 => Ok(PoolState::V3(self.read_concentrated(pool, identity).await?)),
            _ => Err(SourceError::Pool { pool, reason: "its kind cannot be read".into() }),
        }
    }

    async fn read_concentrated(&self, pool: Address, identity: &Identity<'_>) -> Result<V3State, SourceError> {
        let slot = self.call(pool, pool, contract::slot0Call {}).await?;
        let liquidity = self.call(pool, pool, contract::liquidityCall {}).await?;
        let indices = self.read_tick_indices(pool, identity).await?;
        let ticks = try_join_all(indices.into_iter().map(|tick| self.read_tick(pool, tick))).await?;
        Ok(V3State { sqrt_price_x96: U256::from(slot.sqrtPriceX96), tick: slot.tick.as_i32(), liquidity, ticks })
    }

    /// Initialised ticks within the known range, ascending.
    async fn read_tick_indices(&self, pool: Address, identity: &Identity<'_>) -> Result<Vec<i32>, SourceError> {
        let (low, high) = identity.known_ticks;
        let spacing = identity.tick_spacing;
        let word_of = |tick: i32| tick.div_euclid(spacing).div_euclid(WORD_TICKS);
        let words = word_of(low)..=word_of(high);
        let words = try_join_all(words.map(|word| self.read_word(pool, word))).await?;
        let ticks = words.iter().flat_map(|(word, bits)| {
            let set = (0..WORD_TICKS).zip(0_usize..).filter(|(_, bit)| bits.bit(*bit));
            set.map(move |(bit, _)| (word * WORD_TICKS + bit) * spacing)
        });
        Ok(ticks.filter(|tick| (low..=high).contains(tick)).collect())
    }

    async fn read_word(&self, pool: Address, index: i32) -> Result<(i32, U256), SourceError> {
        let word =
            i16::try_from(index).map_err(|_| SourceError::Pool { pool, reason: format!("bitmap word {index}") })?;
        Ok((index, self.call(pool, pool, contract::tickBitmapCall { word }).await?))
    }

    async fn read_tick(&self, pool: Address, tick: i32) -> Result<TickLiquidity, SourceError> {
        let index = tick.try_into().map_err(|_| SourceError::Pool { pool, reason: format!("tick {tick}") })?;
        let state = self.call(pool, pool, contract::ticksCall { tick: index }).await?;
        Ok(TickLiquidity { tick, liquidity_net: state.liquidityNet, liquidity_gross: state.liquidityGross })
    }
}

/// Words of nodes for a call that they ran and that the contract did not end well. With the same gas for all, they all say so.
const FAILED_RUNS: [&str; 3] = ["revert", "out of gas", "invalid opcode"];

/// Whether the node ran the call and the contract refused it.
fn is_revert(error: &SourceError) -> bool {
    let SourceError::Call { cause, .. } = error else { return false };
    let Some(RpcError::ErrorResp(answer)) = cause.downcast_ref::<RpcError<TransportErrorKind>>() else { return false };
    // Code 3 is the de-facto code for reverts (geth); others only say so in words.
    let message = answer.message.to_lowercase();
    answer.code == 3 || FAILED_RUNS.iter().any(|words| message.contains(words))
}

/// A symbol as text: the standard's string, or the 32 bytes that early tokens return. Anything else is no symbol.
fn read_symbol(answer: &[u8]) -> String {
    if let Ok(symbol) = contract::symbolCall::abi_decode_returns(answer) {
        return symbol;
    }
    let Ok(word) = <[u8; 32]>::try_from(answer) else { return String::new() };
    let text = word.split(|byte| *byte == 0).next().unwrap_or_default();
    core::str::from_utf8(text).map(str::to_owned).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloy::rpc::json_rpc::ErrorPayload;
    use alloy::transports::mock::Asserter;

    use super::*;

    /// The token of a node that says how many decimals it has, and then this of its symbol.
    async fn token_where(symbol_fails: ErrorPayload) -> Result<TokenInfo, SourceError> {
        let node = Asserter::new();
        node.push_success(&Bytes::from(U256::from(18).abi_encode()));
        node.push_failure(symbol_fails);
        let client = RpcClient::mocked(node);
        let (number, base_fee, gas) = (1.into(), 7_u128.into(), 1.into());
        let (hash, parent_hash, timestamp) = ([1; 32], [0; 32], 1.into());
        let at = BlockContext { number, hash, parent_hash, timestamp, base_fee, gas_used: gas, gas_limit: gas };
        let calls = Calls::new(&client, &at, CALL_TIMEOUT);
        calls.read_token(Address::repeat_byte(1), Address::repeat_byte(2)).await
    }

    #[tokio::test]
    async fn a_token_has_no_symbol_when_its_contract_refuses_and_not_when_the_node_does() {
        let failure = |code, message| ErrorPayload { code, message, data: None };
        for message in ["execution reverted", "out of gas", "invalid opcode: INVALID"] {
            let token = token_where(failure(-32000, message.into())).await;
            assert!(token.as_ref().is_ok_and(|token| token.symbol.is_empty()), "{token:?}");
        }
        let token = token_where(failure(3, "VM error".into())).await;
        assert!(token.as_ref().is_ok_and(|token| token.symbol.is_empty()), "{token:?}");
        let busy = token_where(failure(-32005, "too many requests".into())).await;
        assert!(matches!(busy, Err(SourceError::Call { .. })), "{busy:?}");
    }

    #[test]
    fn symbols_are_read_from_strings_and_from_bytes32() {
        let mut word = [0_u8; 32];
        word[..3].copy_from_slice(b"MKR");
        assert_eq!(read_symbol(&word), "MKR");
        assert_eq!(read_symbol(&"WETH".abi_encode()), "WETH");
        assert_eq!(read_symbol(&[]), "");
        assert_eq!(read_symbol(&[0xff; 32]), "");
        assert_eq!(read_symbol(&[0xff; 31]), "");
    }
}
