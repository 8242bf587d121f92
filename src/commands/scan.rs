//! `alphapulse scan`: the profitable closed routes of a snapshot.

mod explain;
mod joint;

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use alphapulse_protocol::replica::TokenInfo;
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::joint::JointTerms;
use alphapulse_strategies::search::{Cycles, find_cycles};
use alphapulse_strategies::snapshot::Snapshot;
use alphapulse_strategies::{Admission, HOPS_MAX, Hop, Market, Opportunity, Refusal};
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::{address, market_file};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Output, say};
use crate::screen::{plain, units};

const EXAMPLES: &str = r#"Examples:
  alphapulse scan --snapshot market.json.gz --token 0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2
  alphapulse scan --snapshot market.json --token 0xc02a… --token 0xa0b8… --max-hops 3 --min-profit 1000000 --json
  alphapulse scan --snapshot market.json.gz --token 0xc02a… --joint --trade-cost 100000000000000

One line per route, best first; with several tokens, the first token's routes come first, for profits in different
tokens do not compare. Routes may share a pool: taking one can spoil the next. A route may pass a token twice that
it does not begin with. Profit is before gas, and as the pools' arithmetic has it: a token that takes a fee when it
is sent, or changes balances by itself, pays less. Where a route passes only a few raw units of a token, the amount is
near the best one, not always the best. Pools other than pairs in tokens known to change balances by themselves
(AMPL) are left out, as they may not hold what they state; --without leaves out what else you distrust. Without any route nothing is on stdout, and stderr says so. --explain proves
a bound: whatever the route, no pool gives more than its best trade at one price for each token, so the dearest pools
bound what any route earns.

--joint gives one plan of trades in place of routes, for each token: what to hold before, the trades in an order in
which they can be made, no pool twice, and the profit; stderr says what no trades together can exceed."#;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ScanArguments {
    /// Market snapshot (alphapulse.snapshot/1, plain or gzip)
    #[arg(long, value_name = "FILE")]
    snapshot: PathBuf,

    /// Token in which routes start, end and profit; may be given more than once
    #[arg(long = "token", value_name = "ADDRESS", required = true, num_args = 1.., value_parser = address)]
    tokens: Vec<Address>,

    /// Most swaps of a route; a node trades routes of up to 4
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=6))]
    max_hops: u8,

    /// Least profit to report, in raw units of each token; of a plan, after --trade-cost
    #[arg(long, value_name = "N", default_value = "1", value_parser = raw_amount)]
    min_profit: U256,

    /// Pool that no trade may use, or token that none may touch; may be given more than once
    #[arg(long, value_name = "ADDRESS", num_args = 1.., value_parser = pool_or_token)]
    without: Vec<Address>,

    /// Most routes to report for each token
    #[arg(long, value_name = "N", default_value = "1000", value_parser = limit)]
    limit: usize,

    /// Say on stderr what bounds the routes: prices that nearly all pools agree with, and the pools that do not
    #[arg(long)]
    explain: bool,

    /// One plan of the trades that are best made together, for each token, in place of routes
    #[arg(long, conflicts_with_all = ["max_hops", "limit"])]
    joint: bool,

    /// What each trade of a plan costs besides, such as its gas, in raw units of each token
    #[arg(long, value_name = "N", default_value = "0", value_parser = raw_amount, requires = "joint")]
    trade_cost: U256,

    /// JSON lines, also on a terminal
    #[arg(long)]
    json: bool,
}

// `--max-hops` promises what the search can do.
const _: () = assert!(HOPS_MAX == 6);

/// An id has the length of nothing that is left out: who reads it in a route is told what to give.
fn pool_or_token(text: &str) -> Result<Address, String> {
    let is_id = text.strip_prefix("0x").is_some_and(|digits| digits.len() == 64);
    if is_id {
        return Err("this is a pool's id: give its address, with which a Balancer pool's id begins; of Uniswap V4 all pools of a manager share one".to_owned());
    }
    address(text)
}

/// Hops above which a search is told of before it begins.
const HOPS_OF_A_SHORT_SEARCH: u8 = 4;

fn limit(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| "expected a whole number above zero".to_owned())
}

fn raw_amount(text: &str) -> Result<U256, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("expected a whole number of raw units".to_owned());
    }
    text.parse().map_err(|_| "more than 256 bits".to_owned())
}

pub(crate) fn run(arguments: &ScanArguments) -> Outcome {
    let snapshot = market_file::load(&arguments.snapshot)?;
    let market = market_of(&snapshot, &arguments.without)?;
    let tokens = token_ids(&market, &arguments.tokens)?;
    if let Some(both) = arguments.tokens.iter().find(|token| arguments.without.contains(token)) {
        return Err(
            Failure::usage(format!("--without {both} leaves no route from it")).next("leave one of the two out")
        );
    }
    if arguments.explain {
        explain::explain(&market, &tokens, arguments.max_hops);
    }
    let is_json = arguments.json || !io::stdout().is_terminal();
    let mut output = Output::new();
    if arguments.joint {
        for token in tokens {
            let terms = JointTerms { token, trade_cost: arguments.trade_cost };
            joint::write(&market, &terms, arguments.min_profit, is_json, &mut output)?;
        }
        output.finish()?;
        return Ok(Exit::Ok);
    }
    if arguments.max_hops > HOPS_OF_A_SHORT_SEARCH {
        say(&format!(
            "looking for the {} best routes of up to {} hops, which may take a minute; a lower --limit makes it shorter",
            arguments.limit, arguments.max_hops
        ));
    }
    let mut is_any = false;
    for token in tokens {
        let Cycles { routes: found, is_cut } =
            find_cycles(&market, token, arguments.max_hops, arguments.min_profit, arguments.limit);
        is_any |= !found.is_empty();
        for opportunity in &found {
            if is_json {
                output.line(as_json(&market, opportunity))?;
            } else {
                output.line(as_text(&market, opportunity))?;
            }
        }
        output.flush()?;
        if found.len() == arguments.limit {
            let symbol = plain(&self::token(&market, token).symbol);
            tracing::warn!("stopped at --limit {} for {symbol}; a higher one gives more", arguments.limit);
        }
        if is_cut {
            let symbol = plain(&self::token(&market, token).symbol);
            tracing::warn!(
                "the search for {symbol} gave up before its end: routes may be missing; fewer --max-hops, a lower --limit or a higher --min-profit make it shorter"
            );
        }
    }
    output.finish()?;
    if !is_any && arguments.min_profit > U256::ONE {
        tracing::warn!("no route earns {} raw units; --min-profit lets less through", arguments.min_profit);
    } else if !is_any {
        tracing::warn!("no profitable route");
    }
    Ok(Exit::Ok)
}

fn market_of(snapshot: &Snapshot, without: &[Address]) -> Result<Market, Failure> {
    let barred = Admission::allow_all().without(without.iter().map(|address| address.into_array()));
    // A file has no history: nothing will be taken back.
    let mut market = Market::new(barred, 0);
    snapshot.describe(|message| market.apply(&message).map(drop)).context("the snapshot does not make a market")?;
    check_barred(&market, without)?;
    for (pool, reason) in market.refused() {
        if matches!(reason, Refusal::PoolBarred | Refusal::TokenBarred { .. }) {
            continue;
        }
        let address = Address::from(market.replica().pools()[pool.index()].address);
        tracing::warn!("pool {address} is left out: {reason}");
    }
    Ok(market)
}

/// A name that bars nothing is a slip, and one that would go unseen.
fn check_barred(market: &Market, without: &[Address]) -> Result<(), Failure> {
    let replica = market.replica();
    let is_known = |address: &[u8; 20]| {
        replica.token_by_address(address).is_some() || replica.pools().iter().any(|pool| pool.address == *address)
    };
    match without.iter().find(|address| !is_known(&address.into_array())) {
        None => Ok(()),
        Some(unknown) => Err(Failure::usage(format!("--without {unknown} is no pool and no token of the snapshot"))
            .next("give a pool or a token that the file lists")),
    }
}

fn token_ids(market: &Market, tokens: &[Address]) -> Result<Vec<TokenId>, Failure> {
    let id = |address: &Address| {
        market.replica().token_by_address(&address.into_array()).ok_or_else(|| {
            Failure::usage(format!("token {address} is not in the snapshot")).next("give a token that the file lists")
        })
    };
    let mut ids: Vec<TokenId> = Vec::new();
    for token in tokens {
        let id = id(token)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

fn token(market: &Market, token: TokenId) -> &TokenInfo {
    &market.replica().tokens()[token.index()]
}

fn as_json(market: &Market, opportunity: &Opportunity) -> Value {
    let address = |id: TokenId| hex(token(market, id).address);
    let hops: Vec<Value> = opportunity.hops().iter().map(|hop| hop_as_json(market, hop)).collect();
    json!({
        "token": address(opportunity.token),
        "hops": hops,
        "amount_in": opportunity.amount_in().to_string(),
        "amount_out": opportunity.amount_out().to_string(),
        "profit": opportunity.profit().to_string(),
    })
}

/// The id of a pool that shares its contract with others, if it has one.
fn pool_id(market: &Market, pool: PoolId) -> Option<String> {
    let id = match &market.replica().pools()[pool.index()].details {
        PoolDetails::V4(details) => details.pool_id,
        PoolDetails::MultiToken(details) => details.pool_id,
        PoolDetails::None => return None,
    };
    (id != [0; 32]).then(|| B256::from(id).to_string())
}

/// A swap, as routes and plans have it.
fn hop_as_json(market: &Market, hop: &Hop) -> Value {
    let address = |id: TokenId| hex(token(market, id).address);
    let mut line = json!({
        "pool": hex(market.replica().pools()[hop.pool.index()].address),
        "token_in": address(hop.token_in),
        "token_out": address(hop.token_out),
        "amount_in": hop.amount_in.to_string(),
        "amount_out": hop.amount_out.to_string(),
    });
    if let Some(id) = pool_id(market, hop.pool) {
        line["pool_id"] = id.into();
    }
    line
}

/// What names a pool alone: its address, but for one that shares its contract.
fn pool_name(market: &Market, pool: PoolId) -> String {
    pool_id(market, pool).unwrap_or_else(|| hex(market.replica().pools()[pool.index()].address))
}

/// Addresses as the format writes them: lower case.
fn hex(address: [u8; 20]) -> String {
    format!("{:#x}", Address::from(address))
}

/// `+0.4087 WETH from 12.5: WETH → AMPL (0x…) → WETH (0x…)`
fn as_text(market: &Market, opportunity: &Opportunity) -> String {
    let start = token(market, opportunity.token);
    let amount = |amount: U256| units(amount, start.decimals);
    let mut text = format!(
        "+{} {} from {}: {}",
        amount(opportunity.profit()),
        plain(&start.symbol),
        amount(opportunity.amount_in()),
        plain(&start.symbol)
    );
    for hop in opportunity.hops() {
        let pool = pool_name(market, hop.pool);
        let symbol = plain(&token(market, hop.token_out).symbol);
        write!(text, " → {symbol} ({pool})").expect("a String takes every write");
    }
    text
}
