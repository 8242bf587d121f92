//! Both sides on one market, and what each answer is held to.

use std::time::Duration;

use alloy::primitives::U256;
use alphapulse_engine::execution::signer::SignedTransaction;
use alphapulse_protocol::{ChainId, Epoch};
use alphapulse_relay::journal::JournalWriter;
use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::account;
use crate::feed::CHAIN_ID;
use crate::market::{Shock, World};
use crate::ours::Ours;
use crate::rival::{self, Form, Rival};
use crate::stages::Stamps;

/// Different blocks that are taken in turn.
pub(crate) const SHOCKS: usize = 64;
/// Shocks tried for these, at most: some open nothing that pays its gas, or several trades at once.
const CANDIDATES: usize = 8 * SHOCKS;
/// Part of the rival's profit by which ours may fall short.
const SHORTFALL_PARTS: u64 = 1_000_000_000_000;

/// Who takes a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    /// Our path.
    Ours,
    /// Our path with every input and decision appended to a journal first.
    Recorded,
    /// The rival, given parsed logs.
    Rival,
    /// The rival, given a node's JSON.
    RivalJson,
}

impl Contender {
    pub(crate) const ALL: [Self; 4] = [Self::Ours, Self::Recorded, Self::Rival, Self::RivalJson];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Recorded => "ours, journaled",
            Self::Rival => "rival",
            Self::RivalJson => "rival, from JSON",
        }
    }
}

/// Both sides at rest on the same market.
pub(crate) struct Contest {
    ours: Ours,
    recorded: Ours,
    rival: Rival,
    shocks: Vec<Shock>,
    candidates: usize,
    _journal: TempDir,
}

impl Contest {
    pub(crate) fn new(world: &World, touched: usize, deepest: usize) -> Result<Self> {
        let journal = tempfile::tempdir()?;
        let writer = JournalWriter::create(journal.path(), ChainId(CHAIN_ID), Epoch(1))?;
        let mut ours = Ours::new(world, None)?;
        let mut shocks = Vec::with_capacity(SHOCKS);
        let mut candidates = 0;
        for shock in world.shocks(CANDIDATES, touched, deepest) {
            if shocks.len() == SHOCKS {
                break;
            }
            candidates += 1;
            if ours.probe(&shock.changes, &shock.restore)? {
                shocks.push(shock);
            }
        }
        ensure!(shocks.len() == SHOCKS, "only {} of {candidates} shocks open exactly one trade", shocks.len());
        let (recorded, rival) = (Ours::new(world, Some(writer))?, Rival::start(world)?);
        Ok(Self { ours, recorded, rival, shocks, candidates, _journal: journal })
    }

    /// How many shocks were tried to find those in use.
    pub(crate) const fn candidates(&self) -> usize {
        self.candidates
    }

    /// Lets a contender take the `at`-th block, and puts the market back, which is not timed.
    pub(crate) fn run(&mut self, contender: Contender, at: usize) -> Result<Duration> {
        match contender {
            Contender::Ours => Self::run_ours(&mut self.ours, &self.shocks[at % SHOCKS]),
            Contender::Recorded => Self::run_ours(&mut self.recorded, &self.shocks[at % SHOCKS]),
            Contender::Rival => Ok(self.run_rival(Form::Parsed, at)?.elapsed),
            Contender::RivalJson => Ok(self.run_rival(Form::Json, at)?.elapsed),
        }
    }

    fn run_ours(ours: &mut Ours, shock: &Shock) -> Result<Duration> {
        let taken = ours.tick(&shock.changes)?;
        ours.rest(&taken, &shock.restore)?;
        Ok(taken.elapsed)
    }

    pub(crate) fn run_rival(&mut self, form: Form, at: usize) -> Result<rival::Taken> {
        let shock = &self.shocks[at % SHOCKS];
        let taken = self.rival.tick(&shock.changes, form)?;
        self.rival.restore(&shock.restore)?;
        Ok(taken)
    }

    /// Lets our path take the `at`-th block stage by stage.
    pub(crate) fn run_in_stages(&mut self, at: usize) -> Result<(Stamps, SignedTransaction)> {
        let shock = &self.shocks[at % SHOCKS];
        let (stamps, taken) = self.ours.tick_in_stages(&shock.changes)?;
        self.ours.rest(&taken, &shock.restore)?;
        Ok((stamps, taken.signed))
    }

    /// Holds both sides to the same answer on every shock.
    pub(crate) fn check(&mut self) -> Result<()> {
        for at in 0..SHOCKS {
            self.check_one(at).with_context(|| format!("shock {at}"))?;
        }
        Ok(())
    }

    fn check_one(&mut self, at: usize) -> Result<()> {
        let shock = &self.shocks[at];
        let ours = self.ours.tick(&shock.changes)?;
        let recorded = self.recorded.tick(&shock.changes)?;
        let theirs = self.rival.tick(&shock.changes, Form::Parsed)?;
        let claimed = gain(&self.ours, &theirs.found)?;
        self.ours.rest(&ours, &shock.restore)?;
        self.recorded.rest(&recorded, &shock.restore)?;
        self.rival.restore(&shock.restore)?;
        let from_json = self.rival.tick(&shock.changes, Form::Json)?;
        self.rival.restore(&shock.restore)?;

        let sender = account::key()?.address();
        let our_call = account::read(&ours.signed.raw, sender)?;
        let their_call = account::read(&theirs.raw, sender)?;
        let json_call = account::read(&from_json.raw, sender)?;
        ensure!(
            our_call.nonce == ours.signed.nonce && json_call.nonce == their_call.nonce + 1,
            "nonces do not rise by one"
        );
        ensure!(our_call.route == their_call.route, "routes differ: {our_call:?} and {their_call:?}");
        ensure!(our_call.amount_in == ours.found.amount_in.get(), "we signed another amount than we found");
        ensure!(recorded.found.hops[0].amount_in == ours.found.hops[0].amount_in, "a journal changes the decision");
        ensure!(
            (json_call.route, json_call.amount_in) == (their_call.route, their_call.amount_in),
            "JSON changes theirs"
        );
        ensure!(claimed == theirs.found.profit, "the rival's profit is {claimed}, it says {}", theirs.found.profit);
        let least = theirs.found.profit - theirs.found.profit / U256::from(SHORTFALL_PARTS) - U256::ONE;
        ensure!(ours.found.profit() >= least, "our profit {} is below the rival's {claimed}", ours.found.profit());
        Ok(())
    }
}

/// What the rival's route really gives, by the quotes of our market while the shock stands.
fn gain(ours: &Ours, found: &rival::Found) -> Result<U256> {
    let market = ours.market();
    let mut amount = found.amount_in;
    for (address, zero_for_one) in &found.steps {
        let pool = market.replica().pool_by_address(&address.into_array()).context("a pool of the market")?;
        let tokens = market.replica().pools()[pool.index()].tokens;
        let way = if *zero_for_one { (tokens[0], tokens[1]) } else { (tokens[1], tokens[0]) };
        amount = market.quote_exact_in(pool, way, amount)?;
    }
    amount.checked_sub(found.amount_in).context("the rival trades at a loss")
}
