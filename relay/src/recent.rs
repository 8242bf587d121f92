//! The newest events of the stream, kept so that who missed some gets them and not a whole market.

use std::collections::VecDeque;

use alphapulse_protocol::frame::{self, FrameBuf, Split};
use alphapulse_protocol::{BlockNumber, Sequence};
use bytes::Bytes;

/// What one event of the chain put on the wire. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Whole frames.
    pub(crate) frames: Bytes,
    /// Sequence of the first message.
    pub(crate) first: Sequence,
    /// Sequence of the last message.
    pub(crate) last: Sequence,
    /// Block that is gone back to, when the event is a reorg.
    pub(crate) ancestor: Option<BlockNumber>,
}

impl Event {
    /// The frames of an event, none of which is empty, behind message number `before`.
    pub(crate) fn new(frames: &[FrameBuf], before: Sequence, ancestor: Option<BlockNumber>) -> Self {
        let mut bytes = Vec::with_capacity(frames.iter().map(|frame| frame.as_bytes().len()).sum());
        frames.iter().for_each(|frame| bytes.extend_from_slice(frame.as_bytes()));
        let last = Sequence(before.0 + frames.len() as u64);
        Self { frames: bytes.into(), first: Sequence(before.0 + 1), last, ancestor }
    }

    /// Number of messages.
    pub(crate) const fn messages(&self) -> u64 {
        self.last.0 + 1 - self.first.0
    }

    /// The frames from message `next` on, which is one of this event's.
    fn tail(&self, next: Sequence) -> Bytes {
        let mut at = 0;
        for _ in self.first.0..next.0 {
            match frame::split(&self.frames[at..]) {
                Ok(Split::Whole { frame_bytes, .. }) => at += frame_bytes,
                other => unreachable!("our own event is whole frames, not {other:?}"),
            }
        }
        self.frames.slice(at..)
    }
}

/// Events of one epoch without a hole, oldest first.
#[derive(Debug)]
pub(crate) struct Recent {
    events: VecDeque<Event>,
    bytes: usize,
    bytes_max: usize,
    /// Sequence of the oldest message kept; without any, of the next one.
    first: Sequence,
    /// Sequence of the next message.
    next: Sequence,
}

impl Recent {
    /// Keeps at most `bytes_max` bytes.
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, bytes_max, first: Sequence(1), next: Sequence(1) }
    }

    /// A new epoch: its first message is number 1.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.bytes_max);
    }

    /// Adds the stream's next event.
    pub(crate) fn push(&mut self, event: Event) {
        debug_assert_eq!(event.first, self.next, "events follow each other");
        self.next = Sequence(event.last.0 + 1);
        self.bytes += event.frames.len();
        self.events.push_back(event);
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.events.pop_front()
        {
            self.bytes -= oldest.frames.len();
            self.first = Sequence(oldest.last.0 + 1);
        }
    }

    /// Whether everything behind `seen` can be given to a reader that began at block `base`: not when some is not kept any
    /// more, when `seen` is not of this stream, or when a reorg goes below `base`, where the reader cannot follow.
    pub(crate) fn reaches(&self, seen: Sequence, base: BlockNumber) -> bool {
        // The number comes from the reader, who may say what he likes.
        let Some(next) = seen.0.checked_add(1).map(Sequence) else { return false };
        let goes_below = |event: &Event| event.last >= next && event.ancestor.is_some_and(|ancestor| ancestor < base);
        (self.first..=self.next).contains(&next) && !self.events.iter().any(goes_below)
    }

    /// The rest of the event that holds message `next`, and the event itself; `None` when it is not kept, or not there yet.
    pub(crate) fn at(&self, next: Sequence) -> Option<(Bytes, &Event)> {
        let index = self.events.partition_point(|event| event.last < next);
        let event = self.events.get(index).filter(|event| event.first <= next)?;
        Some((event.tail(next), event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::message::{BlockEnd, Reorg, WireMessage};
    use alphapulse_protocol::{BlockRef, UnixNanos};

    const FRAME_BYTES: usize = 80;

    fn end(sequence: u64) -> FrameBuf {
        let end = BlockEnd::new(BlockRef::default(), 0).stamped(Sequence(sequence), UnixNanos(0));
        FrameBuf::new(&end).expect("small")
    }

    fn event(sequences: core::ops::RangeInclusive<u64>) -> Event {
        let before = Sequence(sequences.start() - 1);
        Event::new(&sequences.map(end).collect::<Vec<_>>(), before, None)
    }

    fn reorg(sequence: u64, ancestor: u64) -> Event {
        let block = |number| BlockRef { number: BlockNumber(number), hash: [0; 32] };
        let reorg = Reorg::new(block(ancestor), block(ancestor + 2)).expect("goes back");
        let frame = FrameBuf::new(&reorg.stamped(Sequence(sequence), UnixNanos(0))).expect("small");
        Event::new(&[frame], Sequence(sequence - 1), Some(BlockNumber(ancestor)))
    }

    fn sequences(bytes: &Bytes) -> Vec<u64> {
        let messages = bytes.chunks(FRAME_BYTES).map(|frame| &frame[frame::FRAME_HEADER_BYTES..]);
        let decode = |message| alphapulse_protocol::message::Message::decode(message).expect("ours");
        messages.map(|message| decode(message).header().sequence().0).collect()
    }

    #[test]
    fn what_is_kept_is_given_and_what_is_gone_is_not() {
        assert_eq!(end(1).as_bytes().len(), FRAME_BYTES);
        let mut recent = Recent::new(4 * FRAME_BYTES);
        let all = BlockNumber(0);
        assert!(recent.reaches(Sequence(0), all), "nothing was missed");
        assert!(!recent.reaches(Sequence(1), all), "message 1 has not been sent");
        for event in [event(1..=2), event(3..=5), event(6..=6)] {
            recent.push(event);
        }
        assert!(!recent.reaches(Sequence(1), all), "message 2 is gone");
        assert!(recent.at(Sequence(2)).is_none());
        for seen in 2..=6 {
            assert!(recent.reaches(Sequence(seen), all));
        }
        assert_eq!(sequences(&recent.at(Sequence(3)).expect("kept").0), [3, 4, 5]);
        assert_eq!(sequences(&recent.at(Sequence(5)).expect("kept").0), [5]);
        assert_eq!(sequences(&recent.at(Sequence(6)).expect("kept").0), [6]);
        assert!(recent.at(Sequence(7)).is_none(), "it is still to come");
        assert!(!recent.reaches(Sequence(7), all) && !recent.reaches(Sequence(u64::MAX), all));
        recent.clear();
        recent.push(event(1..=1));
        assert!(recent.reaches(Sequence(0), all));
    }

    #[test]
    fn a_reorg_below_the_readers_first_block_cannot_be_replayed_to_it() {
        let mut recent = Recent::new(1000);
        recent.push(reorg(1, 10));
        assert!(recent.reaches(Sequence(0), BlockNumber(10)));
        assert!(!recent.reaches(Sequence(0), BlockNumber(11)));
        assert!(recent.reaches(Sequence(1), BlockNumber(11)), "it is behind the reader already");
    }
}
