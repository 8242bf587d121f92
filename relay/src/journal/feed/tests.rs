#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use alphapulse_protocol::UnixNanos;
use alphapulse_protocol::message::{
    Block, BlockContext, BlockEnd, Clock, Reorg, SnapshotBegin, SnapshotEnd, WireMessage,
};
use alphapulse_protocol::replica::Replica;

use super::*;
use crate::journal::{JournalIndex, JournalReader};

const CHAIN: ChainId = ChainId(7);
const EPOCH: Epoch = Epoch(40);

fn context(number: u64) -> BlockContext {
    let hash = |number: u64| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        hash
    };
    BlockContext {
        number: number.into(),
        hash: hash(number),
        parent_hash: hash(number - 1),
        timestamp: number.into(),
        base_fee: 7_u128.into(),
        gas_used: 1.into(),
        gas_limit: 2.into(),
    }
}

fn block_ref(number: u64) -> BlockRef {
    context(number).block()
}

/// Blocks are a second apart.
fn at(number: u64) -> UnixNanos {
    UnixNanos(number * 1_000_000_000)
}

/// A market without pools: only blocks come and go. Small enough to say where every byte is.
struct Chain {
    sequence: u64,
    head: u64,
}

impl Chain {
    fn begin(feed: &mut FeedWriter, head: u64) -> Self {
        let chain = Self { sequence: 0, head };
        feed.begin_epoch(EPOCH, &chain.snapshot()).unwrap();
        chain
    }

    fn snapshot(&self) -> Bytes {
        let mut frames = Vec::new();
        let sequence = Sequence(self.sequence);
        let begin = SnapshotBegin::new(context(self.head), CHAIN, EPOCH, 0, 0);
        frame::write(&mut frames, &begin.stamped(sequence, at(self.head)));
        frame::write(&mut frames, &SnapshotEnd::new(0).stamped(sequence, at(self.head)));
        frames.into()
    }

    fn stamp<T: WireMessage>(&mut self, message: T) -> Vec<u8>
    where
        for<'a> Message<'a>: From<&'a T>,
    {
        self.sequence += 1;
        Message::from(&message.stamped(Sequence(self.sequence), at(self.head))).as_bytes().to_vec()
    }

    fn mine(&mut self, feed: &mut FeedWriter) -> Result<(), JournalError> {
        self.head += 1;
        let block = self.stamp(Block::new(context(self.head), BlockNumber(self.head)));
        let end = self.stamp(BlockEnd::new(block_ref(self.head), 0));
        feed.record([&block[..], &end[..]], || Some(self.snapshot()))
    }

    fn go_back(&mut self, feed: &mut FeedWriter, to: u64) -> Result<(), JournalError> {
        let reorg = self.stamp(Reorg::new(block_ref(to), block_ref(self.head)).unwrap());
        self.head = to;
        feed.record([&reorg[..]], || Some(self.snapshot()))
    }
}

/// A new segment after every other block or so.
fn options() -> FeedOptions {
    FeedOptions { segment_bytes_max: 500, reorg_depth_max: 3, ..FeedOptions::default() }
}

fn open(dir: &Path, options: FeedOptions) -> FeedWriter {
    FeedWriter::open(dir, CHAIN, Epoch(39), options).unwrap()
}

/// The state that a journal leads to, each of whose records must continue the stream.
fn read(dir: &Path) -> Replica {
    let mut replica = Replica::new(64);
    let mut reader = JournalReader::open_feed(dir).unwrap();
    while let Some(message) = reader.next_message().unwrap() {
        replica.apply(&message).unwrap();
    }
    replica
}

fn segments(dir: &Path) -> Vec<u32> {
    segment::range(dir).unwrap().collect()
}

fn head(replica: &Replica) -> u64 {
    assert!(replica.is_whole());
    replica.context().unwrap().number.get()
}

#[test]
fn the_oldest_segments_go_by_size_and_what_is_left_leads_to_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), FeedOptions { bytes_max: Some(4_000), ..options() });
    let mut chain = Chain::begin(&mut feed, 100);
    for _ in 0..60 {
        chain.mine(&mut feed).unwrap();
        assert_eq!(head(&read(dir.path())), chain.head, "at every moment it can be read from its first checkpoint");
    }
    let left = segments(dir.path());
    assert!(left[0] > 0 && left.len() > 1, "{left:?}");
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
    assert!(files.sum::<u64>() < 6_000, "a segment and its files are below 2000 bytes");
    for index in 0..left[0] {
        assert!(!checkpoint::path(dir.path(), index).exists() && !index::path(dir.path(), index).exists());
    }
    drop(feed);

    // A later run goes on behind it, and a gap in the middle is damage all the same.
    let mut feed = open(dir.path(), options());
    let chain = Chain::begin(&mut feed, 300);
    drop(feed);
    assert_eq!(head(&read(dir.path())), chain.head);
    assert!(JournalIndex::open(dir.path()).unwrap().check_checkpoints().unwrap() > 0);
    fs::remove_file(segment::path(dir.path(), left[0] + 1)).unwrap();
    assert!(matches!(JournalReader::open_feed(dir.path()), Err(JournalError::Damaged { .. })));
}

#[test]
fn segments_go_by_the_time_of_their_events_and_never_the_one_that_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), options());
    let mut chain = Chain::begin(&mut feed, 100);
    (0..20).for_each(|_| chain.mine(&mut feed).unwrap());
    drop(feed);
    // When the files were written says nothing: a copy is not younger, and a wrong clock makes none older.
    for index in segments(dir.path()) {
        let file = fs::File::options().append(true).open(segment::path(dir.path(), index)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let keep = |seconds| FeedOptions { age_max: Some(Duration::from_secs(seconds)), ..options() };
    let all = segments(dir.path());
    let mut feed = open(dir.path(), keep(30));
    assert_eq!(segments(dir.path())[0], 0, "the new epoch is not in the journal yet");
    let mut chain = Chain::begin(&mut feed, 121);
    assert_eq!(segments(dir.path())[0], 0, "a second later all of it is young");
    (0..15).for_each(|_| chain.mine(&mut feed).unwrap());
    let first = segments(dir.path())[0];
    assert!(0 < first && first < all[all.len() - 1], "those of the first blocks are gone, and no more: {first}");
    drop(feed);

    let mut feed = open(dir.path(), FeedOptions { segment_bytes_max: 1 << 20, ..keep(30) });
    Chain::begin(&mut feed, 300);
    assert_eq!(segments(dir.path()).len(), 1, "all but the present one");
    assert_eq!(head(&read(dir.path())), 300);
}

#[test]
fn an_event_that_claims_to_be_of_the_future_takes_no_segment_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = FeedOptions { age_max: Some(Duration::from_secs(30)), ..options() };
    let mut feed = open(dir.path(), options);
    let clock = now().0 / 1_000_000_000;
    let mut chain = Chain::begin(&mut feed, clock);
    (0..10).for_each(|_| chain.mine(&mut feed).unwrap());
    Chain::begin(&mut feed, clock + 1_000_000);
    assert_eq!(segments(dir.path())[0], 0);
}

#[test]
fn a_journal_does_not_begin_where_the_stream_went_back_below_or_still_may() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), FeedOptions { bytes_max: Some(1), ..options() });
    let mut chain = Chain::begin(&mut feed, 100);
    let mut firsts = Vec::new();
    for step in 0..40_u64 {
        chain.mine(&mut feed).unwrap();
        if step % 5 == 4 {
            let to = chain.head - 3;
            chain.go_back(&mut feed, to).unwrap();
        }
        assert_eq!(head(&read(dir.path())), chain.head, "step {step}");
        firsts.push(segments(dir.path())[0]);
    }
    assert!(firsts.is_sorted() && firsts[39] > firsts[0], "{firsts:?}");
}

#[test]
fn the_journal_of_a_node_is_neither_recorded_into_nor_read_without_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = JournalWriter::create(dir.path(), CHAIN, EPOCH).unwrap().with_segment_bytes_max(100);
    (0..9).for_each(|now| node.append(&Clock::new(UnixNanos(now))).unwrap());
    drop(node);
    let before = segments(dir.path());
    let refused = FeedWriter::open(dir.path(), CHAIN, EPOCH, FeedOptions { bytes_max: Some(1), ..options() });
    assert!(matches!(refused, Err(JournalError::OfNode(_))), "{refused:?}");
    assert_eq!(segments(dir.path()), before);
    fs::remove_file(segment::path(dir.path(), 0)).unwrap();
    assert!(matches!(JournalReader::open(dir.path()), Err(JournalError::Damaged { .. })));
    let mut reader = JournalReader::open_feed(dir.path()).unwrap();
    let found = core::iter::repeat_with(|| reader.next_message().map(|message| message.is_some())).find(Result::is_err);
    assert!(matches!(found, Some(Err(JournalError::Damaged { .. }))), "{found:?}");
}

#[test]
fn a_damaged_or_exchanged_checkpoint_is_refused_where_it_is_needed_and_ignored_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), options());
    let mut chain = Chain::begin(&mut feed, 100);
    (0..20).for_each(|_| chain.mine(&mut feed).unwrap());
    drop(feed);
    let path = checkpoint::path(dir.path(), 1);
    let whole = fs::read(&path).unwrap();
    for byte in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[byte] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(checkpoint::read(dir.path(), 1), Err(JournalError::Damaged { .. })), "byte {byte}");
        fs::write(&path, &whole[..byte]).unwrap();
        assert!(matches!(checkpoint::read(dir.path(), 1), Err(JournalError::Damaged { .. })), "cut at {byte}");
    }
    assert_eq!(head(&read(dir.path())), chain.head, "a reader from the beginning has no need of it");
    fs::copy(checkpoint::path(dir.path(), 2), &path).unwrap();
    fs::remove_file(segment::path(dir.path(), 0)).unwrap();
    assert!(matches!(JournalReader::open_feed(dir.path()), Err(JournalError::Damaged { .. })));
    fs::write(&path, &whole).unwrap();
    assert_eq!(head(&read(dir.path())), chain.head);
}

#[test]
fn an_index_file_that_is_missing_damaged_or_false_changes_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), FeedOptions { segment_bytes_max: 2_000, ..options() });
    let mut chain = Chain::begin(&mut feed, 100);
    (0..30).for_each(|_| chain.mine(&mut feed).unwrap());
    drop(feed);
    let answers = || {
        let index = JournalIndex::open(dir.path()).unwrap();
        let behind = (0..=chain.sequence)
            .map(|sequence| index.behind(Position { epoch: EPOCH, sequence: Sequence(sequence) }).unwrap());
        let blocks = (99..=131).map(|number| index.block(BlockNumber(number)).unwrap());
        (behind.collect::<Vec<_>>(), blocks.collect::<Vec<_>>(), index.segments().collect::<Vec<_>>())
    };
    let (behind, blocks, stats) = answers();
    for (place, sequence) in behind.iter().zip(0_u64..) {
        let Some(place) = place else {
            assert_eq!(sequence, chain.sequence, "only behind the last there is nothing");
            continue;
        };
        let mut reader = JournalReader::open_at(dir.path(), *place).unwrap();
        let message = reader.next_message().unwrap().unwrap();
        assert_eq!(message.header().sequence.get(), sequence + 1);
    }
    for (place, number) in blocks.iter().zip(99_u64..) {
        let Some(place) = place else {
            assert!(!(100..=130).contains(&number));
            continue;
        };
        let mut reader = JournalReader::open_at(dir.path(), *place).unwrap();
        match reader.next_message().unwrap().unwrap() {
            Message::Block(block) => assert_eq!(block.context.number.get(), number),
            Message::SnapshotBegin(begin) => assert_eq!(begin.context.number.get(), number),
            other => panic!("{}", other.name()),
        }
    }
    assert!(stats.len() > 2);
    let path = index::path(dir.path(), 1);
    let whole = fs::read(&path).unwrap();
    fs::copy(index::path(dir.path(), 0), &path).unwrap();
    assert_eq!(answers(), (behind.clone(), blocks.clone(), stats.clone()), "of another segment");
    fs::write(&path, &whole[..40]).unwrap();
    assert_eq!(answers(), (behind.clone(), blocks.clone(), stats.clone()), "cut");
    // The right length and a right checksum, and marks that are not so.
    let mut wrong = SegmentIndex::load(dir.path(), 1, false).unwrap();
    wrong.marks.iter_mut().for_each(|mark| mark.offset += 3);
    wrong.store(dir.path(), 1).unwrap();
    assert_eq!(answers(), (behind.clone(), blocks.clone(), stats.clone()), "false");
    fs::remove_file(&path).unwrap();
    assert_eq!(answers(), (behind, blocks, stats), "missing");
    drop(open(dir.path(), options()));
    assert_eq!(fs::read(&path).unwrap(), whole, "the next writer makes it again");
}

#[test]
fn what_was_missed_is_read_from_any_place_over_all_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), options());
    let mut chain = Chain::begin(&mut feed, 100);
    (0..9).for_each(|_| chain.mine(&mut feed).unwrap());
    chain.go_back(&mut feed, 107).unwrap();
    (0..9).for_each(|_| chain.mine(&mut feed).unwrap());
    let at = |sequence| Position { epoch: EPOCH, sequence: Sequence(sequence) };
    let all = BlockNumber(0);
    for seen in 0..=chain.sequence {
        for last in [seen, (seen + 1).min(chain.sequence), chain.sequence] {
            let mut missed = feed.behind(at(seen), Sequence(last), all).unwrap();
            let mut expected = seen;
            while let Some(chunk) = missed.next_chunk().unwrap() {
                let mut rest = &chunk.frames[..];
                while let Ok(Split::Whole { message, frame_bytes }) = frame::split(rest) {
                    expected += 1;
                    assert_eq!(segment::sequence(message).0, expected);
                    assert!(segment::is_market(message));
                    rest = &rest[frame_bytes..];
                }
                assert!(rest.is_empty());
                assert_eq!(chunk.last.0, expected);
            }
            assert_eq!(expected, last, "from {seen}");
        }
    }
    let last = Sequence(chain.sequence);
    let refused = |seen, last, base| feed.behind(seen, last, base).unwrap_err();
    assert_eq!(refused(Position { epoch: Epoch(41), sequence: Sequence(0) }, last, all), NotKept::Epoch);
    assert_eq!(refused(at(0), Sequence(chain.sequence + 1), all), NotKept::Unwritten);
    assert_eq!(refused(at(u64::MAX), last, all), NotKept::Unwritten);
    assert_eq!(refused(at(0), last, BlockNumber(108)), NotKept::Reorg);
    assert!(feed.behind(at(0), last, BlockNumber(107)).is_ok());
    assert!(feed.behind(at(19), last, BlockNumber(108)).is_ok(), "the reorg, message 19, is behind the reader already");
}

#[test]
fn what_was_missed_can_be_read_on_another_thread_while_the_writer_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), FeedOptions { segment_bytes_max: 20_000, ..options() });
    let mut chain = Chain::begin(&mut feed, 100);
    std::thread::scope(|scope| {
        for round in 0..50 {
            (0..40).for_each(|_| chain.mine(&mut feed).unwrap());
            let seen = Position { epoch: EPOCH, sequence: Sequence(round * 7) };
            let mut missed = feed.behind(seen, Sequence(chain.sequence), BlockNumber(0)).unwrap();
            let expected = chain.sequence - round * 7;
            scope.spawn(move || {
                let mut count = 0;
                while let Some(chunk) = missed.next_chunk().unwrap() {
                    let mut rest = &chunk.frames[..];
                    while let Ok(Split::Whole { frame_bytes, .. }) = frame::split(rest) {
                        count += 1;
                        rest = &rest[frame_bytes..];
                    }
                }
                assert_eq!(count, expected);
            });
        }
    });
}

#[test]
fn segments_that_were_removed_are_told_before_or_while_they_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut feed = open(dir.path(), FeedOptions { bytes_max: Some(4_000), ..options() });
    let mut chain = Chain::begin(&mut feed, 100);
    (0..3).for_each(|_| chain.mine(&mut feed).unwrap());
    let start = Position { epoch: EPOCH, sequence: Sequence(0) };
    let mut missed = feed.behind(start, Sequence(chain.sequence), BlockNumber(0)).unwrap();
    (0..60).for_each(|_| chain.mine(&mut feed).unwrap());
    assert!(matches!(missed.next_chunk(), Err(JournalError::Io { .. })));
    let last = Sequence(chain.sequence);
    assert_eq!(feed.behind(start, last, BlockNumber(0)).unwrap_err(), NotKept::Removed);
    let recent = Position { epoch: EPOCH, sequence: Sequence(chain.sequence - 10) };
    assert!(feed.behind(recent, last, BlockNumber(0)).is_ok());
}

#[test]
fn every_policy_records_the_same() {
    let policies =
        [SyncPolicy::Never, SyncPolicy::Segment, SyncPolicy::Interval(Duration::from_millis(1)), SyncPolicy::Event];
    for sync in policies {
        let dir = tempfile::tempdir().unwrap();
        let mut feed = open(dir.path(), FeedOptions { sync, ..options() });
        let mut chain = Chain::begin(&mut feed, 100);
        (0..20).for_each(|_| chain.mine(&mut feed).unwrap());
        assert_eq!(head(&read(dir.path())), 120, "{sync:?}: with the system after each event");
        feed.sync().unwrap();
    }
}

/// `/dev/full` answers every write as a full disk does; `/dev/null` takes every write and refuses every sync.
#[test]
fn a_failed_write_or_sync_ends_the_feed_and_is_not_tried_again() {
    let cases = [
        ("/dev/full", SyncPolicy::Segment, "write"),
        ("/dev/full", SyncPolicy::Never, "write"),
        ("/dev/null", SyncPolicy::Event, "sync"),
    ];
    for (device, sync, action) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut feed = open(dir.path(), FeedOptions { sync, ..options() });
        let mut chain = Chain::begin(&mut feed, 100);
        feed.writer.replace_file(device);
        let error = chain.mine(&mut feed).unwrap_err();
        assert!(matches!(error, JournalError::Io { action: failed, .. } if failed == action), "{device}: {error:?}");
        // A disk that works again changes nothing.
        feed.writer.replace_file("/dev/zero");
        assert!(matches!(chain.mine(&mut feed), Err(JournalError::Poisoned(_))));
        assert!(matches!(feed.sync(), Err(JournalError::Poisoned(_))));
    }
}

#[test]
fn a_sync_that_fails_in_the_background_ends_the_feed_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let sync = SyncPolicy::Interval(Duration::from_millis(1));
    let mut feed = open(dir.path(), FeedOptions { sync, segment_bytes_max: 1 << 20, ..options() });
    let mut chain = Chain::begin(&mut feed, 100);
    feed.writer.replace_file("/dev/null");
    // The first that is asked for may still be of the file before.
    let error = (0..10_000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(2));
        chain.mine(&mut feed).err()
    });
    assert!(matches!(error, Some(JournalError::Io { action: "sync", .. })), "{error:?}");
    assert!(matches!(feed.sync(), Err(JournalError::Poisoned(_))));
}

#[test]
fn a_checkpoint_or_segment_that_cannot_be_made_ends_the_feed() {
    // A folder in the place of the file that is to be made.
    for blocked in ["00000001.apj", "00000001.state.tmp", "00000000.idx"] {
        let dir = tempfile::tempdir().unwrap();
        let mut feed = open(dir.path(), options());
        let mut chain = Chain::begin(&mut feed, 100);
        fs::create_dir(dir.path().join(blocked)).unwrap();
        let error = (0..10).find_map(|_| chain.mine(&mut feed).err());
        assert!(matches!(error, Some(JournalError::Io { .. })), "{blocked}: {error:?}");
        assert!(matches!(chain.mine(&mut feed), Err(JournalError::Poisoned(_))), "{blocked}");
    }
}
