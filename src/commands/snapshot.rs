//! `alphapulse snapshot`: files of a whole market, read from a node or out of other people's files.

mod convert;
mod put;
mod take;

use clap::{Args, Subcommand};

use self::convert::ConvertArguments;
use self::take::TakeArguments;
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  alphapulse snapshot --rpc http://127.0.0.1:8545 --pools pools.txt --fee-ppm 3000 --out market.json.gz
  alphapulse snapshot --rpc wss://node.example/v3/KEY --factory 0x1F98431c8aD98523631AE4a59f267346ea31F984 --from-block 12369621 --out v3.json.gz
  alphapulse snapshot convert --from cow-auction auction.json.gz --out market.json.gz
  zstd -dc recording.json.zst | alphapulse snapshot convert --from tycho - --out market.json

The file of pools has an address a line, or the id of a Balancer pool; behind it, where needed, a kind, `fee_ppm=N`, or, behind
the id of a Uniswap V4 pool, `manager=ADDRESS`. What stands behind # is not read. A pool that cannot be read is named on stderr
and left out. Everything is read at one block's hash; a run that was stopped goes on where FILE.part ends.
A file that is there is replaced, once the new one is whole.
Exit codes: 0 written, 1 failure, 2 usage, 130 interrupted (FILE.part is kept).

docs/SNAPSHOT.md describes the format. `alphapulse quote` and `alphapulse scan` read it.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SnapshotCommand {
    #[command(flatten)]
    take: Option<TakeArguments>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write other people's files of pools as a snapshot
    Convert(ConvertArguments),
}

pub(crate) fn run(command: &SnapshotCommand) -> Outcome {
    match (&command.verb, &command.take) {
        (Some(Verb::Convert(arguments)), _) => convert::run(arguments),
        (None, Some(arguments)) => take::run(arguments),
        (None, None) => {
            Err(Failure::usage("nothing to read was named").next("give --rpc and --pools or --factory, or convert"))
        }
    }
}
