//! Who is served, and how: kept apart from the data path, for people and for the bound on subscribers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alphapulse_protocol::message::Role;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::access::Roles;
use crate::error::RelayError;
use crate::metrics::Counter;

/// How a subscriber is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SubscriberStatus {
    /// Number of the connection since the relay's start.
    pub id: u64,
    /// Where it comes from, and who it says that it is.
    pub peer: String,
    /// Schema version spoken; 0 before that is agreed on.
    pub version: u64,
    /// Whether it may ask how the relay is doing.
    pub is_admin: bool,
    /// Side messages taken from it, where it publishes.
    pub published: u64,
    /// Bytes of events given to it.
    pub sent_bytes: u64,
    /// Messages of the stream given to it.
    pub sent_messages: u64,
    /// Messages left out because its selection does not ask for them.
    pub skipped_messages: u64,
    /// Bytes that wait for it.
    pub waiting_bytes: u64,
    /// Messages of the stream that it has not taken yet, as of the last heartbeat or status; `None` before it took its
    /// snapshot. Those that its selection leaves out count until it has taken what comes behind them.
    pub lag_messages: Option<u64>,
    /// Times its lane was full and it missed messages.
    pub lapped: u64,
    /// Gaps that it was told of.
    pub gaps: u64,
    /// Side messages dropped because it read too slowly.
    pub side_dropped: u64,
}

/// One subscriber's counters.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    id: u64,
    peer: String,
    pub(crate) roles: Roles,
    pub(crate) published: Counter,
    pub(crate) version: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) sent_messages: Counter,
    pub(crate) skipped_messages: Counter,
    pub(crate) waiting_bytes: Counter,
    /// One more than the messages that it has not taken; 0 while that is not known.
    lag_and_one: Counter,
    pub(crate) lapped: Counter,
    pub(crate) gaps: Counter,
    pub(crate) side_dropped: Counter,
    dismissal: Notify,
}

impl Entry {
    /// Ends when an administrator wants the connection ended.
    pub(crate) async fn dismissed(&self) {
        self.dismissal.notified().await;
    }

    pub(crate) fn set_lag(&self, messages: Option<u64>) {
        self.lag_and_one.set(messages.map_or(0, |messages| messages.saturating_add(1)));
    }

    fn read(&self) -> SubscriberStatus {
        SubscriberStatus {
            id: self.id,
            peer: self.peer.clone(),
            version: self.version.get(),
            is_admin: self.roles.has(Role::Admin),
            published: self.published.get(),
            sent_bytes: self.sent_bytes.get(),
            sent_messages: self.sent_messages.get(),
            skipped_messages: self.skipped_messages.get(),
            waiting_bytes: self.waiting_bytes.get(),
            lag_messages: self.lag_and_one.get().checked_sub(1),
            lapped: self.lapped.get(),
            gaps: self.gaps.get(),
            side_dropped: self.side_dropped.get(),
        }
    }
}

/// Everyone who has a place. Locked only when somebody comes, goes or asks.
#[derive(Debug)]
pub(crate) struct Roster {
    places_max: usize,
    /// Length of `entries`, for who must not wait.
    taken: AtomicUsize,
    entries: Mutex<Vec<Arc<Entry>>>,
    next_id: AtomicU64,
}

impl Roster {
    pub(crate) fn new(places_max: usize) -> Arc<Self> {
        Arc::new(Self { places_max, taken: AtomicUsize::new(0), entries: Mutex::default(), next_id: AtomicU64::new(1) })
    }

    pub(crate) const fn places_max(&self) -> usize {
        self.places_max
    }

    /// Whether no place is left now.
    pub(crate) fn is_full(&self) -> bool {
        // Only a hint: a place is given under the lock.
        self.taken.load(Ordering::Relaxed) >= self.places_max
    }

    /// A place among those who are served, for a peer of this name that may do what `roles` say.
    pub(crate) fn reserve(self: &Arc<Self>, peer: &str, roles: Roles) -> Result<Place, RelayError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let entry = Arc::new(Entry { id, peer: peer.to_owned(), roles, ..Entry::default() });
        // Held for as little as can be: who leaves a place waits for it on the stream's threads.
        let mut entries = self.entries();
        if entries.len() >= self.places_max {
            return Err(RelayError::Full(self.places_max));
        }
        entries.push(Arc::clone(&entry));
        self.taken.store(entries.len(), Ordering::Relaxed);
        drop(entries);
        Ok(Place { roster: Arc::clone(self), entry })
    }

    /// Ends the connections of the key `name` or, where nobody has such a key, the connection of that number. Tells how many. Who is
    /// embedded has no connection.
    pub(crate) fn disconnect(&self, name: &str) -> usize {
        let entries = self.entries();
        let key = format!(" key {name}");
        let mut found: Vec<_> = entries.iter().filter(|entry| entry.peer.ends_with(&key)).collect();
        if found.is_empty() {
            found.extend(entries.iter().filter(|entry| entry.id.to_string() == name && entry.peer != "embedded"));
        }
        found.iter().for_each(|entry| entry.dismissal.notify_one());
        found.len()
    }

    pub(crate) fn read(&self) -> Vec<SubscriberStatus> {
        self.entries().iter().map(|entry| entry.read()).collect()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        // A list of counters is right after any panic.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's place among the subscribers, free again when the reader drops it.
#[derive(Debug)]
pub(crate) struct Place {
    roster: Arc<Roster>,
    entry: Arc<Entry>,
}

impl Place {
    pub(crate) const fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut entries = self.roster.entries();
        entries.retain(|entry| entry.id != self.entry.id);
        self.roster.taken.store(entries.len(), Ordering::Relaxed);
    }
}
