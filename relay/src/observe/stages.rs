//! The stages of an event's way through the relay.

use super::histogram::{Histogram, Reading};

/// Where the time goes. Each stage is counted by the task that does it.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    /// From the announcement of a head to its logs, read and decoded. Blocks that were never announced are not counted.
    pub(crate) head_to_logs: Histogram,
    /// From there to the block's place in the stream, the wait for the writer included.
    pub(crate) logs_to_sequence: Histogram,
    /// From there until it lies in the lane of everyone who has all before it.
    pub(crate) fanout: Histogram,
    /// From there until it is with the system.
    pub(crate) journal: Histogram,
    /// From a lane to the socket: one write of one subscriber, of one event or of several that were waiting. Snapshots
    /// that are too large to be gathered are not counted.
    pub(crate) write: Histogram,
}

impl Stages {
    /// All stages with their names, in the order of an event's way.
    pub(crate) fn read(&self) -> [(&'static str, Reading); 5] {
        [
            ("head_to_logs", self.head_to_logs.read()),
            ("logs_to_sequence", self.logs_to_sequence.read()),
            ("fanout", self.fanout.read()),
            ("journal", self.journal.read()),
            ("write", self.write.read()),
        ]
    }
}
