//! A sized opportunity with everything that risk judges and the signer needs: the stage between a strategy and an approval.

use alloy::primitives::Address;
use alphapulse_protocol::message::{Found, HopRecord, PLAN_SWAPS_MAX};
use alphapulse_protocol::{BlockNumber, BlockRef, FeePerGas, Gas, OpportunityId, PoolId, TokenId, U256, Wei};

/// Fees of a transaction under EIP-1559.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fees {
    /// Highest total fee per gas, base fee included.
    pub max: FeePerGas,
    /// Priority fee per gas, at most `max`.
    pub priority: FeePerGas,
}

/// The swaps of a trade, inline: `2..=PLAN_SWAPS_MAX` of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hops {
    records: [HopRecord; PLAN_SWAPS_MAX],
    count: usize,
}

impl Hops {
    /// The swaps of a trade, or `None` when they are not 2 to 12.
    #[must_use]
    pub fn new(hops: &[HopRecord]) -> Option<Self> {
        let first = *hops.first()?;
        if !(2..=PLAN_SWAPS_MAX).contains(&hops.len()) {
            return None;
        }
        let mut records = [first; PLAN_SWAPS_MAX];
        records[..hops.len()].copy_from_slice(hops);
        Some(Self { records, count: hops.len() })
    }

    /// The swaps in order.
    #[must_use]
    pub fn as_slice(&self) -> &[HopRecord] {
        &self.records[..self.count]
    }

    /// Whether each swap pays all that the one before received, and the last receives the token that the first pays.
    #[must_use]
    pub fn is_route(&self) -> bool {
        let hops = self.as_slice();
        let is_chained =
            |pair: &[HopRecord]| pair[0].token_out == pair[1].token_in && pair[0].amount_out == pair[1].amount_in;
        let ends = hops.first().zip(hops.last());
        hops.windows(2).all(is_chained) && ends.is_some_and(|(first, last)| first.token_in == last.token_out)
    }

    /// Raw units of a token that the swaps pay and bring; `None` past 256 bits.
    #[must_use]
    pub fn flow(&self, token: TokenId) -> Option<[U256; 2]> {
        self.as_slice().iter().try_fold([U256::ZERO; 2], |[mut paid, mut got], hop| {
            if hop.token_in.get() == token.0 {
                paid = paid.checked_add(hop.amount_in.get())?;
            }
            if hop.token_out.get() == token.0 {
                got = got.checked_add(hop.amount_out.get())?;
            }
            Some([paid, got])
        })
    }

    /// Pools in the order of the swaps.
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
    /// Token in which it profits.
    pub token: TokenId,
    /// Contract of `token`.
    pub token_address: Address,
    /// The swaps.
    pub hops: Hops,
    /// Raw units of `token` that the swaps pay, together.
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
    /// has not 2 to 12 swaps.
    #[must_use]
    pub fn from_found(found: &Found<'_>, token_address: Address) -> Option<Self> {
        Some(Self {
            opportunity: found.opportunity,
            strategy: found.strategy,
            block: found.block,
            token: found.token,
            token_address,
            hops: Hops::new(found.hops)?,
            amount_in: found.amount_in,
            profit: found.profit(),
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
    use alphapulse_protocol::message::Opportunity;

    use super::*;

    fn hop(pool: u32) -> HopRecord {
        HopRecord::new(PoolId(pool), TokenId(0), TokenId(1), U256::from(5), U256::from(6))
    }

    #[test]
    fn a_trade_has_two_to_twelve_swaps() {
        let hops: Vec<HopRecord> = (0..13).map(hop).collect();
        for count in 0..=13 {
            assert_eq!(Hops::new(&hops[..count]).is_some(), (2..=12).contains(&count), "{count} swaps");
        }
    }

    #[test]
    fn pools_come_in_the_order_of_the_swaps() {
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
        let record = Opportunity::new(OpportunityId(4), 2, block, TokenId(0), &hops).expect("two hops");
        let trade = Trade::from_found(&(&record).into(), Address::repeat_byte(1)).expect("two hops");
        assert_eq!((trade.opportunity, trade.strategy, trade.block), (OpportunityId(4), 2, block));
        assert_eq!((trade.amount_in, trade.profit), (U256::from(100), U256::from(30)));
        assert_eq!(trade.hops.as_slice(), &hops);
        assert!(trade.hops.is_route());
        assert_eq!(trade.hops.flow(TokenId(0)), Some([U256::from(100), U256::from(130)]));
        assert_eq!(trade.hops.flow(TokenId(1)), Some([U256::from(7), U256::from(7)]));
    }
}
