//! What a run tells: events to the log, a summary to stdout.

use alphapulse_engine::node::{NodeEvent, NodeStatus};
use alphapulse_engine::risk::Reject;
use alphapulse_protocol::message::{Found, OutcomeStatus, SubmittedStatus};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use crate::exit::Failure;
use crate::output::Output;

/// Logs an event of the node: money at info, the rest at debug.
pub(crate) fn log_event(event: Result<NodeEvent, RecvError>) {
    match event {
        Ok(NodeEvent::Block(block)) => tracing::debug!(block = block.context.number.get(), "block"),
        Ok(NodeEvent::Reorg(reorg)) => {
            tracing::warn!(ancestor = reorg.ancestor_number.get(), depth = reorg.depth.get(), "reorg");
        }
        Ok(NodeEvent::Opportunity(route)) => log_found(&(&route).into()),
        Ok(NodeEvent::SwapPlan(plan)) => log_found(&(&plan).into()),
        Ok(NodeEvent::Verdict(verdict)) => {
            let id = verdict.opportunity.get();
            match Reject::from_code(verdict.reject.get()) {
                Some(reason) => tracing::info!(id, reason = reason.name(), "rejected"),
                None => tracing::info!(id, net_profit = verdict.net_profit.get(), "approved"),
            }
        }
        Ok(NodeEvent::Submission(sent)) => {
            tracing::info!(id = sent.opportunity.get(), nonce = sent.nonce.get(), "signed");
        }
        Ok(NodeEvent::Submitted(answer)) => {
            let status = SubmittedStatus::from_wire(answer.status.get());
            tracing::info!(id = answer.opportunity.get(), ?status, "submitted");
        }
        Ok(NodeEvent::Outcome(outcome)) => {
            let (status, gain) = (OutcomeStatus::from_wire(outcome.status.get()), outcome.gain.get());
            tracing::info!(id = outcome.opportunity.get(), ?status, %gain, gas = outcome.gas_used.get(), "outcome");
        }
        Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events came faster than they could be logged"),
        // The node keeps the other end for as long as we look; simulations are many and tell little.
        Ok(_) | Err(RecvError::Closed) => {}
    }
}

fn log_found(found: &Found<'_>) {
    let profit = found.profit();
    tracing::info!(id = found.opportunity.0, hops = found.hops.len(), %profit, "opportunity");
}

/// The figures at the end of a run.
pub(crate) fn print_summary(
    status: &NodeStatus,
    run_dir: Option<&str>,
    is_live: bool,
    is_json: bool,
) -> Result<(), Failure> {
    let totals = &status.totals;
    let mut output = Output::new();
    if is_json {
        output.line(json!({
            "is_live": is_live,
            "run_dir": run_dir,
            "blocks": totals.blocks,
            "reorgs": totals.reorgs,
            "opportunities": totals.opportunities,
            "approved": totals.approved,
            "approved_net_profit_wei": totals.approved_net_profit.to_string(),
            "rejected": totals.rejected,
            "rejected_by_reason": totals.rejected_by_reason,
            "submitted": totals.submitted,
            "included": totals.included,
            "reverted": totals.reverted,
            "cancelled": totals.cancelled,
            "unknown": totals.unknown,
            "mispredicted": totals.mispredicted,
            "core": status.core,
            "feed": status.feed,
            "predicted_profit_wei": totals.predicted_profit.to_string(),
            "realised_profit_wei": totals.realised_profit.to_string(),
            "gas_spent_wei": totals.gas_spent.to_string(),
            "halted": status.halted,
        }))?;
        return output.finish();
    }
    output.line(format!("blocks          {} ({} reorgs)", totals.blocks, totals.reorgs))?;
    output.line(format!("opportunities   {}", totals.opportunities))?;
    output
        .line(format!("approved        {}, {} wei expected after gas", totals.approved, totals.approved_net_profit))?;
    output.line(format!("rejected        {}", totals.rejected))?;
    for (reason, count) in &totals.rejected_by_reason {
        output.line(format!("  {reason:<30} {count}"))?;
    }
    let unjudged = totals.opportunities.saturating_sub(totals.approved + totals.rejected);
    if unjudged > 0 {
        output.line(format!("not judged      {unjudged}, stopped before"))?;
    }
    if is_live {
        output.line(format!(
            "submitted       {} ({} included, {} reverted, {} cancelled, {} open)",
            totals.submitted, totals.included, totals.reverted, totals.cancelled, totals.unknown
        ))?;
        output
            .line(format!("profit          {} wei, predicted {}", totals.realised_profit, totals.predicted_profit))?;
        output.line(format!("gas             {} wei", totals.gas_spent))?;
    }
    let (core, feed) = (&status.core, &status.feed);
    let lost = [
        ("opportunities above the block's bound", core.opportunities_refused),
        ("opportunities that were not what they said", core.opportunities_flawed),
        ("listed pools that are not traded at the end", core.pools_refused),
        ("strategies that panicked, and are asked no more", core.strategies_out),
        ("searches cut short", core.search_cuts),
        ("malformed frames", feed.malformed),
        ("breaks in the feed", feed.discontinuities),
        ("feeds joined again", feed.rejoins),
        ("gaps in the feed, repaired", feed.gaps),
        ("trades that gained otherwise than predicted", totals.mispredicted),
    ];
    for (what, count) in lost.iter().filter(|(_, count)| *count > 0) {
        output.line(format!("! {count} {what}"))?;
    }
    if let Some(reason) = &status.halted {
        output.line(format!("halted          {reason}"))?;
    }
    if let Some(dir) = run_dir {
        output.line(format!("recorded in     {dir}"))?;
    }
    output.finish()
}
