//! Several nodes raced: the first valid answer is used, the others confirm, and who lies is named.
//!
//! A block goes on only once `quorum` nodes told of it with the same content, and its logs only once that many gave the same
//! ones. Where nodes differ, the block itself decides: its hash is the hash of its header, the header commits to the receipts, and
//! the logs must be those of the receipts. Whoever gave others is quarantined, and the proven logs go on. A market image has no such
//! proof: it is read from as many nodes as must agree, and compared as a whole.
//!
//! Each node has a task of its own that connects, listens and connects again; nodes come and go while the race runs. While too
//! few of them agree nothing goes on, and [`Safety`] says so.
//!
//! Where nodes contradict each other and nothing is proven, more than half of all nodes decide, however small the quorum is; where
//! there are not so many, nobody is right and nothing is safe.
//!
//! What it cannot do: with a quorum of 1 the first answer is believed until it is compared, and images are not compared; as many
//! liars as the quorum can agree on blocks that are not; of two nodes on two branches it cannot tell which is right; a node that
//! invents a consistent chain upon the other's head can make the other look stale, which stops trading but relays nothing.

mod ask;
mod node;
mod pools;
mod proof;
mod question;
mod source;
mod standing;
mod tally;
mod votes;
mod watch;
mod word;

use core::convert::Infallible;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::Dial;
use crate::error::{RelayError, SourceError};
use crate::metrics::Metrics;

use self::source::RaceSource;
use self::tally::{NodeId, Tally};
use self::watch::lock;

pub(crate) use self::watch::Standing;
pub use self::watch::{Alarm, AlarmKind, Evidence, Safety, SourceReport, SourceState, SourceWatch, UnsafeCause};
pub(crate) use self::word::{Parting, Word, WordWatch};

/// Comparisons of late answers under way at once; each is bounded in time by its source. Beyond, late answers are let go.
const COMPARISONS_MAX: usize = 32;
/// Longest wait for enough nodes before a connection attempt counts as failed; so long nodes that do not agree yet are met for
/// the first time, and no error.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// When nodes count as agreeing, and how long they may take.
#[derive(Debug, Clone, Copy)]
pub struct RaceTerms {
    /// Nodes that must agree, at least 1.
    pub quorum: usize,
    /// Blocks that a node may be behind the others before it counts as stale.
    pub stale_blocks: u64,
    /// Longest wait for the others' confirmation.
    pub confirm_wait: Duration,
    /// A node is asked for its head after this long without one.
    pub silence: Duration,
}

/// One connection to one node, shared by whoever asks it.
struct Line<S> {
    source: S,
    /// Told by whoever found that the connection is of no more use.
    broken: Notify,
    /// Gone with the last user, which is what a node that is taken away waits for.
    _in_use: mpsc::Sender<Infallible>,
}

type SharedLine<D> = Arc<Line<<D as Dial>::Source>>;

/// How a node's task is told to end, and tells that it has.
#[derive(Debug, Default)]
struct Seat {
    stop: Notify,
    gone: Notify,
    report: Mutex<Option<SourceReport>>,
}

/// Everything that the tasks of a race share.
struct Race<D: Dial> {
    terms: RaceTerms,
    tally: Mutex<Tally>,
    lines: Mutex<BTreeMap<NodeId, SharedLine<D>>>,
    seats: Mutex<BTreeMap<NodeId, Arc<Seat>>>,
    /// `None` once the race is over.
    tasks: Mutex<Option<JoinSet<()>>>,
    comparisons: Arc<Semaphore>,
    watch: SourceWatch,
    /// Something was agreed on, or a node changed; the follower waits for it.
    changed: Notify,
    /// An image was given after a refutation, and will be relayed before the next question.
    is_mended: AtomicBool,
}

impl<D: Dial> Race<D> {
    /// Changes the books, and tells everyone what follows.
    fn update<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        let mut tally = lock(&self.tally);
        let result = change(&mut tally);
        let now = Instant::now();
        let standing = tally.standing(now);
        tally.tell_words();
        // Under the lock, so that an older finding cannot overwrite a newer one.
        self.watch.publish(standing, tally.reports(), now);
        drop(tally);
        self.changed.notify_one();
        result
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(tasks) = lock(&self.tasks).as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }

    fn add(self: &Arc<Self>, dial: D) -> String {
        let (id, name) = self.update(|tally| {
            let id = tally.add(dial.name());
            (id, tally.name(id))
        });
        if let Some(word) = lock(&self.tally).node(id).map(|node| node.word.watch()) {
            self.watch.show_word(name.clone(), word);
        }
        let seat = Arc::new(Seat::default());
        lock(&self.seats).insert(id, Arc::clone(&seat));
        self.spawn(node::attend(Arc::clone(self), id, dial, node::Leaving(seat)));
        name
    }

    /// Looks after the nodes: who is behind, apart or silent shows only when time passes, and so does that a start is over.
    async fn supervise(self: Arc<Self>) {
        loop {
            sleep(self.terms.confirm_wait / 2).await;
            let suspects = self.update(|tally| tally.suspects(Instant::now()));
            for suspect in suspects {
                self.question(suspect).await;
            }
        }
    }
}

/// Several nodes as one source. Dropping it ends all their tasks.
pub struct RaceDial<D: Dial> {
    race: Arc<Race<D>>,
    has_connected: AtomicBool,
}

impl<D: Dial> RaceDial<D> {
    /// Begins to connect to the nodes. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(nodes: Vec<D>, terms: RaceTerms) -> Self {
        Self::with_metrics(nodes, terms, Arc::default())
    }

    pub(crate) fn with_metrics(nodes: Vec<D>, terms: RaceTerms, metrics: Arc<Metrics>) -> Self {
        let race = Arc::new(Race {
            terms,
            tally: Mutex::new(Tally::new(terms)),
            lines: Mutex::default(),
            seats: Mutex::default(),
            tasks: Mutex::new(Some(JoinSet::new())),
            comparisons: Arc::new(Semaphore::new(COMPARISONS_MAX)),
            watch: SourceWatch::new(metrics, Instant::now() + CONNECT_WAIT),
            changed: Notify::new(),
            is_mended: AtomicBool::new(false),
        });
        for node in nodes {
            race.add(node);
        }
        race.spawn(Arc::clone(&race).supervise());
        Self { race, has_connected: AtomicBool::new(false) }
    }

    /// A handle that adds and takes away nodes while the race runs.
    #[must_use]
    pub fn control(&self) -> RaceControl<D> {
        RaceControl { race: Arc::clone(&self.race) }
    }

    /// Waits until enough nodes are connected. The first time it gives up as soon as every node was tried: a start that fails
    /// should say so.
    async fn await_quorum(&self) -> Result<(), SourceError> {
        loop {
            {
                let tally = lock(&self.race.tally);
                if tally.current_count() >= self.race.terms.quorum {
                    return Ok(());
                }
                let is_tried = |node: &tally::Node| node.state != SourceState::Starting || node.failure.is_some();
                if !self.has_connected.load(Ordering::Relaxed) && tally.nodes.iter().all(is_tried) {
                    return Err(self.no_quorum(&tally));
                }
            }
            self.race.changed.notified().await;
        }
    }

    fn no_quorum(&self, tally: &Tally) -> SourceError {
        let said = |node: &tally::Node| {
            let reason = node.failure.clone().unwrap_or_else(|| format!("{:?}", node.state).to_lowercase());
            format!("{}: {reason}", node.name)
        };
        let reasons: Vec<_> = tally.nodes.iter().map(said).collect();
        SourceError::NoQuorum { quorum: self.race.terms.quorum, reason: reasons.join("; ") }
    }
}

impl<D: Dial> Drop for RaceDial<D> {
    fn drop(&mut self) {
        // The tasks hold the race and the race holds the tasks: this is where the circle is cut.
        lock(&self.race.tasks).take();
        lock(&self.race.lines).clear();
    }
}

impl<D: Dial> Dial for RaceDial<D> {
    type Source = RaceSource<D>;

    async fn dial(&self) -> Result<RaceSource<D>, SourceError> {
        match timeout(CONNECT_WAIT, self.await_quorum()).await {
            Ok(result) => result?,
            Err(_) => return Err(self.no_quorum(&lock(&self.race.tally))),
        }
        self.has_connected.store(true, Ordering::Relaxed);
        Ok(RaceSource::new(Arc::clone(&self.race)))
    }

    fn name(&self) -> String {
        let tally = lock(&self.race.tally);
        let names: Vec<_> = tally.nodes.iter().map(|node| node.name.as_str()).collect();
        names.join(", ")
    }

    fn watch(&self) -> Option<SourceWatch> {
        Some(self.race.watch.clone())
    }
}

impl<D: Dial> fmt::Debug for RaceDial<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RaceDial").field(&self.name()).finish()
    }
}

/// Adds and takes away nodes of a running race.
pub struct RaceControl<D: Dial> {
    race: Arc<Race<D>>,
}

impl<D: Dial> RaceControl<D> {
    /// Adds a node; it takes part once it is connected. Returns its name.
    pub fn add(&self, node: D) -> String {
        self.race.add(node)
    }

    /// Names of the nodes, in the order in which they were added.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.race.tally).nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// The word of the first node.
    pub(crate) fn first_word(&self) -> Option<WordWatch> {
        lock(&self.race.tally).nodes.first().map(|node| node.word.watch())
    }

    /// Takes a node away: it is asked nothing more, what it was asked is still awaited, and then its connection ends. It goes
    /// whether or not this is waited for, and also if it is the last.
    ///
    /// # Errors
    /// [`RelayError::Nodes`] when there is no node of that name.
    pub async fn remove(&self, name: &str) -> Result<SourceReport, RelayError> {
        self.take_away(name, true).await
    }

    /// The same, unless no other node would be left.
    ///
    /// # Errors
    /// [`RelayError::Nodes`] when there is no node of that name, or no other.
    pub(crate) async fn remove_unless_last(&self, name: &str) -> Result<SourceReport, RelayError> {
        self.take_away(name, false).await
    }

    async fn take_away(&self, name: &str, is_last_as_well: bool) -> Result<SourceReport, RelayError> {
        let unknown = RelayError::no_such_node;
        // In one look at the books: of the last two only one may go, also when both are to go at once.
        let id = self.race.update(|tally| {
            let mut staying = tally.nodes.iter().filter(|node| node.state != SourceState::Draining);
            let id = staying.clone().find(|node| node.name == name).map(|node| node.id).ok_or_else(unknown)?;
            if !is_last_as_well && staying.all(|node| node.id == id) {
                return Err(RelayError::last_node());
            }
            tally.set_state(id, SourceState::Draining);
            Ok(id)
        })?;
        let seat = lock(&self.race.seats).remove(&id).ok_or_else(unknown)?;
        seat.stop.notify_one();
        seat.gone.notified().await;
        lock(&seat.report).take().ok_or_else(unknown)
    }
}

impl<D: Dial> fmt::Debug for RaceControl<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RaceControl").finish_non_exhaustive()
    }
}
