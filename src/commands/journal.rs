//! `alphapulse journal`: is a journal whole, what is in it, what came last.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use alphapulse_protocol::message::Message;
use alphapulse_relay::journal::{JournalError, JournalReader};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  alphapulse journal verify runs/20260301-080000/journal
  alphapulse journal stat runs/relay --json
  alphapulse journal tail runs/relay --lines 20

A folder of segments (*.apj) is a journal; the folder of a run holds one in `journal`. Reading changes nothing and may be done
while the journal is written. Exit code 1 when it is damaged; a torn end, as a crash leaves it, is no damage.";

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

pub(crate) fn run(command: &JournalCommand) -> Outcome {
    match &command.verb {
        Verb::Verify(arguments) => verify(arguments),
        Verb::Stat(arguments) => stat(arguments),
        Verb::Tail(arguments) => tail(arguments),
    }
}

/// What a journal holds.
#[derive(Debug, Default)]
struct Figures {
    records: u64,
    bytes: u64,
    segments: u64,
    epochs: u64,
    /// Records of a newer version, which this build cannot read.
    unreadable: u64,
    blocks: Option<(u64, u64)>,
    by_kind: BTreeMap<&'static str, u64>,
    torn_bytes: u64,
}

impl Figures {
    fn count(&mut self, message: &Message<'_>) {
        self.records += 1;
        self.bytes += u64::from(message.header().block_length.get());
        *self.by_kind.entry(message.name()).or_default() += 1;
        match message {
            Message::SegmentBegin(_) => self.segments += 1,
            Message::SnapshotBegin(begin) => {
                self.epochs += 1;
                self.see(begin.context.number.get());
            }
            Message::Block(block) => self.see(block.context.number.get()),
            _ => {}
        }
    }

    fn see(&mut self, number: u64) {
        let (low, high) = self.blocks.unwrap_or((number, number));
        self.blocks = Some((low.min(number), high.max(number)));
    }
}

/// Reads a whole journal; `look` sees each record.
fn read(dir: &Path, mut look: impl FnMut(&Message<'_>)) -> Result<Figures, Failure> {
    let inner = dir.join("journal");
    let folder = if inner.is_dir() { inner } else { dir.to_owned() };
    let mut journal = JournalReader::open(&folder).map_err(failure)?;
    let mut figures = Figures::default();
    loop {
        match journal.next_message() {
            Ok(Some(message)) => {
                figures.count(&message);
                look(&message);
            }
            Ok(None) => break,
            Err(JournalError::Unreadable { .. }) => figures.unreadable += 1,
            Err(error) => return Err(failure(error)),
        }
    }
    figures.torn_bytes = journal.torn_bytes();
    Ok(figures)
}

fn failure(error: JournalError) -> Failure {
    let next = match &error {
        JournalError::Missing(_) => "give the folder that holds the *.apj files, or that of a run",
        JournalError::Damaged { .. } => "restore the segment from a copy; records before that byte are whole",
        _ => "check the folder and its permissions",
    };
    Failure::new(Exit::Failure, error).next(next)
}

fn verify(arguments: &FolderArguments) -> Outcome {
    let figures = read(&arguments.dir, |_| {})?;
    let mut output = Output::new();
    if arguments.json {
        output.line(json!({
            "is_whole": true, "records": figures.records, "segments": figures.segments,
            "unreadable": figures.unreadable, "torn_bytes": figures.torn_bytes,
        }))?;
    } else {
        output.line(format!("whole: {} records in {} segments", figures.records, figures.segments))?;
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
    let figures = read(&arguments.dir, |_| {})?;
    let mut output = Output::new();
    if arguments.json {
        output.line(json!({
            "records": figures.records, "bytes": figures.bytes, "segments": figures.segments, "epochs": figures.epochs,
            "first_block": figures.blocks.map(|blocks| blocks.0), "last_block": figures.blocks.map(|blocks| blocks.1),
            "by_kind": figures.by_kind, "unreadable": figures.unreadable, "torn_bytes": figures.torn_bytes,
        }))?;
    } else {
        output.line(format!("records         {} ({} bytes)", figures.records, figures.bytes))?;
        output.line(format!("segments        {}", figures.segments))?;
        output.line(format!("snapshots       {}", figures.epochs))?;
        if let Some((low, high)) = figures.blocks {
            output.line(format!("blocks          {low} to {high}"))?;
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

fn tail(arguments: &TailArguments) -> Outcome {
    let mut last: VecDeque<(Value, String)> = VecDeque::with_capacity(arguments.lines.min(4096));
    read(&arguments.folder.dir, |message| {
        if last.len() >= arguments.lines {
            last.pop_front();
        }
        if arguments.lines > 0 {
            let header = message.header();
            let head = json!({
                "record": message.name(), "sequence": header.sequence.get(), "event_ns": header.event_ns.get(),
            });
            last.push_back((head, format!("{message:?}")));
        }
    })?;
    let mut output = Output::new();
    for (mut head, text) in last {
        if arguments.folder.json {
            head["text"] = Value::String(text);
            output.line(head)?;
        } else {
            output.line(text)?;
        }
    }
    output.finish()?;
    Ok(Exit::Ok)
}
