//! `alphapulse replay`: a recorded run decided again, without a chain.

use std::path::PathBuf;

use alphapulse_engine::replay::{ReplayError, ReplayReport, replay};
use alphapulse_engine::risk::Reject;
use alphapulse_protocol::message::{Found, Message};
use clap::Args;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings;

const EXAMPLES: &str = "\
Examples:
  alphapulse replay runs/20260301-080000
  alphapulse replay runs/20260301-080000 --json
  alphapulse replay runs/20260301-080000 --json --decisions | jq 'select(.opportunity)'

The last JSON line has decision_hash, messages, opportunities and seconds. Exit code 1 when the replay decided otherwise
than the run did.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArguments {
    /// Folder of the run: its journal and manifest
    #[arg(value_name = "DIR")]
    run: PathBuf,

    /// JSON lines; the last one is the report
    #[arg(long)]
    json: bool,

    /// Each opportunity and verdict before the report
    #[arg(long)]
    decisions: bool,
}

pub(crate) fn run(arguments: &ReplayArguments) -> Outcome {
    let mut output = Output::new();
    let mut unwritten = None;
    let report = replay(&arguments.run, &settings::registry(), |decision| {
        if arguments.decisions && unwritten.is_none() {
            unwritten = output.line(decision_line(decision, arguments.json)).err();
        }
    });
    if let Some(failure) = unwritten {
        return Err(failure);
    }
    let report = report.map_err(|error| {
        let next = match &error {
            ReplayError::Manifest(_) => "give the folder of a run, one that holds manifest.json and journal",
            ReplayError::Config(_) | ReplayError::Assembly(_) => {
                "replay it with the program that made it: of the version that its manifest.json names, and with its strategies"
            }
            _ => "the journal is damaged: restore it from a copy",
        };
        let failure = anyhow::Error::new(error).context(format!("cannot replay {}", arguments.run.display()));
        Failure::from(failure).next(next)
    })?;
    if arguments.json {
        let report = serde_json::to_string(&report).expect("text and numbers serialise");
        output.line(report)?;
    } else {
        print_report(&mut output, &report)?;
    }
    output.finish()?;
    if report.matches_recording {
        return Ok(Exit::Ok);
    }
    Err(Failure::from(anyhow::anyhow!(
        "the replay decided otherwise than the run: decision hash {}, recorded {}",
        report.decision_hash,
        report.recorded_decision_hash
    ))
    .next(if report.torn_bytes > 0 {
        "the journal is cut short, so the last decisions may be missing from it: restore it from a copy"
    } else {
        "replay it with the program that made it: of the version that its manifest.json names, and with its strategies as they were"
    }))
}

fn print_report(output: &mut Output, report: &ReplayReport) -> Result<(), Failure> {
    output.line(format!("messages        {}", report.messages))?;
    output.line(format!(
        "opportunities   {} ({} approved, {} rejected)",
        report.opportunities, report.approved, report.rejected
    ))?;
    output.line(format!("decision hash   {}", report.decision_hash))?;
    let same = if report.matches_recording { "the same" } else { report.recorded_decision_hash.as_str() };
    output.line(format!("recorded        {same}"))?;
    if report.discontinuities > 0 {
        output.line(format!(
            "breaks          {} in the market's stream, each followed by a snapshot",
            report.discontinuities
        ))?;
    }
    if report.torn_bytes > 0 {
        output.line(format!("left out        {} bytes of an unfinished last record", report.torn_bytes))?;
    }
    output.line(format!("seconds         {:.3}", report.seconds))
}

fn decision_line(decision: &Message<'_>, is_json: bool) -> String {
    let line = match decision {
        Message::Verdict(verdict) => {
            let reason = Reject::from_code(verdict.reject.get()).map(Reject::name);
            json!({"verdict_on": verdict.opportunity.get(), "is_approved": verdict.is_approved(), "reason": reason})
        }
        other => other.found().map_or_else(|| json!({"record": other.name()}), |found| found_line(&found)),
    };
    if is_json { line.to_string() } else { plain(&line) }
}

fn found_line(found: &Found<'_>) -> Value {
    json!({
        "opportunity": found.opportunity.0, "block": found.block.number.0, "strategy": found.strategy,
        "pools": found.hops.iter().map(|hop| hop.pool.get()).collect::<Vec<_>>(),
        "amount_in": found.amount_in.to_string(), "profit": found.profit().to_string(),
    })
}

fn plain(line: &Value) -> String {
    let fields = line.as_object().expect("made as an object");
    fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}
