//! What the comparison with the chain means for the stream: pools that are shut, told anew and let back.

use std::borrow::Cow;
use std::time::Instant;

use alphapulse_protocol::message::BlockContext;
use alphapulse_protocol::{BlockNumber, BlockRef};

use super::Hub;
use crate::error::JournalError;
use crate::source::Update;
use crate::truth::{Findings, Restated, TruthStatus, Verdict};

impl Hub {
    /// What a block tells of pools in quarantine: those that are told anew in it, and the changes that can be told.
    pub(super) fn tell_the_ill<'a>(
        &mut self,
        restated: &mut Vec<Restated>,
        updates: &'a [Update],
    ) -> Cow<'a, [Update]> {
        let Some(truth) = &mut self.truth else { return Cow::Borrowed(updates) };
        let replica = self.sequencer.replica();
        restated.extend(truth.take_restated(replica, updates));
        truth.tellable(replica, restated, updates)
    }

    /// The block is with everyone: what is compared of it is copied now, before the next one changes it.
    pub(super) fn sample(
        &mut self,
        context: &BlockContext,
        head_number: BlockNumber,
        updates: &[Update],
        restated: &[Restated],
    ) {
        let Some(truth) = &mut self.truth else { return };
        truth.note_block(context, updates, restated);
        truth.sample(self.sequencer.replica(), head_number);
    }

    /// Shuts pools again whose trust rested on blocks that were taken back.
    pub(super) fn recall(&mut self, ancestor: BlockRef) -> Result<(), JournalError> {
        let Some(truth) = &mut self.truth else { return Ok(()) };
        for verdict in truth.go_back(ancestor, self.sequencer.replica()) {
            tracing::warn!(pool = verdict.pool.0, "pool quarantined again: the block of its comparison was taken back");
            self.stand(&verdict)?;
        }
        if let Some(truth) = &mut self.truth {
            truth.count(self.sequencer.replica());
        }
        Ok(())
    }

    /// What the comparison with the chain found: one pool's standing after the other.
    pub(super) fn on_findings(&mut self, findings: Findings) -> Result<(), JournalError> {
        if !self.sequencer.is_whole() {
            // The snapshot that is waited for begins anew.
            self.truth.as_mut().into_iter().for_each(|truth| truth.forget(&findings));
            return Ok(());
        }
        let Some(truth) = &mut self.truth else { return Ok(()) };
        for verdict in truth.judge(findings, self.sequencer.replica()) {
            self.stand(&verdict)?;
        }
        if let Some(truth) = &mut self.truth {
            truth.count(self.sequencer.replica());
            truth.ask_for_the_ill(self.sequencer.replica());
        }
        Ok(())
    }

    /// How the comparison stands.
    pub(super) fn truth_status(&self) -> TruthStatus {
        let replica = self.sequencer.replica();
        self.truth.as_ref().map_or_else(|| TruthStatus::disabled(replica), |truth| truth.status(replica))
    }

    /// Tells everyone what is thought of a pool, at once: nobody may trade on a wrong state for the rest of a block.
    pub(super) fn stand(&mut self, verdict: &Verdict) -> Result<(), JournalError> {
        self.snapshot = None;
        self.frames.clear();
        self.has_standings = true;
        match self.sequencer.stand(verdict, &mut self.frames) {
            Ok(()) => {
                // The head is as old as it was.
                let head_at = self.head_at;
                let published = self.publish(None, Instant::now());
                self.head_at = head_at;
                published
            }
            Err(error) => self.on_contradiction(&error),
        }
    }
}
