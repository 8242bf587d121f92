//! The journal under every kind of damage: the longest valid prefix, or a refusal; never a false record.

use std::fs;
use std::path::Path;

use alphapulse_protocol::message::{Clock, Message};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{ChainId, Epoch, UnixNanos};
use alphapulse_relay::Relay;
use alphapulse_relay::journal::{JournalError, JournalReader, JournalWriter};

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{REORG_DEPTH_MAX, Subscriber, config};

/// Bytes of a `Clock` record with its frame header.
const CLOCK_BYTES: usize = 8 + 32;
/// Bytes of the record that every segment begins with, likewise.
const BEGIN_BYTES: usize = 8 + 48;

fn write_clocks(dir: &Path, count: u64, segment_bytes_max: u64) {
    let mut writer =
        JournalWriter::create(dir, ChainId(1), Epoch(5)).unwrap().with_segment_bytes_max(segment_bytes_max);
    for now in 0..count {
        writer.append(&Clock::new(UnixNanos(now))).unwrap();
    }
    writer.sync().unwrap();
}

/// Clock readings that the journal gives, and how the reading ended.
fn read_clocks(dir: &Path) -> (Vec<u64>, Result<u64, JournalError>) {
    let mut clocks = Vec::new();
    let mut reader = match JournalReader::open(dir) {
        Ok(reader) => reader,
        Err(error) => return (clocks, Err(error)),
    };
    loop {
        match reader.next_message() {
            Ok(Some(Message::Clock(clock))) => clocks.push(clock.now_ns.get()),
            Ok(Some(Message::SegmentBegin(begin))) => assert_eq!(begin.chain_id.get(), 1),
            Ok(Some(other)) => panic!("{} was never written", other.name()),
            Ok(None) => return (clocks, Ok(reader.torn_bytes())),
            Err(error) => return (clocks, Err(error)),
        }
    }
}

fn segment(dir: &Path, index: u32) -> std::path::PathBuf {
    dir.join(format!("{index:08}.apj"))
}

#[test]
fn what_was_written_is_read_over_any_number_of_segments() {
    for segment_bytes_max in [1, 100, 256, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        write_clocks(dir.path(), 50, segment_bytes_max);
        let (clocks, end) = read_clocks(dir.path());
        assert_eq!(clocks, (0..50).collect::<Vec<_>>());
        assert_eq!(end.unwrap(), 0);
    }
}

#[test]
fn a_cut_at_any_byte_leaves_the_longest_prefix_of_whole_records() {
    let dir = tempfile::tempdir().unwrap();
    write_clocks(dir.path(), 6, 1 << 20);
    let path = segment(dir.path(), 0);
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole.len(), BEGIN_BYTES + 6 * CLOCK_BYTES);
    for length in (0..whole.len()).rev() {
        fs::write(&path, &whole[..length]).unwrap();
        let (clocks, end) = read_clocks(dir.path());
        if length < BEGIN_BYTES {
            assert!(matches!(end, Err(JournalError::Missing(_))), "cut at {length}");
            continue;
        }
        let records = (length - BEGIN_BYTES) / CLOCK_BYTES;
        assert_eq!(clocks, (0..records as u64).collect::<Vec<_>>(), "cut at {length}");
        assert_eq!(end.unwrap(), ((length - BEGIN_BYTES) % CLOCK_BYTES) as u64, "cut at {length}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_a_refusal_or_in_the_last_record_a_shorter_journal() {
    let dir = tempfile::tempdir().unwrap();
    write_clocks(dir.path(), 6, 1 << 20);
    let path = segment(dir.path(), 0);
    let whole = fs::read(&path).unwrap();
    let last = whole.len() - CLOCK_BYTES;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &bytes).unwrap();
        let (clocks, end) = read_clocks(dir.path());
        let expected: Vec<u64> = (0..clocks.len() as u64).collect();
        assert_eq!(clocks, expected, "bit {bit}: a false record");
        if bit / 8 >= last {
            assert_eq!((clocks.len(), end.unwrap()), (5, CLOCK_BYTES as u64), "bit {bit}");
        } else {
            assert!(matches!(end, Err(JournalError::Damaged { .. })), "bit {bit}: {end:?}");
        }
    }
}

#[test]
fn a_cut_with_garbage_or_zeros_behind_it_is_a_torn_end() {
    let dir = tempfile::tempdir().unwrap();
    write_clocks(dir.path(), 6, 1 << 20);
    let path = segment(dir.path(), 0);
    let whole = fs::read(&path).unwrap();
    for filler in [0x00, 0xff, 0x41] {
        for kept in BEGIN_BYTES..whole.len() {
            let mut bytes = whole[..kept].to_vec();
            bytes.resize(whole.len() + 100, filler);
            fs::write(&path, &bytes).unwrap();
            let (clocks, end) = read_clocks(dir.path());
            // Filler can only complete a record by being what was there.
            assert!(clocks.len() >= (kept - BEGIN_BYTES) / CLOCK_BYTES);
            assert_eq!(clocks, (0..clocks.len() as u64).collect::<Vec<_>>());
            assert!(end.unwrap() > 0);
        }
    }
}

#[test]
fn a_torn_end_of_an_earlier_segment_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    write_clocks(dir.path(), 6, 150);
    let path = segment(dir.path(), 0);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (_, end) = read_clocks(dir.path());
        let records_end = length.checked_sub(BEGIN_BYTES).is_some_and(|rest| rest.is_multiple_of(CLOCK_BYTES));
        // A cut between two records leaves nothing unreadable; the stream's sequence tells of it.
        if !records_end {
            assert!(matches!(end, Err(JournalError::Damaged { .. })), "cut at {length}: {end:?}");
        }
    }
}

#[test]
fn missing_and_exchanged_segments_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    write_clocks(dir.path(), 9, 150);
    assert!(segment(dir.path(), 3).exists());
    fs::rename(segment(dir.path(), 1), dir.path().join("kept")).unwrap();
    assert!(matches!(read_clocks(dir.path()).1, Err(JournalError::Damaged { .. })));
    fs::copy(segment(dir.path(), 2), segment(dir.path(), 1)).unwrap();
    let (clocks, end) = read_clocks(dir.path());
    assert!(matches!(end, Err(JournalError::Damaged { .. })), "{end:?}");
    assert_eq!(clocks, [0, 1], "only what lies before the damage");
}

#[test]
fn an_absent_or_empty_journal_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = JournalReader::open(dir.path().join("absent")).unwrap_err();
    assert!(error.to_string().ends_with("absent holds no journal"), "{error}");
    assert!(matches!(JournalReader::open(dir.path()), Err(JournalError::Missing(_))));
}

#[test]
fn a_journal_is_not_begun_over_another_nor_written_by_two() {
    let dir = tempfile::tempdir().unwrap();
    let first = JournalWriter::create(dir.path(), ChainId(1), Epoch(1)).unwrap();
    assert!(matches!(JournalWriter::create(dir.path(), ChainId(1), Epoch(2)), Err(JournalError::Locked(_))));
    assert!(matches!(JournalWriter::open_append(dir.path(), ChainId(1), Epoch(2)), Err(JournalError::Locked(_))));
    drop(first);
    assert!(matches!(JournalWriter::create(dir.path(), ChainId(1), Epoch(2)), Err(JournalError::Exists(_))));
    let error = JournalWriter::open_append(dir.path(), ChainId(2), Epoch(2)).unwrap_err();
    assert!(matches!(error, JournalError::WrongChain { expected: ChainId(2), got: ChainId(1), .. }), "{error}");
}

#[test]
fn a_crash_at_any_byte_can_be_appended_to() {
    let made = tempfile::tempdir().unwrap();
    write_clocks(made.path(), 4, 1 << 20);
    let whole = fs::read(segment(made.path(), 0)).unwrap();
    for length in 0..=whole.len() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(segment(dir.path(), 0), &whole[..length]).unwrap();
        let mut writer = JournalWriter::open_append(dir.path(), ChainId(1), Epoch(6)).unwrap();
        writer.append(&Clock::new(UnixNanos(99))).unwrap();
        writer.sync().unwrap();
        drop(writer);
        let kept = length.checked_sub(BEGIN_BYTES).map_or(0, |rest| rest / CLOCK_BYTES) as u64;
        let (clocks, end) = read_clocks(dir.path());
        assert_eq!(clocks, (0..kept).chain([99]).collect::<Vec<_>>(), "crash at {length}");
        assert_eq!(end.unwrap(), 0);
    }
}

#[test]
fn a_damaged_journal_is_not_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    write_clocks(dir.path(), 4, 1 << 20);
    let path = segment(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[BEGIN_BYTES + 20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = JournalWriter::open_append(dir.path(), ChainId(1), Epoch(6)).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "nothing was cut");
}

#[test]
fn an_unknown_record_is_reported_and_can_be_read_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::create(dir.path(), ChainId(1), Epoch(5)).unwrap();
    let clock = Clock::new(UnixNanos(1));
    let mut unknown = Message::from(&clock).as_bytes().to_vec();
    unknown[2..4].copy_from_slice(&60_000_u16.to_le_bytes());
    writer.append_bytes(&unknown).unwrap();
    writer.append(&clock).unwrap();
    writer.sync().unwrap();
    let mut reader = JournalReader::open(dir.path()).unwrap();
    reader.next_message().unwrap();
    assert!(matches!(reader.next_message(), Err(JournalError::Unreadable { .. })));
    assert!(matches!(reader.next_message(), Ok(Some(Message::Clock(_)))));
}

#[tokio::test]
async fn a_relays_journal_leads_a_mirror_to_the_relays_state_over_reorgs_epochs_and_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let chain = FakeChain::new();
    for run in 0..2_u64 {
        let mut config = config();
        config.journal_dir = Some(dir.path().join("journal"));
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        let mut subscriber = Subscriber::join(&relay);
        for amount in 1..6 {
            let change = Change::Mint { lower: -5, width: 9, amount: amount + run };
            chain.announce(chain.mine(&[change, Change::Swap { tick: 3 }]));
            subscriber.settle(&chain).await;
        }
        chain.rollback(3);
        (0..4).for_each(|_| chain.announce(chain.mine(&[Change::Burn { position: 0, is_whole: false }])));
        subscriber.settle(&chain).await;
        if run == 0 {
            chain.restart();
            subscriber.settle(&chain).await;
        }
        relay.stop().await.unwrap();

        let mut replayed = Replica::new(REORG_DEPTH_MAX);
        let mut reader = JournalReader::open(dir.path().join("journal")).unwrap();
        let (mut reorgs, mut snapshots) = (0, 0);
        while let Some(message) = reader.next_message().unwrap() {
            reorgs += u64::from(matches!(message, Message::Reorg(_)));
            snapshots += u64::from(matches!(message, Message::SnapshotEnd(_)));
            replayed.apply(&message).expect("a journal is a stream");
        }
        assert!(replayed.is_same_state(&subscriber.replica));
        assert_eq!(replayed.epoch(), subscriber.replica.epoch());
        assert_eq!(replayed.sequence(), subscriber.replica.sequence());
        // The first run begins, and begins again after the restart of the chain; the second begins.
        assert_eq!((reorgs, snapshots), (run + 1, run + 2));
    }
}
