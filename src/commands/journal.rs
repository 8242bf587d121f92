//! `alphapulse journal`: is a journal whole, what is in it, what came last; and a part of it as a journal of its own.

mod record;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use alphapulse_protocol::BlockNumber;
use alphapulse_protocol::frame::FRAME_HEADER_BYTES;
use alphapulse_protocol::message::Message;
use alphapulse_relay::journal::{self, BlockSpans, JournalError, JournalIndex, JournalReader, SegmentStat};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  alphapulse journal verify runs/20260301-080000/journal
  alphapulse journal stat runs/relay --json
  alphapulse journal tail runs/relay --lines 20
  alphapulse journal cut runs/relay --to incident --from-block 21000000 --until-block 21000100

A folder of segments (*.apj) is a journal; the folder of a run holds one in `journal`. Reading changes nothing and may be done
while the journal is written. Blocks that were not recorded, as while the recorder was stopped, are named by `stat`, and by `cut` where its part
spans them. Exit code 1 when it is damaged; a torn end, as a crash leaves it, is no damage.";

/// Folders that are tried for a free name.
const NUMBERS_MAX: u32 = 1000;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct JournalCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read every record and its checksum, and say where the first damage is
    #[command(after_help = EXAMPLES)]
    Verify(FolderArguments),
    /// Count records by kind, with the blocks and epochs they span
    #[command(after_help = EXAMPLES)]
    Stat(FolderArguments),
    /// Show the last records
    #[command(after_help = EXAMPLES)]
    Tail(TailArguments),
    /// Write a part of the market's stream as a journal of its own, which begins with the state at its first block
    #[command(after_help = EXAMPLES)]
    Cut(CutArguments),
}

#[derive(Debug, Args)]
struct FolderArguments {
    /// Folder of the journal, or of a run
    #[arg(value_name = "DIR")]
    dir: PathBuf,

    /// The result as a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct TailArguments {
    #[command(flatten)]
    folder: FolderArguments,

    /// Records to show
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    lines: usize,
}

#[derive(Debug, Args)]
struct CutArguments {
    #[command(flatten)]
    folder: FolderArguments,

    /// Folder of the new journal
    #[arg(long, value_name = "OUT")]
    to: PathBuf,

    /// Block whose state it begins with (default: the first that the journal has)
    #[arg(long, value_name = "A")]
    from_block: Option<u64>,

    /// Block after which it ends (default: the last)
    #[arg(long, value_name = "B")]
    until_block: Option<u64>,
}

pub(crate) fn run(command: &JournalCommand) -> Outcome {
    match &command.verb {
        Verb::Verify(arguments) => verify(arguments),
        Verb::Stat(arguments) => stat(arguments),
        Verb::Tail(arguments) => tail(arguments),
        Verb::Cut(arguments) => cut(arguments),
    }
}

/// What a journal holds.
#[derive(Debug, Default)]
struct Figures {
    records: u64,
    /// What they take in their files, each with the frame around it.
    bytes: u64,
    segments: u64,
    epochs: u64,
    epoch: Option<u64>,
    /// Records of a newer version, which this build cannot read.
    unreadable: u64,
    blocks: BlockSpans,
    by_kind: BTreeMap<&'static str, u64>,
    torn_bytes: u64,
}

impl Figures {
    fn count(&mut self, message: &Message<'_>) {
        self.records += 1;
        self.bytes += FRAME_HEADER_BYTES as u64 + u64::from(message.header().block_length.get());
        *self.by_kind.entry(message.name()).or_default() += 1;
        match message {
            Message::SegmentBegin(_) => self.segments += 1,
            Message::SnapshotBegin(begin) => {
                // A node that lost its place is given another snapshot of the same epoch.
                self.epochs += u64::from(self.epoch.replace(begin.epoch.get()) != Some(begin.epoch.get()));
                self.blocks.note(begin.context.block().number);
            }
            Message::Block(block) => self.blocks.note(block.context.block().number),
            _ => {}
        }
    }
}

/// The journal in a folder, or in that of a run.
fn folder_of(dir: &Path) -> PathBuf {
    let inner = dir.join("journal");
    if inner.is_dir() { inner } else { dir.to_owned() }
}

/// Reads a whole journal.
fn read(folder: &Path) -> Result<Figures, Failure> {
    let mut journal = JournalReader::open_feed(folder).map_err(failure)?;
    let mut figures = Figures::default();
    loop {
        match journal.next_message() {
            Ok(Some(message)) => figures.count(&message),
            Ok(None) => break,
            Err(JournalError::Unreadable { .. }) => figures.unreadable += 1,
            Err(error) => return Err(failure(error)),
        }
    }
    figures.torn_bytes = journal.torn_bytes();
    Ok(figures)
}

fn failure(error: JournalError) -> Failure {
    if let JournalError::Exists(dir) = &error {
        let next = format!("name another folder, such as {}", free_beside(dir).display());
        return Failure::new(Exit::Failure, error).next(next);
    }
    if let JournalError::Hole { before, after, .. } = &error {
        let next = format!(
            "end the part at block {before} or begin it at block {after}; `alphapulse journal stat` names every hole"
        );
        return Failure::new(Exit::Failure, error).next(next);
    }
    if matches!(error, JournalError::Reversed { .. }) {
        let next = "give the lower block as --from-block and the higher one as --until-block";
        return Failure::new(Exit::Usage, error).next(next);
    }
    let next = match &error {
        JournalError::Inside { .. } => "name a folder outside of it",
        JournalError::Missing(_) => "give the folder that holds the *.apj files, or that of a run",
        JournalError::NoBlock { .. } => {
            "name blocks that it has, the first one first; `alphapulse journal stat` shows them"
        }
        JournalError::Broken { .. } => "begin at a later block: from its next snapshot on the stream can be followed",
        JournalError::Damaged { .. } => "restore the segment from a copy; records before that byte are whole",
        _ => "check the folder and its permissions",
    };
    Failure::new(Exit::Failure, error).next(next)
}

/// A folder of nearly the same name that is not there.
fn free_beside(dir: &Path) -> PathBuf {
    // Without the slash that may end it.
    let dir: PathBuf = dir.components().collect();
    let numbered = |number: u32| {
        let mut name = dir.clone().into_os_string();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    };
    // What cannot be looked at is taken for there.
    let is_free = |path: &PathBuf| !path.try_exists().unwrap_or(true);
    (2..NUMBERS_MAX).map(numbered).find(is_free).unwrap_or_else(|| numbered(NUMBERS_MAX))
}

fn verify(arguments: &FolderArguments) -> Outcome {
    let folder = folder_of(&arguments.dir);
    let mut output = Output::new();
    let found = read(&folder).and_then(|figures| {
        let checkpoints = JournalIndex::open(&folder).and_then(|index| index.check_checkpoints()).map_err(failure)?;
        Ok((figures, checkpoints))
    });
    let (figures, checkpoints) = match found {
        Ok(found) => found,
        Err(failed) => {
            if arguments.json {
                // Who reads the output alone must not take silence for an answer.
                output.line(json!({ "is_whole": false, "error": failed.words() }))?;
                output.finish()?;
            }
            return Err(failed);
        }
    };
    if arguments.json {
        output.line(json!({
            "is_whole": true, "records": figures.records, "segments": figures.segments, "checkpoints": checkpoints,
            "unreadable": figures.unreadable, "torn_bytes": figures.torn_bytes,
        }))?;
    } else {
        output.line(format!("whole: {} records in {} segments", figures.records, figures.segments))?;
        if checkpoints > 0 {
            output.line(format!("whole as well: {checkpoints} checkpoints"))?;
        }
        if figures.unreadable > 0 {
            output.line(format!("{} records are of a newer version and were only checked", figures.unreadable))?;
        }
        if figures.torn_bytes > 0 {
            output
                .line(format!("{} bytes of an unfinished last record, as a crash leaves them", figures.torn_bytes))?;
        }
    }
    output.finish()?;
    Ok(Exit::Ok)
}

fn stat(arguments: &FolderArguments) -> Outcome {
    let folder = folder_of(&arguments.dir);
    let figures = read(&folder)?;
    let index = JournalIndex::open(&folder).map_err(failure)?;
    let ends = figures.blocks.ends();
    let mut output = Output::new();
    if arguments.json {
        let by_segment: Vec<Value> = index.segments().map(segment_json).collect();
        output.line(json!({
            "by_segment": by_segment,
            "records": figures.records, "bytes": figures.bytes, "segments": figures.segments, "epochs": figures.epochs,
            "first_block": ends.map(|ends| ends.0.0), "last_block": ends.map(|ends| ends.1.0),
            "holes": holes_json(&figures.blocks.holes()), "by_kind": figures.by_kind, "unreadable": figures.unreadable, "torn_bytes": figures.torn_bytes,
        }))?;
    } else {
        output.line(format!(
            "records         {}, which take {} bytes with their frames",
            figures.records, figures.bytes
        ))?;
        output.line(format!("segments        {}", figures.segments))?;
        output.line(format!("epochs          {}", figures.epochs))?;
        if let Some((low, high)) = ends {
            output.line(format!("blocks          {low} to {high}"))?;
        }
        for hole in figures.blocks.holes() {
            output.line(format!("not recorded    {}", hole_words(hole)))?;
        }
        for stat in index.segments() {
            output.line(segment_line(&stat))?;
        }
        for (kind, count) in &figures.by_kind {
            output.line(format!("  {kind:<20} {count}"))?;
        }
        if figures.torn_bytes > 0 {
            output.line(format!("left out        {} bytes of an unfinished last record", figures.torn_bytes))?;
        }
    }
    output.finish()?;
    Ok(Exit::Ok)
}

fn holes_json(holes: &[(BlockNumber, BlockNumber)]) -> Value {
    holes.iter().map(|(first, last)| json!({ "first_block": first.0, "last_block": last.0 })).collect()
}

fn hole_words((first, last): (BlockNumber, BlockNumber)) -> String {
    if first == last { format!("block {first}") } else { format!("blocks {first} to {last}") }
}

fn segment_json(stat: SegmentStat) -> Value {
    json!({
        "segment": stat.segment, "records": stat.records, "bytes": stat.bytes, "has_checkpoint": stat.has_checkpoint,
        "first_block": stat.blocks.map(|blocks| blocks.0.0), "last_block": stat.blocks.map(|blocks| blocks.1.0),
    })
}

fn segment_line(stat: &SegmentStat) -> String {
    let blocks = stat.blocks.map_or("no block".to_owned(), |(low, high)| format!("blocks {low} to {high}"));
    let checkpoint = if stat.has_checkpoint { ", with a checkpoint" } else { "" };
    format!("  {:08} {} records in {} bytes, {blocks}{checkpoint}", stat.segment, stat.records, stat.bytes)
}

fn tail(arguments: &TailArguments) -> Outcome {
    let mut journal = JournalReader::open_tail(folder_of(&arguments.folder.dir), arguments.lines).map_err(failure)?;
    let mut last: VecDeque<String> = VecDeque::new();
    loop {
        match journal.next_message() {
            Ok(Some(message)) if arguments.lines > 0 => {
                let is_json = arguments.folder.json;
                last.push_back(if is_json { record::object(&message).to_string() } else { record::line(&message) });
                if last.len() > arguments.lines {
                    last.pop_front();
                }
            }
            Ok(Some(_)) | Err(JournalError::Unreadable { .. }) => {}
            Ok(None) => break,
            Err(error) => return Err(failure(error)),
        }
    }
    let mut output = Output::new();
    for record in last {
        output.line(record)?;
    }
    output.finish()?;
    Ok(Exit::Ok)
}

fn cut(arguments: &CutArguments) -> Outcome {
    let (from, until) = (arguments.from_block.map(BlockNumber), arguments.until_block.map(BlockNumber));
    let report = journal::cut(&folder_of(&arguments.folder.dir), &arguments.to, from, until).map_err(failure)?;
    let mut output = Output::new();
    if arguments.folder.json {
        output.line(json!({
            "from_block": report.from_block.0, "until_block": report.until_block.0, "messages": report.messages,
            "holes": holes_json(&report.holes),
        }))?;
    } else {
        output.line(format!(
            "the state at block {}, then {} messages until block {}",
            report.from_block, report.messages, report.until_block
        ))?;
        for hole in report.holes {
            output.line(format!("without {}, which the journal does not hold either", hole_words(hole)))?;
        }
    }
    output.finish()?;
    Ok(Exit::Ok)
}
