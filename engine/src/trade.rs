//! A sized opportunity with everything that risk judges and the signer needs: the stage between a strategy and an approval.

use alloy::primitives::Address;
use alphapulse_protocol::message::{self, HopRecord, OPPORTUNITY_HOPS_MAX};
use alphapulse_protocol::{BlockNumber, BlockRef, FeePerGas, Gas, OpportunityId, PoolId, TokenId, U256, Wei};

/// Fees of a transaction under EIP-1559.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fees {
    /// Highest total fee per gas, base fee included.
    pub max: FeePerGas,
    /// Priority fee per gas, at most `max`.
    pub priority: FeePerGas,
}

/// The swaps of a route, inline: `2..=OPPORTUNITY_HOPS_MAX` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hops {
    records: [HopRecord; OPPORTUNITY_HOPS_MAX],
    count: usize,
}

impl Hops {
    /// The hops of a route, or `None` when they are not 2 to 4.
    #[must_use]
    pub fn new(hops: &[HopRecord]) -> Option<Self> {
        let first = *hops.first()?;
        if !(2..=OPPORTUNITY_HOPS_MAX).contains(&hops.len()) {
            return None;
        }
        let mut records = [first; OPPORTUNITY_HOPS_MAX];
        records[..hops.len()].copy_from_slice(hops);
        Some(Self { records, count: hops.len() })
    }

    /// The hops in order.
    #[must_use]
    pub fn as_slice(&self) -> &[HopRecord] {
        &self.records[..self.count]
    }

    /// Pools in route order.
    pub fn pools(&self) -> impl Iterator<Item = PoolId> + '_ {
        self.as_slice().iter().map(|hop| PoolId(hop.pool.get()))
    }
}

/// A trade that is proposed: exact amounts on the state of one block, and what it may cost.
#[derive(Debug, Clone, Copy)]
pub struct Trade {
    /// Opportunity it takes; never 0, and never taken twice.
    pub opportunity: OpportunityId,
    /// Index of the strategy in the configuration.
    pub strategy: u16,
    /// Block on whose state the amounts are exact.
    pub block: BlockRef,
    /// Token in which the route starts, ends and profits.
    pub token: TokenId,
    /// Contract of `token`.
    pub token_address: Address,
    /// The swaps.
    pub hops: Hops,
    /// Raw units paid into the first hop.
    pub amount_in: U256,
    /// Raw units of `token` gained before gas.
    pub profit: U256,
    /// Gas expected.
    pub gas: Gas,
    /// Gas limit of the transaction, at least `gas`.
    pub gas_limit: Gas,
    /// Fees of the transaction.
    pub fees: Fees,
    /// Wei per gas expected to be paid: next base fee plus priority fee.
    pub expected_gas_price: FeePerGas,
    /// Last block in which the executor accepts it.
    pub block_max: BlockNumber,
}

impl Trade {
    /// The trade that takes a recorded opportunity, before gas and fees are known (all zero), or `None` when the record
    /// has not 2 to 4 hops.
    #[must_use]
    pub fn from_opportunity(record: &message::Opportunity, token_address: Address) -> Option<Self> {
        Some(Self {
            opportunity: OpportunityId(record.opportunity.get()),
            strategy: record.strategy.get(),
            block: BlockRef { number: BlockNumber(record.block_number.get()), hash: record.block_hash },
            token: TokenId(record.token.get()),
            token_address,
            hops: Hops::new(record.hops())?,
            amount_in: record.amount_in.get(),
            profit: record.profit(),
            gas: Gas(0),
            gas_limit: Gas(0),
            fees: Fees::default(),
            expected_gas_price: FeePerGas(0),
            block_max: BlockNumber(0),
        })
    }

    /// Most that the trade can cost when it reverts after using its whole gas limit at its highest fee, or `None` past
    /// 128 bits.
    #[must_use]
    pub const fn cost_max(&self) -> Option<Wei> {
        self.gas_limit.checked_mul(self.fees.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(pool: u32) -> HopRecord {
        HopRecord::new(PoolId(pool), TokenId(0), TokenId(1), U256::from(5), U256::from(6))
    }

    #[test]
    fn a_route_has_two_to_four_hops() {
        let hops = [hop(0), hop(1), hop(2), hop(3), hop(4)];
        for count in 0..=5 {
            assert_eq!(Hops::new(&hops[..count]).is_some(), (2..=4).contains(&count), "{count} hops");
        }
    }

    #[test]
    fn pools_come_in_route_order() {
        let hops = Hops::new(&[hop(9), hop(2), hop(5)]).expect("three hops");
        assert_eq!(hops.pools().collect::<Vec<_>>(), [PoolId(9), PoolId(2), PoolId(5)]);
    }

    #[test]
    fn an_opportunity_record_gives_the_same_trade() {
        let block = BlockRef { number: BlockNumber(8), hash: [3; 32] };
        let hops = [
            HopRecord::new(PoolId(1), TokenId(0), TokenId(1), U256::from(100), U256::from(7)),
            HopRecord::new(PoolId(2), TokenId(1), TokenId(0), U256::from(7), U256::from(130)),
        ];
        let record = message::Opportunity::new(OpportunityId(4), 2, block, TokenId(0), &hops).expect("two hops");
        let trade = Trade::from_opportunity(&record, Address::repeat_byte(1)).expect("two hops");
        assert_eq!((trade.opportunity, trade.strategy, trade.block), (OpportunityId(4), 2, block));
        assert_eq!((trade.amount_in, trade.profit), (U256::from(100), U256::from(30)));
        assert_eq!(trade.hops.as_slice(), &hops);
    }
}
