//! The demo as plain lines, for logs and pipes.

use super::story::{Stage, Story};
use crate::exit::Failure;
use crate::output::Output;
use crate::screen::{ETHER_DECIMALS, units};

/// One line for the block, then one for each trade that it decided on.
pub(crate) fn print_round(output: &mut Output, story: &Story) -> Result<(), Failure> {
    let totals = &story.status.totals;
    output.line(format!(
        "block {}: {} moves, {} opportunities, {} approved, {} landed, profit so far {} WETH",
        story.block,
        story.moves.len(),
        totals.opportunities,
        totals.approved,
        totals.included,
        units(totals.realised_profit, ETHER_DECIMALS),
    ))?;
    for trade in story.trades.iter().filter(|trade| story.decided.contains(&trade.id)) {
        match &trade.stage {
            Stage::Landed(gain) => {
                output.line(format!("  landed +{} WETH  {}", units(*gain, ETHER_DECIMALS), trade.route))?;
            }
            _ => output.line(format!("  reverted  {}", trade.route))?,
        }
    }
    output.flush()
}
