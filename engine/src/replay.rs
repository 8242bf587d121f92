//! A recorded run through the same market, strategies and risk, without a chain. Same inputs, same decisions.

use std::path::{Path, PathBuf};
use std::time::Instant;

use alphapulse_protocol::ReplicaError;
use alphapulse_protocol::message::Message;
use alphapulse_relay::journal::{JournalError, JournalReader};
use alphapulse_strategies::{Market, Registry};
use serde::Serialize;
use thiserror::Error;

use crate::assembly::{self, AssemblyError};
use crate::config::{self, ConfigError};
use crate::core::{Core, Effects};
use crate::decision_hash::DecisionHash;
use crate::ledger::{JOURNAL_FOLDER, Ledger, Manifest, ManifestError};
use crate::risk::Approved;
use crate::trade::Trade;

/// Why a run cannot be replayed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The folder is not that of a run.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest's configuration is not usable by this version.
    #[error("the run's own configuration is not valid for this version of the program")]
    Config(#[from] ConfigError),
    /// No core can be built from the configuration.
    #[error("the run's own configuration does not make a node")]
    Assembly(#[from] AssemblyError),
    /// The journal cannot be read.
    #[error("the run's journal cannot be read")]
    Journal(#[from] JournalError),
    /// A recorded message does not continue the market.
    #[error("record {record} of {} does not follow from the ones before it", path.display())]
    Market {
        /// Position of the record, from 1.
        record: u64,
        /// Journal concerned.
        path: PathBuf,
        /// What does not fit.
        #[source]
        source: ReplicaError,
    },
}

/// What a replay did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplayReport {
    /// Hash chain over every decision of the replay, in order.
    pub decision_hash: String,
    /// The same over the decisions that the run recorded.
    pub recorded_decision_hash: String,
    /// Whether both are equal: the replay decided as the run did.
    pub matches_recording: bool,
    /// Inputs replayed.
    pub messages: u64,
    /// Market messages that did not continue the state, as in the run; a snapshot followed each.
    pub discontinuities: u64,
    /// Opportunities found.
    pub opportunities: u64,
    /// Opportunities whose last verdict is an approval.
    pub approved: u64,
    /// Opportunities whose last verdict is a refusal.
    pub rejected: u64,
    /// Bytes of an unfinished record at the journal's end that were left out.
    pub torn_bytes: u64,
    /// Wall time.
    pub seconds: f64,
}

/// Replays the run in `run_dir`, whose strategies are of `registry`. `on_decision` sees each opportunity and verdict as it is made.
///
/// # Errors
/// [`ReplayError`] when the folder, its configuration or its journal cannot be used.
pub fn replay(
    run_dir: &Path,
    registry: &Registry,
    on_decision: impl FnMut(&Message<'_>),
) -> Result<ReplayReport, ReplayError> {
    let started = Instant::now();
    let manifest = Manifest::read(run_dir)?;
    let config = config::from_toml_with(&manifest.config, registry)?;
    let mut core = assembly::core(&config, manifest.is_live)?;
    let path = run_dir.join(JOURNAL_FOLDER);
    let mut journal = JournalReader::open(&path)?;
    let mut decisions = Decisions { on_decision, hash: DecisionHash::default(), ledger: Ledger::compact() };
    let mut recorded = DecisionHash::default();
    let (mut records, mut messages, mut discontinuities) = (0_u64, 0_u64, 0_u64);
    // What comes before the first market message was taken from earlier runs.
    let mut is_head = true;
    while let Some(message) = journal.next_message()? {
        records += 1;
        recorded.record(&message);
        is_head &= !matches!(message, Message::SnapshotBegin(_));
        if is_head {
            core.restore(&message);
        } else if is_input(&message) {
            messages += 1;
            let is_continued = feed(&mut core, &message, &mut decisions).map_err(|source| ReplayError::Market {
                record: records,
                path: path.clone(),
                source,
            })?;
            discontinuities += u64::from(!is_continued);
        }
    }
    let totals = decisions.ledger.totals();
    Ok(ReplayReport {
        decision_hash: decisions.hash.value().to_string(),
        recorded_decision_hash: recorded.value().to_string(),
        matches_recording: decisions.hash == recorded,
        messages,
        discontinuities,
        opportunities: totals.opportunities,
        approved: totals.approved,
        rejected: totals.rejected,
        torn_bytes: journal.torn_bytes(),
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Gives the core an input; says whether it continued the market.
fn feed<F: FnMut(&Message<'_>)>(
    core: &mut Core,
    message: &Message<'_>,
    decisions: &mut Decisions<F>,
) -> Result<bool, ReplicaError> {
    match core.input(message, decisions) {
        Ok(()) => Ok(true),
        // The run met the same break and took a new snapshot after it.
        Err(_) if !core.market().replica().is_whole() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the core took the record as an input, rather than gave it.
pub(crate) fn is_input(message: &Message<'_>) -> bool {
    message.is_feed()
        || matches!(
            message,
            Message::Clock(_)
                | Message::Simulation(_)
                | Message::Submission(_)
                | Message::Submitted(_)
                | Message::Outcome(_)
                | Message::Halt(_)
        )
}

/// Takes decisions and does nothing about them.
struct Decisions<F> {
    on_decision: F,
    hash: DecisionHash,
    ledger: Ledger,
}

impl<F: FnMut(&Message<'_>)> Effects for Decisions<F> {
    fn record(&mut self, message: Message<'_>) {
        self.hash.record(&message);
        self.ledger.record(&message);
        (self.on_decision)(&message);
    }

    fn simulate(&mut self, _trade: &Trade, _market: &Market) {}

    fn execute(&mut self, _trade: Approved<Trade>, _market: &Market) {}
}
