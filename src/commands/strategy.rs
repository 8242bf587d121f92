//! `alphapulse strategy`: which strategies there are, and a crate to write one's own in.

mod new;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::settings;

const EXAMPLES: &str = "\
Examples:
  alphapulse strategy list
  alphapulse strategy new my_strategy          a crate that compiles, passes its tests and trades in the demo";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StrategyCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Name the strategies that a configuration of this program can have
    #[command(after_help = "Examples:\n  alphapulse strategy list\n  alphapulse strategy list --json")]
    List(ListArguments),
    /// Write a crate with a strategy of one's own: the whole command with one strategy more
    #[command(after_help = new::EXAMPLES)]
    New(new::NewArguments),
}

#[derive(Debug, Args)]
struct ListArguments {
    /// JSON lines
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &StrategyCommand) -> Outcome {
    match &command.verb {
        Verb::List(arguments) => list(arguments.json),
        Verb::New(arguments) => new::run(arguments),
    }
}

fn list(is_json: bool) -> Outcome {
    let mut output = Output::new();
    for kind in settings::registry().kinds() {
        let (least, most) = kind.hops();
        if is_json {
            output.line(json!({"kind": kind.name(), "hops_min": least, "hops_max": most}))?;
            continue;
        }
        let hops = if least == most { format!("{least} hops") } else { format!("{least} to {most} hops") };
        output.line(format!("{:<16}{hops}", kind.name()))?;
    }
    output.finish()?;
    Ok(Exit::Ok)
}
