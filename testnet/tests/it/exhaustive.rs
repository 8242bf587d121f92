//! The independent search against the contracts: what it reads and quotes is what the pools do.

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::aliases::U24;
use alloy::primitives::{B256, U160, U256};
use alloy::providers::Provider;
use alphapulse_engine::execution::calldata::abi::IExecutor;
use alphapulse_protocol::message::PoolKind;
use alphapulse_testnet::Layout;
use alphapulse_testnet::actor::{self, Actors};
use alphapulse_testnet::contracts::abi::{IQuoterV2, IV2Router};
use alphapulse_testnet::exhaustive::{BestCycle, Book, PoolSnapshot, StateReader, best_cycle, quote_exact_in};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::chain::Chain;

const ROUNDS: usize = 25;

/// A chain that traders move, and an eye on it.
struct Market {
    chain: Chain,
    actors: Actors,
    reader: StateReader,
}

impl Market {
    async fn start(seed: u64) -> Self {
        let chain = Chain::start(&Layout::standard()).await;
        let actors = Actors::new(&chain.node, &chain.deployment, seed).await.expect("actors");
        let reader = StateReader::of(&chain.node, &chain.deployment);
        Self { chain, actors, reader }
    }

    async fn head(&self) -> (u64, B256, actor::Chain) {
        let block = self.chain.node.provider().get_block(BlockId::Number(BlockNumberOrTag::Latest)).await;
        let header = block.expect("node answers").expect("there is a head").header;
        let fees = actor::Chain {
            base_fee: u128::from(header.base_fee_per_gas.expect("after London")),
            gas_limit: header.gas_limit,
        };
        (header.number, header.hash, fees)
    }

    async fn read(&mut self) -> Vec<PoolSnapshot> {
        let (number, hash, _) = self.head().await;
        self.reader.read(number, hash).await.expect("pools are readable")
    }

    async fn round(&mut self) -> Vec<PoolSnapshot> {
        let pools = self.read().await;
        let (_, _, fees) = self.head().await;
        self.actors.act(&self.chain.node, &pools, fees).await.expect("moves are taken");
        self.chain.node.mine().await.expect("mines");
        self.read().await
    }

    /// What the contracts answer; `None` when V3 cannot take the whole input.
    async fn oracle(&self, pool: &PoolSnapshot, zero_for_one: bool, amount_in: U256) -> Option<U256> {
        let deployment = &self.chain.deployment;
        let [token_0, token_1] = pool.key.tokens;
        let (token_in, token_out) = if zero_for_one { (token_0, token_1) } else { (token_1, token_0) };
        if let Book::ConstantProduct([zero, one]) = pool.book {
            let (reserve_in, reserve_out) = if zero_for_one { (zero, one) } else { (one, zero) };
            let call =
                IV2Router::getAmountOutCall { amountIn: amount_in, reserveIn: reserve_in, reserveOut: reserve_out };
            return Some(self.chain.view(deployment.router, &call).await);
        }
        let params = IQuoterV2::QuoteExactInputSingleParams {
            tokenIn: token_in,
            tokenOut: token_out,
            amountIn: amount_in,
            fee: U24::from(pool.key.fee_ppm),
            sqrtPriceLimitX96: U160::ZERO,
        };
        let answer = self.chain.view(deployment.quoter, &IQuoterV2::quoteExactInputSingleCall { params }).await;
        Some(answer.amountOut)
    }

    /// Gain that the executor contract makes of a cycle, by a call on the head's state.
    async fn executed_gain(&self, best: &BestCycle) -> U256 {
        let deployment = &self.chain.deployment;
        let legs = best.hops.iter().map(|hop| {
            let pool = deployment.pools.iter().find(|pool| pool.address == hop.pool).expect("a deployed pool");
            let fee = U24::from(pool.leg_fee());
            IExecutor::Leg { venue: pool.venue, tokenIn: hop.token_in, tokenOut: hop.token_out, fee }
        });
        let plan = IExecutor::Plan {
            blockMin: 0,
            blockMax: u64::MAX,
            amountIn: best.amount_in,
            profitMin: U256::ZERO,
            legs: legs.collect(),
        };
        let owner = deployment.owner.address();
        let call = IExecutor::executeCall { plan };
        self.chain.try_call(owner, deployment.executor, &call).await.expect("a profitable cycle does not revert")
    }
}

#[tokio::test]
async fn independent_quotes_equal_the_contracts() {
    let seed = 11;
    let mut market = Market::start(seed).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut checked = 0;
    for _ in 0..ROUNDS {
        let pools = market.round().await;
        for pool in &pools {
            // The published router knows one fee.
            if pool.key.kind == PoolKind::UniswapV2 && pool.key.fee_ppm != 3_000 {
                continue;
            }
            let zero_for_one: bool = rng.random();
            let token_in = pool.key.tokens[usize::from(!zero_for_one)];
            let amount_in = U256::from(rng.random::<u64>()) << rng.random_range(0..16);
            let own = quote_exact_in(pool, token_in, amount_in);
            let contract = market.oracle(pool, zero_for_one, amount_in).await;
            assert_eq!(own, contract, "seed {seed}, {zero_for_one}, {amount_in}: {pool:?}");
            checked += 1;
        }
    }
    assert!(checked > 200, "{checked}");
}

#[tokio::test]
async fn best_cycle_gains_on_chain_what_it_says() {
    let mut market = Market::start(5).await;
    let mut taken = 0;
    for round in 0..ROUNDS {
        let pools = market.round().await;
        let Some(best) = best_cycle(&pools, market.chain.deployment.weth()) else { continue };
        assert_eq!(market.executed_gain(&best).await, best.profit(), "round {round}: {best:?}");
        taken += 1;
    }
    assert!(taken > ROUNDS / 2, "traders must leave something to take: {taken}");
}
