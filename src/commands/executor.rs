//! `alphapulse executor`: the contract that trades go through.

use alloy::primitives::Address;
use alphapulse_engine::execution::calldata::{Venue, deployment_code};
use clap::{Args, Subcommand};
use serde_json::json;

use super::address;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse executor code --config node.toml --owner 0x… --guardian 0x…

Send the code as a transaction without a recipient, from any account and with any wallet; the contract's address is then
`execution.executor`. Owner, guardian, profit address and venues are part of the code and cannot be changed later.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExecutorCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the code that creates the executor for a configuration's venues
    Code(CodeArguments),
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
struct CodeArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// Account that signs trades, as `alphapulse wallet list` shows it
    #[arg(long, value_name = "ADDR", value_parser = address)]
    owner: Address,

    /// Account that may pause the executor; keep its key elsewhere
    #[arg(long, value_name = "ADDR", value_parser = address)]
    guardian: Address,

    /// Account that profit is sent to (default: `execution.profit_address`)
    #[arg(long, value_name = "ADDR", value_parser = address)]
    profit_address: Option<Address>,

    /// The result as a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: &ExecutorCommand) -> Outcome {
    let Verb::Code(arguments) = &command.verb;
    let config = arguments.settings.load()?;
    let profit = arguments.profit_address.or(config.execution.profit_address).ok_or_else(|| {
        let error = anyhow::anyhow!("there is no account to send profit to");
        Failure::new(Exit::Config, error).next("give --profit-address, or set `execution.profit_address`")
    })?;
    let (owner, guardian) = (arguments.owner, arguments.guardian);
    if [owner, guardian, profit].contains(&Address::ZERO) {
        return Err(Failure::usage("the zero address is nobody's").next("give the account's address"));
    }
    let venues: Vec<Venue> = config.venues.iter().map(Venue::of).collect();
    let code = deployment_code(owner, guardian, profit, &venues);
    let mut output = Output::new();
    if arguments.json {
        output.line(json!({"owner": owner, "guardian": guardian, "profit_address": profit, "creation_code": code}))?;
    } else {
        output.line(code)?;
    }
    output.finish()?;
    Ok(Exit::Ok)
}
