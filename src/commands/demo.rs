//! `alphapulse demo`: the whole path on a chain of our own with the real contracts, to be watched.

mod block;
mod draw;
mod legend;
mod lines;
mod live;
mod screen;
mod story;
mod summary;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use alphapulse_testnet::Kit;
use clap::Args;

use super::traded::TradedArguments;
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  alphapulse demo                            a live view on a terminal, plain lines elsewhere
  alphapulse demo --blocks 200 --block-time 0 --seed 3
  alphapulse demo --journal runs/demo        keep the run, to be replayed with `alphapulse replay runs/demo`
  alphapulse demo --block 18884864           a recorded block of Ethereum, transaction by transaction (needs the recording
                                             in ALPHAPULSE_DATA, see CONTRIBUTING.md)

A dev node is started with tokens, Uniswap V2 and V3, a V2 fork and our executor. Scripted traders move the prices, the
engine takes what they leave, and at the end the books are held against the chain to the wei: exit code 1 if they differ.
On the live view: space pauses, q or Ctrl-C stops.";

/// Time between blocks that a person can follow.
const BLOCK_TIME_WATCHED: Duration = Duration::from_millis(1000);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArguments {
    /// Blocks with traders; some without follow, until the last trades have landed
    #[arg(long, value_name = "N", default_value_t = 40, conflicts_with = "block")]
    blocks: u32,

    /// Every choice of the traders follows from it
    #[arg(long, value_name = "S", default_value_t = 7, conflicts_with = "block")]
    seed: u64,

    /// Milliseconds between blocks (default: 1000 on a terminal, else 0)
    #[arg(long, value_name = "MS", conflicts_with = "block")]
    block_time: Option<u64>,

    /// A recorded block of Ethereum instead, by its number
    #[arg(long, value_name = "NUMBER", conflicts_with = "strategies")]
    block: Option<u64>,

    #[command(flatten)]
    traded: TradedArguments,

    /// Folder to keep the run in: its journal and manifest
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// Plain lines, also on a terminal
    #[arg(long)]
    plain: bool,

    /// Only the summary, as a JSON object
    #[arg(long)]
    json: bool,
}

/// How a run is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Screen,
    Lines,
    Json,
}

impl DemoArguments {
    fn show(&self) -> Show {
        let is_watched = io::stdout().is_terminal() && io::stdin().is_terminal();
        match (self.json, is_watched && !self.plain) {
            (true, _) => Show::Json,
            (false, true) => Show::Screen,
            (false, false) => Show::Lines,
        }
    }

    fn block_time(&self) -> Duration {
        match self.block_time {
            Some(millis) => Duration::from_millis(millis),
            None if self.show() == Show::Screen => BLOCK_TIME_WATCHED,
            None => Duration::ZERO,
        }
    }
}

pub(crate) fn run(arguments: &DemoArguments) -> Outcome {
    arguments.traded.check()?;
    let kit = kit()?;
    match arguments.block {
        Some(number) => super::block_on(block::run(&kit, number, arguments)),
        None => super::block_on(live::run(&kit, arguments)),
    }
}

/// The dev node and the contracts, installed when they are not.
pub(crate) fn kit() -> Result<Kit, Failure> {
    Kit::ensure(&mut notice)
        .map_err(|error| Failure::from(anyhow::Error::new(error).context("the test kit is not usable")))
}

/// A line for the person who waits. Not a log: it is said at every log level.
pub(crate) fn notice(line: &str) {
    // A closed stderr is no reason to stop.
    drop(writeln!(io::stderr(), "{line}"));
}
