//! The best trades of a snapshot that can be made together, as one plan for each token.

use alphapulse_protocol::{TokenId, U256};
use alphapulse_strategies::joint::{JointOptimum, JointPlan, JointTerms};
use alphapulse_strategies::search::Prices;
use alphapulse_strategies::{Hop, Market};
use serde_json::{Value, json};

use super::{hex, hop_as_json, pool_name, token};
use crate::exit::Failure;
use crate::output::{Output, say};
use crate::screen::{plain, units};

/// Writes a plan, if there is one, and says what no plan can exceed.
pub(super) fn write(
    market: &Market,
    terms: &JointTerms,
    profit_min: U256,
    is_json: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let prices = Prices::fit(market, &[terms.token]);
    let Some(optimum) = JointOptimum::new(market, terms, &prices) else {
        say(&format!("no traded pool holds {}", plain(&token(market, terms.token).symbol)));
        return Ok(());
    };
    let bounds = [optimum.bound(), optimum.bound_after_costs()].map(rounded_up);
    let found = optimum.plan();
    let net = |plan: &JointPlan| plan.net(terms.trade_cost).unwrap_or_default();
    say(&described(market, terms, bounds, found.as_ref()));
    let plan = found.filter(|plan| net(plan) >= profit_min);
    let Some(plan) = plan else { return Ok(()) };
    if is_json { output.line(as_json(market, terms, &plan, bounds)) } else { as_text(market, &plan, output) }
}

/// What the plan earns, and what no plan can exceed.
fn described(market: &Market, terms: &JointTerms, bounds: [Option<U256>; 2], plan: Option<&JointPlan>) -> String {
    let amount = |raw| amount(market, terms.token, raw);
    let (after, bound) =
        if terms.trade_cost.is_zero() { ("", bounds[0]) } else { (" after what trades cost", bounds[1]) };
    let most = match bound {
        Some(bound) => format!("no trades together earn more than {}{after}", amount(bound)),
        None => "no bound is known".to_owned(),
    };
    let Some(net) = plan.and_then(|plan| plan.net(terms.trade_cost)) else {
        return format!("{most}; no plan earns anything{after}");
    };
    let share = bound.filter(|bound| !bound.is_zero()).map_or_else(String::new, |bound| {
        // Rounded down: what is not all is not told as all.
        let share = (f64::from(net) / f64::from(bound) * 1e6).floor() / 1e4;
        format!(", {share:.4} % of that")
    });
    format!("{most}; the plan earns {}{after}{share}", amount(net))
}

/// None for a bound beyond all amounts: nothing is known then.
fn rounded_up(bound: f64) -> Option<U256> {
    U256::try_from(bound.ceil()).ok()
}

fn amount(market: &Market, id: TokenId, raw: U256) -> String {
    let token = token(market, id);
    format!("{} {}", units(raw, token.decimals), plain(&token.symbol))
}

fn as_text(market: &Market, plan: &JointPlan, output: &mut Output) -> Result<(), Failure> {
    let count = plan.trades.len();
    output.line(format!("+{} by {count} trades", amount(market, plan.token, plan.profit)))?;
    for (token, raw) in &plan.borrowed {
        output.line(format!("  needs {}", amount(market, *token, *raw)))?;
    }
    for Hop { pool, token_in, token_out, amount_in, amount_out } in &plan.trades {
        let pool = pool_name(market, *pool);
        let [paid, got] = [(token_in, amount_in), (token_out, amount_out)].map(|(id, raw)| amount(market, *id, *raw));
        output.line(format!("  {pool}: {paid} → {got}"))?;
    }
    for (token, raw) in &plan.left {
        output.line(format!("  leaves {}", amount(market, *token, *raw)))?;
    }
    Ok(())
}

fn as_json(market: &Market, terms: &JointTerms, plan: &JointPlan, bounds: [Option<U256>; 2]) -> Value {
    let [bound, bound_after_costs] = bounds.map(|bound| bound.map(|bound| bound.to_string()));
    let address = |id: TokenId| hex(token(market, id).address);
    let amounts = |amounts: &[(TokenId, U256)]| -> Vec<Value> {
        amounts.iter().map(|(id, raw)| json!({ "token": address(*id), "amount": raw.to_string() })).collect()
    };
    json!({
        "token": address(plan.token),
        "profit": plan.profit.to_string(),
        "net": plan.net(terms.trade_cost).unwrap_or_default().to_string(),
        "bound": bound,
        "bound_after_costs": bound_after_costs,
        "borrowed": amounts(&plan.borrowed),
        "trades": plan.trades.iter().map(|trade| hop_as_json(market, trade)).collect::<Vec<_>>(),
        "left": amounts(&plan.left),
    })
}
