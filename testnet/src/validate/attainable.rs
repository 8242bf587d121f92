//! What was there to take on each block, by the independent search, and what it would have cost to take it.

use std::collections::BTreeMap;

use alloy::eips::BlockId;
use alloy::network::TransactionBuilder;
use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use alphapulse_engine::execution::calldata::abi::IExecutor;
use alphapulse_protocol::{BlockRef, HashBytes};
use tokio::task::JoinHandle;

use super::ValidateError;
use crate::deploy::Deployment;
use crate::dev_node::DevNodeError;
use crate::exhaustive::{BestCycle, best_cycle};
use crate::session::{Head, Testnet};

/// What a trade must bring beyond its gas to be worth taking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    /// Wei per gas above the base fee.
    pub(super) priority_fee: u128,
    /// Wei after gas.
    pub(super) profit_min: U256,
}

/// The best single cycle on a block's state.
#[derive(Debug, Clone)]
pub(super) struct Attainable {
    /// The block.
    pub(super) block: BlockRef,
    /// Its gain before gas, wei of WETH.
    pub(super) gross: U256,
    /// The cycle.
    pub(super) cycle: BestCycle,
}

/// A search under way on another thread.
struct Searching {
    block: BlockRef,
    found: JoinHandle<Option<BestCycle>>,
}

/// Searches every block, one behind the head: only the next block's base fee says what a trade would have cost.
pub(super) struct Yardstick {
    floor: Floor,
    token: Address,
    searching: Option<Searching>,
    worth_taking: BTreeMap<HashBytes, Attainable>,
}

impl Yardstick {
    pub(super) fn new(floor: Floor, token: Address) -> Self {
        Self { floor, token, searching: None, worth_taking: BTreeMap::new() }
    }

    /// Takes the next block: settles what its predecessor held, and begins to search its own state.
    pub(super) async fn advance(&mut self, testnet: &Testnet, head: &Head) -> Result<(), ValidateError> {
        if let Some(Searching { block, found }) = self.searching.take()
            && let Some(cycle) = found.await.map_err(|error| ValidateError::Search(Box::new(error)))?
        {
            let cost = self.cost(testnet, block, head.base_fee, &cycle).await?;
            let gross = cycle.profit();
            if gross > cost {
                self.worth_taking.insert(block.hash, Attainable { block, gross, cycle });
            }
        }
        let (pools, token) = (head.pools.clone(), self.token);
        let found = tokio::task::spawn_blocking(move || best_cycle(&pools, token));
        self.searching = Some(Searching { block: head.block, found });
        Ok(())
    }

    /// Every block whose best cycle was worth its gas. The newest block is not among them: it has no successor.
    pub(super) fn finish(self) -> BTreeMap<HashBytes, Attainable> {
        if let Some(searching) = self.searching {
            searching.found.abort();
        }
        self.worth_taking
    }

    /// Wei of gas in the next block, as the node estimates it, and the least profit on top.
    async fn cost(
        &self,
        testnet: &Testnet,
        block: BlockRef,
        next_base_fee: u128,
        cycle: &BestCycle,
    ) -> Result<U256, ValidateError> {
        let deployment = &testnet.deployment;
        let request = TransactionRequest::default()
            .with_from(deployment.owner.address())
            .with_to(deployment.executor)
            .with_input(call_of(deployment, cycle).abi_encode());
        let at = BlockId::hash(B256::from(block.hash));
        let gas = testnet.node.provider().estimate_gas(request).block(at).await;
        let gas = gas.map_err(|source| DevNodeError::Rpc { method: "eth_estimateGas", source })?;
        let price = U256::from(next_base_fee + self.floor.priority_fee);
        Ok(U256::from(gas) * price + self.floor.profit_min)
    }
}

/// The executor call that takes a cycle.
fn call_of(deployment: &Deployment, cycle: &BestCycle) -> IExecutor::executeCall {
    let legs = cycle.hops.iter().filter_map(|hop| {
        let pool = deployment.pools.iter().find(|pool| pool.address == hop.pool)?;
        let fee = U24::from(pool.leg_fee());
        Some(IExecutor::Leg { venue: pool.venue, tokenIn: hop.token_in, tokenOut: hop.token_out, fee })
    });
    let plan = IExecutor::Plan {
        blockMin: 0,
        blockMax: u64::MAX,
        amountIn: cycle.amount_in,
        profitMin: U256::ZERO,
        legs: legs.collect(),
    };
    IExecutor::executeCall { plan }
}
