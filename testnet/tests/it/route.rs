//! Routes over a deployment's pools, what they should yield, and how to make them yield.

use alloy::primitives::aliases::{I256, U24};
use alloy::primitives::{Address, U256};
use alphapulse_engine::execution::calldata::{Leg, Plan};
use alphapulse_testnet::contracts::abi::{IQuoterV2, ITrader, IV2Pair};
use alphapulse_testnet::{PANCAKE_V2, Pool, PoolKind, UNISWAP_V2, UNISWAP_V3, Where};

use crate::chain::Chain;

/// One swap of a route.
#[derive(Clone, Copy)]
pub(crate) struct Hop {
    pub(crate) pool: Pool,
    pub(crate) token_in: Address,
}

impl Hop {
    pub(crate) fn token_out(&self) -> Address {
        self.pool.other(self.token_in)
    }

    pub(crate) fn zero_for_one(&self) -> bool {
        self.token_in == self.pool.token_0
    }
}

impl Chain {
    /// The route that begins with `tokens[0]` and crosses `places[i]` from `tokens[i]` to the next, back to the first.
    pub(crate) fn route(&self, tokens: &[usize], places: &[Where]) -> Vec<Hop> {
        let address = |i: usize| self.deployment.tokens[tokens[i % tokens.len()]].address;
        (0..places.len())
            .map(|i| Hop { pool: self.pool(places[i], address(i), address(i + 1)), token_in: address(i) })
            .collect()
    }

    pub(crate) fn pool(&self, place: Where, a: Address, b: Address) -> Pool {
        let (venue, tier) = match place {
            Where::UniswapV2 => (UNISWAP_V2, None),
            Where::PancakeV2 => (PANCAKE_V2, None),
            Where::UniswapV3 { fee_ppm } => (UNISWAP_V3, Some(fee_ppm)),
        };
        let is_it = |pool: &&Pool| {
            pool.venue == venue
                && (pool.token_0, pool.token_1) == (a.min(b), a.max(b))
                && tier.is_none_or(|fee| fee == pool.fee_ppm)
        };
        *self.deployment.pools.iter().find(is_it).expect("the layout has this pool")
    }

    /// Makes the last pool of `route` dear, so that the route gains: the trader buys there what the route will sell there.
    pub(crate) async fn open_gap(&self, route: &[Hop], amount: U256) {
        let last = route[route.len() - 1];
        let backwards = Hop { pool: last.pool, token_in: last.token_out() };
        self.trade(backwards, amount).await;
    }

    /// The scripted trader swaps an exact amount.
    pub(crate) async fn trade(&self, hop: Hop, amount_in: U256) {
        let (pool, zero_for_one) = (hop.pool.address, hop.zero_for_one());
        let trader = self.deployment.trader;
        match hop.pool.kind {
            PoolKind::V2 => {
                let fee = U24::from(hop.pool.fee_ppm);
                let call =
                    ITrader::swapV2Call { pair: pool, zeroForOne: zero_for_one, amountIn: amount_in, feePpm: fee };
                self.act(trader, call).await;
            }
            PoolKind::V3 { .. } => {
                let amount = I256::try_from(amount_in).expect("fits");
                self.act(trader, ITrader::swapV3Call { pool, zeroForOne: zero_for_one, amountSpecified: amount }).await;
            }
        }
    }

    /// What the route would return for `amount`, by the pools' own oracles: no code of ours.
    pub(crate) async fn expected_output(&self, route: &[Hop], amount: U256) -> U256 {
        let mut amount = amount;
        for hop in route {
            amount = match hop.pool.kind {
                PoolKind::V2 => self.expected_v2(hop, amount).await,
                PoolKind::V3 { .. } => self.expected_v3(hop, amount).await,
            };
        }
        amount
    }

    async fn expected_v2(&self, hop: &Hop, amount: U256) -> U256 {
        let reserves = self.view(hop.pool.address, &IV2Pair::getReservesCall {}).await;
        let (mut reserve_in, mut reserve_out) = (U256::from(reserves.reserve0), U256::from(reserves.reserve1));
        if !hop.zero_for_one() {
            (reserve_in, reserve_out) = (reserve_out, reserve_in);
        }
        // UniswapV2Library.getAmountOut and PancakeLibrary.getAmountOut, in their own units.
        let kept = U256::from(if hop.pool.venue == PANCAKE_V2 { 998 } else { 997 });
        let after_fee = amount * kept;
        after_fee * reserve_out / (reserve_in * U256::from(1000) + after_fee)
    }

    async fn expected_v3(&self, hop: &Hop, amount: U256) -> U256 {
        let params = IQuoterV2::QuoteExactInputSingleParams {
            tokenIn: hop.token_in,
            tokenOut: hop.token_out(),
            amountIn: amount,
            fee: U24::from(hop.pool.fee_ppm),
            sqrtPriceLimitX96: alloy::primitives::U160::ZERO,
        };
        self.view(self.deployment.quoter, &IQuoterV2::quoteExactInputSingleCall { params }).await.amountOut
    }

    /// A plan for the next block.
    pub(crate) async fn plan(&self, route: &[Hop], amount_in: U256, profit_min: U256) -> Plan {
        let next = self.node.block_number().await.expect("answers") + 1;
        Plan::new(next, next, amount_in, profit_min, &legs(route)).expect("valid plan")
    }
}

pub(crate) fn legs(route: &[Hop]) -> Vec<Leg> {
    let leg = |hop: &Hop| Leg {
        venue: hop.pool.venue,
        token_in: hop.token_in,
        token_out: hop.token_out(),
        fee: hop.pool.leg_fee(),
    };
    route.iter().map(leg).collect()
}
