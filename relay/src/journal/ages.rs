//! How old segments are, by the time of what they hold: a journal that was copied is not younger for it, nor one whose machine
//! had a wrong clock.

use core::time::Duration;
use std::collections::VecDeque;

use alphapulse_protocol::UnixNanos;

use super::index::Landmark;
use super::segment;

/// Times of the last events of all segments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Ages {
    closed: VecDeque<UnixNanos>,
    /// Time of the newest event.
    newest: UnixNanos,
    is_begun: bool,
}

impl Ages {
    /// Notes a record of a journal that is read from its beginning.
    pub(super) fn note_read(&mut self, record: &[u8]) {
        match Landmark::of(record) {
            Some(Landmark::Segment(_)) if self.is_begun => self.close(),
            Some(Landmark::Segment(_)) => self.is_begun = true,
            _ => self.note(record),
        }
    }

    /// The journal was read to its end.
    pub(super) fn end_read(&mut self) {
        if self.is_begun {
            self.close();
        }
    }

    /// Notes a record of the present segment.
    pub(super) fn note(&mut self, record: &[u8]) {
        if segment::is_market(record) {
            self.newest = segment::event_ns(record);
        }
    }

    /// The present segment is closed. One without an event is as old as the one before.
    pub(super) fn close(&mut self) {
        self.closed.push_back(self.newest);
    }

    /// How long before the newest event the last one of the `at`-th segment was. An event that claims to be of the future
    /// makes nothing older than the clock does.
    pub(super) fn age(&self, at: usize, clock: UnixNanos) -> Duration {
        let now = self.newest.0.min(clock.0);
        self.closed.get(at).map_or(Duration::ZERO, |last| Duration::from_nanos(now.saturating_sub(last.0)))
    }

    /// The oldest segment is gone.
    pub(super) fn remove_first(&mut self) {
        self.closed.pop_front();
    }
}
