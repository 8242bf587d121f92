//! Section 6 of the page: what a journal holds after whatever happened to its files.

use super::{FRAME_HEADER_BYTES, First, Judgement, first_frame, judge, number};

/// What the rule of recovery makes of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journal<'a> {
    /// Records up to the end or the damage, every segment's first one included.
    pub records: Vec<&'a [u8]>,
    /// How it ends.
    pub end: JournalEnd,
}

/// How a journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalEnd {
    /// Behind its last whole record; this many bytes are left out.
    Torn(usize),
    /// It is refused.
    Damaged {
        /// Segment with the damage.
        segment: usize,
        /// Where it is.
        offset: usize,
    },
}

/// Reads segments by the rule of recovery.
#[must_use]
pub fn read_journal<'a>(segments: &[&'a [u8]]) -> Journal<'a> {
    let mut records = Vec::new();
    let mut chain = None;
    let mut end = JournalEnd::Torn(0);
    for (index, bytes) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        let before = records.len();
        let stopped = read_segment(bytes, &mut records);
        if let Some(first) = records.get(before) {
            let chain_of = |begin: &[u8]| number(begin, 24, 8);
            if !is_begin(first, index) || chain.is_some_and(|chain| chain != chain_of(first)) {
                records.truncate(before);
                return Journal { records, end: JournalEnd::Damaged { segment: index, offset: 0 } };
            }
            chain = Some(chain_of(first));
        }
        let is_empty = records.len() == before;
        end = match stopped {
            // An earlier segment without even its first record is damage, also when it is empty.
            offset if offset == bytes.len() && (is_last || !is_empty) => JournalEnd::Torn(0),
            offset if is_last && !is_record_behind(&bytes[offset..]) => JournalEnd::Torn(bytes.len() - offset),
            offset => return Journal { records, end: JournalEnd::Damaged { segment: index, offset } },
        };
    }
    Journal { records, end }
}

/// Takes whole frames from the start; the result is where they end.
fn read_segment<'a>(bytes: &'a [u8], records: &mut Vec<&'a [u8]>) -> usize {
    let mut offset = 0;
    while let First::Whole { message, .. } = first_frame(&bytes[offset..]) {
        records.push(message);
        offset += FRAME_HEADER_BYTES + message.len();
    }
    offset
}

fn is_begin(message: &[u8], segment: usize) -> bool {
    judge(message) == Judgement::Accepted && number(message, 2, 2) == 48 && number(message, 40, 4) == segment as u128
}

/// Whether a whole valid frame of our schema starts anywhere behind the first byte.
fn is_record_behind(bytes: &[u8]) -> bool {
    let is_record = |start: usize| match first_frame(&bytes[start..]) {
        First::Whole { message, .. } => message[4..6] == *b"AP",
        _ => false,
    };
    (1..bytes.len()).any(is_record)
}
