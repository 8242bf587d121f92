//! The lanes of all subscribers, as the player sees them.

use std::sync::{Arc, Mutex, PoisonError};

use crate::lane::LaneWatch;

/// The lanes of all subscribers, for who waits until they have room.
///
/// A lock is enough: it is taken when somebody joins and by the player, which has all the time there is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lanes(Arc<Mutex<Vec<LaneWatch>>>);

impl Lanes {
    pub(crate) fn watch(&self, lane: LaneWatch) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A player that waits for nobody never looks, so who left goes here.
        lanes.retain(LaneWatch::is_read);
        lanes.push(lane);
    }

    /// The lanes that are still read.
    pub(super) fn read(&self) -> Vec<LaneWatch> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(LaneWatch::is_read);
        lanes.clone()
    }

    /// Whether every lane can take a good deal more.
    pub(super) fn have_room(&self) -> bool {
        self.read().iter().all(LaneWatch::has_room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{Wake, lane};

    #[test]
    fn those_who_left_are_not_kept_although_nobody_looks() {
        let lanes = Lanes::default();
        let (stays, _reader) = lane(1, 0, Wake::Task(Arc::default()));
        lanes.watch(stays.watch());
        for _ in 0..100 {
            let (writer, reader) = lane(1, 0, Wake::Task(Arc::default()));
            lanes.watch(writer.watch());
            drop(reader);
        }
        let kept = lanes.0.lock().map_or(0, |lanes| lanes.len());
        assert_eq!(kept, 2, "the one who stays, and the last one, of whom nobody has heard since");
    }
}
