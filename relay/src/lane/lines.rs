//! Cache lines from one thread to another: a bounded ring with one writer and one reader.
//!
//! A line carries [`WORDS`] words and its own number, by which the reader sees that it is there. Nothing else is written for
//! a line, so that it alone changes cores, where a queue with an index beside its slots moves two or more. How far
//! the reader is goes the other way only now and then, and the writer looks only where it would find no room.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crossbeam::utils::CachePadded;

/// Words of 64 bits that a line carries.
pub(crate) const WORDS: usize = 7;
/// Fewest lines: a parcel of several must find room in an empty ring.
const LINES_MIN: usize = 8;
/// The reader says how far it is after this part of the ring.
const GIVE_BACK_PART: u64 = 8;
/// And where it finds nothing, after this part of it.
const GIVE_BACK_PART_EMPTY: u64 = 64;

/// A line's memory: one cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    words: [AtomicU64; WORDS],
    /// Number of the line that is held, from 1 on; 0 before any.
    number: AtomicU64,
}

#[derive(Debug)]
struct Ring {
    /// A power of two of them.
    slots: Box<[Slot]>,
    /// Lines that the reader has given back.
    given_back: CachePadded<AtomicU64>,
}

impl Ring {
    /// Where the line lies that comes after `before` others.
    fn slot(&self, before: u64) -> &Slot {
        #[expect(clippy::cast_possible_truncation, reason = "only the low bits are wanted")]
        let low = before as usize;
        &self.slots[low & (self.slots.len() - 1)]
    }

    const fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }
}

/// Memory of a ring of at least so many lines, bytes.
pub(crate) const fn memory(capacity: usize) -> usize {
    slot_count(capacity) * size_of::<Slot>()
}

/// A power of two: a place is found by its low bits.
const fn slot_count(capacity: usize) -> usize {
    let at_least = if capacity < LINES_MIN { LINES_MIN } else { capacity };
    at_least.next_power_of_two()
}

/// A ring of at least so many lines.
pub(crate) fn lines(capacity: usize) -> (LineWriter, LineReader) {
    let slots = (0..slot_count(capacity)).map(|_| Slot::default()).collect();
    let ring = Arc::new(Ring { slots, given_back: CachePadded::default() });
    let writer = LineWriter { ring: Arc::clone(&ring), written: 0, given_back: 0 };
    (writer, LineReader { ring, taken: 0, given_back: 0 })
}

/// The writer's end.
#[derive(Debug)]
pub(crate) struct LineWriter {
    ring: Arc<Ring>,
    written: u64,
    /// What the reader had given back when it was last looked at.
    given_back: u64,
}

impl LineWriter {
    /// Whether so many lines find room now.
    pub(crate) fn has_room_for(&mut self, count: usize) -> bool {
        let needed = (self.written + count as u64).saturating_sub(self.ring.capacity());
        if needed > self.given_back {
            // Pairs with the Release store in `give_back`: what the reader gave back it has read.
            self.given_back = self.ring.given_back.load(Ordering::Acquire);
        }
        needed <= self.given_back
    }

    /// Writes lines, all or none; the reader sees all of them at once. Never blocks.
    pub(crate) fn try_write(&mut self, lines: &[[u64; WORDS]]) -> bool {
        if !self.has_room_for(lines.len()) {
            return false;
        }
        // The first comes last: who sees it sees the others.
        for (at, line) in lines.iter().enumerate().rev() {
            let before = self.written + at as u64;
            let slot = self.ring.slot(before);
            for (word, value) in slot.words.iter().zip(line) {
                word.store(*value, Ordering::Relaxed);
            }
            // Pairs with the Acquire load in `is_there`.
            slot.number.store(before + 1, Ordering::Release);
        }
        self.written += lines.len() as u64;
        true
    }

    /// Whether at least half of the lines are free, as far as the reader has said.
    pub(crate) fn is_half_empty(&self) -> bool {
        // Stands alone: nothing is written upon it.
        let waiting = self.written - self.ring.given_back.load(Ordering::Relaxed);
        waiting * 2 <= self.ring.capacity()
    }
}

/// The reader's end.
#[derive(Debug)]
pub(crate) struct LineReader {
    ring: Arc<Ring>,
    taken: u64,
    given_back: u64,
}

impl LineReader {
    /// Memory of the ring, bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.ring.slots)
    }

    /// Whether a line waits.
    pub(crate) fn is_there(&self) -> bool {
        // Pairs with the Release store in `try_write`: who sees the number sees the words, and the lines of the same parcel.
        self.ring.slot(self.taken).number.load(Ordering::Acquire) == self.taken + 1
    }

    /// The next line. Never blocks.
    pub(crate) fn try_read(&mut self) -> Option<[u64; WORDS]> {
        if !self.is_there() {
            self.give_back((self.ring.capacity() / GIVE_BACK_PART_EMPTY).max(1));
            return None;
        }
        let slot = self.ring.slot(self.taken);
        let line = core::array::from_fn(|at| slot.words[at].load(Ordering::Relaxed));
        self.taken += 1;
        self.give_back(self.ring.capacity() / GIVE_BACK_PART);
        Some(line)
    }

    /// Lets the writer have what was taken, if it is at least `least` lines.
    fn give_back(&mut self, least: u64) {
        if self.taken - self.given_back >= least {
            self.given_back = self.taken;
            // Pairs with the Acquire load in `has_room_for`.
            self.ring.given_back.store(self.taken, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn numbered(number: u64) -> [u64; WORDS] {
        [number; WORDS]
    }

    #[test]
    fn a_parcel_of_lines_is_taken_whole_or_not_at_all() {
        let (mut writer, mut reader) = lines(8);
        assert!(writer.try_write(&[1, 2, 3, 4, 5].map(numbered)));
        assert!(!writer.try_write(&[6, 7, 8, 9].map(numbered)));
        assert!(writer.try_write(&[6, 7, 8].map(numbered)));
        for number in 1..=8 {
            assert_eq!(reader.try_read(), Some(numbered(number)));
        }
        assert_eq!(reader.try_read(), None);
        assert!(writer.try_write(&[9; 8].map(numbered)));
    }

    #[test]
    fn a_lane_is_half_empty_once_half_of_it_was_given_back() {
        let (mut writer, mut reader) = lines(16);
        assert!(writer.try_write(&[7; 16].map(numbered)));
        for taken in 0..16 {
            assert_eq!(writer.is_half_empty(), taken >= 8, "{taken} taken");
            assert!(reader.try_read().is_some());
        }
    }

    /// Parcels of one to four lines, from thread to thread, through a ring that is full most of the time.
    #[test]
    fn nothing_is_lost_torn_or_told_twice_between_threads() {
        const PARCELS: u64 = 200_000;
        let (mut writer, mut reader) = lines(8);
        let parcel = |number: u64| {
            let count = usize::try_from(number % 4).unwrap_or_default() + 1;
            ([numbered(number), numbered(!number), numbered(number), numbered(!number)], count)
        };
        let producer = thread::spawn(move || {
            for number in 0..PARCELS {
                let (lines, count) = parcel(number);
                while !writer.try_write(&lines[..count]) {
                    thread::yield_now();
                }
            }
        });
        for number in 0..PARCELS {
            let (lines, count) = parcel(number);
            while !reader.is_there() {
                thread::yield_now();
            }
            for line in &lines[..count] {
                assert_eq!(
                    reader.try_read().as_ref(),
                    Some(line),
                    "parcel {number}: the rest of it is there with its first"
                );
            }
        }
        assert_eq!(reader.try_read(), None);
        assert!(producer.join().is_ok());
    }
}
