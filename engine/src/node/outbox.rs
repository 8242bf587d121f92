//! Where the core's decisions go: journal, books, watchers, the control plane, and through the signer to the chain.

use alphapulse_protocol::message::{self, Message, Outcome, OutcomeStatus, SimulationStatus};
use alphapulse_protocol::{Gas, OpportunityId, U256};
use alphapulse_relay::journal::{JournalError, JournalWriter};
use alphapulse_strategies::Market;
use tokio::sync::{broadcast, mpsc};

use super::control::{Track, Work};
use super::live::{Live, LiveError};
use super::{NodeError, NodeEvent};
use crate::core::Effects;
use crate::execution::track::Sent;
use crate::ledger::Ledger;
use crate::risk::{Approved, KillSwitch};
use crate::trade::Trade;

/// What a decision makes the data plane do once the core is done with its input.
#[derive(Debug)]
pub(super) enum After {
    /// A transaction was signed: note it, then hand it over.
    Submit(message::Submission, Sent),
    /// A trade was approved and will not be sent.
    Abandon(Outcome),
    /// A simulation could not even be asked for.
    Unsimulated(message::Simulation),
}

/// Takes what the core gives.
pub(super) struct Outbox {
    journal: Option<JournalWriter>,
    journal_failure: Option<JournalError>,
    ledger: Ledger,
    events: broadcast::Sender<NodeEvent>,
    work: Option<mpsc::Sender<Work>>,
    track: mpsc::Sender<Track>,
    live: Live,
    kill: KillSwitch,
    after: Vec<After>,
    sends_open: usize,
    is_behind: bool,
}

impl Outbox {
    pub(super) fn new(
        journal: Option<JournalWriter>,
        events: broadcast::Sender<NodeEvent>,
        work: Option<mpsc::Sender<Work>>,
        track: mpsc::Sender<Track>,
        live: Live,
        kill: KillSwitch,
    ) -> Self {
        Self {
            journal,
            journal_failure: None,
            ledger: Ledger::compact(),
            events,
            work,
            track,
            live,
            kill,
            after: Vec::new(),
            sends_open: 0,
            is_behind: false,
        }
    }

    pub(super) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Submissions that no endpoint has answered yet.
    pub(super) const fn sends_open(&self) -> usize {
        self.sends_open
    }

    pub(super) const fn submission_answered(&mut self) {
        self.sends_open = self.sends_open.saturating_sub(1);
    }

    /// Whether the feed is lost or holds what the core has not seen: then its state is not the newest, and nothing is signed.
    pub(super) const fn set_behind(&mut self, is_behind: bool) {
        self.is_behind = is_behind;
    }

    /// Keeps a record of an earlier run: it is in the journal, and not in this run's books.
    pub(super) fn keep_unbooked(&mut self, record: &[u8]) {
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.append_bytes(record)
        {
            self.on_journal_failure(error);
        }
    }

    /// Keeps a record: what the core is about to be told, or what it decided.
    pub(super) fn keep(&mut self, message: &Message<'_>) {
        self.keep_unbooked(message.as_bytes());
        self.ledger.record(message);
        if self.events.receiver_count() > 0
            && let Some(event) = NodeEvent::of(message)
        {
            // An error says that the last watcher has just left.
            let _ = self.events.send(event);
        }
    }

    /// A run that cannot be recorded must not trade: nothing is signed from here on.
    #[cold]
    fn on_journal_failure(&mut self, error: JournalError) {
        self.kill.trip("the journal cannot be written");
        tracing::error!(error = &error as &dyn std::error::Error, "the journal cannot be written: trading stops");
        self.journal_failure.get_or_insert(error);
    }

    /// Hands buffered records to the system.
    ///
    /// # Errors
    /// The first failure of the journal: the run must end.
    pub(super) fn flush(&mut self) -> Result<(), NodeError> {
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.flush()
        {
            self.on_journal_failure(error);
        }
        self.journal_failure.take().map_or(Ok(()), |error| Err(NodeError::Journal(error)))
    }

    /// Makes all records durable.
    ///
    /// # Errors
    /// As [`Outbox::flush`].
    pub(super) fn sync(&mut self) -> Result<(), NodeError> {
        if let Some(journal) = &mut self.journal
            && let Err(error) = journal.sync()
        {
            self.on_journal_failure(error);
        }
        self.flush()
    }

    /// What decisions have left to do, oldest first.
    pub(super) fn take_after(&mut self) -> Vec<After> {
        std::mem::take(&mut self.after)
    }

    /// Hands a signed and noted transaction over, once its record would survive our death.
    pub(super) fn hand_over(&mut self, sent: Sent) {
        if !self.is_recorded() {
            return;
        }
        if !self.follow(Track::Watch(sent.clone())) {
            return;
        }
        let is_sent = self.work.as_ref().is_some_and(|work| work.try_send(Work::Send(sent)).is_ok());
        if is_sent {
            self.sends_open += 1;
        } else {
            self.kill.trip("the control plane takes no more transactions");
        }
    }

    /// Whether everything kept so far is with the system.
    fn is_recorded(&mut self) -> bool {
        let Some(journal) = &mut self.journal else { return true };
        match journal.flush() {
            Ok(()) => true,
            Err(error) => {
                self.on_journal_failure(error);
                false
            }
        }
    }

    /// Tells the tracker. It is the one place that knows what is open, so it must hear everything; says whether it does.
    pub(super) fn follow(&self, event: Track) -> bool {
        let is_told = self.track.try_send(event).is_ok();
        if !is_told {
            self.kill.trip("the control plane follows no more transactions");
        }
        is_told
    }

    /// Signs a transaction that frees the nonce of a trade that came too late.
    pub(super) fn cancel(&mut self, opportunity: OpportunityId, nonce: u64) {
        if !self.is_recorded() {
            return;
        }
        match self.live.cancel(opportunity, nonce) {
            Ok((submission, sent)) => self.after.push(After::Submit(submission, sent)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, nonce, "nonce not freed; tried again in some blocks, check `risk.fee_max`");
            }
        }
    }

    /// Uses a quiet moment to lease nonces ahead.
    pub(super) fn top_up(&mut self) {
        if let Err(error) = self.live.top_up(self.journal.as_mut()) {
            self.kill.trip("nonces cannot be leased");
            tracing::error!(error = &error as &dyn std::error::Error, "nonces cannot be leased: trading stops");
        }
    }

    /// Takes note of the chain's count of our transactions; one that we never signed stops trading.
    pub(super) fn confirm_nonces(&mut self, chain_nonce: u64) {
        if let Err(error) = self.live.confirm_nonces(chain_nonce) {
            self.kill.trip(error.to_string());
        }
    }

    /// Tells the signer on which block fees rest now.
    pub(super) const fn on_block(&mut self, context: &message::BlockContext) {
        self.live.on_block(context);
    }
}

impl Effects for Outbox {
    fn record(&mut self, message: Message<'_>) {
        self.keep(&message);
    }

    fn simulate(&mut self, trade: &Trade, market: &Market) {
        let asked = self.live.calldata(trade, market).ok().and_then(|calldata| {
            let request = Work::Simulate { opportunity: trade.opportunity, calldata, block: trade.block.hash };
            self.work.as_ref()?.try_send(request).ok()
        });
        if asked.is_none() {
            let unavailable = SimulationStatus::Unavailable;
            let result = message::Simulation::new(trade.opportunity, unavailable, Gas(0), U256::ZERO);
            self.after.push(After::Unsimulated(result));
        }
    }

    fn execute(&mut self, trade: Approved<Trade>, market: &Market) {
        let (opportunity, block) = (trade.opportunity, trade.block);
        let signed =
            if self.is_behind { Err(LiveError::Behind) } else { self.live.sign(trade, market, self.journal.as_mut()) };
        match signed {
            Ok((submission, sent)) => self.after.push(After::Submit(submission, sent)),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, %opportunity, "not signed");
                self.after.push(After::Abandon(Outcome::new(
                    opportunity,
                    u64::MAX,
                    [0; 32],
                    OutcomeStatus::Abandoned,
                    block,
                )));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::{BlockNumber, ChainId, Epoch};

    #[test]
    fn what_cannot_be_recorded_is_not_handed_over_and_stops_all_signing() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let dir = folder.path().join("journal");
        let journal = JournalWriter::create(&dir, ChainId(1), Epoch(1)).expect("new journal").with_segment_bytes_max(1);
        let (work, mut requests) = mpsc::channel(4);
        let (track, mut followed) = mpsc::channel(4);
        let kill = KillSwitch::new();
        let mut outbox =
            Outbox::new(Some(journal), broadcast::channel(1).0, Some(work), track, Live::paper(None), kill.clone());
        // The next record needs a new segment, and there is no folder for it any more.
        std::fs::remove_dir_all(&dir).expect("ours");
        outbox.keep(&Message::Halt(&message::Halt::new(1)));
        assert!(kill.is_tripped());
        let opportunity = OpportunityId(1);
        let (tx_hash, raw, block_max) = ([1; 32], vec![1], BlockNumber(9));
        outbox.hand_over(Sent { opportunity, nonce: 0, tx_hash, raw, block_max });
        outbox.cancel(opportunity, 0);
        assert!(requests.try_recv().is_err() && followed.try_recv().is_err());
        assert!(outbox.take_after().is_empty() && outbox.sends_open() == 0);
        assert!(outbox.flush().is_err(), "and the run ends");
    }
}
