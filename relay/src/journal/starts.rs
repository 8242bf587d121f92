//! With which segments a journal may begin.
//!
//! A reader that starts with a state cannot go back below it. So a segment is a start only while no reorg goes back below the
//! state that it begins with, and is certain to stay one when that state is too deep for any reorg.

use std::collections::VecDeque;
use std::path::Path;

use alphapulse_protocol::BlockNumber;

use super::checkpoint;
use super::index::Landmark;

/// What a segment begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// No state, or one that the stream went back below.
    None,
    /// The state of this block, in the present epoch.
    At(BlockNumber),
    /// The first state of an epoch, which nothing goes back below, or one of an epoch that is over.
    Settled,
}

/// The starts of all segments, oldest first.
#[derive(Debug)]
pub(super) struct Starts {
    segments: VecDeque<Start>,
    /// Whether the next record is the first behind a `SegmentBegin`.
    is_fresh: bool,
    head: BlockNumber,
    reorg_depth_max: u64,
}

impl Starts {
    pub(super) fn new(reorg_depth_max: usize) -> Self {
        let reorg_depth_max = u64::try_from(reorg_depth_max).unwrap_or(u64::MAX);
        Self { segments: VecDeque::new(), is_fresh: false, head: BlockNumber(0), reorg_depth_max }
    }

    /// Notes a record of a journal that is read from its beginning, `first` being its first segment.
    pub(super) fn note_read(&mut self, dir: &Path, first: u32, record: &[u8]) {
        if let Some(Landmark::Segment(_)) = Landmark::of(record) {
            let index = u32::try_from(self.segments.len()).ok().and_then(|count| first.checked_add(count));
            self.begin_segment(index.and_then(|index| checkpoint::block(dir, index)));
        } else {
            self.note(record);
        }
    }

    /// A segment begins with the state of this block, or with none.
    pub(super) fn begin_segment(&mut self, state: Option<BlockNumber>) {
        self.segments.push_back(state.map_or(Start::None, Start::At));
        self.is_fresh = true;
    }

    /// Notes a record of the present segment.
    pub(super) fn note(&mut self, record: &[u8]) {
        let is_first = core::mem::take(&mut self.is_fresh);
        match Landmark::of(record) {
            Some(Landmark::Snapshot { block, .. }) => {
                let is_open = |start: &&mut Start| matches!(start, Start::At(_));
                self.segments.iter_mut().filter(is_open).for_each(|start| *start = Start::Settled);
                if is_first && let Some(start) = self.segments.back_mut() {
                    *start = Start::Settled;
                }
                self.head = block;
            }
            Some(Landmark::Block { block, .. }) => self.head = block,
            Some(Landmark::Reorg { ancestor, .. }) => {
                let is_above = |start: &&mut Start| matches!(start, Start::At(base) if *base > ancestor);
                self.segments.iter_mut().filter(is_above).for_each(|start| *start = Start::None);
            }
            _ => {}
        }
    }

    /// Whether the journal may begin with its `at`-th segment.
    pub(super) fn is_start(&self, at: usize) -> bool {
        match self.segments.get(at) {
            Some(Start::Settled) => true,
            Some(Start::At(base)) => base.0.saturating_add(self.reorg_depth_max) <= self.head.0,
            Some(Start::None) | None => false,
        }
    }

    /// The oldest segment is gone.
    pub(super) fn remove_first(&mut self) {
        self.segments.pop_front();
    }
}
