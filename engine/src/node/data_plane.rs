//! The node's one trading thread: frames and inputs in order, through the core, to the outbox.

use std::time::{Duration, Instant};

use alphapulse_protocol::Position;
use alphapulse_protocol::frame::FrameBuf;
use alphapulse_protocol::message::{self, Clock, Message};
use alphapulse_relay::{Feed, FeedError};
use tokio::sync::watch;

use super::NodeError;
use super::control::Track;
use super::inputs::{Input, Inputs, Receiving};
use super::outbox::{After, Outbox};
use super::progress::Progress;
use super::standings::Standings;
use super::status::{FeedCounters, LatencySamples, NodeStatus};
use crate::clock::WallClock;
use crate::core::Core;
use crate::risk::{KillSwitch, Reject};

/// Longest wait without a look at the kill switch.
const WAIT: Duration = Duration::from_millis(5);
/// Pause before a lost feed is joined anew. It doubles with every attempt that fails, up to the longest.
const REJOIN_PAUSE: Duration = Duration::from_millis(50);
const REJOIN_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Joins a feed behind a position, or from a snapshot; asked again after each loss.
pub(super) type Join = Box<dyn FnMut(Option<Position>) -> Result<Feed, FeedError> + Send>;

/// The thread's state.
pub(super) struct DataPlane {
    pub(super) core: Core,
    pub(super) outbox: Outbox,
    pub(super) join: Join,
    pub(super) inputs: Inputs,
    pub(super) kill: KillSwitch,
    pub(super) clock: WallClock,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) feed_counters: FeedCounters,
    pub(super) decide: LatencySamples,
    pub(super) submit: LatencySamples,
    /// Whether the kill switch was passed on to the core.
    pub(super) is_halt_noted: bool,
    pub(super) is_halt_logged: bool,
    pub(super) block_seen: Option<Instant>,
    /// Where the feed was last joined.
    pub(super) resumed_at: Option<Position>,
    /// Whether nothing came on the feed since it was joined: whether anything was missed is not known before.
    pub(super) is_unheard: bool,
    /// Pools that the log has as not to be traded on.
    pub(super) standings: Standings,
    /// Frames that come next and whose memory was looked at already.
    pub(super) looked_at: usize,
}

impl DataPlane {
    /// Takes what earlier runs left, and then the time. Call it before [`DataPlane::run`].
    pub(super) fn restore(&mut self, records: &[Vec<u8>]) {
        let clock = Clock::new(self.clock.now());
        let clock = Message::Clock(&clock);
        for record in records.iter().map(Vec::as_slice).chain([clock.as_bytes()]) {
            self.outbox.keep_unbooked(record);
            self.core.restore(&Message::decode(record).expect("read from a journal, or made here"));
        }
    }

    /// Runs until told to stop, and gives the node's last figures.
    ///
    /// # Errors
    /// [`NodeError`] when the journal fails or the relay can never be joined.
    pub(super) fn run(mut self) -> Result<NodeStatus, NodeError> {
        let _receiving = Receiving(self.inputs.clone());
        let mut feed = None;
        let (mut retry_at, mut pause) = (Instant::now(), REJOIN_PAUSE);
        loop {
            self.note_halt();
            let mut is_idle = true;
            while let Some(input) = self.inputs.pop() {
                is_idle = false;
                self.outbox.set_behind(self.is_unheard || feed.as_ref().is_none_or(Feed::has_more));
                self.on_input(input);
            }
            if self.inputs.is_stopping() {
                self.outbox.sync()?;
                return Ok(self.status());
            }
            if feed.is_none() && Instant::now() >= retry_at {
                feed = self.try_join()?;
                retry_at = Instant::now() + pause;
                pause = if feed.is_some() { REJOIN_PAUSE } else { (pause * 2).min(REJOIN_PAUSE_MAX) };
            }
            is_idle &= !self.take_frame(&mut feed);
            self.publish();
            if is_idle {
                self.outbox.top_up();
                self.outbox.flush()?;
                match &mut feed {
                    Some(feed) => feed.wait(WAIT),
                    None => std::thread::sleep(WAIT),
                }
            }
        }
    }

    /// The kill switch reaches the core as an input, so that a replay stops at the same place. Risk halts by itself.
    fn note_halt(&mut self) {
        let is_killed = self.kill.is_tripped();
        if is_killed && !std::mem::replace(&mut self.is_halt_noted, is_killed) {
            self.input_now(&Message::Halt(&message::Halt::new(Reject::KillSwitch.code())));
        }
        if !self.is_halt_logged
            && let Some(reason) = self.halt_reason()
        {
            self.is_halt_logged = true;
            tracing::error!(reason, "trading stopped; find out why before the node is started again");
        }
    }

    fn halt_reason(&self) -> Option<String> {
        let by_risk = || self.core.halted().map(|reject| reject.to_string());
        self.kill.reason().map(str::to_owned).or_else(by_risk)
    }

    fn try_join(&mut self) -> Result<Option<Feed>, NodeError> {
        // A place from which a feed was joined before without getting any further is not tried twice.
        let position = self.core.market().replica().position().filter(|position| self.resumed_at != Some(*position));
        match (self.join)(position) {
            Ok(feed) => {
                (self.resumed_at, self.is_unheard) = (position, true);
                self.inputs.set_waker(Some(feed.waker()));
                Ok(Some(feed))
            }
            Err(error) if error.is_retryable() => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot join the relay; trying again");
                Ok(None)
            }
            Err(error) => Err(NodeError::Feed(error)),
        }
    }

    /// Takes one frame, if there is one. A feed that fails in any way is left: the next begins with a snapshot.
    fn take_frame(&mut self, feed: &mut Option<Feed>) -> bool {
        let Some(joined) = feed else { return false };
        let is_kept = match joined.try_next() {
            Ok(None) => return false,
            Ok(Some(frame)) => {
                if is_word(&frame) {
                    self.is_unheard = false;
                }
                self.outbox.set_behind(self.is_unheard || joined.has_more());
                self.look_ahead(joined);
                self.on_frame(&frame)
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "feed lost");
                false
            }
        };
        if !is_kept {
            *feed = None;
            self.inputs.set_waker(None);
            self.feed_counters.rejoins += 1;
        }
        true
    }

    /// Has the market wait for the memory that the frames behind this one need all at once. A block's frames are there together.
    fn look_ahead(&mut self, feed: &mut Feed) {
        self.looked_at = self.looked_at.saturating_sub(1);
        if self.looked_at == 0 {
            self.looked_at = self.core.look_ahead(feed.ahead());
        }
    }

    fn on_frame(&mut self, frame: &FrameBuf) -> bool {
        self.feed_counters.frames += 1;
        match Message::decode(frame.message_bytes()) {
            Ok(message) => self.on_market(&message),
            Err(error) => {
                self.feed_counters.malformed += 1;
                tracing::error!(%error, "malformed message; the feed is joined anew");
                false
            }
        }
    }

    fn on_market(&mut self, message: &Message<'_>) -> bool {
        if let Message::Heartbeat(sign) = message {
            // All the evidence there is that nothing was missed: it must name the place where we are.
            let position = self.core.market().replica().position();
            return position.is_none_or(|position| position.sequence == sign.header.sequence());
        }
        if !message.is_feed() {
            return true;
        }
        if let Message::Gap(gap) = message {
            self.feed_counters.gaps += 1;
            tracing::warn!(
                first = gap.first.get(),
                last = gap.last.get(),
                "messages are missing; they or a snapshot follow"
            );
        }
        let arrived = Instant::now();
        let is_state_whole = matches!(message, Message::BlockEnd(_) | Message::SnapshotEnd(_));
        if is_state_whole {
            self.block_seen = Some(arrived);
            self.tell_time();
        }
        let found_before = self.outbox.ledger().opportunity_count();
        if let Err(error) = self.input(message) {
            self.feed_counters.discontinuities += 1;
            tracing::error!(%error, "the feed does not continue the market; it is joined anew");
            return false;
        }
        if self.outbox.ledger().opportunity_count() > found_before {
            self.decide.record(arrived.elapsed());
        }
        self.standings.note(message, self.core.market().replica());
        self.follow_chain(message);
        true
    }

    /// Keeps the tracker and the signer on the same chain as the market.
    fn follow_chain(&mut self, message: &Message<'_>) {
        let Some(context) = self.core.market().replica().context().copied() else { return };
        let open = self.open();
        match message {
            Message::BlockEnd(end) => {
                self.outbox.on_block(&context);
                let is_told = self.outbox.follow(Track::Block(end.block()));
                self.progress.send_modify(|progress| {
                    progress.on_block(end.block(), is_told);
                    progress.set_open(open);
                });
            }
            Message::SnapshotEnd(_) => {
                self.outbox.on_block(&context);
                let is_told = self.outbox.follow(Track::Reset(context.block()));
                self.progress.send_modify(|progress| {
                    progress.on_reset(context.block(), is_told);
                    progress.set_open(open);
                });
            }
            Message::Reorg(reorg) => {
                let is_told = self.outbox.follow(Track::Reorg(reorg.ancestor()));
                self.progress.send_modify(|progress| progress.on_reorg(reorg.ancestor(), is_told));
            }
            _ => {}
        }
    }

    fn on_input(&mut self, input: Input) {
        match input {
            Input::Simulation(result) => self.input_now(&Message::Simulation(&result)),
            Input::Outcome(outcome) => self.input_now(&Message::Outcome(&outcome)),
            Input::Submitted(answer) => {
                self.outbox.submission_answered();
                self.input_now(&Message::Submitted(&answer));
            }
            Input::Resent(answer) => self.input_now(&Message::Submitted(&answer)),
            Input::Cancel { opportunity, nonce } => {
                self.outbox.cancel(opportunity, nonce);
                self.do_after();
            }
            Input::Counted(nonce) => self.outbox.confirm_nonces(nonce),
            Input::Tracked(count) => {
                let open = self.open();
                self.progress.send_modify(|progress| {
                    progress.on_tracked(count);
                    progress.set_open(open);
                });
            }
            // Who asked may have left.
            Input::Status(reply) => drop(reply.send(self.status())),
            Input::Market(reply) => drop(reply.send(self.core.market().replica().clone())),
        }
    }

    /// An input other than a market message, with the time at which it came.
    fn input_now(&mut self, message: &Message<'_>) {
        self.tell_time();
        self.input(message).expect("only market messages can fail to continue the market");
    }

    fn tell_time(&mut self) {
        let clock = Clock::new(self.clock.now());
        self.input(&Message::Clock(&clock)).expect("time always continues");
    }

    /// Keeps the record first, then tells the core, then does what the core decided.
    fn input(&mut self, message: &Message<'_>) -> Result<(), alphapulse_protocol::ReplicaError> {
        self.outbox.keep(message);
        let told = self.core.input(message, &mut self.outbox);
        self.do_after();
        told
    }

    fn do_after(&mut self) {
        for after in self.outbox.take_after() {
            match after {
                After::Submit(submission, sent) => {
                    self.input(&Message::Submission(&submission)).expect("only market messages can fail");
                    self.outbox.hand_over(sent);
                    if let Some(seen) = self.block_seen.filter(|_| submission.opportunity.get() != 0) {
                        self.submit.record(seen.elapsed());
                    }
                }
                After::Abandon(outcome) => self.input_now(&Message::Outcome(&outcome)),
                After::Unsimulated(result) => self.input_now(&Message::Simulation(&result)),
            }
        }
    }

    fn open(&self) -> usize {
        self.core.simulations_open() + self.outbox.sends_open()
    }

    fn publish(&self) {
        let open = self.open();
        self.progress.send_if_modified(|progress| progress.set_open(open));
    }

    fn status(&self) -> NodeStatus {
        let replica = self.core.market().replica();
        NodeStatus {
            head: replica.context().filter(|_| replica.is_whole()).map(|context| context.block()),
            totals: self.outbox.ledger().totals(),
            core: self.core.counters(),
            feed: self.feed_counters,
            decide: self.decide.latency(),
            submit: self.submit.latency(),
            halted: self.halt_reason(),
        }
    }
}

/// Whether a frame tells what became of the place that was named at joining: anything but a caution or a side message.
fn is_word(frame: &FrameBuf) -> bool {
    let message = Message::decode(frame.message_bytes());
    message.is_ok_and(|message| message.is_market() || matches!(message, Message::Heartbeat(_) | Message::Gap(_)))
}
