//! Validation: a live node on a chain with traders, measured against an independent search and against the chain's books.
//!
//! - *Attainable* on block b is the gross profit of the best single cycle (2 or 3 hops, WETH to WETH) on the state after b, as
//!   the exhaustive search finds it, if that exceeds the gas that the node estimates for it at the base fee of block b + 1 and
//!   the engine's own priority fee, plus the engine's least profit. Otherwise it is nothing: nobody should take it.
//! - *Captured* on block b is the gross profit that the engine's trades found on b realised on the chain. Where it took several
//!   that together bring more than the best one, it counts as that one: a good block pays for no missed one.
//! - `captured_share` = Σ min(captured, attainable) / Σ attainable, over all blocks that have a successor.
//! - `ledger_matches_chain`: over the run, the profit address gained exactly what the ledger realised, the account that signs
//!   paid exactly the gas in the ledger, and its nonce rose by exactly the transactions in the journal.

mod attainable;
mod books;
mod report;

use std::time::Instant;

use alloy::primitives::U256;
use alphapulse_engine::node::{NodeEvent, NodeStatus};
use alphapulse_relay::journal::JournalError;

pub use self::report::{Failure, Miss, ValidationReport};

use self::attainable::{Floor, Yardstick};
use self::books::{Books, Measure};
use crate::dev_node::DevNodeError;
use crate::kit::Kit;
use crate::session::{Accounts, Round, Session, SessionError, SessionOptions};

/// Least part of the attainable profit that the engine must realise.
pub const CAPTURED_SHARE_MIN: f64 = 0.95;
/// Blocks without traders at the end, at most: until the engine has nothing in flight and finds nothing more.
const CLOSING_BLOCKS_MAX: usize = 32;

/// Why a validation could not be carried out; a gate that is not passed is no error but a part of the report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValidateError {
    /// The session failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The chain could not be asked.
    #[error(transparent)]
    DevNode(#[from] DevNodeError),
    /// The journal cannot be read back.
    #[error("the run's journal cannot be read back")]
    Journal(#[from] JournalError),
    /// The independent search died.
    #[error("the independent search failed")]
    Search(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What to validate.
#[derive(Debug, Clone)]
pub struct ValidateOptions {
    /// Blocks with traders in them.
    pub blocks: u64,
    /// The traders, the strategies, and where the run is kept.
    pub session: SessionOptions,
}

/// How a validation comes along.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A step of the set-up.
    Setup(&'a str),
    /// A round with traders is over.
    Round {
        /// Its position, from 1.
        index: u64,
        /// Rounds in all.
        of: u64,
        /// What happened in it.
        round: &'a Round,
    },
    /// The last trades are landing.
    Closing,
}

/// Runs a validation from an empty chain to a report. `progress` is called as it comes along.
///
/// # Errors
/// [`ValidateError`] when it cannot be carried out. Nothing is left running then.
pub async fn validate(
    kit: &Kit,
    options: &ValidateOptions,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<ValidationReport, ValidateError> {
    let started = Instant::now();
    let mut session = Session::start(kit, options.session.clone(), &mut |line| progress(Progress::Setup(line))).await?;
    let before = session.testnet().accounts().await?;
    let mut yardstick = Yardstick::new(floor_of(&session), session.testnet().deployment.weth());
    yardstick.advance(session.testnet(), session.head()).await?;
    for index in 1..=options.blocks {
        let round = session.round().await?;
        progress(Progress::Round { index, of: options.blocks, round: &round });
        yardstick.advance(session.testnet(), session.head()).await?;
    }
    progress(Progress::Closing);
    close(&mut session, &mut yardstick).await?;
    let after = session.testnet().accounts().await?;
    let run_dir = session.run_dir().clone();
    let (testnet, status) = session.stop().await?;
    let books = Books::read(&run_dir)?;
    drop(testnet);
    let measure = Measure::new(&books, yardstick.finish());
    Ok(report(options, &books, &measure, (before, after), &status, started))
}

fn floor_of(session: &Session) -> Floor {
    let config = session.config();
    Floor { priority_fee: config.execution.priority_fee.0, profit_min: U256::from(config.limits.profit_min.0) }
}

/// Blocks without traders until a whole one brings nothing new and nothing is in flight.
async fn close(session: &mut Session, yardstick: &mut Yardstick) -> Result<(), ValidateError> {
    for _ in 0..CLOSING_BLOCKS_MAX {
        let round = session.quiet_round().await?;
        yardstick.advance(session.testnet(), session.head()).await?;
        let is_sending = round.events.iter().any(|event| matches!(event, NodeEvent::Submission(_)));
        let status = session.node().status().await.map_err(SessionError::Node)?;
        if !is_sending && status.totals.unknown == 0 {
            break;
        }
    }
    Ok(())
}

fn report(
    options: &ValidateOptions,
    books: &Books,
    measure: &Measure,
    (before, after): (Accounts, Accounts),
    status: &NodeStatus,
    started: Instant,
) -> ValidationReport {
    let totals = books.ledger.totals();
    let discrepancies = books.discrepancies(before, after);
    let mut report = ValidationReport {
        blocks: options.blocks,
        seed: options.session.seed,
        opportunities: totals.opportunities,
        approved: totals.approved,
        rejected: totals.rejected,
        submitted: totals.submitted,
        included: totals.included,
        reverted: totals.reverted,
        unknown: totals.unknown,
        predicted_profit_wei: totals.predicted_profit,
        realised_profit_wei: totals.realised_profit,
        gas_spent_wei: totals.gas_spent,
        attainable_profit_wei: measure.attainable,
        captured_share: measure.captured_share(),
        ledger_matches_chain: discrepancies.is_empty(),
        failures: Vec::new(),
        mismatched_predictions: totals.mispredicted,
        rejected_by_reason: totals.rejected_by_reason.clone(),
        cancelled: totals.cancelled,
        attainable_blocks: measure.blocks,
        misses: measure.misses.clone(),
        latency_decide: status.decide,
        latency_submit: status.submit,
        seconds: 0.0,
    };
    report.failures = gates(&report, books, discrepancies);
    report.seconds = started.elapsed().as_secs_f64();
    report
}

/// Every gate that the run did not pass.
fn gates(report: &ValidationReport, books: &Books, discrepancies: Vec<String>) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut fail = |gate, detail: String| failures.push(Failure { gate, detail });
    if report.captured_share.is_nan() || report.captured_share < CAPTURED_SHARE_MIN {
        fail("captured_share", format!("{:.6} is below {CAPTURED_SHARE_MIN}", report.captured_share));
    }
    for detail in books.mispredictions() {
        fail("realised_equals_predicted", detail);
    }
    for detail in discrepancies {
        fail("ledger_matches_chain", detail);
    }
    if report.unknown > 0 {
        fail("unknown", format!("the fate of {} transactions is open", report.unknown));
    }
    for detail in books.reverted() {
        fail("reverted", detail);
    }
    if report.included == 0 {
        fail("included", "no trade landed".to_owned());
    }
    failures
}
