//! The demo on a recorded block of Ethereum: its transactions one by one, the engine watching on paper.

use alloy::primitives::Address;
use alphapulse_protocol::replica::TokenInfo;
use alphapulse_testnet::Kit;
use alphapulse_testnet::mainnet_block::{
    BlockReport, BlockStep, KNOWN_ARBITRAGE, MainnetBlockError, RecordedBlock, replay,
};
use serde_json::json;

use super::{DemoArguments, Show, notice};
use crate::exit::{Exit, Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::screen::{ETHER_DECIMALS, exact, plain, units};

pub(crate) async fn run(kit: &Kit, number: u64, arguments: &DemoArguments) -> Outcome {
    let mut interrupt = Interrupt::watch()?;
    let block = RecordedBlock::load(number).map_err(failure)?;
    let total = block.transactions.len();
    notice(&format!("block {number}: {total} transactions, executed one by one from the recorded state before it"));
    let mut output = Output::new();
    let mut unwritten = None;
    let is_told = arguments.show() != Show::Json;
    let mut told = String::new();
    let mut observe = |step: &BlockStep| {
        // The same opportunity stands open over many transactions: it is told when it changes.
        let best = tell_best(step).filter(|best| *best != told);
        if let Some(best) = best.filter(|_| is_told && unwritten.is_none()) {
            unwritten = print_step(&mut output, step, total, &best).err();
            told = best;
        }
    };
    let report = tokio::select! {
        report = replay(kit, &block, arguments.journal.clone(), &mut observe) => report.map_err(failure)?,
        () = interrupt.asked() => return Ok(Exit::Interrupted),
    };
    if let Some(failure) = unwritten {
        return Err(failure);
    }
    if is_told {
        print_report(&mut output, &report)?;
    } else {
        output.line(as_json(&report))?;
    }
    output.finish()?;
    judge(&report)
}

/// The engine must hold the market that Ethereum recorded, and must have seen what others took.
fn judge(report: &BlockReport) -> Outcome {
    if !report.differences.is_empty() {
        let count = report.differences.len();
        return Err(Failure::from(anyhow::anyhow!("the market differs from the recorded state in {count} places")));
    }
    let is_missed = report.block == KNOWN_ARBITRAGE.block
        && report.known.as_ref().is_none_or(|found| found.profit() < KNOWN_ARBITRAGE.gain);
    if is_missed {
        return Err(Failure::from(anyhow::anyhow!("the arbitrage of {} was not found", KNOWN_ARBITRAGE.transaction)));
    }
    Ok(Exit::Ok)
}

fn failure(error: MainnetBlockError) -> Failure {
    let is_data = matches!(error, MainnetBlockError::DataAbsent { .. } | MainnetBlockError::Data { .. });
    let failure = Failure::from(anyhow::Error::new(error).context("the block cannot be shown"));
    if is_data {
        failure.next("set ALPHAPULSE_DATA to the folder that holds blocks/replayable, and name one of its blocks")
    } else {
        failure
    }
}

/// The best opportunity on the state after a step.
fn tell_best(step: &BlockStep) -> Option<String> {
    let best = step.opportunities.iter().max_by_key(|found| found.profit())?;
    let name = |token: u32| step.market.tokens().get(token as usize).map_or_else(String::new, name);
    let mut route = name(best.token.get());
    for hop in best.hops() {
        route = format!("{route} › {}", name(hop.token_out.get()));
    }
    Some(format!("+{} {route}", units(best.profit(), ETHER_DECIMALS)))
}

/// The symbol, or the ends of the address: a recording holds only what its block read, and that is seldom the symbol.
fn name(token: &TokenInfo) -> String {
    if token.symbol.is_empty() {
        let address = Address::from(token.address).to_string();
        return format!("{}…{}", &address[..6], &address[38..]);
    }
    plain(&token.symbol)
}

fn print_step(output: &mut Output, step: &BlockStep, total: usize, best: &str) -> Result<(), Failure> {
    output.line(format!("after {:>3}/{total}  {}  {best}", step.index + 1, step.transaction))?;
    output.flush()
}

fn print_report(output: &mut Output, report: &BlockReport) -> Result<(), Failure> {
    output.line(format!("\nBlock {} of Ethereum\n", report.block))?;
    output.line(format!("  transactions   {}, each with the recorded status and gas", report.transactions))?;
    output.line(format!("  opportunities  {} over all steps, before gas", report.opportunities))?;
    output.line(match report.differences.len() {
        0 => format!("  market         {} pools, equal to the recorded state after the block", report.pools.len()),
        count => format!("  market         {count} differences from the recorded state after the block"),
    })?;
    for difference in &report.differences {
        output.line(format!("    {difference}"))?;
    }
    if let Some(found) = &report.known {
        output.line(format!(
            "  known          {} took {} WETH; just before it the engine reports {} WETH over the same two pools",
            KNOWN_ARBITRAGE.transaction,
            exact(KNOWN_ARBITRAGE.gain, ETHER_DECIMALS),
            exact(found.profit(), ETHER_DECIMALS),
        ))?;
    }
    Ok(())
}

fn as_json(report: &BlockReport) -> serde_json::Value {
    json!({
        "block": report.block, "transactions": report.transactions, "pools": report.pools.len(),
        "opportunities": report.opportunities, "differences": report.differences,
        "known_arbitrage_wei": KNOWN_ARBITRAGE.gain.to_string(),
        "known_found_wei": report.known.as_ref().map(|found| found.profit().to_string()),
    })
}
