//! A journal after whatever happened to its files: exactly what the rule of recovery says, read and appended to.

use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_protocol::{ChainId, Epoch};
use alphapulse_relay::journal::{JournalError, JournalReader, JournalWriter};
use tempfile::TempDir;

use crate::reference::{Journal, JournalEnd, Judgement, judge, number, read_journal};

/// Chain of the journals that [`check`] makes.
pub const CHAIN: ChainId = ChainId(31_337);
/// Identity of whoever appends here.
const APPENDER: Epoch = Epoch(0xa99e_4de2);

/// Reads `bytes` as the only segment of a journal, and as the last one behind an honest one.
///
/// # Panics
/// When reading or appending does not follow the rule of recovery.
pub fn check(bytes: &[u8]) {
    thread_local! {
        static JOURNAL: (Folder, Vec<u8>) = (Folder::new(), honest_segment());
    }
    JOURNAL.with(|(folder, honest)| {
        folder.check(&[bytes]);
        folder.check(&[honest, bytes]);
    });
}

/// A first segment with two records.
fn honest_segment() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut writer = JournalWriter::create(folder.path(), CHAIN, Epoch(1)).expect("an empty folder");
    for name in ["SnapshotBegin", "Verdict"] {
        writer.append_bytes(&crate::golden::bytes(name)[8..]).expect("appends");
    }
    drop(writer);
    fs::read(segment_path(folder.path(), 0)).expect("the segment")
}

fn segment_path(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("{index:08}.apj"))
}

/// A folder, in memory where the system has such, in which journals are laid out and held against the page.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// An empty folder, removed when dropped.
    ///
    /// # Panics
    /// When none can be made.
    #[must_use]
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir());
        Self(folder.expect("a temporary folder"))
    }

    /// Lays out `segments`, reads them, appends to them, and reads again. The result is what the page says of them.
    ///
    /// # Panics
    /// On any difference from the page.
    pub fn check<'a>(&self, segments: &[&'a [u8]]) -> Journal<'a> {
        for (index, bytes) in segments.iter().enumerate() {
            fs::write(self.path(index), bytes).expect("writes a segment");
        }
        let expected = read_journal(segments);
        self.check_reading(&expected);
        self.check_appending(segments, &expected);
        for index in 0..=segments.len() {
            // The last one is there only when appending began another.
            let _ = fs::remove_file(self.path(index));
        }
        expected
    }

    fn path(&self, index: usize) -> PathBuf {
        segment_path(self.0.path(), index)
    }

    fn check_reading(&self, expected: &Journal<'_>) {
        let mut reader = match JournalReader::open(self.0.path()) {
            Ok(reader) => reader,
            Err(JournalError::Missing(_)) => {
                assert!(expected.records.is_empty() && matches!(expected.end, JournalEnd::Torn(_)), "{expected:?}");
                return;
            }
            Err(error) => return self.check_refusal(expected, 0, &error),
        };
        for (at, record) in expected.records.iter().enumerate() {
            match reader.next_message() {
                Ok(Some(message)) => assert_eq!(message.as_bytes(), &record[..message.as_bytes().len()], "record {at}"),
                Err(JournalError::Unreadable { .. }) => assert_ne!(judge(record), Judgement::Accepted, "record {at}"),
                other => panic!("record {at} is there, not {other:?}"),
            }
        }
        match reader.next_bytes() {
            Ok(None) => {
                let torn = usize::try_from(reader.torn_bytes()).expect("a small file");
                assert_eq!(JournalEnd::Torn(torn), expected.end);
            }
            Ok(Some(record)) => panic!("a false record: {record:02x?}"),
            Err(error) => self.check_refusal(expected, expected.records.len(), &error),
        }
    }

    fn check_refusal(&self, expected: &Journal<'_>, records: usize, error: &JournalError) {
        let JournalError::Damaged { segment, offset, .. } = error else { panic!("{error}") };
        let JournalEnd::Damaged { segment: index, offset: place } = expected.end else {
            panic!("{error}, but by the page it is whole: {:?}", expected.end)
        };
        assert_eq!(expected.records.len(), records, "{error}");
        assert_eq!((segment, *offset), (&self.path(index), place as u64), "{error}");
    }

    fn check_appending(&self, segments: &[&[u8]], expected: &Journal<'_>) {
        let chain = expected
            .records
            .first()
            .map_or(CHAIN, |begin| ChainId(u64::try_from(number(begin, 24, 8)).expect("64 bits")));
        let opened = JournalWriter::open_append(self.0.path(), chain, APPENDER);
        if matches!(expected.end, JournalEnd::Damaged { .. }) {
            assert!(matches!(opened, Err(JournalError::Damaged { .. })), "{opened:?}");
            for (index, bytes) in segments.iter().enumerate() {
                assert_eq!(fs::read(self.path(index)).expect("the segment"), *bytes, "nothing was cut");
            }
            return;
        }
        drop(opened.expect("a torn end can be appended to"));
        self.check_appended(expected, chain);
    }

    /// What was there and the begin of a new segment, and nothing torn any more.
    fn check_appended(&self, expected: &Journal<'_>, chain: ChainId) {
        let files: Vec<_> = (0..).map_while(|index| fs::read(self.path(index)).ok()).collect();
        let files: Vec<_> = files.iter().map(Vec::as_slice).collect();
        let after = read_journal(&files);
        let (begin, before) = after.records.split_last().expect("a new segment begins with a record");
        assert_eq!((before, after.end), (expected.records.as_slice(), JournalEnd::Torn(0)));
        let names = [number(begin, 24, 8), number(begin, 32, 8), number(begin, 40, 4)];
        let last = files.len() as u128 - 1;
        assert_eq!((number(begin, 2, 2), names), (48, [u128::from(chain.0), u128::from(APPENDER.0), last]));
        self.check_reading(&after);
    }
}
