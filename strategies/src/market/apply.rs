//! Messages of the feed, and what they mean for what is derived from the state.

use alphapulse_protocol::ReplicaError;
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::{Change, Replica};

use super::{Market, MarketEvent};

impl Market {
    /// Applies one message of the feed; other messages change nothing.
    ///
    /// # Errors
    /// [`ReplicaError`] when the message does not continue the state. The market is then empty, hence not tradable,
    /// until a snapshot begins, and refuses every market message before it.
    #[inline]
    pub fn apply(&mut self, message: &Message<'_>) -> Result<MarketEvent, ReplicaError> {
        match self.replica.apply_common(message) {
            Some(Ok(change)) => Ok(self.follow_pool(change, message)),
            Some(Err(error)) => Err(self.void(error)),
            None => self.apply_rare(message),
        }
    }

    #[inline(never)]
    fn apply_rare(&mut self, message: &Message<'_>) -> Result<MarketEvent, ReplicaError> {
        match self.replica.apply(message) {
            Ok(change @ Change::Pool(_)) => Ok(self.follow_pool(change, message)),
            Ok(change) => Ok(self.follow(change)),
            Err(error) => Err(self.void(error)),
        }
    }

    /// Nothing is known any more.
    #[cold]
    fn void(&mut self, error: ReplicaError) -> ReplicaError {
        self.replica = Replica::new(self.reorg_depth_max);
        self.forget();
        error
    }

    /// Looks at what messages that are about to be applied will need, as [`Replica::look_ahead`]: their waits for memory then overlap. Changes
    /// nothing, and nothing that is applied depends on it.
    #[inline]
    pub fn look_ahead<'a>(&mut self, messages: impl Iterator<Item = &'a [u8]>) -> usize {
        self.replica.look_ahead(messages, |pool| self.is_stale.contains(pool))
    }

    /// Follows a change of a pool's state.
    #[inline]
    fn follow_pool(&mut self, change: Change, message: &Message<'_>) -> MarketEvent {
        let Change::Pool(pool) = change else { return MarketEvent::None };
        if matches!(message, Message::V3Liquidity(_) | Message::V3Tick(_)) {
            self.is_reticked.insert(pool);
        }
        // Inside a snapshot nothing stands yet.
        if self.is_in_snapshot {
            return MarketEvent::None;
        }
        self.mark_stale(pool);
        MarketEvent::PoolChanged(pool)
    }

    fn follow(&mut self, change: Change) -> MarketEvent {
        match change {
            Change::Voided => {
                self.replica = Replica::new(self.reorg_depth_max);
                self.forget();
                MarketEvent::Reset
            }
            Change::SnapshotBegun => {
                self.forget();
                self.is_in_snapshot = true;
                MarketEvent::Reset
            }
            Change::SnapshotReady => {
                self.is_in_snapshot = false;
                self.derive_all();
                MarketEvent::SnapshotReady
            }
            Change::Reorged(_) => {
                self.derive_all();
                MarketEvent::Reorged
            }
            // Inside a snapshot nothing stands yet.
            Change::PoolAdded(_) | Change::Standing(_) if self.is_in_snapshot => MarketEvent::None,
            // Those of pools were followed before.
            Change::None | Change::Pool(_) => MarketEvent::None,
            Change::BlockBegun => MarketEvent::BlockBegun,
            Change::PoolAdded(pool) => {
                self.add(pool);
                MarketEvent::PoolAdded(pool)
            }
            Change::Standing(pool) => {
                self.stand_anew(pool);
                MarketEvent::PoolStanding(pool)
            }
            Change::BlockEnded => {
                self.derive_stale();
                MarketEvent::BlockEnded
            }
        }
    }
}
