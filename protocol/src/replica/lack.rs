//! What of a pool's state has not come: a pool of which something lacks must not pass for an empty one.

use super::Part;
use crate::message::{PoolKind, RatesUse};

/// The parts of one pool's state that have not come since it was described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lack(u8);

impl Lack {
    /// The pool was passed over in a snapshot: ticks lack as well, of which nobody knows how many there are.
    const SKIPPED: Self = Self(1 << 7);

    /// A pool of this kind of which nothing has come.
    pub(super) fn of(kind: PoolKind) -> Self {
        Self(Part::of(kind).iter().fold(0, |parts, part| parts | Self::bit(*part)))
    }

    /// Until the next snapshot nothing will be known.
    pub(super) const fn skip(&mut self) {
        *self = Self::SKIPPED;
    }

    /// A part came.
    pub(super) const fn fill(&mut self, part: Part) {
        self.0 &= !Self::bit(part);
    }

    pub(super) const fn is_skipped(self) -> bool {
        self.0 == Self::SKIPPED.0
    }

    pub(super) const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Whether something lacks that is still to come.
    pub(super) const fn is_unfilled(self) -> bool {
        !self.is_nothing() && !self.is_skipped()
    }

    const fn bit(part: Part) -> u8 {
        match part {
            Part::Terms => 1,
            Part::Rates(RatesUse::Swap) => 1 << 1,
            Part::Rates(RatesUse::LastJoinExit) => 1 << 2,
            Part::State => 1 << 3,
        }
    }
}
