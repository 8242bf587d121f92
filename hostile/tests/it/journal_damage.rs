//! Every truncation and every flipped bit of the last 4 KiB of a journal: the longest valid prefix, or a refusal; never a
//! false record. What is right is said by the reference, which was written from section 6 of the page.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::thread;

use alphapulse_hostile::golden;
use alphapulse_hostile::journal::{CHAIN, Folder};
use alphapulse_hostile::reference::{FRAME_HEADER_BYTES, JournalEnd};
use alphapulse_protocol::{Epoch, Sequence};
use alphapulse_relay::journal::JournalWriter;

/// Bytes at the end of the journal that are damaged.
const DAMAGED_BYTES: usize = 4096;
/// Bytes of the record that a segment begins with, in its frame.
const BEGIN_BYTES: usize = 8 + 48;
/// What a node's journal holds for a block and a trade, over and over.
const RECORDS: [&str; 16] = [
    "Block",
    "V2Reserves",
    "V3Swap",
    "V3Liquidity",
    "BlockEnd",
    "Clock",
    "Opportunity",
    "SwapPlan",
    "Simulation",
    "Verdict",
    "NonceLease",
    "Submission",
    "Submitted",
    "Reorg",
    "Outcome",
    "Gap",
];

/// A journal of two segments, the last one a little above 4 KiB.
fn segments() -> [Vec<u8>; 2] {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer = JournalWriter::create(folder.path(), CHAIN, Epoch(1)).expect("an empty folder");
    append_until(&mut writer, 1_000);
    drop(writer);
    let mut writer = JournalWriter::open_append(folder.path(), CHAIN, Epoch(2)).expect("what was just written");
    append_until(&mut writer, BEGIN_BYTES + DAMAGED_BYTES + 100);
    drop(writer);
    [0, 1].map(|index| fs::read(Path::new(folder.path()).join(format!("{index:08}.apj"))).expect("a segment"))
}

fn append_until(writer: &mut JournalWriter, bytes: usize) {
    let mut written = BEGIN_BYTES;
    for (name, sequence) in RECORDS.iter().cycle().zip(1_u64..) {
        if written >= bytes {
            return;
        }
        let mut message = golden::bytes(name).split_off(FRAME_HEADER_BYTES);
        // No two records are the same, so that one cannot pass for another.
        message[8..16].copy_from_slice(&Sequence(sequence).0.to_le_bytes());
        writer.append_bytes(&message).expect("appends");
        written += FRAME_HEADER_BYTES + message.len();
    }
}

/// Offsets at which the records of a segment begin, and its end.
fn record_places(segment: &[u8]) -> Vec<usize> {
    let mut places = vec![0];
    while let Some(last) = places.last().copied().filter(|last| *last < segment.len()) {
        let length: [u8; 4] = segment[last..last + 4].try_into().expect("a frame");
        places.push(last + FRAME_HEADER_BYTES + u32::from_le_bytes(length) as usize);
    }
    places
}

/// Does `check` for each of `cases`, on two threads with a folder each.
fn for_each(cases: Range<usize>, check: impl Fn(&Folder, usize) + Sync) {
    thread::scope(|scope| {
        for half in 0..2 {
            let (check, cases) = (&check, cases.clone());
            scope.spawn(move || {
                let folder = Folder::new();
                cases.skip(half).step_by(2).for_each(|case| check(&folder, case));
            });
        }
    });
}

#[test]
fn every_truncation_of_the_last_4_kib_leaves_the_longest_valid_prefix() {
    let [first, last] = segments();
    let places = record_places(&last);
    let before = record_places(&first).len() - 1;
    assert!(last.len() > DAMAGED_BYTES);
    for_each(last.len() - DAMAGED_BYTES..last.len(), |folder, length| {
        let journal = folder.check(&[&first, &last[..length]]);
        let whole = places.iter().filter(|end| **end > 0 && **end <= length).count();
        // Also by arithmetic alone: nothing but the torn record is lost.
        assert_eq!(journal.records.len(), before + whole, "cut at {length}");
        assert_eq!(journal.end, JournalEnd::Torn(length - places[whole]), "cut at {length}");
    });
}

#[test]
fn every_flipped_bit_of_the_last_4_kib_is_a_refusal_or_costs_the_last_record_only() {
    let [first, last] = segments();
    let places = record_places(&last);
    let before = record_places(&first).len() - 1;
    let last_record = places[places.len() - 2];
    for_each((last.len() - DAMAGED_BYTES) * 8..last.len() * 8, |folder, bit| {
        let mut damaged = last.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let journal = folder.check(&[&first, &damaged]);
        let hit = places.iter().filter(|start| **start <= bit / 8).count() - 1;
        assert_eq!(journal.records.len(), before + hit, "bit {bit}: the records before the damage");
        let due = match places[hit] {
            offset if offset == last_record => JournalEnd::Torn(last.len() - offset),
            offset => JournalEnd::Damaged { segment: 1, offset },
        };
        assert_eq!(journal.end, due, "bit {bit}");
    });
}

#[test]
fn every_damage_to_a_journal_of_one_segment_is_treated_likewise() {
    let [first, _] = segments();
    let folder = Folder::new();
    for length in 0..first.len() {
        folder.check(&[&first[..length]]);
    }
    for bit in 0..first.len() * 8 {
        let mut damaged = first.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        folder.check(&[&damaged]);
        // The same damage with a segment behind it is never a torn tail.
        if bit % 8 == 0 {
            let behind = folder.check(&[&damaged, &first]);
            assert!(matches!(behind.end, JournalEnd::Damaged { .. }));
        }
    }
}
