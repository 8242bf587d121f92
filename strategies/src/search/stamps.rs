//! A set of small integers that is emptied in no time.

/// A member carries the current stamp.
#[derive(Debug, Default)]
pub(super) struct StampSet {
    stamps: Vec<u32>,
    stamp: u32,
}

impl StampSet {
    /// Room for `0..len`; no members.
    pub(super) fn resize(&mut self, len: usize) {
        self.stamps.clear();
        self.stamps.resize(len, 0);
        self.stamp = 1;
    }

    /// Room for `0..len` at least; members stay.
    pub(super) fn grow(&mut self, len: usize) {
        if self.stamps.len() < len {
            self.stamps.resize(len, 0);
            self.stamp = self.stamp.max(1);
        }
    }

    pub(super) fn clear(&mut self) {
        if self.stamp == u32::MAX {
            self.resize(self.stamps.len());
        }
        self.stamp += 1;
    }

    /// Whether it was not a member before.
    pub(super) fn insert(&mut self, member: usize) -> bool {
        let is_new = self.stamps[member] != self.stamp;
        self.stamps[member] = self.stamp;
        is_new
    }

    /// Whether it was a member.
    pub(super) fn remove(&mut self, member: usize) -> bool {
        let is_member = self.contains(member);
        if is_member {
            self.stamps[member] = 0;
        }
        is_member
    }

    pub(super) fn contains(&self, member: usize) -> bool {
        self.stamps[member] == self.stamp
    }
}
