//! `alphapulse testnet`: the whole pipeline against a chain with real contracts, measured; and such a chain to try commands on.

mod serve;

use std::path::PathBuf;

use alphapulse_testnet::session::SessionOptions;
use alphapulse_testnet::validate::{Progress, ValidateOptions, ValidationReport, validate};
use clap::{Args, Subcommand};

use super::demo::{kit, notice};
use super::traded::TradedArguments;
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::screen::{ETHER_DECIMALS, exact, nanos};

const EXAMPLES: &str = "\
Examples:
  alphapulse testnet serve dev
  alphapulse testnet validate --blocks 200 --seed 7
  alphapulse testnet validate --blocks 200 --seed 7 --journal runs/seed-7 --json";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  alphapulse testnet validate
  alphapulse testnet validate --blocks 200 --seed 7 --json
  alphapulse testnet validate --strategy cyclic
  alphapulse testnet validate --journal runs/seed-7 && alphapulse replay runs/seed-7

Gates: at least 0.95 of the best single-cycle profit of every block, as an exhaustive search that shares no code with the
engine finds it; every trade's realised profit equal to its prediction; books equal to the chain to the wei; nothing
reverted, nothing open. Exit code 1 when one is not passed.";

/// How often a line is printed for those who wait.
const TELL_EVERY: u64 = 20;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TestnetCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Trade against scripted traders and hold the result against an exhaustive search and the chain
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateArguments),
    /// Keep a chain with contracts and traders running, and write a configuration for a relay and a node on it
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::ServeArguments),
}

#[derive(Debug, Args)]
struct ValidateArguments {
    /// Blocks with traders
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,

    /// Every choice of the traders follows from it
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,

    #[command(flatten)]
    traded: TradedArguments,

    /// Folder to keep the run in: its journal and manifest
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,

    /// The report as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: TestnetCommand) -> Outcome {
    match command.verb {
        Verb::Validate(arguments) => super::block_on(run_validation(arguments)),
        Verb::Serve(arguments) => serve::run(&arguments),
    }
}

async fn run_validation(arguments: ValidateArguments) -> Outcome {
    arguments.traded.check()?;
    let kit = kit()?;
    let mut interrupt = Interrupt::watch()?;
    let is_json = arguments.json;
    let session = arguments.traded.apply_to(SessionOptions::standard(arguments.seed, arguments.journal));
    let options = ValidateOptions { blocks: arguments.blocks, session };
    let mut progress = |progress: Progress<'_>| tell(&progress);
    let report = tokio::select! {
        report = validate(&kit, &options, &mut progress) => {
            report.map_err(|error| Failure::from(anyhow::Error::new(error).context("the validation could not be carried out")))?
        }
        () = interrupt.asked() => return Ok(Exit::Interrupted),
    };
    let mut output = Output::new();
    if is_json {
        output.line(serde_json::to_string(&report).expect("text and numbers serialise"))?;
    } else {
        print_report(&mut output, &report)?;
    }
    output.finish()?;
    if report.is_passed() {
        return Ok(Exit::Ok);
    }
    let mut gates: Vec<&str> = report.failures.iter().map(|failure| failure.gate).collect();
    gates.dedup();
    Err(Failure::from(anyhow::anyhow!("gates not passed: {}", gates.join(", ")))
        .next("see `failures`; --journal DIR keeps the run for `alphapulse replay DIR`"))
}

fn tell(progress: &Progress<'_>) {
    match progress {
        Progress::Setup(line) => notice(line),
        Progress::Round { index, of, .. } if index % TELL_EVERY == 0 => notice(&format!("block {index} of {of}")),
        Progress::Round { .. } => {}
        Progress::Closing => notice("letting the last trades land"),
    }
}

fn print_report(output: &mut Output, report: &ValidationReport) -> Result<(), Failure> {
    let ether = |wei| exact(wei, ETHER_DECIMALS);
    output.line(format!("blocks            {}, seed {}", report.blocks, report.seed))?;
    output.line(format!("opportunities     {}", report.opportunities))?;
    output.line(format!("approved          {}, rejected {}", report.approved, report.rejected))?;
    for (reason, count) in &report.rejected_by_reason {
        output.line(format!("  {reason:<30} {count}"))?;
    }
    output.line(format!(
        "submitted         {} ({} included, {} reverted, {} open)",
        report.submitted, report.included, report.reverted, report.unknown
    ))?;
    output.line(format!("predicted profit  {} WETH", ether(report.predicted_profit_wei)))?;
    output.line(format!("realised profit   {} WETH", ether(report.realised_profit_wei)))?;
    output.line(format!("attainable        {} WETH", ether(report.attainable_profit_wei)))?;
    output.line(format!("captured share    {:.6}", report.captured_share))?;
    output.line(format!("gas               {} ETH", ether(alphapulse_protocol::U256::from(report.gas_spent_wei))))?;
    output.line(format!(
        "books             {}",
        if report.ledger_matches_chain { "equal to the chain" } else { "NOT the chain's" }
    ))?;
    output.line(format!(
        "decided in        {} median, {} p99",
        nanos(report.latency_decide.p50_ns),
        nanos(report.latency_decide.p99_ns)
    ))?;
    output.line(format!("seconds           {:.1}", report.seconds))?;
    for failure in &report.failures {
        output.line(format!("NOT PASSED        {}: {}", failure.gate, failure.detail))?;
    }
    Ok(())
}
