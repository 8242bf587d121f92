//! The end of a demo: the books, held against the chain.

use alphapulse_engine::node::NodeStatus;
use alphapulse_protocol::U256;
use alphapulse_testnet::session::Accounts;
use serde_json::json;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::screen::{ETHER_DECIMALS, exact, nanos};

/// What a demo came to.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Blocks with traders.
    pub(crate) blocks: u32,
    /// Blocks behind them.
    pub(crate) closing_blocks: u32,
    pub(crate) seed: u64,
    /// Kinds of strategies that traded.
    pub(crate) strategies: Vec<&'static str>,
    pub(crate) status: NodeStatus,
    /// The chain's word before and after.
    pub(crate) accounts: [Accounts; 2],
    /// Folder of the run, when it is kept.
    pub(crate) run_dir: Option<String>,
}

impl Summary {
    /// Whether the profit address gained what the books say.
    fn is_profit_equal(&self) -> bool {
        let [before, after] = &self.accounts;
        before.profit.checked_add(self.status.totals.realised_profit) == Some(after.profit)
    }

    /// Whether the gas account paid what the books say.
    fn is_gas_equal(&self) -> bool {
        let [before, after] = &self.accounts;
        before.ether.checked_sub(U256::from(self.status.totals.gas_spent)) == Some(after.ether)
    }

    /// Prints the summary; a demo whose books are not the chain's has failed.
    pub(crate) fn report(&self, is_json: bool, exit: Exit) -> Outcome {
        let mut output = Output::new();
        if is_json {
            output.line(self.as_json())?;
        } else {
            self.print(&mut output)?;
        }
        output.finish()?;
        if self.is_profit_equal() && self.is_gas_equal() {
            return Ok(exit);
        }
        Err(Failure::from(anyhow::anyhow!("the books differ from the chain"))
            .next("run it again with --journal DIR and report the seed"))
    }

    fn as_json(&self) -> serde_json::Value {
        let totals = &self.status.totals;
        let [before, after] = &self.accounts;
        json!({
            "blocks": self.blocks, "closing_blocks": self.closing_blocks, "seed": self.seed,
            "strategies": self.strategies,
            "opportunities": totals.opportunities, "approved": totals.approved, "rejected": totals.rejected,
            "rejected_by_reason": totals.rejected_by_reason,
            "submitted": totals.submitted, "included": totals.included, "reverted": totals.reverted,
            "unknown": totals.unknown, "mispredicted": totals.mispredicted,
            "predicted_profit_wei": totals.predicted_profit.to_string(),
            "realised_profit_wei": totals.realised_profit.to_string(),
            "gas_spent_wei": totals.gas_spent.to_string(),
            "profit_address_change_wei": change(before.profit, after.profit),
            "gas_account_change_wei": change(before.ether, after.ether),
            "ledger_matches_chain": self.is_profit_equal() && self.is_gas_equal(),
            "decide_p50_ns": self.status.decide.p50_ns, "decide_p99_ns": self.status.decide.p99_ns,
            "run_dir": self.run_dir,
        })
    }

    fn print(&self, output: &mut Output) -> Result<(), Failure> {
        let totals = &self.status.totals;
        let ether = |wei: U256| exact(wei, ETHER_DECIMALS);
        output.line(format!(
            "\nAlphaPulse demo: {} blocks with traders, and {} after them in which the last trades landed, seed {}\n",
            self.blocks, self.closing_blocks, self.seed
        ))?;
        output.line(format!("  strategies      {}", self.strategies.join(", ")))?;
        output.line(format!("  opportunities   {}", totals.opportunities))?;
        output.line(format!("  approved        {}", totals.approved))?;
        output.line(format!("  rejected        {}{}", totals.rejected, self.reasons()))?;
        output.line(format!(
            "  landed          {}, reverted {}, open {}",
            totals.included, totals.reverted, totals.unknown
        ))?;
        output.line(format!(
            "  as predicted    {} of {}",
            totals.included.saturating_sub(totals.mispredicted),
            totals.included
        ))?;
        if self.status.decide.count > 0 {
            let (p50, p99) = (nanos(self.status.decide.p50_ns), nanos(self.status.decide.p99_ns));
            output.line(format!("  decided in      {p50} median, {p99} p99, from a block's last message"))?;
        }
        let gas = U256::from(totals.gas_spent);
        output.line(format!("\n  profit         +{} WETH", ether(totals.realised_profit)))?;
        output.line(format!("  gas            -{} ETH", ether(gas)))?;
        output.line(match totals.realised_profit.checked_sub(gas) {
            Some(net) => format!("  net            +{} ETH", ether(net)),
            None => format!("  net            -{} ETH", ether(gas - totals.realised_profit)),
        })?;
        let [before, after] = &self.accounts;
        let verdict = |is_equal| if is_equal { "equal to the books, to the wei" } else { "NOT what the books say" };
        output.line("\n  On chain")?;
        output.line(format!(
            "  profit address {:>1} wei WETH: {}",
            change(before.profit, after.profit),
            verdict(self.is_profit_equal())
        ))?;
        output.line(format!(
            "  gas account    {:>1} wei ETH: {}",
            change(before.ether, after.ether),
            verdict(self.is_gas_equal())
        ))?;
        if let Some(dir) = &self.run_dir {
            output.line(format!("\n  recorded in {dir}; `alphapulse replay {dir}` decides it again"))?;
        }
        Ok(())
    }

    fn reasons(&self) -> String {
        let reasons: Vec<String> = self
            .status
            .totals
            .rejected_by_reason
            .iter()
            .map(|(reason, count)| format!("{count} {}", reason.replace('_', " ")))
            .collect();
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) }
    }
}

/// A difference with its sign.
fn change(before: U256, after: U256) -> String {
    match after.checked_sub(before) {
        Some(gained) => format!("+{gained}"),
        None => format!("-{}", before - after),
    }
}
