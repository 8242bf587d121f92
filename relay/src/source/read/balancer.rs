//! Balancer V2 pools: weighted, and stable ones of all generations whose values can be read.

use alloy::primitives::{Address, B256, U256};
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{BalancerStableState, BalancerWeightedState, PoolState, TokenInfo};
use alphapulse_protocol::values::{
    BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, MultiTokenDetails, PerToken, Ramp, Rates,
    TOKENS_MAX,
};
use futures_util::future::{try_join, try_join_all, try_join3, try_join4, try_join5};

use super::calls::Calls;
use super::multi_token::{UNKNOWN_VARIANT, decimals, multi_token, places};
use super::token::totalSupplyCall;
use super::{fit, refuse};
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        function getPoolId() external view returns (bytes32);
        function getVault() external view returns (address);
        function getPool(bytes32 id) external view returns (address pool, uint8 specialization);
        function getPoolTokens(bytes32 id) external view returns (address[] tokens, uint256[] balances, uint256 lastChange);
        function getPausedState() external view returns (bool isPaused, uint256 windowEnd, uint256 bufferEnd);
        function getSwapFeePercentage() external view returns (uint256);
        function getNormalizedWeights() external view returns (uint256[]);
        function getGradualWeightUpdateParams() external view returns (uint256 start, uint256 end);
        function getLastInvariant() external view returns (uint256);
        function getAmplificationParameter() external view returns (uint256 value, bool isUpdating, uint256 precision);
        function getBptIndex() external view returns (uint256);
        function getRateProviders() external view returns (address[]);
        function getRate() external view returns (uint256);
        function getLastJoinExitData() external view returns (uint256 amplification, uint256 invariant);
        function getProtocolFeePercentageCache(uint256 feeType) external view returns (uint256);
        function isTokenExemptFromYieldProtocolFee(address token) external view returns (bool);
        function getTokenRateCache(address token) external view returns (uint256 rate, uint256 oldRate, uint256 duration,
            uint256 expires);
        function getPriceRateCache(address token) external view returns (uint256 rate, uint256 duration, uint256 expires);
    }
}
pub(super) use self::contract::getPoolIdCall;

/// One, in Balancer's fixed-point numbers.
const ONE: u128 = 1_000_000_000_000_000_000;
/// What amplification is multiplied with (`StableMath._AMP_PRECISION`).
const AMPLIFICATION_PRECISION: u16 = 1_000;
/// Places of the fees in a pool's memory of the protocol's (`ProtocolFeeType`).
const SWAP_FEE: u64 = 0;
const YIELD_FEE: u64 = 2;

/// What the vault tells of a pool.
struct Registered {
    pool: Address,
    vault: Address,
    id: B256,
    tokens: Vec<TokenInfo>,
    balances: PerToken<u128>,
    is_paused: bool,
    swap_fee: u64,
}

impl Registered {
    fn token(&self, index: usize) -> Address {
        self.tokens[index].address.into()
    }

    fn image(self, kind: PoolKind, variant: u16, bpt_index: Option<u8>, state: PoolState) -> PoolImage {
        let list = places(self.tokens.len());
        let details = MultiTokenDetails {
            variant,
            amplification_precision: if kind == PoolKind::BalancerStable { AMPLIFICATION_PRECISION } else { 1 },
            base_pool: None,
            bpt_index,
            decimals: decimals(&self.tokens),
            underlying: list,
            pool_id: self.id.0,
            vault: self.vault.into_array(),
        };
        let info = multi_token(kind, self.pool, list, details);
        PoolImage { tokens: self.tokens, info, state }
    }
}

impl Calls {
    /// A pool of a vault; what it has beside tokens says what it is.
    pub(super) async fn read_balancer(&self, pool: Address, at: u64) -> Result<PoolImage, SourceError> {
        let (weights, amplification) = try_join(
            self.try_call(pool, contract::getNormalizedWeightsCall {}),
            self.try_call(pool, contract::getAmplificationParameterCall {}),
        )
        .await?;
        match (weights, amplification) {
            (Some(weights), _) => self.read_weighted(self.read_registered(pool).await?, &weights).await,
            (None, Some(amplification)) => {
                self.read_balancer_stable(self.read_registered(pool).await?, &amplification, at).await
            }
            (None, None) => Err(refuse(pool, "it is a Balancer pool, neither weighted nor stable")),
        }
    }

    async fn read_registered(&self, pool: Address) -> Result<Registered, SourceError> {
        let (id, vault) =
            try_join(self.call(pool, pool, getPoolIdCall {}), self.call(pool, pool, contract::getVaultCall {})).await?;
        let (known, held, fee, own_pause, vault_pause) = try_join5(
            self.call(pool, vault, contract::getPoolCall { id }),
            self.call(pool, vault, contract::getPoolTokensCall { id }),
            self.call(pool, pool, contract::getSwapFeePercentageCall {}),
            self.call(pool, pool, contract::getPausedStateCall {}),
            self.call(pool, vault, contract::getPausedStateCall {}),
        )
        .await?;
        // The vault is the contract's own word; the id begins with its pool's address.
        if !id.starts_with(pool.as_slice()) {
            return Err(refuse(pool, format!("its id {id} is another pool's")));
        }
        if known.pool != pool {
            return Err(refuse(pool, format!("vault {vault} has another pool under its id, {}", known.pool)));
        }
        if held.tokens.len() != held.balances.len() || held.tokens.len() > TOKENS_MAX {
            let (tokens, balances) = (held.tokens.len(), held.balances.len());
            return Err(refuse(pool, format!("it has {tokens} tokens and {balances} balances")));
        }
        let tokens = try_join_all(held.tokens.iter().map(|token| self.read_token(*token, pool))).await?;
        let mut balances = [0; TOKENS_MAX];
        for (place, balance) in balances.iter_mut().zip(held.balances) {
            *place = fit(pool, "balance", balance)?;
        }
        let is_paused = own_pause.isPaused || vault_pause.isPaused;
        let swap_fee = fit(pool, "swap fee", fee)?;
        Ok(Registered { pool, vault, id, tokens, balances, is_paused, swap_fee })
    }

    async fn read_weighted(&self, registered: Registered, weights: &[U256]) -> Result<PoolImage, SourceError> {
        let pool = registered.pool;
        let (moving, variant) =
            try_join(self.try_call(pool, contract::getGradualWeightUpdateParamsCall {}), self.read_powers(pool))
                .await?;
        if moving.is_some() {
            return Err(refuse(pool, "its weights may move with time"));
        }
        if weights.len() != registered.tokens.len() {
            let (weights, tokens) = (weights.len(), registered.tokens.len());
            return Err(refuse(pool, format!("it has {weights} weights and {tokens} tokens")));
        }
        let mut terms = BalancerWeightedTerms {
            is_paused: registered.is_paused,
            swap_fee: registered.swap_fee,
            weights: [0; TOKENS_MAX],
        };
        for (place, weight) in terms.weights.iter_mut().zip(weights) {
            *place = fit(pool, "weight", *weight)?;
        }
        let state = BalancerWeightedState { terms, balances: registered.balances };
        let state = PoolState::BalancerWeighted(Box::new(state));
        Ok(registered.image(PoolKind::BalancerWeighted, variant, None, state))
    }

    /// Pools that remember rate providers (from the second generation on) skip logarithms for powers of 1, 2 and 4; the first
    /// ones, which remember an invariant instead, do not. Of others nothing is known.
    async fn read_powers(&self, pool: Address) -> Result<u16, SourceError> {
        let (providers, invariant) = try_join(
            self.try_call(pool, contract::getRateProvidersCall {}),
            self.try_call(pool, contract::getLastInvariantCall {}),
        )
        .await?;
        Ok(match (providers, invariant) {
            (Some(_), _) => PoolVariant::BalancerSpecialCases as u16,
            (None, Some(_)) => PoolVariant::BalancerLogExp as u16,
            (None, None) => UNKNOWN_VARIANT,
        })
    }

    async fn read_balancer_stable(
        &self,
        registered: Registered,
        amplification: &contract::getAmplificationParameterReturn,
        at: u64,
    ) -> Result<PoolImage, SourceError> {
        let pool = registered.pool;
        if amplification.precision != U256::from(AMPLIFICATION_PRECISION) {
            return Err(refuse(pool, format!("its amplification has precision {}", amplification.precision)));
        }
        let value = fit(pool, "amplification", amplification.value)?;
        // Where it moves no function tells from what and to what: it is the value of this block.
        let ramp = Ramp { initial: value, future: value, initial_time: 0, future_time: 0 };
        let (bpt, last, providers, supply) = try_join4(
            self.try_call(pool, contract::getBptIndexCall {}),
            self.try_call(pool, contract::getLastJoinExitDataCall {}),
            self.try_call(pool, contract::getRateProvidersCall {}),
            self.call(pool, pool, totalSupplyCall {}),
        )
        .await?;
        let bpt_index = bpt.map(|index| fit::<u8>(pool, "place of its share", index)).transpose()?;
        let providers = providers.unwrap_or_default();
        if bpt_index.is_some() && providers.len() != registered.tokens.len() {
            return Err(refuse(pool, "it does not tell a rate provider for each of its tokens"));
        }
        let rates = self.read_rates(&registered, &providers, bpt_index.is_some(), at).await?;
        let mut terms = BalancerStableTerms {
            is_paused: registered.is_paused,
            amplification: ramp,
            swap_fee: registered.swap_fee,
            ..BalancerStableTerms::default()
        };
        let mut holdings = BalancerStableHoldings {
            balances: registered.balances,
            supply: fit(pool, "supply", supply)?,
            ..BalancerStableHoldings::default()
        };
        let variant = match (bpt_index, last) {
            (None, _) => PoolVariant::BalancerInvariantDirected,
            (Some(_), Some(last)) => {
                holdings.last_join_exit_amplification = fit(pool, "amplification", last.amplification)?;
                holdings.last_join_exit_invariant = fit(pool, "invariant", last.invariant)?;
                self.read_composable(&registered, &mut terms).await?;
                PoolVariant::BalancerInvariantDown
            }
            (Some(_), None) => {
                return Err(refuse(pool, "its share is one of its tokens, and it has no getLastJoinExitData()"));
            }
        };
        let (rates, last_join_exit_rates) = rates;
        let state = BalancerStableState { terms, rates, last_join_exit_rates, holdings };
        let state = PoolState::BalancerStable(Box::new(state));
        Ok(registered.image(PoolKind::BalancerStable, variant as u16, bpt_index, state))
    }

    /// What a composable pool remembers of the protocol's fees.
    async fn read_composable(&self, of: &Registered, terms: &mut BalancerStableTerms) -> Result<(), SourceError> {
        let pool = of.pool;
        let fee =
            |kind| self.call(pool, pool, contract::getProtocolFeePercentageCacheCall { feeType: U256::from(kind) });
        let exempt = |token: &TokenInfo| {
            let token = token.address.into();
            self.try_call(pool, contract::isTokenExemptFromYieldProtocolFeeCall { token })
        };
        let exempt = try_join_all(of.tokens.iter().map(exempt));
        let (swap_fee, yield_fee, exempt) = try_join3(fee(SWAP_FEE), fee(YIELD_FEE), exempt).await?;
        terms.protocol_swap_fee = fit(pool, "protocol's swap fee", swap_fee)?;
        terms.protocol_yield_fee = fit(pool, "protocol's yield fee", yield_fee)?;
        let bits = exempt.iter().enumerate().filter(|(_, is_exempt)| **is_exempt == Some(true));
        terms.yield_fee_exempt = bits.fold(0, |mask, (index, _)| mask | 1 << index);
        Ok(())
    }

    /// Rates of swaps in this block, and those of the last join or exit where the pool remembers them.
    async fn read_rates(
        &self,
        of: &Registered,
        providers: &[Address],
        is_composable: bool,
        at: u64,
    ) -> Result<(Rates, Rates), SourceError> {
        let rate = |index: usize| async move {
            match providers.get(index) {
                Some(provider) if !provider.is_zero() => self.read_rate(of, index, *provider, is_composable, at).await,
                _ => Ok((ONE, if is_composable { ONE } else { 0 }, u64::MAX)),
            }
        };
        let told = try_join_all((0..of.tokens.len()).map(rate)).await?;
        let mut rates = Rates { valid_until: u64::MAX, rates: [0; TOKENS_MAX] };
        let mut last = Rates { valid_until: if is_composable { u64::MAX } else { 0 }, rates: [0; TOKENS_MAX] };
        for (index, (rate, old, until)) in told.into_iter().enumerate() {
            (rates.rates[index], last.rates[index]) = (rate, old);
            rates.valid_until = rates.valid_until.min(until);
        }
        Ok((rates, last))
    }

    /// Rate, rate at the last join or exit, and until when a swap uses the former: a pool asks the provider when its memory has
    /// run out.
    async fn read_rate(
        &self,
        of: &Registered,
        index: usize,
        provider: Address,
        is_composable: bool,
        at: u64,
    ) -> Result<(u128, u128, u64), SourceError> {
        let (pool, token) = (of.pool, of.token(index));
        let (rate, old, expires) = if is_composable {
            let cache = self.call(pool, pool, contract::getTokenRateCacheCall { token }).await?;
            (cache.rate, cache.oldRate, cache.expires)
        } else {
            let cache = self.call(pool, pool, contract::getPriceRateCacheCall { token }).await?;
            (cache.rate, U256::ZERO, cache.expires)
        };
        let old = fit(pool, "old rate", old)?;
        let expires = u64::try_from(expires).unwrap_or(u64::MAX);
        if at <= expires {
            return Ok((fit(pool, "rate", rate)?, old, expires));
        }
        let rate = self.call(pool, provider, contract::getRateCall {}).await?;
        Ok((fit(pool, "rate", rate)?, old, at))
    }
}
