//! Counters. Every gap, retry, eviction and reorg has one: losing data silently would be a bug.

use core::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// Declares the counters once, as atomics to count in and as plain numbers to read.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters of a relay since its start.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
        #[non_exhaustive]
        pub struct RelayStats {
            $($(#[$doc])* pub $name: u64,)+
        }

        /// The counters as they are counted. Each stands alone, so `Relaxed` is enough everywhere.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $(pub(crate) $name: Counter,)+
        }

        impl Metrics {
            pub(crate) fn read(&self) -> RelayStats {
                RelayStats { $($name: self.$name.get(),)+ }
            }
        }
    };
}

counters! {
    /// Height of the relay's head.
    head_number,
    /// Heads the node announced, or gave when asked after a silence.
    heads,
    /// Announcements the subscription skipped because they came too fast; their blocks are back-filled.
    heads_lagged,
    /// Blocks relayed.
    blocks,
    /// Blocks relayed that the node never announced to us.
    backfilled_blocks,
    /// Reorgs relayed.
    reorgs,
    /// Blocks of the deepest reorg relayed.
    reorg_depth_max_seen,
    /// Fresh snapshots taken because block by block was not possible.
    resnapshots,
    /// Connections to the node that ended or went dead.
    connection_losses,
    /// Connections made after the first.
    reconnects,
    /// Times the node was asked for its head because none came.
    silences,
    /// Requests that were tried again.
    retries,
    /// Answers to a log request that were not of the block asked for.
    log_mismatches,
    /// Messages that did not fit our own state; a snapshot follows.
    contradictions,
    /// Messages sequenced.
    messages,
    /// Signs of life sent.
    heartbeats,
    /// Subscribers now.
    subscribers,
    /// Subscribers ever accepted.
    joins,
    /// Times a subscriber's lane was full and it missed messages.
    lapped,
    /// Gaps that were repaired from memory.
    gaps_replayed,
    /// Gaps that were repaired by a snapshot.
    gaps_snapshot,
    /// Side messages sent.
    sides,
    /// Side messages dropped because the relay or a subscriber had no room.
    side_dropped,
    /// Times that the nodes could no longer be believed.
    cautions,
    /// Subscribers dropped because they read too slowly and their version knows no gaps.
    evicted,
    /// Connections refused because the relay was full.
    refused,
    /// Connections refused because the client did not prove who it is, or may not do what it asked for.
    unauthorized,
    /// Connections closed while they greeted, because others needed the place.
    displaced,
    /// Publishers ever accepted.
    publishers,
    /// Connections that ended before the stream began.
    handshake_failures,
}

/// A number that many may count and many may read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
