//! The corpus of the fuzz targets through their judges. A crash that fuzzing finds is put there and stays.

use std::fs;
use std::path::Path;

use alphapulse_hostile::{frame, handshake, journal, logs, subscription};

/// Holds every file of a target's corpus against its judge.
fn replay(target: &str, judge: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let files = fs::read_dir(&folder).expect("a corpus for every target").map(|file| file.expect("an entry").path());
    let mut count = 0;
    for file in files {
        let bytes = fs::read(&file).expect("a file");
        println!("{}", file.display());
        judge(&bytes);
        count += 1;
    }
    assert!(count >= 10, "{target} has a corpus of {count} files only");
}

#[test]
fn the_corpus_of_frames_is_read_by_the_page() {
    replay("frame", frame::check);
}

#[test]
fn the_corpus_of_handshakes_is_answered_by_the_page() {
    replay("handshake", handshake::check);
}

#[test]
fn the_corpus_of_subscriptions_leaves_a_right_mirror_or_a_void_one() {
    replay("subscription", subscription::check);
}

#[test]
fn the_corpus_of_journals_is_recovered_by_the_page() {
    replay("journal", journal::check);
}

#[test]
fn the_corpus_of_logs_is_read_by_the_events() {
    replay("logs", logs::check);
}
