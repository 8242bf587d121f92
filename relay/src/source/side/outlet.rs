//! Where one source hands in its messages, and what is known of it.

use core::fmt::Display;
use core::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::metrics::Counter;
use crate::side::SidePublisher;
use crate::source::race::{Parting, SourceState, Word, WordWatch};

/// One source as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SideReport {
    /// Name without secrets, distinct among the sources.
    pub name: String,
    /// Where it is in its life.
    pub state: SourceState,
    /// Messages handed in.
    pub published: u64,
    /// Messages for which the relay had no room.
    pub dropped: u64,
    /// What came and could not be relayed: too long, contradictory, unreadable.
    pub refused: u64,
    /// What came and was older than what had come before.
    pub stale: u64,
    /// What is known to have been missed: it came too fast.
    pub missed: u64,
    /// Times that what it numbers began anew, and was taken so after a while.
    #[serde(default)]
    pub renumbered: u64,
    /// Connections made after the first.
    pub reconnects: u64,
    /// Why the last connection ended or was not made; `None` before any did.
    pub last_error: Option<String>,
    /// Why something was refused last.
    pub last_refusal: Option<String>,
}

/// What a source is given: it takes messages, counts, and tells when to end.
#[derive(Debug)]
pub struct Outlet {
    name: String,
    publisher: SidePublisher,
    /// Of the node for which the source speaks, where it is one of several.
    word: Option<WordWatch>,
    counts: Counts,
    life: Mutex<Life>,
    is_stopping: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Counts {
    published: Counter,
    dropped: Counter,
    refused: Counter,
    stale: Counter,
    missed: Counter,
    renumbered: Counter,
    connections: Counter,
}

#[derive(Debug)]
struct Life {
    state: SourceState,
    ready_at: Option<Instant>,
    last_error: Option<String>,
    last_refusal: Option<String>,
}

impl Outlet {
    pub(super) fn new(name: String, publisher: SidePublisher, word: Option<WordWatch>) -> Self {
        let life = Life { state: SourceState::Starting, ready_at: None, last_error: None, last_refusal: None };
        let (counts, is_stopping) = (Counts::default(), watch::Sender::new(false));
        Self { name, publisher, word, counts, life: Mutex::new(life), is_stopping }
    }

    /// Name of the source.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The connection stands.
    pub fn ready(&self) {
        self.counts.connections.add(1);
        let mut life = self.life();
        life.ready_at = Some(Instant::now());
        if life.state == SourceState::Starting {
            life.state = SourceState::Ready;
        }
    }

    /// Hands in one message, whole. Never waits: says whether it was taken, and counts where it was not, for want of room or because
    /// the word of the node that says it does not count.
    ///
    /// # Panics
    /// If the bytes are not one message that may stand beside the stream.
    pub fn publish(&self, message: Vec<u8>) -> bool {
        match self.word.as_ref().map(WordWatch::now) {
            Some(Word::CountsNot(why)) => {
                self.refuse(format_args!("its node's word does not count: {why}"));
                return false;
            }
            Some(Word::Gone) => {
                self.refuse(Parting::TakenAway.words());
                return false;
            }
            Some(Word::Counts) | None => {}
        }
        let is_queued = self.publisher.publish(message);
        if is_queued { &self.counts.published } else { &self.counts.dropped }.add(1);
        is_queued
    }

    /// Counts something that cannot be relayed. `reason` is shown, so it holds no secret.
    pub fn refuse(&self, reason: impl Display) {
        self.counts.refused.add(1);
        self.life().last_refusal = Some(reason.to_string());
    }

    /// Counts something that is older than what came before.
    pub fn refuse_stale(&self) {
        self.counts.stale.add(1);
    }

    /// Counts what came too fast.
    pub fn missed(&self, count: u64) {
        self.counts.missed.add(count);
    }

    /// Counts that numbers began anew.
    pub fn renumbered(&self) {
        self.counts.renumbered.add(1);
    }

    /// Waits until the source is to end.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut is_stopping = self.is_stopping.subscribe();
        async move {
            // The sender ends with the outlet, and then there is nobody left to hand anything to.
            let _ = is_stopping.wait_for(|is_stopping| *is_stopping).await;
        }
    }

    /// Waits until there is nobody any more for whom the source speaks.
    pub(super) async fn disowned(&self) -> Parting {
        match &self.word {
            Some(word) => word.gone().await,
            None => core::future::pending().await,
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.is_stopping.borrow()
    }

    /// Tells the source to end; what it has under way is still taken.
    pub(super) fn stop(&self) {
        self.set_state(SourceState::Draining);
        self.is_stopping.send_replace(true);
    }

    /// A source that has stopped stays so.
    pub(super) fn set_state(&self, state: SourceState) {
        let mut life = self.life();
        if life.state != SourceState::Stopped {
            life.state = state;
        }
    }

    /// Notes that a connection ended. Says for how long it had stood.
    pub(super) fn lose(&self, error: String) -> Option<core::time::Duration> {
        let mut life = self.life();
        life.last_error = Some(error);
        if life.state == SourceState::Ready {
            life.state = SourceState::Starting;
        }
        life.ready_at.take().map(|ready_at| ready_at.elapsed())
    }

    /// The source as it is now.
    #[must_use]
    pub fn report(&self) -> SideReport {
        let life = self.life();
        SideReport {
            name: self.name.clone(),
            state: life.state,
            published: self.counts.published.get(),
            dropped: self.counts.dropped.get(),
            refused: self.counts.refused.get(),
            stale: self.counts.stale.get(),
            missed: self.counts.missed.get(),
            renumbered: self.counts.renumbered.get(),
            reconnects: self.counts.connections.get().saturating_sub(1),
            last_error: life.last_error.clone(),
            last_refusal: life.last_refusal.clone(),
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        // A few plain values are right after any panic.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
