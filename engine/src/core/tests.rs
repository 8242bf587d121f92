//! The core's contract, on a market of two constant-product pools that disagree.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy::primitives::Address;
use alphapulse_protocol::message::{
    self, Block, BlockEnd, Clock, Halt, Outcome, OutcomeStatus, Pool, Simulation, SimulationStatus, SnapshotBegin,
    SnapshotEnd, Submission, Token, V2Reserves, Verdict, WireMessage,
};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, Epoch, FeePerGas, FeePpm, Gas, TokenId, U256, VenueId, Wei};
use alphapulse_strategies::{Admission, Settings, StrategyConfig, StrategyKind};

use super::*;
use crate::risk::Limits;

const WETH: [u8; 20] = [0xee; 20];
const DAI: [u8; 20] = [0xdd; 20];
pub(super) const POOLS: [[u8; 20]; 4] = [[1; 20], [2; 20], [3; 20], [4; 20]];
pub(super) const ETHER: u128 = 1_000_000_000_000_000_000;

/// What the core gave, in order.
#[derive(Debug, Default)]
pub(super) struct Given {
    opportunities: Vec<message::Opportunity>,
    verdicts: Vec<Verdict>,
    simulated: Vec<OpportunityId>,
    pub(super) executed: Vec<Approved<Trade>>,
    bytes: Vec<u8>,
}

impl Effects for Given {
    fn record(&mut self, message: Message<'_>) {
        self.bytes.extend_from_slice(message.as_bytes());
        match message {
            Message::Opportunity(found) => self.opportunities.push(*found),
            Message::Verdict(verdict) => self.verdicts.push(*verdict),
            other => panic!("the core records no {}", other.name()),
        }
    }

    fn simulate(&mut self, trade: &Trade, _market: &Market) {
        self.simulated.push(trade.opportunity);
    }

    fn execute(&mut self, trade: Approved<Trade>, _market: &Market) {
        self.executed.push(trade);
    }
}

impl Given {
    pub(super) fn rejects(&self) -> Vec<u16> {
        self.verdicts.iter().map(|verdict| verdict.reject.get()).collect()
    }

    fn prediction(&self, at: usize) -> U256 {
        self.opportunities[at].profit()
    }
}

/// A core and the feed that drives it.
pub(super) struct Bench {
    pub(super) core: Core,
    pub(super) given: Given,
    sequence: u64,
    block: u64,
}

impl Bench {
    pub(super) fn new(is_live: bool, is_simulation_required: bool, in_flight_max: u32) -> Self {
        let kill = KillSwitch::new();
        let addresses = |all: &[[u8; 20]]| all.iter().copied().map(Address::from).collect::<BTreeSet<_>>();
        let limits = Limits {
            native_token: WETH.into(),
            tokens: addresses(&[WETH, DAI]),
            pools: addresses(&POOLS),
            notional_max: BTreeMap::from([(WETH.into(), U256::from(1_000 * ETHER))]),
            in_flight_max,
            unknown_max: 4,
            profit_min: Wei(1),
            fee_max: FeePerGas(1_000_000_000_000),
            gas_max: Gas(2_000_000),
            market_age_max: Duration::from_secs(2),
            loss_day_max: Wei(10 * ETHER),
            is_simulation_required,
        };
        let strategy = |kind: StrategyKind, index| {
            let config = StrategyConfig {
                name: kind.name().to_owned(),
                kind,
                tokens: vec![WETH],
                hops_max: 3,
                profit_min: U256::ONE,
                per_block_max: 8,
                settings: Settings::new(),
            };
            alphapulse_strategies::build(&config, index).expect("valid")
        };
        let rules = CoreRules {
            is_live,
            is_simulation_required,
            plan: PlanRules {
                gas: GasModel { base: Gas(60_000), v2_leg: Gas(80_000), v3_leg: Gas(100_000) },
                priority_fee: FeePerGas(1_000_000_000),
                blocks_valid: 2,
            },
        };
        let strategies = vec![strategy(StrategyKind::TWO_VENUE, 0), strategy(StrategyKind::CYCLIC, 1)];
        let market = Market::new(Admission::allow_all(), 8);
        let core = Core::new(market, strategies, RiskManager::new(limits, kill.clone()), kill, rules);
        let mut bench = Self { core, given: Given::default(), sequence: 0, block: 100 };
        bench.snapshot();
        bench
    }

    fn input<T: WireMessage>(&mut self, message: &T)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.core.input(&Message::from(message), &mut self.given).expect("the bench keeps the stream in order");
    }

    fn market<T: WireMessage>(&mut self, message: T)
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.sequence += 1;
        self.input(&message.stamped(Sequence(self.sequence), UnixNanos(0)));
    }

    fn context(number: u64) -> BlockContext {
        BlockContext {
            number: number.into(),
            hash: hash_of(number),
            parent_hash: hash_of(number - 1),
            timestamp: number.into(),
            base_fee: 1_000_000_000.into(),
            gas_used: 15_000_000.into(),
            gas_limit: 30_000_000.into(),
        }
    }

    pub(super) fn snapshot(&mut self) {
        let tokens = [TokenId(0), TokenId(1)];
        self.input(&SnapshotBegin::new(Self::context(self.block), ChainId(1), Epoch(1), 2, 4));
        self.input(&Token::new(tokens[0], WETH, "WETH", 18));
        self.input(&Token::new(tokens[1], DAI, "DAI", 18));
        for (pool, id) in POOLS.iter().zip(0..) {
            self.input(&Pool::uniswap_v2(PoolId(id), VenueId(0), *pool, tokens, FeePpm(3000)));
            self.input(&V2Reserves::new(PoolId(id), 1_000 * ETHER, 1_000 * ETHER));
        }
        self.input(&SnapshotEnd::new(10));
    }

    fn tell_time(&mut self, seconds: u64) {
        self.input(&Clock::new(UnixNanos(seconds * 1_000_000_000)));
    }

    /// A block in which these pools' token-1 reserves, in whole units, became these.
    pub(super) fn block(&mut self, changes: &[(u32, u128)]) {
        self.block += 1;
        let context = Self::context(self.block);
        self.tell_time(self.block);
        self.market(Block::new(context, BlockNumber(self.block)));
        for (pool, reserve_1) in changes {
            self.market(V2Reserves::new(PoolId(*pool), 1_000 * ETHER, reserve_1 * ETHER));
        }
        self.market(BlockEnd::new(context.block(), u32::try_from(changes.len()).expect("few")));
    }

    fn answer(&mut self, id: OpportunityId, status: SimulationStatus, gain: U256) {
        self.input(&Simulation::new(id, status, Gas(200_000), gain));
    }

    fn sign(&mut self, id: OpportunityId, nonce: u64) {
        let fees = (FeePerGas(3), FeePerGas(1));
        self.input(&Submission::new(id, nonce, [9; 32], fees, Gas(300_000), BlockNumber(self.block + 2)));
    }

    fn settle(&mut self, id: OpportunityId, nonce: u64, status: OutcomeStatus, gain: U256) {
        let block = BlockRef { number: BlockNumber(self.block), hash: hash_of(self.block) };
        let outcome = Outcome::new(id, nonce, [9; 32], status, block);
        self.input(&outcome.with_receipt(Gas(200_000), FeePerGas(2_000_000_000), gain));
    }
}

fn hash_of(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    hash
}

#[test]
fn an_approved_trade_is_executed_live_and_only_recorded_on_paper() {
    for is_live in [true, false] {
        let mut bench = Bench::new(is_live, false, 4);
        bench.block(&[(0, 1_100)]);
        assert_eq!(bench.given.rejects(), [0]);
        assert_eq!(bench.given.executed.len(), usize::from(is_live));
        assert_eq!(bench.given.verdicts[0].is_live, u8::from(is_live));
    }
}

#[test]
fn what_two_strategies_find_alike_is_one_opportunity() {
    let mut bench = Bench::new(false, false, 4);
    bench.block(&[(0, 1_100)]);
    assert_eq!((bench.given.opportunities.len(), bench.core.counters().duplicates), (1, 1));
}

#[test]
fn a_trade_is_executed_only_after_a_simulation_that_gains_what_was_predicted() {
    let mut bench = Bench::new(true, true, 4);
    bench.block(&[(0, 1_100)]);
    let id = bench.given.simulated[0];
    assert!(bench.given.executed.is_empty());
    let predicted = bench.given.prediction(0);
    bench.answer(id, SimulationStatus::Succeeded, predicted);
    assert_eq!(bench.given.executed.len(), 1);
    assert_eq!(bench.given.executed[0].gas, Gas(200_000), "the simulation's gas replaces the model's");
}

#[test]
fn a_simulation_that_reverts_fails_or_differs_refuses() {
    let cases = [
        (SimulationStatus::Reverted, U256::ZERO, Reject::SimulationReverted),
        (SimulationStatus::Unavailable, U256::ZERO, Reject::SimulationUnavailable),
        (SimulationStatus::Succeeded, U256::ONE, Reject::SimulationMismatch),
    ];
    for (status, gain, expected) in cases {
        let mut bench = Bench::new(true, true, 4);
        bench.block(&[(0, 1_100)]);
        bench.answer(bench.given.simulated[0], status, gain);
        assert!(bench.given.executed.is_empty());
        assert_eq!(bench.given.verdicts.last().map(|verdict| verdict.reject.get()), Some(expected.code()));
    }
}

#[test]
fn a_simulation_answered_after_the_next_block_is_too_late() {
    let mut bench = Bench::new(true, true, 4);
    bench.block(&[(0, 1_100)]);
    let (id, predicted) = (bench.given.simulated[0], bench.given.prediction(0));
    bench.block(&[]);
    bench.answer(id, SimulationStatus::Succeeded, predicted);
    assert!(bench.given.executed.is_empty());
    assert_eq!(bench.given.verdicts.last().map(|verdict| verdict.reject.get()), Some(Reject::WrongBlock.code()));
}

#[test]
fn an_answer_that_nobody_waits_for_is_counted() {
    let mut bench = Bench::new(true, true, 4);
    bench.answer(OpportunityId(77), SimulationStatus::Succeeded, U256::ONE);
    assert_eq!(bench.core.counters().orphans, 1);
}

#[test]
fn a_trade_refused_for_exposure_is_taken_when_an_outcome_of_the_same_block_makes_room() {
    let mut bench = Bench::new(true, false, 1);
    bench.block(&[(0, 1_100)]);
    let (id, predicted) = (OpportunityId(bench.given.verdicts[0].opportunity.get()), bench.given.prediction(0));
    bench.sign(id, 0);
    bench.block(&[(0, 1_000), (1, 1_000), (2, 1_150)]);
    assert_eq!(bench.given.executed.len(), 1, "one in flight is the limit");
    bench.settle(id, 0, OutcomeStatus::Included, predicted);
    assert_eq!(bench.given.executed.len(), 2);
    assert!(bench.given.verdicts.last().is_some_and(Verdict::is_approved));
}

#[test]
fn a_lesser_trade_does_not_take_the_pool_of_a_better_one_that_waits_for_room() {
    let mut bench = Bench::new(true, false, 4);
    bench.block(&[(0, 1_100)]);
    let (first, predicted) = (OpportunityId(bench.given.verdicts[0].opportunity.get()), bench.given.prediction(0));
    bench.sign(first, 0);
    let held: Vec<PoolId> = bench.given.executed[0].hops.pools().collect();
    assert_eq!(held.len(), 2);

    // Best: pools 1 and 2, but 1 is in flight. Free, but lesser: 2 and 3.
    bench.block(&[(0, 1_000), (1, 900), (2, 1_150), (3, 1_100)]);
    assert_eq!(held, [PoolId(0), PoolId(1)]);
    assert_eq!(bench.given.executed.len(), 1);
    bench.settle(first, 0, OutcomeStatus::Included, predicted);

    let mut taken: Vec<PoolId> = bench.given.executed[1].hops.pools().collect();
    taken.sort_unstable();
    assert_eq!(taken, [PoolId(1), PoolId(2)]);
}

#[test]
fn what_was_deferred_is_forgotten_with_its_block() {
    let mut bench = Bench::new(true, false, 1);
    bench.block(&[(0, 1_100)]);
    let (id, predicted) = (OpportunityId(bench.given.verdicts[0].opportunity.get()), bench.given.prediction(0));
    bench.sign(id, 0);
    bench.block(&[(0, 1_000), (1, 1_000), (2, 1_150)]);
    bench.block(&[(2, 1_000)]);
    bench.settle(id, 0, OutcomeStatus::Included, predicted);
    assert_eq!(bench.given.executed.len(), 1);
}

#[test]
fn after_a_halt_everything_is_refused_with_its_reason() {
    let mut bench = Bench::new(true, false, 4);
    bench.input(&Halt::new(Reject::KillSwitch.code()));
    bench.block(&[(0, 1_100)]);
    assert!(bench.given.executed.is_empty());
    assert!(!bench.given.verdicts.is_empty());
    assert!(bench.given.rejects().iter().all(|code| *code != 0));
    assert!(bench.given.rejects().contains(&Reject::KillSwitch.code()));
}

#[test]
fn an_abandoned_trade_frees_what_it_held() {
    let mut bench = Bench::new(true, false, 1);
    bench.block(&[(0, 1_100)]);
    let id = OpportunityId(bench.given.verdicts[0].opportunity.get());
    bench.settle(id, u64::MAX, OutcomeStatus::Abandoned, U256::ZERO);
    bench.block(&[(0, 1_120)]);
    assert_eq!(bench.given.executed.len(), 2);
}

#[test]
fn the_same_inputs_give_the_same_decisions_byte_for_byte() {
    let run = || {
        let mut bench = Bench::new(false, false, 4);
        for block in 0..50_u128 {
            bench.block(&[
                ((block % 4) as u32, 1_000 + block * 37 % 130),
                ((block % 3) as u32, 1_000 + block * 11 % 90),
            ]);
        }
        bench.given.bytes
    };
    let first = run();
    assert!(!first.is_empty());
    assert_eq!(first, run());
}

#[test]
fn a_halt_before_the_first_market_message_holds_in_a_replay_too() {
    let mut bench = Bench::new(true, false, 4);
    bench.core.restore(&Message::from(&Halt::new(Reject::KillSwitch.code())));
    assert_eq!(bench.core.halted(), Some(Reject::KillSwitch));
    bench.block(&[(0, 1_100)]);
    assert!(bench.given.executed.is_empty());
}

#[test]
fn a_new_snapshot_refuses_what_was_on_hold_and_its_answers_find_nothing() {
    let mut bench = Bench::new(true, true, 4);
    bench.block(&[(0, 1_100)]);
    let (id, predicted) = (bench.given.simulated[0], bench.given.prediction(0));
    bench.sequence = 0;
    bench.snapshot();
    assert_eq!(bench.given.rejects(), [Reject::MarketNotWhole.code()]);
    bench.answer(id, SimulationStatus::Succeeded, predicted);
    assert!(bench.given.executed.is_empty());
    assert_eq!((bench.core.simulations_open(), bench.core.counters().orphans), (0, 1));
}

#[test]
fn a_reorg_puts_what_it_took_back_in_flight_before_the_next_block_is_searched() {
    let mut bench = Bench::new(true, false, 4);
    bench.block(&[(0, 1_100)]);
    let (id, predicted) = (OpportunityId(bench.given.verdicts[0].opportunity.get()), bench.given.prediction(0));
    bench.sign(id, 0);
    bench.block(&[(0, 1_000), (1, 1_000)]);
    bench.settle(id, 0, OutcomeStatus::Included, predicted);
    let (old_head, ancestor) = (Bench::context(bench.block).block(), Bench::context(bench.block - 1).block());
    bench.market(message::Reorg::new(ancestor, old_head).expect("one block"));
    bench.block -= 1;
    bench.block(&[]);
    assert_eq!(bench.given.executed.len(), 1);
    bench.block(&[(0, 1_110)]);
    assert_eq!(bench.given.executed.len(), 1, "its pools are in flight");
    assert_eq!(bench.given.rejects().last(), Some(&Reject::PoolInFlight.code()));
}

#[test]
fn on_paper_a_trade_keeps_its_pools_and_its_place_until_the_next_block() {
    let mut bench = Bench::new(false, true, 1);
    bench.block(&[(0, 1_100), (2, 1_050)]);
    let first = bench.given.simulated[0];
    bench.answer(first, SimulationStatus::Succeeded, bench.given.prediction(0));
    let approved = |bench: &Bench| bench.given.rejects().iter().filter(|reject| **reject == 0).count();
    assert_eq!(approved(&bench), 1);
    for id in bench.given.simulated.clone().into_iter().skip(1) {
        bench.answer(id, SimulationStatus::Succeeded, bench.given.prediction(1));
    }
    assert_eq!(approved(&bench), 1, "one in flight is all that is allowed, on paper as well");
    bench.block(&[(0, 1_200)]);
    let last = *bench.given.simulated.last().expect("the new block has one");
    let prediction = bench.given.opportunities.iter().find(|found| found.opportunity.get() == last.0).expect("found");
    bench.answer(last, SimulationStatus::Succeeded, prediction.profit());
    assert_eq!(approved(&bench), 2, "and the place is free again");
}
