//! Our side: frame bytes in, signed transaction out, on the calling thread.
//!
//! The same calls in the same order as the node's data plane makes them. Not in it: the socket or queue before it, the
//! ledger, and the hand-over to the control plane after it.

use std::io;
use std::time::{Duration, Instant};

use alloy::primitives::Address;
use alphapulse_engine::clock::WallClock;
use alphapulse_engine::core::{Core, CoreRules, Effects, GasModel, PlanRules};
use alphapulse_engine::execution::caller::Caller;
use alphapulse_engine::execution::nonce::{LeaseLog, NonceManager};
use alphapulse_engine::execution::signer::{SignedTransaction, Signer, SignerPolicy};
use alphapulse_engine::risk::{Approved, KillSwitch, Limits, RiskManager};
use alphapulse_engine::trade::Trade;
use alphapulse_protocol::frame::{self, Split};
use alphapulse_protocol::message::{
    Clock, Message, NonceLease, Opportunity, Outcome, OutcomeStatus, Submitted, SubmittedStatus,
};
use alphapulse_protocol::{ChainId, FeePerGas, Gas, U256, Wei};
use alphapulse_relay::journal::JournalWriter;
use alphapulse_strategies::{Admission, Market, Settings, StrategyConfig, StrategyKind};
use anyhow::{Context, Result, bail, ensure};

use crate::account::{self, EXECUTOR};
use crate::feed::{self, CHAIN_ID, Frames};
use crate::market::{Change, NATIVE, UNIT, World};
use crate::stages::Stamps;

/// Gas of a route by its legs; the rival expects the same.
pub(crate) const GAS: GasModel = GasModel { base: Gas(60_000), v2_leg: Gas(80_000), v3_leg: Gas(100_000) };
pub(crate) const PRIORITY_FEE: FeePerGas = FeePerGas(1_000_000_000);
pub(crate) const BLOCKS_VALID: u64 = 2;
/// Most hops of a route, for both sides.
pub(crate) const HOPS_MAX: u8 = 3;
/// Least profit worth a look, before gas, and least profit after gas, as in `config/example.toml`.
const GROSS_MIN_WEI: u64 = 100_000_000_000_000;
pub(crate) const NET_MIN: Wei = Wei(200_000_000_000_000);
const REORG_DEPTH_MAX: usize = 64;
/// Nonces per lease: large, because here no disk is behind it.
const LEASE_COUNT: u32 = 1 << 20;

/// What one block led to.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) elapsed: Duration,
    pub(crate) signed: SignedTransaction,
    pub(crate) found: Opportunity,
}

/// A core with everything around it that a live node has on its data plane.
pub(crate) struct Ours {
    core: Core,
    desk: Desk,
    clock: WallClock,
    frames: Frames,
    bytes: Vec<u8>,
}

/// Signs what the core approves.
pub(crate) struct Desk {
    caller: Caller,
    signer: Signer,
    nonces: NonceManager,
    journal: Option<JournalWriter>,
    found: Option<Opportunity>,
    approved: Option<Opportunity>,
    signed: Vec<SignedTransaction>,
    pub(crate) stamps: Option<Stamps>,
}

/// Leases that are as durable as memory: the sync of a lease is not on the path, a node leases ahead in quiet moments.
struct Memory;

impl LeaseLog for Memory {
    fn persist(&mut self, _: &NonceLease) -> io::Result<()> {
        Ok(())
    }
}

impl Ours {
    /// A live core at rest on `world`; with a journal it records every input and decision, as a node with a run folder.
    pub(crate) fn new(world: &World, journal: Option<JournalWriter>) -> Result<Self> {
        let kill = KillSwitch::new();
        let limits = limits(world);
        let market = Market::new(Admission::only(token_list(&limits), pool_list(&limits)), REORG_DEPTH_MAX);
        let strategy = |kind: StrategyKind, index| {
            let config = StrategyConfig {
                name: kind.name().to_owned(),
                kind,
                tokens: vec![feed::token_address(NATIVE).into()],
                hops_max: HOPS_MAX,
                profit_min: U256::from(GROSS_MIN_WEI),
                per_block_max: 8,
                settings: Settings::new(),
            };
            alphapulse_strategies::build(&config, index)
        };
        let strategies = vec![strategy(StrategyKind::CYCLIC, 0)?, strategy(StrategyKind::TWO_VENUE, 1)?];
        let plan = PlanRules { gas: GAS, priority_fee: PRIORITY_FEE, blocks_valid: BLOCKS_VALID };
        let rules = CoreRules { is_live: true, is_simulation_required: false, plan };
        let policy = SignerPolicy {
            chain_id: ChainId(CHAIN_ID),
            executor: EXECUTOR,
            fee_max: limits.fee_max,
            gas_max: limits.gas_max,
        };
        let signer = Signer::new(&account::key()?, policy, kill.clone());
        let mut nonces = NonceManager::resume(signer.address(), LEASE_COUNT, 0, &[], None)?;
        nonces.top_up(&mut Memory)?;
        let caller = Caller { executor: EXECUTOR, profit_min: NET_MIN };
        let core = Core::new(market, strategies, RiskManager::new(limits, kill.clone()), kill, rules);
        let desk =
            Desk { caller, signer, nonces, journal, found: None, approved: None, signed: Vec::new(), stamps: None };
        let mut ours = Self { core, desk, clock: WallClock::start(), frames: Frames::new(), bytes: Vec::new() };
        ours.frames.snapshot(world, &mut ours.bytes);
        ours.decide()?;
        ensure!(ours.desk.signed.is_empty(), "the market at rest is not at rest");
        Ok(ours)
    }

    /// The market as it stands.
    pub(crate) const fn market(&self) -> &Market {
        self.core.market()
    }

    /// Takes a block with `changes`; times it from its first byte to the last decision about it.
    pub(crate) fn tick(&mut self, changes: &[Change]) -> Result<Taken> {
        self.bytes.clear();
        self.frames.block(changes, &mut self.bytes);
        let started = Instant::now();
        self.decide()?;
        let elapsed = started.elapsed();
        let (Some(signed), true) = (self.desk.signed.pop(), self.desk.signed.is_empty()) else {
            bail!("block {} did not lead to exactly one transaction", self.frames.head());
        };
        Ok(Taken { elapsed, signed, found: self.desk.approved.take().context("a signature without an approval")? })
    }

    /// Takes a block stage by stage, timing each.
    pub(crate) fn tick_in_stages(&mut self, changes: &[Change]) -> Result<(Stamps, Taken)> {
        self.bytes.clear();
        self.frames.block(changes, &mut self.bytes);
        let mut stamps = Stamps::start();
        let mut messages = Vec::with_capacity(changes.len() + 2);
        stamps.begin();
        let mut rest = self.bytes.as_slice();
        while let Some((message, behind)) = next(rest)? {
            messages.push(message);
            rest = behind;
        }
        stamps.decoded();
        let (end, changes) = messages.split_last().context("a block has an end")?;
        for message in changes {
            self.core.input(message, &mut self.desk)?;
        }
        stamps.applied();
        self.desk.stamps = Some(stamps);
        self.core.input(&Message::Clock(&Clock::new(self.clock.now())), &mut self.desk)?;
        self.core.input(end, &mut self.desk)?;
        let stamps = self.desk.stamps.take().context("stamps stay where they were put")?.finish();
        let signed = self.desk.signed.pop().context("nothing was signed")?;
        let found = self.desk.approved.take().context("a signature without an approval")?;
        Ok((stamps, Taken { elapsed: stamps.total(), signed, found }))
    }

    /// Says that the trade was sent, takes the block that puts the market back to rest, and says that the trade was in it
    /// and is final.
    pub(crate) fn rest(&mut self, taken: &Taken, restore: &[Change]) -> Result<()> {
        let signed = &taken.signed;
        let accepted = Submitted::new(signed.opportunity, signed.nonce, SubmittedStatus::Accepted);
        self.input(&Message::Submission(&signed.to_message()))?;
        self.input(&Message::Submitted(&accepted))?;
        self.restore(restore)?;
        let block = feed::context(self.frames.head()).block();
        for status in [OutcomeStatus::Included, OutcomeStatus::Final] {
            let outcome = Outcome::new(signed.opportunity, signed.nonce, signed.hash.0, status, block);
            let gas_used = Gas(signed.gas_limit.0 / 2);
            self.input(&Message::Outcome(&outcome.with_receipt(gas_used, signed.fees.max, taken.found.profit())))?;
        }
        ensure!(self.desk.signed.is_empty(), "an outcome led to another trade");
        Ok(())
    }

    /// Takes a block that opens nothing.
    pub(crate) fn restore(&mut self, changes: &[Change]) -> Result<()> {
        self.bytes.clear();
        self.frames.block(changes, &mut self.bytes);
        self.decide()?;
        if let Some(journal) = &mut self.desk.journal {
            journal.flush()?;
        }
        ensure!(self.desk.signed.is_empty(), "the market did not come to rest");
        Ok(())
    }

    /// Takes a block whatever it leads to, and puts the market back; says whether it led to exactly one trade.
    pub(crate) fn probe(&mut self, changes: &[Change], restore: &[Change]) -> Result<bool> {
        match self.tick(changes) {
            Ok(taken) => self.rest(&taken, restore).map(|()| true),
            Err(_) if self.desk.signed.is_empty() => self.restore(restore).map(|()| false),
            Err(error) => Err(error),
        }
    }

    fn input(&mut self, message: &Message<'_>) -> Result<()> {
        self.desk.keep(message);
        Ok(self.core.input(message, &mut self.desk)?)
    }

    /// The path that is measured.
    fn decide(&mut self) -> Result<()> {
        let mut rest = self.bytes.as_slice();
        while let Some((message, behind)) = next(rest)? {
            if matches!(message, Message::BlockEnd(_) | Message::SnapshotEnd(_)) {
                let clock = Clock::new(self.clock.now());
                self.desk.keep(&Message::Clock(&clock));
                self.core.input(&Message::Clock(&clock), &mut self.desk)?;
            }
            self.desk.keep(&message);
            self.core.input(&message, &mut self.desk)?;
            rest = behind;
        }
        Ok(())
    }
}

/// The first message of some frames, its checksum verified, and what is behind it.
fn next(bytes: &[u8]) -> Result<Option<(Message<'_>, &[u8])>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    match frame::split(bytes)? {
        Split::Whole { message, frame_bytes } => Ok(Some((Message::decode(message)?, &bytes[frame_bytes..]))),
        Split::Incomplete { .. } => bail!("half a frame"),
    }
}

impl Desk {
    fn keep(&mut self, message: &Message<'_>) {
        if let Some(journal) = &mut self.journal {
            journal.append_bytes(message.as_bytes()).expect("the bench's folder takes a journal");
        }
    }
}

impl Effects for Desk {
    fn record(&mut self, message: Message<'_>) {
        if let Some(stamps) = &mut self.stamps {
            stamps.recorded(&message);
        }
        self.keep(&message);
        match message {
            Message::Opportunity(found) => self.found = Some(*found),
            Message::Verdict(verdict) if verdict.is_approved() => self.approved = self.found,
            _ => {}
        }
    }

    fn simulate(&mut self, _: &Trade, _: &Market) {
        panic!("simulation is off");
    }

    fn execute(&mut self, trade: Approved<Trade>, market: &Market) {
        let calldata = self.caller.calldata(&trade, market).expect("the executor runs what was approved");
        if let Some(stamps) = &mut self.stamps {
            stamps.called();
        }
        let nonce = self.nonces.allocate(&mut Memory).expect("leased in memory");
        let signed = self.signer.sign(trade, nonce, calldata, EXECUTOR).expect("within the signer's policy");
        if let Some(stamps) = &mut self.stamps {
            stamps.signed();
        }
        self.signed.push(signed);
    }
}

/// Limits that every trade of the bench keeps, checked one by one all the same.
fn limits(world: &World) -> Limits {
    let native = feed::token_address(NATIVE);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a power of ten")]
    let ether = UNIT as u128;
    Limits {
        native_token: native,
        tokens: (0..world.token_count()).map(feed::token_address).collect(),
        pools: (0..world.pools.len()).map(feed::pool_address).collect(),
        notional_max: [(native, U256::from(100_000 * ether))].into(),
        in_flight_max: 4,
        unknown_max: 4,
        profit_min: NET_MIN,
        fee_max: FeePerGas(1_000_000_000_000),
        gas_max: Gas(2_000_000),
        market_age_max: Duration::from_secs(2),
        loss_day_max: Wei(10 * ether),
        is_simulation_required: false,
    }
}

fn token_list(limits: &Limits) -> Vec<[u8; 20]> {
    limits.tokens.iter().map(|token: &Address| token.0.0).collect()
}

fn pool_list(limits: &Limits) -> Vec<[u8; 20]> {
    limits.pools.iter().map(|pool: &Address| pool.0.0).collect()
}
