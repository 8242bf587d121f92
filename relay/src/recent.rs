//! The newest messages of the stream, kept so that who missed some gets them and not a whole market.

use std::collections::VecDeque;

use alphapulse_protocol::frame::FrameBuf;
use alphapulse_protocol::message::Message;
use alphapulse_protocol::{BlockNumber, Sequence};

/// Live messages of one epoch without a hole, oldest first.
#[derive(Debug)]
pub(crate) struct Recent {
    frames: VecDeque<FrameBuf>,
    frames_max: usize,
    /// Sequence of the oldest frame; without frames, of the next one.
    first: Sequence,
}

impl Recent {
    /// Keeps at most `frames_max` messages.
    pub(crate) fn new(frames_max: usize) -> Self {
        Self { frames: VecDeque::new(), frames_max, first: Sequence(1) }
    }

    /// A new epoch: its first message is number 1.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.first = Sequence(1);
    }

    /// Adds the stream's next messages.
    pub(crate) fn extend(&mut self, frames: &[FrameBuf]) {
        self.frames.extend(frames);
        while self.frames.len() > self.frames_max {
            self.frames.pop_front();
            self.first = Sequence(self.first.0 + 1);
        }
    }

    /// All messages behind `seen`, as they lie on the wire; `None` when some are not kept any more, when `seen` is not of
    /// this stream, or when they go back below `base`, where a reader that began there cannot follow.
    pub(crate) fn behind(&self, seen: Sequence, base: BlockNumber) -> Option<Vec<u8>> {
        // The number comes from the reader, who may say what he likes.
        let skipped = seen.0.checked_add(1)?.checked_sub(self.first.0)?;
        let skipped = usize::try_from(skipped).ok().filter(|skipped| *skipped <= self.frames.len())?;
        let missed = || self.frames.iter().skip(skipped);
        let goes_below = |frame: &FrameBuf| match Message::decode(frame.message_bytes()) {
            Ok(Message::Reorg(reorg)) => reorg.ancestor().number < base,
            _ => false,
        };
        if missed().any(goes_below) {
            return None;
        }
        let mut bytes = Vec::with_capacity(missed().map(|frame| frame.as_bytes().len()).sum());
        missed().for_each(|frame| bytes.extend_from_slice(frame.as_bytes()));
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::message::{BlockEnd, Reorg, WireMessage};
    use alphapulse_protocol::{BlockRef, UnixNanos};

    fn end(sequence: u64) -> FrameBuf {
        let end = BlockEnd::new(BlockRef::default(), 0).stamped(Sequence(sequence), UnixNanos(0));
        FrameBuf::new(&end).expect("small")
    }

    fn reorg(sequence: u64, ancestor: u64) -> FrameBuf {
        let block = |number| BlockRef { number: BlockNumber(number), hash: [0; 32] };
        let reorg = Reorg::new(block(ancestor), block(ancestor + 2)).expect("goes back");
        FrameBuf::new(&reorg.stamped(Sequence(sequence), UnixNanos(0))).expect("small")
    }

    #[test]
    fn what_is_kept_is_given_and_what_is_gone_is_not() {
        let mut recent = Recent::new(3);
        let all = BlockNumber(0);
        assert_eq!(recent.behind(Sequence(0), all), Some(Vec::new()), "nothing was missed");
        assert_eq!(recent.behind(Sequence(1), all), None, "message 1 has not been sent");
        recent.extend(&[end(1), end(2), end(3), end(4)]);
        assert_eq!(recent.behind(Sequence(0), all), None, "message 1 is gone");
        let two_to_four: Vec<u8> = [end(2), end(3), end(4)].iter().flat_map(|f| f.as_bytes().to_vec()).collect();
        assert_eq!(recent.behind(Sequence(1), all), Some(two_to_four));
        assert_eq!(recent.behind(Sequence(4), all), Some(Vec::new()));
        assert_eq!(recent.behind(Sequence(5), all), None);
        assert_eq!(recent.behind(Sequence(u64::MAX), all), None);
        recent.clear();
        recent.extend(&[end(1)]);
        assert_eq!(recent.behind(Sequence(0), all), Some(end(1).as_bytes().to_vec()));
    }

    #[test]
    fn a_reorg_below_the_readers_first_block_cannot_be_replayed_to_it() {
        let mut recent = Recent::new(8);
        recent.extend(&[reorg(1, 10)]);
        assert!(recent.behind(Sequence(0), BlockNumber(10)).is_some());
        assert!(recent.behind(Sequence(0), BlockNumber(11)).is_none());
        assert!(recent.behind(Sequence(1), BlockNumber(11)).is_some(), "it is behind the reader already");
    }
}
