//! From a door to the writer.

use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::Arc;

use alphapulse_protocol::{ChainId, Epoch};
use tokio::sync::mpsc;

use crate::error::RelayError;
use crate::hub::Command;
use crate::lane::{self, LaneReader, LaneWriter, Wake};
use crate::replay::Lanes;
use crate::roster::Roster;
use crate::side;
use crate::subscriber::Terms;

/// What a door tells of the stream. Each stands alone, and may be old: what counts comes from the writer.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    epoch: AtomicU64,
    since_version: AtomicU16,
}

impl Facts {
    /// A new epoch, with the pools of its snapshot.
    pub(crate) fn begin(&self, epoch: Epoch, since_version: u16) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
        self.since_version.store(since_version, Ordering::Relaxed);
    }

    /// Pools came that only clients of this version can read. Within an epoch it falls no more, also where a reorg takes them back:
    /// they stay in what is replayed to who was away.
    pub(crate) fn raise(&self, since_version: u16) {
        self.since_version.fetch_max(since_version, Ordering::Relaxed);
    }

    /// The stream's epoch, for the answer to a greeting.
    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Relaxed))
    }

    /// Oldest version whose clients can read the epoch's pools.
    pub(crate) fn since_version(&self) -> u16 {
        self.since_version.load(Ordering::Relaxed)
    }
}

/// A lane on its way to the writer.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) lane: LaneWriter,
    pub(crate) terms: Terms,
}

/// Opens lanes. Cloned to every door of the relay.
#[derive(Debug, Clone)]
pub(crate) struct Joiner {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) lane_bytes: usize,
    pub(crate) chain_id: ChainId,
    pub(crate) facts: Arc<Facts>,
    /// Told of every lane, where somebody waits for slow readers.
    pub(crate) lanes: Option<Lanes>,
}

impl Joiner {
    /// A lane that the writer will fill, for who has a place and was greeted.
    pub(crate) fn open_lane(&self, wake: Wake, terms: Terms) -> Result<LaneReader, RelayError> {
        let (lane, reader) = lane::lane(self.lane_bytes, side::SLOTS, wake);
        if let Some(lanes) = &self.lanes {
            lanes.watch(lane.watch());
        }
        let joining = Box::new(Joining { lane, terms });
        self.commands.send(Command::Join(joining)).map_err(|_| RelayError::Stopped)?;
        Ok(reader)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::access::Roles;
    use crate::error::RelayError;
    use crate::selection::Selection;

    #[test]
    fn who_joins_and_leaves_while_the_writer_is_busy_queues_no_more_than_the_places() {
        const PLACES: usize = 3;
        let (commands, mut queued) = mpsc::unbounded_channel();
        let joiner = Joiner {
            commands,
            roster: Roster::new(PLACES),
            lane_bytes: 1,
            chain_id: ChainId(1),
            facts: Arc::default(),
            lanes: None,
        };
        let join_and_leave = || {
            let place = Arc::new(joiner.roster.reserve("peer", Roles::ALL)?);
            let terms = Terms { version: 3, position: None, selection: Selection::everything(), place };
            joiner.open_lane(Wake::Task(Arc::default()), terms).map(drop)
        };
        let joined = (0..100).map(|_| join_and_leave()).filter(Result::is_ok).count();
        assert_eq!((joined, queued.len()), (PLACES, PLACES));
        assert!(matches!(join_and_leave(), Err(RelayError::Full(PLACES))));
        drop(queued.try_recv().unwrap());
        join_and_leave().unwrap();
    }
}
