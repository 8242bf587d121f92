//! Counters. Every gap, retry, eviction and reorg has one: losing data silently would be a bug.

use core::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::observe::Stages;

/// Declares the counters once, as atomics to count in and as plain numbers to read.
macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident),+ $(,)?) => {
        /// Counters of a relay since its start.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct RelayStats {
            $(#[doc = $doc] pub $name: u64,)+
        }

        /// The counters as they are counted. Each stands alone, so `Relaxed` is enough everywhere.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $(pub(crate) $name: Counter,)+
            /// 1 while the node is connected and answered since, else 0.
            pub(crate) connected: Counter,
            pub(crate) stages: Stages,
        }

        impl Metrics {
            /// Each as it was counted.
            fn counted(&self) -> RelayStats {
                RelayStats { $($name: self.$name.get(),)+ }
            }
        }

        impl RelayStats {
            /// Every counter with its name and what it counts.
            pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), $doc, self.$name)),+].into_iter()
            }
        }
    };
}

impl Metrics {
    pub(crate) fn read(&self) -> RelayStats {
        let mut stats = self.counted();
        // Counted by its parts, so that it is their sum whenever it is read.
        stats.truth_sampled =
            stats.truth_equal + stats.truth_diverged + stats.truth_read + stats.truth_unread + stats.truth_void;
        stats
    }
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
    /// New pools of factories that were added to the market; one that comes again after a reorg counts again.
    pools_discovered,
    /// Pools of factories that are followed now.
    pools_discovered_now,
    /// Pools of factories that are not followed any more because their block was taken back, or because a snapshot did without them.
    pools_forgotten,
    /// New pools that are not followed because none of their tokens, or not both, are wanted.
    pools_unwanted,
    /// New pools that are not followed because their factory has as many as it may, or their block made too many.
    pools_over_max,
    /// New pools that are not followed because they or their tokens cannot be read, or are not what their factory said.
    pools_unreadable,
    /// Snapshots for which the node did not say which pools were made in the blocks that they leap over.
    pools_unheard,
    /// Alarms: logs that are not in the block's receipts.
    alarms_forged_log,
    /// Alarms: logs of the block's receipts that were kept back.
    alarms_missing_log,
    /// Alarms: headers whose content is not that of their hash.
    alarms_forged_header,
    /// Alarms: market images that differ from those of other nodes at the same block.
    alarms_forged_image,
    /// Alarms: nodes that stayed behind the others.
    alarms_stale_head,
    /// Alarms: nodes on a branch of their own.
    alarms_forked_head,
    /// Alarms: nodes of another chain.
    alarms_wrong_chain,
    /// Alarms: nodes that could not be reached any more.
    alarms_unreachable,
    /// Disagreements of nodes that were settled by a block's own hash.
    proofs,
    /// Answers that could not be compared with what was used because too many comparisons were under way.
    comparisons_skipped,
    /// Times that the source became unsafe; while the nodes are met for the first time it is not yet safe, which does not count.
    unsafe_spells,
    /// Pools that the source was asked for, to be compared or told anew: the sum of those equal, diverged, read, unread and void.
    truth_sampled,
    /// Pools that were found equal to the chain.
    truth_equal,
    /// Pools among those equal that differed at first, and did not when the source was asked once more.
    truth_wavered,
    /// Pools that were found to differ from the chain, twice.
    truth_diverged,
    /// Pools in quarantine that were read to be told anew.
    truth_read,
    /// Pools of which nothing was learnt because their block left the chain, or the stream began anew.
    truth_void,
    /// Pools of which nothing was learnt because the source did not tell them.
    truth_unread,
    /// 1 once the comparison with the chain has ended by itself, which it never should: no pool is compared any more.
    truth_ended,
    /// Readings and changes of pools in quarantine that could not be told, and were not.
    truth_untold,
    /// Blocks of which no sample was taken because one was still under way.
    truth_skipped,
    /// Pools that were told anew from a reading of the chain.
    truth_resynced,
    /// Pools that were told anew and differed again.
    truth_relapsed,
    /// Pools that were let out of quarantine.
    truth_readmitted,
    /// Pools in quarantine now.
    pools_quarantined_now,
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
    /// Gaps that were repaired from the journal, and then from memory.
    gaps_archived,
    /// Gaps that were repaired by a snapshot.
    gaps_snapshot,
    /// Side messages sent.
    sides,
    /// Side messages dropped because the relay or a subscriber had no room.
    side_dropped,
    /// Acts that administrators asked for and that were done.
    admin_acts,
    /// Acts that administrators asked for and that were refused.
    admin_refusals,
    /// Times that the source was out of reach, or the thread of its chain lost, and subscribers were told so.
    source_losses,
    /// Times that the nodes could no longer be believed.
    cautions,
    /// Subscribers closed while the nodes could not be believed, because their version has no way to be told.
    dismissed,
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
