//! Scripted traders: random swaps that drive prices apart, liquidity that comes and goes, and gas use that moves the base fee.
//!
//! The same seed on the same states makes the same moves. They pay no priority fee, so a transaction that does comes first in
//! its block: what was found on a state can be taken on that state.

mod plan;

use alloy::network::TransactionBuilder;
use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, B256, I256, U64, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;

use crate::contracts::abi::{ILiquidityProvider, ITrader};
use crate::deploy::Deployment;
use crate::dev_node::{DevNode, DevNodeError};
use crate::exhaustive::{Book, PoolSnapshot};

pub use self::plan::{Chain, Move, Planner};

/// No move costs more: a V3 swap over all its ticks.
const GAS_LIMIT: u64 = 3_000_000;
/// Highest fee of a move in the block after `chain`'s: the most that its base fee can be, and no more. The dev node orders a
/// block by highest fee, not by priority fee, so that anything above would put the script before those who pay.
const fn fee_max(chain: Chain) -> u128 {
    chain.base_fee.saturating_add(chain.base_fee / 8).saturating_add(1)
}

/// An opcode that takes all gas of its call at no cost to the machine.
const GAS_SINK_CODE: [u8; 1] = [0xfe];

/// The traders, as one account of the dev node that moves other contracts' tokens.
#[derive(Debug)]
pub struct Actors {
    planner: Planner,
    from: Address,
    trader: Address,
    liquidity_provider: Address,
    gas_sink: Address,
    nonce: u64,
}

impl Actors {
    /// Traders on `deployment` whose every choice follows from `seed`.
    ///
    /// Sets code by cheat: mine more blocks than the deepest reorg to come before it.
    ///
    /// # Errors
    /// [`DevNodeError`] when the node refuses a call.
    pub async fn new(node: &DevNode, deployment: &Deployment, seed: u64) -> Result<Self, DevNodeError> {
        let from = deployment.actor.address();
        let gas_sink = Address::from_word(alloy::primitives::keccak256("alphapulse test gas sink"));
        node.set_code(gas_sink, GAS_SINK_CODE.into()).await?;
        let nonce: U64 = node.call("eth_getTransactionCount", (from, "pending")).await?;
        Ok(Self {
            planner: Planner::new(seed, &deployment.tokens),
            from,
            trader: deployment.trader,
            liquidity_provider: deployment.liquidity_provider,
            gas_sink,
            nonce: nonce.to(),
        })
    }

    /// Chooses a round of moves on this state and hands them to the node, to be mined in the next block.
    ///
    /// # Errors
    /// [`DevNodeError`] when the node refuses one.
    pub async fn act(
        &mut self,
        node: &DevNode,
        pools: &[PoolSnapshot],
        chain: Chain,
    ) -> Result<Vec<(Move, B256)>, DevNodeError> {
        let mut sent = Vec::new();
        for step in self.planner.round(pools, chain) {
            let Some(request) = self.request(pools, &step) else { continue };
            let request = request
                .with_from(self.from)
                .with_nonce(self.nonce)
                .with_max_fee_per_gas(fee_max(chain))
                .with_max_priority_fee_per_gas(0);
            let hash = node.call("eth_sendTransaction", (request,)).await?;
            self.nonce += 1;
            sent.push((step, hash));
        }
        Ok(sent)
    }

    /// Goes on from what the chain holds: a reorg takes moves back.
    ///
    /// # Errors
    /// [`DevNodeError`] when the node refuses the call.
    pub async fn resume(&mut self, node: &DevNode) -> Result<(), DevNodeError> {
        let nonce: U64 = node.call("eth_getTransactionCount", (self.from, "pending")).await?;
        self.nonce = nonce.to();
        Ok(())
    }

    fn request(&self, pools: &[PoolSnapshot], step: &Move) -> Option<TransactionRequest> {
        let (to, data, gas) = match *step {
            Move::Swap { pool, zero_for_one, amount_in } => {
                let target = pools.iter().find(|known| known.key.address == pool)?;
                (self.trader, swap_call(target, zero_for_one, amount_in), GAS_LIMIT)
            }
            Move::AddLiquidity { pool, ticks, liquidity } => {
                let (lower, upper) = (ticks.0.try_into().ok()?, ticks.1.try_into().ok()?);
                let call = ILiquidityProvider::addV3Call { pool, tickLower: lower, tickUpper: upper, liquidity };
                (self.liquidity_provider, call.abi_encode(), GAS_LIMIT)
            }
            Move::RemoveLiquidity { pool, ticks, liquidity } => {
                let (lower, upper) = (ticks.0.try_into().ok()?, ticks.1.try_into().ok()?);
                let call = ILiquidityProvider::removeV3Call { pool, tickLower: lower, tickUpper: upper, liquidity };
                (self.liquidity_provider, call.abi_encode(), GAS_LIMIT)
            }
            Move::BurnGas { gas } => (self.gas_sink, Vec::new(), gas),
        };
        Some(TransactionRequest::default().with_to(to).with_input(data).with_gas_limit(gas))
    }
}

fn swap_call(pool: &PoolSnapshot, zero_for_one: bool, amount_in: U256) -> Vec<u8> {
    match pool.book {
        Book::ConstantProduct(_) => ITrader::swapV2Call {
            pair: pool.key.address,
            zeroForOne: zero_for_one,
            amountIn: amount_in,
            feePpm: U24::from(pool.key.fee_ppm),
        }
        .abi_encode(),
        Book::Concentrated(_) => {
            let amount = I256::try_from(amount_in).unwrap_or(I256::MAX);
            ITrader::swapV3Call { pool: pool.key.address, zeroForOne: zero_for_one, amountSpecified: amount }
                .abi_encode()
        }
    }
}
