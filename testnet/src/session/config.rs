//! The configuration of a node that trades on a deployment, as an operator would write it.

use std::fmt::Write;
use std::net::SocketAddr;

use alloy::primitives::U256;
use alphapulse_engine::execution::calldata::VenueKind;
use alphapulse_strategies::StrategyKind;

use crate::deploy::{Deployment, Token};

/// Most of any token that the swaps of one trade may pay, in what it is worth when the pools are filled: ether.
const NOTIONAL_MAX: u64 = 1_000;

/// Limits and execution, but for what follows from the deployment.
const RULES: &str = r#"in_flight_max = 16
unknown_max = 2
profit_min = "0.0001 ether"
fee_max = "200 gwei"
gas_max = 3_000_000
market_age_max = "60s"
loss_day_max = "5 ether"
kill_file = "KILL"

[execution]
mode = "live"
simulation = "required"
priority_fee = "1 gwei"
blocks_valid = 2
keystore = "keys/owner"
password_file = "keys/owner.password"
"#;

/// The gas is never above what the executor's tests measure for any shape of route (2026-11: 150,000 for two V2 legs, 167,000 for V3 then
/// V2, 206,000 for two V3 legs), so that the estimate lets through what the simulation then judges exactly.
const TABLES_AFTER_EXECUTION: &str = r#"
[execution.gas]
base = 66_000
v2_leg = 38_000
v3_leg = 62_000

[journal]
dir = "runs"

[relay]
silence = "500ms"
"#;

/// Where the node of a configuration hears of the market.
#[derive(Debug, Clone, Copy)]
pub(super) enum Market {
    /// From the chain's node, by itself.
    Embedded,
    /// From a relay of its own, which this configuration is for as well.
    Relay {
        /// Where that relay is watched.
        page: SocketAddr,
    },
}

impl Market {
    const fn heading(self) -> &'static str {
        match self {
            Self::Embedded => "",
            Self::Relay { .. } => {
                "# A relay over the dev chain of `alphapulse testnet serve`, and a node that listens to it. The chain is gone when that\n\
                 # command ends; keys and addresses are of this chain alone.\n\n"
            }
        }
    }

    fn text(self, deployment: &Deployment) -> String {
        let Self::Relay { page } = self else { return "embedded = true\n".to_owned() };
        let mut text = format!("unix = \"relay.sock\"\nlisten_unix = \"relay.sock\"\nlisten_http = \"{page}\"\n");
        for index in 0..deployment.venues.len() {
            let name = venue_name(index);
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n[[relay.factories]]\nvenue = \"{name}\"\ntokens = [\"WETH\"]\npools_max = {FACTORY_POOLS_MAX}\n"
            );
        }
        text
    }
}

/// New pools of a factory that are followed.
const FACTORY_POOLS_MAX: u32 = 100;

/// Most hops of a route, where the strategy leaves a choice.
const HOPS_MAX: u8 = 3;

fn strategy(kind: StrategyKind) -> String {
    let (least, most) = kind.hops();
    let hops_max = HOPS_MAX.clamp(least, most);
    format!(
        "\n[[strategies]]\nname = \"{kind}\"\nkind = \"{kind}\"\ntokens = [\"WETH\"]\nhops_max = {hops_max}\n\
         profit_min = \"0.0001 WETH\"\nper_block_max = 16\n"
    )
}

/// Configuration of a live node at `endpoint` with these strategies. Paths in it are relative to the folder that holds it.
pub(super) fn text(
    chain_id: u64,
    endpoint: &str,
    deployment: &Deployment,
    strategies: &[StrategyKind],
    market: Market,
) -> String {
    let mut text = market.heading().to_owned();
    text += &format!("[chain]\nid = {chain_id}\nendpoint = \"{endpoint}\"\nnative_token = \"WETH\"\n");
    // Writing to a string cannot fail.
    for (index, venue) in deployment.venues.iter().enumerate() {
        let (kind, fee) = match venue.kind {
            VenueKind::V2 { fee_ppm } => ("uniswap_v2", format!("fee_ppm = {fee_ppm}\n")),
            VenueKind::V3 => ("uniswap_v3", String::new()),
        };
        let (name, factory, hash) = (venue_name(index), venue.factory, venue.init_code_hash);
        let _ = write!(
            text,
            "\n[[venues]]\nname = \"{name}\"\nkind = \"{kind}\"\nfactory = \"{factory}\"\ninit_code_hash = \"{hash}\"\n{fee}"
        );
    }
    for token in &deployment.tokens {
        let (address, symbol, decimals) = (token.address, &token.symbol, token.decimals);
        let _ = write!(text, "\n[[tokens]]\naddress = \"{address}\"\nsymbol = \"{symbol}\"\ndecimals = {decimals}\n");
    }
    for pool in &deployment.pools {
        let venue = venue_name(pool.venue.into());
        let _ = write!(text, "\n[[pools]]\naddress = \"{}\"\nvenue = \"{venue}\"\n", pool.address);
    }
    text.extend(strategies.iter().map(|kind| strategy(*kind)));
    // Every token has a limit: plans may send one round without WETH.
    let limit = |token: &Token| U256::from(NOTIONAL_MAX) * U256::from(10).pow(U256::from(18)) / token.price_wei;
    let limits = deployment.tokens.iter().map(|token| format!("{} = \"{}\"", token.symbol, limit(token)));
    let _ = writeln!(text, "\n[risk]\nnotional_max = {{ {} }}", limits.collect::<Vec<_>>().join(", "));
    text.push_str(RULES);
    let _ = writeln!(text, "executor = \"{}\"", deployment.executor);
    let _ = writeln!(text, "profit_address = \"{}\"", deployment.profit_recipient);
    text + TABLES_AFTER_EXECUTION + &market.text(deployment)
}

/// By the order of [`Deployment::venues`].
fn venue_name(index: usize) -> String {
    ["uniswap_v2", "pancake_v2", "uniswap_v3"]
        .get(index)
        .map_or_else(|| format!("venue_{index}"), |name| (*name).to_owned())
}
