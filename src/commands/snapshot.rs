//! `alphapulse snapshot`: files of a whole market.

mod convert;

use clap::{Args, Subcommand};

use self::convert::ConvertArguments;
use crate::exit::Outcome;

const EXAMPLES: &str = "\
Examples:
  alphapulse snapshot convert --from cow-auction auction.json.gz --out market.json.gz
  zstd -dc recording.json.zst | alphapulse snapshot convert --from tycho - --out market.json

docs/SNAPSHOT.md describes the format. `alphapulse quote` and `alphapulse scan` read it.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SnapshotCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write other people's files of pools as a snapshot
    Convert(ConvertArguments),
}

pub(crate) fn run(command: &SnapshotCommand) -> Outcome {
    match &command.verb {
        Verb::Convert(arguments) => convert::run(arguments),
    }
}
