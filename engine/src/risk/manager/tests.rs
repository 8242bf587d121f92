use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Clock, HopRecord, NonceLease, OutcomeStatus, Pool, SnapshotBegin, SnapshotEnd,
    Token, V2Reserves, WireMessage,
};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{BlockRef, ChainId, Epoch, FeePpm, PoolId, Sequence, TokenId, VenueId};

use super::*;
use crate::risk::DAY_NS;
use crate::trade::{Fees, Hops};

mod exposure;
mod limits;
mod random;
mod restart;

const WETH: [u8; 20] = [0xaa; 20];
const DAI: [u8; 20] = [0xbb; 20];
const HEAD: u64 = 100;
/// Noon of some day.
const NOW: UnixNanos = UnixNanos(20_000 * DAY_NS + DAY_NS / 2);
const AGE_MAX: Duration = Duration::from_millis(1500);
const GAIN: u64 = 1_000_000;
/// Worst case of the trade: its gas limit at its highest fee.
const COST_MAX: u128 = 200 * 10;

fn pool_address(index: u8) -> [u8; 20] {
    [index + 1; 20]
}

fn context(number: u64) -> BlockContext {
    context_at(number, NOW)
}

fn context_at(number: u64, time: UnixNanos) -> BlockContext {
    BlockContext {
        number: number.into(),
        hash: [u8::try_from(number).expect("small"); 32],
        parent_hash: [u8::try_from(number - 1).expect("small"); 32],
        timestamp: (time.0 / 1_000_000_000).into(),
        base_fee: 0.into(),
        gas_used: 0.into(),
        gas_limit: 0.into(),
    }
}

fn apply<T: WireMessage>(replica: &mut Replica, message: T, sequence: u64)
where
    for<'a> Message<'a>: From<&'a T>,
{
    let message = message.stamped(Sequence(sequence), UnixNanos(0));
    replica.apply(&Message::from(&message)).expect("a valid stream");
}

/// Six pools of one pair at block [`HEAD`].
fn replica() -> Replica {
    replica_at(NOW)
}

fn replica_at(time: UnixNanos) -> Replica {
    let mut replica = Replica::default();
    apply(&mut replica, SnapshotBegin::new(context_at(HEAD, time), ChainId(1), Epoch(1), 2, 6), 7);
    apply(&mut replica, Token::new(TokenId(0), WETH, "WETH", 18), 7);
    apply(&mut replica, Token::new(TokenId(1), DAI, "DAI", 18), 7);
    for index in 0..6_u8 {
        let tokens = [TokenId(0), TokenId(1)];
        let id = PoolId(index.into());
        apply(&mut replica, Pool::uniswap_v2(id, VenueId(0), pool_address(index), tokens, FeePpm(3000)), 7);
        apply(&mut replica, V2Reserves::new(id, 1, 1), 7);
    }
    apply(&mut replica, SnapshotEnd::new(14), 7);
    replica
}

/// Limits that [`trade`] is exactly at, each of them.
fn limits() -> Limits {
    Limits {
        native_token: WETH.into(),
        tokens: BTreeSet::from([WETH.into(), DAI.into()]),
        pools: (0..6).map(|index| pool_address(index).into()).collect(),
        notional_max: BTreeMap::from([(WETH.into(), U256::from(1000))]),
        in_flight_max: 1,
        unknown_max: 1,
        profit_min: Wei(u128::from(GAIN) - 100 * 7),
        fee_max: FeePerGas(10),
        gas_max: Gas(200),
        market_age_max: AGE_MAX,
        loss_day_max: Wei(COST_MAX),
        is_simulation_required: false,
    }
}

/// Limits with room for several trades.
fn wide_limits() -> Limits {
    Limits { in_flight_max: 3, unknown_max: 2, loss_day_max: Wei(10 * COST_MAX), ..limits() }
}

fn hops(pools: [u32; 2]) -> [HopRecord; 2] {
    let (weth, dai) = (TokenId(0), TokenId(1));
    [
        HopRecord::new(PoolId(pools[0]), weth, dai, U256::from(1000), U256::from(500)),
        HopRecord::new(PoolId(pools[1]), dai, weth, U256::from(500), U256::from(1000 + GAIN)),
    ]
}

fn trade_on(opportunity: u64, pools: [u32; 2]) -> Trade {
    Trade {
        opportunity: OpportunityId(opportunity),
        strategy: 0,
        block: context(HEAD).block(),
        token: TokenId(0),
        token_address: WETH.into(),
        hops: Hops::new(&hops(pools)).expect("two hops"),
        amount_in: U256::from(1000),
        profit: U256::from(GAIN),
        gas: Gas(100),
        gas_limit: Gas(200),
        fees: Fees { max: FeePerGas(10), priority: FeePerGas(2) },
        expected_gas_price: FeePerGas(7),
        block_max: BlockNumber(HEAD + 1),
    }
}

fn trade() -> Trade {
    trade_on(1, [0, 1])
}

/// A manager, a market, and the time since the head came.
struct Bench {
    risk: RiskManager,
    kill: KillSwitch,
    replica: Replica,
    now: UnixNanos,
    head_received: UnixNanos,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let kill = KillSwitch::new();
        let age = u64::try_from(AGE_MAX.as_nanos()).expect("small");
        let risk = RiskManager::new(limits, kill.clone());
        Self { risk, kill, replica: replica(), now: NOW, head_received: UnixNanos(NOW.0 - age) }
    }

    fn check(&self, trade: &Trade) -> Result<(), Reject> {
        let Self { risk, replica, now, head_received, .. } = self;
        risk.pre_check(trade, &RiskContext { now: *now, head_received: *head_received, replica })
    }

    fn approve(&mut self, trade: Trade, simulated: Option<SimulatedGain>) -> Result<u64, Reject> {
        let Self { risk, replica, now, head_received, .. } = self;
        let context = RiskContext { now: *now, head_received: *head_received, replica };
        risk.approve(trade, simulated, &context).map(|approved| approved.number()).map_err(|(_, reject)| reject)
    }

    /// As [`trade`] is signed; for trade 0 a cancellation as dear.
    fn sign(&mut self, trade: u64, nonce: u64) {
        self.sign_at(trade, nonce, 10);
    }

    fn sign_at(&mut self, trade: u64, nonce: u64, fee_max: u128) {
        let fees = (FeePerGas(fee_max), FeePerGas(1));
        let block_max = BlockNumber(HEAD + 2);
        self.risk.on_signed(&Submission::new(OpportunityId(trade), nonce, [0; 32], fees, Gas(200), block_max));
    }

    fn settle(&mut self, outcome: &Outcome) -> Settled {
        self.risk.on_outcome(outcome, self.now)
    }
}

/// Both ways through: what `pre_check` refuses, `approve` refuses alike.
fn verdict(limits: Limits, change: impl Fn(&mut Bench, &mut Trade)) -> Result<(), Reject> {
    let mut bench = Bench::new(limits);
    let mut trade = trade();
    change(&mut bench, &mut trade);
    let checked = bench.check(&trade);
    assert_eq!(bench.approve(trade, None).map(|_| ()), checked);
    checked
}

fn trade_verdict(change: impl Fn(&mut Trade)) -> Result<(), Reject> {
    verdict(limits(), |_, trade| change(trade))
}

fn limit_verdict(change: impl FnOnce(&mut Limits)) -> Result<(), Reject> {
    let mut limits = limits();
    change(&mut limits);
    verdict(limits, |_, _| {})
}

fn outcome(trade: u64, nonce: u64, status: OutcomeStatus, gas: u64, gain: u64) -> Outcome {
    let block = BlockRef { number: BlockNumber(HEAD + 1), hash: [0xee; 32] };
    let hash = [u8::try_from(nonce).expect("small"); 32];
    Outcome::new(OpportunityId(trade), nonce, hash, status, block).with_receipt(
        Gas(gas),
        FeePerGas(10),
        U256::from(gain),
    )
}
