//! Where the time of our path goes, from a pass of its own: each stamp costs a reading of the clock.

use std::time::{Duration, Instant};

use alphapulse_protocol::message::Message;

/// Stages in order.
pub(crate) const STAGES: [&str; 7] = [
    "decode: lengths, checksums, fields",
    "apply: pools in the mirror",
    "search: end of block, rates, routes, sizes",
    "risk: trade, fees, limits, approval",
    "calldata",
    "sign: nonce, hash, ECDSA, envelope",
    "after: what else was found",
];

/// Ends of the stages of one block, in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamps {
    started: Instant,
    ends: [Instant; STAGES.len()],
}

impl Stamps {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { started: now, ends: [now; STAGES.len()] }
    }

    /// The clock starts here.
    pub(crate) fn begin(&mut self) {
        *self = Self::start();
    }

    /// Frames are messages now: length, checksum and every field checked.
    pub(crate) fn decoded(&mut self) {
        self.end(0);
    }

    /// All but the end of the block is in the market.
    pub(crate) fn applied(&mut self) {
        self.end(1);
    }

    /// The first opportunity ends the search, the approval ends risk.
    pub(crate) fn recorded(&mut self, message: &Message<'_>) {
        match message {
            Message::Opportunity(_) | Message::SwapPlan(_) if self.ends[2] == self.started => self.end(2),
            Message::Verdict(verdict) if verdict.is_approved() => self.end(3),
            _ => {}
        }
    }

    /// The call of the executor is encoded.
    pub(crate) fn called(&mut self) {
        self.end(4);
    }

    /// The raw transaction is there.
    pub(crate) fn signed(&mut self) {
        self.end(5);
    }

    /// The core is done with the block.
    pub(crate) fn finish(mut self) -> Self {
        self.end(6);
        self
    }

    fn end(&mut self, stage: usize) {
        self.ends[stage] = Instant::now();
    }

    pub(crate) fn total(&self) -> Duration {
        self.ends[6] - self.started
    }

    /// Time in each stage.
    pub(crate) fn durations(&self) -> [Duration; STAGES.len()] {
        let mut before = self.started;
        self.ends.map(|end| {
            let duration = end - before;
            before = end;
            duration
        })
    }
}
