//! The paper configuration that watches a recorded block's pools.

use std::collections::BTreeSet;
use std::fmt::Write;

use alloy::primitives::{Address, address};
use alphapulse_protocol::message::PoolKind;

use super::pools::{TouchedPool, VENUES};

const CHAIN_ID: u64 = 1;
const WETH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");

/// Everything but venues, tokens and pools. No executor is deployed on the recorded state, so nothing can be simulated.
const RULES: &str = r#"
[[strategies]]
name = "two venues"
kind = "two_venue"
tokens = ["WETH"]
profit_min = "0.0001 WETH"
per_block_max = 8

[[strategies]]
name = "cycles"
kind = "cyclic"
tokens = ["WETH"]
hops_max = 3
profit_min = "0.0001 WETH"
per_block_max = 8

[risk]
notional_max = { WETH = "100" }
in_flight_max = 4
unknown_max = 2
profit_min = "0.0002 ether"
fee_max = "500 gwei"
gas_max = 1_500_000
# The block is of 2023.
market_age_max = "10000000000s"
loss_day_max = "1 ether"

[execution]
mode = "paper"
simulation = "off"
priority_fee = "1 gwei"
blocks_valid = 1

[execution.gas]
base = 100_000
v2_leg = 70_000
v3_leg = 110_000

[relay]
embedded = true
silence = "250ms"
"#;

/// Configuration of a node on paper that follows `pools` at `endpoint`.
pub(super) fn text(endpoint: &str, pools: &[TouchedPool]) -> String {
    let mut text = format!("[chain]\nid = {CHAIN_ID}\nendpoint = \"{endpoint}\"\nnative_token = \"WETH\"\n");
    // Writing to a string cannot fail.
    for venue in &VENUES {
        let (name, kind) = (venue.name, venue.kind.name());
        let (factory, hash) = (venue.factory, venue.init_code_hash);
        let _ = write!(
            text,
            "\n[[venues]]\nname = \"{name}\"\nkind = \"{kind}\"\nfactory = \"{factory}\"\ninit_code_hash = \"{hash}\"\n"
        );
        if venue.kind == PoolKind::UniswapV2 {
            let _ = writeln!(text, "fee_ppm = {}", venue.fee_ppm);
        }
    }
    let tokens: BTreeSet<Address> = pools.iter().flat_map(|pool| pool.tokens).chain([WETH]).collect();
    for token in tokens {
        let _ = write!(text, "\n[[tokens]]\naddress = \"{token}\"\nsymbol = \"{}\"\n", symbol(token));
        if token == WETH {
            text.push_str("decimals = 18\n");
        }
    }
    for pool in pools {
        let _ = write!(text, "\n[[pools]]\naddress = \"{}\"\nvenue = \"{}\"\n", pool.address, VENUES[pool.venue].name);
        if let Some((low, high)) = pool.known_ticks {
            let _ = writeln!(text, "known_ticks = [{low}, {high}]");
        }
    }
    text + RULES
}

/// A name that is this token's alone; the contract's own symbol is hostile text.
fn symbol(token: Address) -> String {
    if token == WETH { "WETH".to_owned() } else { format!("T{}", &token.to_string()[2..10]) }
}
