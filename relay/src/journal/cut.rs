//! A part of a journal as a journal of its own.

use std::path::Path;

use alphapulse_protocol::message::{BlockContext, Message};
use alphapulse_protocol::replica::Replica;
use alphapulse_protocol::{BlockNumber, UnixNanos};

use super::index::{Landmark, Place};
use super::reader::JournalReader;
use super::segment;
use super::spans::BlockSpans;
use super::writer::JournalWriter;
use crate::error::JournalError;

/// Blocks that the mirror which finds the first state can take back: more than any chain was seen to.
const REORG_DEPTH_MAX: usize = 4096;

/// What was cut out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutReport {
    /// Block whose state the new journal begins with.
    pub from_block: BlockNumber,
    /// Block that it ends after.
    pub until_block: BlockNumber,
    /// Records behind the first state.
    pub messages: u64,
    /// Blocks between the two that the source does not tell of either: first and last of each hole, lowest first.
    pub holes: Vec<(BlockNumber, BlockNumber)>,
}

/// A place at which the stream's state is that of a whole block.
#[derive(Debug, Clone, Copy)]
struct Whole {
    /// The block's or the snapshot's last record.
    at: Place,
    block: BlockNumber,
}

/// Writes a new journal into `out`: the state at `from` as a snapshot, then the market's stream until `until` was whole. Where
/// a block was taken back and came again, its last coming counts, so that no reorg in between goes below `from`. `None` stands
/// for the first and the last whole block. A node's own records are left out. `source` is only read, and read to its end
/// before anything is written: a damaged one is refused.
///
/// # Errors
/// [`JournalError::Reversed`] when `until` is below `from`, [`JournalError::Inside`] when `out` lies in `source`, [`JournalError::Hole`] when one of them lies where nothing was recorded,
/// [`JournalError::NoBlock`] when the stream is never at such a block otherwise, [`JournalError::Exists`] when `out` holds a journal,
/// [`JournalError::Broken`] when the source's stream has no state at `from`; else as reader and writer.
pub fn cut(
    source: &Path,
    out: &Path,
    from: Option<BlockNumber>,
    until: Option<BlockNumber>,
) -> Result<CutReport, JournalError> {
    if let (Some(from), Some(until)) = (from, until)
        && until < from
    {
        return Err(JournalError::Reversed { from, until });
    }
    if is_inside(out, source) {
        return Err(JournalError::Inside { dir: source.to_owned(), out: out.to_owned() });
    }
    let (first, last) = ends(source, from, until)?;
    let (mut reader, replica) = state_at(source, first)?;
    let context = *replica.context().expect("a state has a block");
    let mut writer = JournalWriter::create(out, replica.chain_id(), replica.epoch())?;
    let mut appended = Ok(());
    replica.describe(event_ns(&context), |message| {
        if appended.is_ok() {
            appended = writer.append_bytes(message.as_bytes());
        }
    });
    appended?;
    let (messages, spans) = copy(&mut reader, &mut writer, first.block, last.at)?;
    writer.sync()?;
    Ok(CutReport { from_block: first.block, until_block: last.block, messages, holes: spans.holes() })
}

/// Whether a folder, which need not be there yet, is or would be inside another.
fn is_inside(inner: &Path, outer: &Path) -> bool {
    let known = inner.ancestors().find_map(|ancestor| {
        let ancestor = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        ancestor.canonicalize().ok()
    });
    known.zip(outer.canonicalize().ok()).is_some_and(|(known, outer)| known.starts_with(outer))
}

/// The state at a place, and a reader that stands behind it.
fn state_at(source: &Path, place: Whole) -> Result<(JournalReader, Replica), JournalError> {
    let mut segment = place.at.segment;
    loop {
        let mut reader = JournalReader::open_feed_before(source, segment)?;
        let start = reader.index();
        let mut replica = Replica::new(REORG_DEPTH_MAX);
        let mut failure = None;
        while let Some(message) = next_known(&mut reader)? {
            if let Err(error) = replica.apply(&message) {
                failure = Some(Box::new(error));
            }
            if reader.last_place() >= place.at && replica.is_whole() {
                break;
            }
        }
        let block = replica.context().map(|context| context.block().number);
        if replica.is_whole() && block == Some(place.block) {
            return Ok((reader, replica));
        }
        // The stream may have gone back below the state that this segment begins with: an earlier one can follow it.
        if start == segment::range(source)?.start {
            let segment = segment::path(source, place.at.segment);
            return Err(JournalError::Broken { segment, offset: place.at.offset, source: failure });
        }
        segment = start - 1;
    }
}

/// Copies the stream from behind the reader's place, the state of block `first`, to `last`, inclusive. Gives the number of
/// records, and the blocks of all.
fn copy(
    reader: &mut JournalReader,
    writer: &mut JournalWriter,
    first: BlockNumber,
    last: Place,
) -> Result<(u64, BlockSpans), JournalError> {
    let (mut count, mut spans) = (0, BlockSpans::default());
    spans.note(first);
    while reader.last_place() < last {
        let Some(message) = reader.next_bytes()? else { break };
        let landmark = Landmark::of(message);
        if let Some(Landmark::Snapshot { at, .. }) = landmark {
            writer.set_epoch(at.epoch);
        }
        if let Some(Landmark::Snapshot { block, .. } | Landmark::Block { block, .. }) = landmark {
            spans.note(block);
        }
        if segment::is_market(message) || segment::is_gap(message) {
            writer.append_bytes(message)?;
            count += 1;
        }
    }
    Ok((count, spans))
}

/// The next record that this build can read.
fn next_known(reader: &mut JournalReader) -> Result<Option<Message<'_>>, JournalError> {
    // A loop that gives out a borrow on one way round does not pass the borrow checker; one decode more does.
    loop {
        let is_known = match reader.peek_bytes()? {
            None => return Ok(None),
            Some(message) => Message::decode(message).is_ok(),
        };
        if is_known {
            return reader.next_message();
        }
        reader.next_bytes()?;
    }
}

/// Where the part begins and ends.
fn ends(source: &Path, from: Option<BlockNumber>, until: Option<BlockNumber>) -> Result<(Whole, Whole), JournalError> {
    let mut reader = JournalReader::open_feed(source)?;
    let mut block = BlockNumber(0);
    let (mut first, mut last): (Option<Whole>, Option<(Whole, Whole)>) = (None, None);
    let mut spans = BlockSpans::default();
    while let Some(message) = reader.next_bytes()? {
        if let Some(Landmark::Snapshot { block: named, .. } | Landmark::Block { block: named, .. }) =
            Landmark::of(message)
        {
            block = named;
        }
        if !segment::is_snapshot_end(message) && !segment::is_block_end(message) {
            continue;
        }
        let whole = Whole { at: reader.last_place(), block };
        spans.note(block);
        if from.map_or(first.is_none(), |from| from == block) {
            first = Some(whole);
        }
        if until.is_none_or(|until| until == block)
            && let Some(first) = first
        {
            last = Some((first, whole));
        }
    }
    last.ok_or_else(|| {
        let hole = [from, until].into_iter().flatten().find_map(|block| in_hole(source, block, &spans));
        let reason = || no_blocks(from, until, spans.ends());
        hole.unwrap_or_else(|| JournalError::NoBlock { dir: source.to_owned(), reason: reason() })
    })
}

/// That a block lies in a hole, if it does.
fn in_hole(dir: &Path, block: BlockNumber, spans: &BlockSpans) -> Option<JournalError> {
    let holes = spans.holes();
    let (first, last) = *holes.iter().find(|(first, last)| (*first..=*last).contains(&block))?;
    let (before, after) = (BlockNumber(first.0 - 1), BlockNumber(last.0 + 1));
    Some(JournalError::Hole { dir: dir.to_owned(), block, before, after })
}

fn no_blocks(
    from: Option<BlockNumber>,
    until: Option<BlockNumber>,
    span: Option<(BlockNumber, BlockNumber)>,
) -> String {
    let has = span.map_or("no whole block".to_owned(), |(low, high)| format!("blocks {low} to {high}"));
    let part = match (from, until) {
        (Some(from), Some(until)) => format!("no part from block {from} to block {until}"),
        (Some(from), None) => format!("no part that begins with block {from}"),
        (None, Some(until)) => format!("no part that ends with block {until}"),
        (None, None) => return "has no whole block".to_owned(),
    };
    format!("has {part}: it has {has}")
}

fn event_ns(context: &BlockContext) -> UnixNanos {
    UnixNanos(context.timestamp.get().saturating_mul(1_000_000_000))
}
