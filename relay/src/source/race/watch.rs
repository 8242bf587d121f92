//! What is known of the nodes: alarms, reports, and whether their word may be traded on.

use core::fmt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use alloy::primitives::B256;
use alphapulse_protocol::BlockRef;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::word::{Word, WordWatch};
use crate::metrics::{Counter, Metrics};

/// Alarms kept; older ones are only counted.
const ALARMS_MAX: usize = 256;

/// What a node did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlarmKind {
    /// It gave a log that is not in the block's receipts.
    ForgedLog,
    /// It kept back a log that is in the block's receipts.
    MissingLog,
    /// It gave a header whose content is not that of its hash.
    ForgedHeader,
    /// It gave a market image that differs from that of others at the same block.
    ForgedImage,
    /// It stays behind the others.
    StaleHead,
    /// It is on a branch that the others do not have.
    ForkedHead,
    /// It is on another chain.
    WrongChain,
    /// It cannot be reached any more.
    Unreachable,
}

impl AlarmKind {
    /// Whether it says that the node gave what is not so, rather than that it is late, apart or away.
    #[must_use]
    pub const fn is_lie(self) -> bool {
        matches!(self, Self::ForgedLog | Self::MissingLog | Self::ForgedHeader | Self::ForgedImage)
    }

    fn counter(self, metrics: &Metrics) -> &Counter {
        match self {
            Self::ForgedLog => &metrics.alarms_forged_log,
            Self::MissingLog => &metrics.alarms_missing_log,
            Self::ForgedHeader => &metrics.alarms_forged_header,
            Self::ForgedImage => &metrics.alarms_forged_image,
            Self::StaleHead => &metrics.alarms_stale_head,
            Self::ForkedHead => &metrics.alarms_forked_head,
            Self::WrongChain => &metrics.alarms_wrong_chain,
            Self::Unreachable => &metrics.alarms_unreachable,
        }
    }
}

/// What proves a lie to anyone who has the block's hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Hash of the header, which is the hash of the block.
    pub header_hash: B256,
    /// Root of the block's receipts, as the header states it.
    pub receipts_root_expected: B256,
    /// Root of the receipts that the node itself gave when asked to prove its answer, if it gave any. Equal to the expected
    /// one, it means that the node's receipts contradict its own logs.
    pub receipts_root_got: Option<B256>,
}

/// Something is wrong with a node, or between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Alarm {
    /// The node; `None` where nodes contradict each other and nothing tells which of them is wrong.
    pub node: Option<String>,
    /// What it did.
    pub kind: AlarmKind,
    /// Block concerned, as number and hash.
    pub block: Option<(u64, B256)>,
    /// Proof, where there can be one. Without it the node was outvoted, or is merely late or away.
    pub evidence: Option<Evidence>,
    /// For people.
    pub detail: String,
}

impl Alarm {
    pub(super) fn new(node: Option<String>, kind: AlarmKind, block: Option<BlockRef>, detail: String) -> Self {
        let block = block.map(|block| (block.number.0, B256::from(block.hash)));
        Self { node, kind, block, evidence: None, detail }
    }
}

/// Why a source must not be traded on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnsafeCause {
    /// Too few nodes are connected, current and not caught lying.
    BelowQuorum {
        /// Nodes that are.
        nodes: usize,
        /// Nodes that must be.
        quorum: usize,
    },
    /// Too few nodes stand on a block that others confirm.
    Unconfirmed,
    /// What was relayed is known to be wrong; a snapshot will replace it.
    Refuted,
}

impl fmt::Display for UnsafeCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BelowQuorum { nodes, quorum } => write!(f, "{nodes} nodes can be believed, {quorum} are needed"),
            Self::Unconfirmed => write!(f, "the nodes do not confirm each other"),
            Self::Refuted => write!(f, "a block that was relayed is proven wrong"),
        }
    }
}

/// Whether a source's word may be traded on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Safety {
    /// Whether it may.
    pub is_safe: bool,
    /// Why not; `None` when it may.
    pub cause: Option<UnsafeCause>,
}

impl Safety {
    pub(super) const fn of(cause: Option<UnsafeCause>) -> Self {
        Self { is_safe: cause.is_none(), cause }
    }
}

/// Whether the source may be traded on, and from which block on the stream is what the nodes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) safety: Safety,
    /// Block on which the nodes stand now; `None` while they do not agree on one. A stream that is elsewhere is not what is safe.
    pub(crate) head: Option<BlockRef>,
}

/// Where a node, or another source, is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceState {
    /// Being connected to, for the first time or again.
    Starting,
    /// Connected: asked and heard.
    Ready,
    /// Not asked any more; what it was asked is still awaited.
    Draining,
    /// Left for good: taken away, or of another chain.
    Stopped,
    /// Caught lying: its word counts for nothing until it is taken away and added again.
    Quarantined,
}

/// One node as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SourceReport {
    /// Name without secrets, distinct among the nodes.
    pub name: String,
    /// Where it is in its life.
    pub state: SourceState,
    /// Whether its word counts now: ready, not stale, not on a branch of its own.
    pub is_current: bool,
    /// Height of the newest head that it told of.
    pub head: Option<u64>,
    /// Blocks that it told of before all others, of those that were confirmed.
    pub wins: u64,
    /// Blocks of others that it confirmed.
    pub confirmations: u64,
    /// Answers of it that contradicted others' or the block itself.
    pub contradictions: u64,
    /// Connections made to it after the first.
    pub reconnects: u64,
}

/// A view of the nodes behind a source. Clones share it, and it outlives the source.
#[derive(Debug, Clone)]
pub struct SourceWatch(Arc<Book>);

#[derive(Debug)]
struct Book {
    safety: watch::Sender<Safety>,
    standing: watch::Sender<Standing>,
    alarms: Mutex<VecDeque<Alarm>>,
    reports: Mutex<Vec<SourceReport>>,
    /// Changed only where nodes come and go.
    words: Mutex<Vec<(String, WordWatch)>>,
    metrics: Arc<Metrics>,
    /// Makes the follower begin anew; there is none before a relay has taken the source.
    resync: OnceLock<Arc<Notify>>,
    /// Until when nodes that do not agree yet are met for the first time; `None` once they did, or the time is over.
    start_max: Mutex<Option<Instant>>,
}

/// The time in which the nodes are met for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    UnderWay,
    /// It is over with this look.
    RanOut,
    Over,
}

impl SourceWatch {
    /// `start_max` is the end of the time in which the nodes may come to agree for the first time.
    pub(super) fn new(metrics: Arc<Metrics>, start_max: Instant) -> Self {
        // Nothing is known before the first nodes agree.
        let unknown = Safety::of(Some(UnsafeCause::Unconfirmed));
        let (safety, _) = watch::channel(unknown);
        let (standing, _) = watch::channel(Standing { safety: unknown, head: None });
        let (alarms, reports, words, resync) = Default::default();
        let start_max = Mutex::new(Some(start_max));
        Self(Arc::new(Book { safety, standing, alarms, reports, words, metrics, resync, start_max }))
    }

    /// Whether the nodes may be believed, now and whenever that changes. After something that was relayed is refuted, this is said
    /// again only once the snapshot that replaces it is in the relay's queue. It speaks of the nodes: whether the stream is where
    /// they are, a subscriber learns from the stream's own caution.
    #[must_use]
    pub fn safety(&self) -> watch::Receiver<Safety> {
        self.0.safety.subscribe()
    }

    /// The newest alarms, oldest first.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        lock(&self.0.alarms).iter().cloned().collect()
    }

    /// The nodes, in the order in which they were added.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceReport> {
        lock(&self.0.reports).clone()
    }

    /// The same with the block on which the nodes stand.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.0.standing.subscribe()
    }

    /// The word of the node of this name; `None` when there is none.
    pub(crate) fn word(&self, name: &str) -> Option<WordWatch> {
        let words = lock(&self.0.words);
        let found = words.iter().find(|(known, word)| known == name && word.now() != Word::Gone);
        found.map(|(_, word)| word.clone())
    }

    pub(super) fn show_word(&self, name: String, word: WordWatch) {
        let mut words = lock(&self.0.words);
        words.retain(|(_, word)| word.now() != Word::Gone);
        words.push((name, word));
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Lets a relay be told to begin anew.
    pub(crate) fn attach(&self, resync: Arc<Notify>) {
        // A source is followed by one relay.
        let _ = self.0.resync.set(resync);
    }

    pub(super) fn raise(&self, alarm: Alarm) {
        alarm.kind.counter(&self.0.metrics).add(1);
        let node = alarm.node.as_deref().unwrap_or("undecided");
        let block = alarm.block.map(|(number, _)| number);
        tracing::error!(node, kind = ?alarm.kind, block, evidence = ?alarm.evidence, "{}", alarm.detail);
        let mut alarms = lock(&self.0.alarms);
        if alarms.len() == ALARMS_MAX {
            alarms.pop_front();
        }
        alarms.push_back(alarm);
    }

    pub(super) fn publish(&self, standing: Standing, reports: Vec<SourceReport>, now: Instant) {
        *lock(&self.0.reports) = reports;
        self.0.standing.send_if_modified(|old| core::mem::replace(old, standing) != standing);
        let safety = standing.safety;
        let has_changed = self.0.safety.send_if_modified(|old| core::mem::replace(old, safety) != safety);
        let start = self.note_start(safety, now);
        match safety.cause {
            // What is missing while the nodes are met is no failure of theirs.
            Some(cause) if has_changed && start == Start::UnderWay => {
                tracing::info!(%cause, "not safe to trade on yet");
            }
            Some(cause) if has_changed || start == Start::RanOut => {
                self.0.metrics.unsafe_spells.add(1);
                tracing::error!(%cause, "the chain is not safe to trade on");
            }
            None if has_changed => tracing::info!("the nodes agree"),
            _ => {}
        }
    }

    /// How far the start is, of which the end is noted.
    fn note_start(&self, safety: Safety, now: Instant) -> Start {
        let mut end = lock(&self.0.start_max);
        let found = match *end {
            None => Start::Over,
            Some(end) if now >= end => Start::RanOut,
            Some(_) => Start::UnderWay,
        };
        if safety.is_safe || found == Start::RanOut {
            *end = None;
        }
        found
    }

    pub(super) fn resync(&self) {
        if let Some(resync) = self.0.resync.get() {
            resync.notify_one();
        }
    }
}

/// No code panics while it holds one of these locks.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding the lock")
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    const START: Duration = Duration::from_secs(5);

    /// A watch that is told of these causes at these times after its beginning; gives the errors counted after each.
    fn errors(told: &[(u64, Option<UnsafeCause>)]) -> Vec<u64> {
        let (metrics, begin) = (Arc::<Metrics>::default(), Instant::now());
        let watch = SourceWatch::new(Arc::clone(&metrics), begin + START);
        let publish = |(millis, cause): &(u64, _)| {
            let standing = Standing { safety: Safety::of(*cause), head: None };
            watch.publish(standing, Vec::new(), begin + Duration::from_millis(*millis));
            metrics.unsafe_spells.get()
        };
        told.iter().map(publish).collect()
    }

    const NONE: Option<UnsafeCause> = Some(UnsafeCause::BelowQuorum { nodes: 0, quorum: 2 });
    const ONE: Option<UnsafeCause> = Some(UnsafeCause::BelowQuorum { nodes: 1, quorum: 2 });

    #[test]
    fn what_is_missing_at_a_start_is_an_error_once_the_nodes_agreed_or_the_time_is_over() {
        assert_eq!(errors(&[(0, NONE), (100, ONE), (200, None), (300, ONE), (301, ONE)]), [0, 0, 0, 1, 1]);
        // Nothing changes but the time: the error is told once.
        assert_eq!(errors(&[(0, NONE), (4_999, NONE), (5_000, NONE), (5_001, NONE)]), [0, 0, 1, 1]);
        assert_eq!(errors(&[(0, NONE), (5_000, ONE), (5_001, NONE)]), [0, 1, 2]);
        // Who agrees just in time, or late, is no error for that.
        assert_eq!(errors(&[(4_999, None), (6_000, None)]), [0, 0]);
        assert_eq!(errors(&[(5_000, None), (6_000, ONE)]), [0, 1]);
    }
}
