//! Quotes read from archive nodes, asked of documents in the snapshot format: what catches a unit that the format and the maths
//! take differently.

use std::fmt::Display;

use alloy::primitives::U256;
use alphapulse_strategies::pool::QuoteError;
use alphapulse_strategies::snapshot::{Answer, NoAnswer, Query, Snapshot};
use serde_json::{Value, json as document};

use crate::data::{Rows, json, number};

const GOLDENS: &str = "vectors/onchain-goldens";
const ONE: u128 = 10_u128.pow(18);
const INT256_MAX: &str = "57896044618658097711785492504343953926634992332820282019728792003956564819967";

/// A market of these pools at a time; its tokens are those of `tokens`, each with an address and decimals.
fn market(timestamp: &Value, tokens: &[&Value], pools: &[Value]) -> Snapshot {
    let mut listed: Vec<Value> = Vec::new();
    for token in tokens {
        let address = lower(&token["address"]);
        if listed.iter().all(|known| known["address"] != address.as_str()) {
            let decimals: u8 = number(&token["decimals"]);
            listed.push(document!({"address": address, "symbol": "", "decimals": decimals}));
        }
    }
    let block =
        if timestamp.is_null() { document!({"number": 1}) } else { document!({"number": 1, "timestamp": timestamp}) };
    let file = document!({
        "format": "alphapulse.snapshot/1", "chain_id": 1, "block": block, "tokens": listed, "pools": pools,
    });
    let snapshot = Snapshot::from_bytes(file.to_string().as_bytes()).expect("a document of the format");
    assert_eq!(snapshot.warnings(), [""; 0]);
    snapshot
}

fn lower(address: &Value) -> String {
    address.as_str().expect("an address").to_lowercase()
}

fn tokens_of(state: &Value) -> Vec<&Value> {
    match state["tokens"].as_array() {
        Some(tokens) => tokens.iter().collect(),
        None => vec![&state["token0"], &state["token1"]],
    }
}

fn addresses(state: &Value) -> Vec<String> {
    tokens_of(state).iter().map(|token| lower(&token["address"])).collect()
}

/// The amount that the file's document answers with.
fn ask(snapshot: &Snapshot, pool: &str, [token_in, token_out]: [&str; 2], field: &str, amount: &str) -> Answer {
    let query = document!({"pool": pool, "token_in": token_in, "token_out": token_out, field: amount});
    snapshot.quote(&Query::from_line(query.to_string().as_bytes()).expect("a query"))
}

fn check(answer: Answer, expected: &Value, key: impl Display) {
    let expected: U256 = number(expected);
    match answer {
        // The quoter does not tell that it took a part only.
        Answer::Out { amount_out, .. } => assert_eq!(amount_out, expected, "{key}"),
        Answer::In { amount_in } => assert_eq!(amount_in, expected, "{key}"),
        other => panic!("{key}: {other}"),
    }
}

/// Addresses of `A->B` or of `i=0` and `j=1`.
fn way<'a>(tokens: &'a [&'a Value], addresses: &'a [String], places: &[&str]) -> [&'a str; 2] {
    let of = |name: &str| {
        let place = match name.strip_prefix("i=").or_else(|| name.strip_prefix("j=")) {
            Some(place) => place.parse().expect("a digit"),
            None => tokens.iter().position(|token| token["symbol"] == name).expect("a token of the pool"),
        };
        addresses[place].as_str()
    };
    match places {
        [pair] => {
            let (token_in, token_out) = pair.split_once("->").expect("a pair");
            [of(token_in), of(token_out)]
        }
        [token_in, token_out] => [of(token_in), of(token_out)],
        _ => panic!("{places:?} is a way"),
    }
}

fn entries(file: &Value) -> impl Iterator<Item = (Vec<&str>, &Value)> {
    file["entries"]
        .as_object()
        .expect("a table of calls")
        .iter()
        .map(|(key, entry)| (key.split('|').collect(), &entry["value"]))
}

#[test]
pub(crate) fn file_of_v3_answers_as_the_quoter_on_mainnet() {
    let state = json(&format!("{GOLDENS}/uniswap_v3_wbtc_weth_block_24407242.json"));
    let quotes = json(&format!("{GOLDENS}/test_cached_calculations_v3_wbtc_weth.json"));
    let (Some(state), Some(quotes)) = (state, quotes) else { return };
    let [wbtc, weth] = ["0x2260fac5e5542a773aa44fbcfedf7c193bc2c599", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"];
    let tokens = [document!({"address": wbtc, "decimals": "8"}), document!({"address": weth, "decimals": "18"})];
    let mut ticks: Vec<(i32, &Value)> = state["tick_data"]
        .as_object()
        .expect("a table of ticks")
        .iter()
        .map(|(tick, data)| (tick.parse().expect("digits"), &data[1]))
        .collect();
    ticks.sort_by_key(|(tick, _)| *tick);
    let ticks: Vec<Value> = ticks.iter().map(|(tick, net)| document!({"tick": tick, "liquidity_net": net})).collect();
    let scalars = &state["scalars"];
    let pool = lower(&state["pool"]);
    let entry = document!({
        "kind": "uniswap_v3", "address": pool, "tokens": [wbtc, weth], "fee_ppm": scalars["fee"],
        "tick_spacing": scalars["tick_spacing"], "sqrt_price_x96": scalars["sqrt_price_x96"], "tick": scalars["tick"],
        "liquidity": scalars["liquidity"], "ticks": ticks, "known_ticks": [-887_272, 887_272],
    });
    let snapshot = market(&Value::Null, &tokens.each_ref(), &[entry]);
    let mut rows = Rows::of("file: mainnet WBTC/WETH quoter");
    for (parts, value) in entries(&quotes) {
        let [_, call, pair, amount] = parts[..] else { panic!("{parts:?} is a call") };
        let way = if pair == "WBTC->WETH" { [wbtc, weth] } else { [weth, wbtc] };
        let field = if call == "quoteExactInputSingle" { "amount_in" } else { "amount_out" };
        let answer = ask(&snapshot, &pool, way, field, amount);
        if answer == Answer::None(NoAnswer::Refused(QuoteError::InsufficientLiquidity)) {
            // The recorder set a price limit, and was given what drains the pool: what the pool takes of the largest input.
            let Answer::Out { consumed: Some(drain), .. } = ask(&snapshot, &pool, way, "amount_in", INT256_MAX) else {
                panic!("{parts:?}: the pool takes all there is")
            };
            assert_eq!(drain, number::<U256>(value), "{parts:?}");
            rows.check();
            continue;
        }
        check(answer, value, format!("{parts:?}"));
        rows.check();
    }
    rows.finish(80);
}

#[test]
pub(crate) fn files_of_pairs_answer_as_contracts_on_base() {
    for (state, quotes, kind, count) in [
        ("pancakeswap_v2_weth_usdbc_block_46875151", "test_pancakeswap_v2_router_get_amounts_out", "uniswap_v2", 24),
        (
            "aerodrome_v2_dola_usdbc_stable_block_46875151",
            "test_aerodrome_v2_stable_get_amount_out",
            "solidly_stable",
            26,
        ),
    ] {
        let (Some(state), Some(quotes)) =
            (json(&format!("{GOLDENS}/{state}.json")), json(&format!("{GOLDENS}/{quotes}.json")))
        else {
            return;
        };
        // Both files count the fee in ten-thousandths.
        let fee_bps: u32 = if kind == "uniswap_v2" { number(&state["fee_numer"]) } else { number(&state["fee_raw"]) };
        let (pool, addresses, tokens) = (lower(&state["pool"]), addresses(&state), tokens_of(&state));
        let entry = document!({
            "kind": kind, "address": pool, "tokens": addresses, "fee_ppm": fee_bps * 100,
            "reserves": [state["reserves_token0"], state["reserves_token1"]],
        });
        let snapshot = market(&Value::Null, &tokens, &[entry]);
        let mut rows =
            Rows::of(if kind == "uniswap_v2" { "file: Base Pancake V2 router" } else { "file: Base Aerodrome" });
        for (parts, value) in entries(&quotes) {
            let way = way(&tokens, &addresses, &parts[2..3]);
            check(ask(&snapshot, &pool, way, "amount_in", parts[3]), value, format!("{parts:?}"));
            rows.check();
        }
        rows.finish(count);
    }
}

/// A StableSwap pool as its state file has it. Amplification ended its ramp, and the file still has the line.
fn curve_stable(state: &Value, a_precision: u32, rates: &[Value]) -> Value {
    document!({
        "kind": "curve_stable", "address": lower(&state["address"]), "tokens": addresses(state), "variant": "classic",
        "balances": state["balances"], "amplification": state["future_a"], "a_precision": a_precision,
        "amplification_ramp": {
            "initial": state["initial_a"], "future": state["future_a"], "initial_time": state["initial_a_time"],
            "future_time": state["future_a_time"],
        },
        "fee": state["fee"], "admin_fee": state["admin_fee"], "rates": rates, "supply": state["lp_token_total_supply"],
    })
}

fn three_pool(state: &Value) -> Value {
    // 10^(36 - decimals) of DAI, USDC and USDT.
    curve_stable(state, 1, &[ONE, ONE * 10_u128.pow(12), ONE * 10_u128.pow(12)].map(|rate| document!(rate.to_string())))
}

#[test]
pub(crate) fn file_of_the_three_coin_pool_answers_as_on_mainnet() {
    let state = json(&format!("{GOLDENS}/curve_tripool_block_24407242.json"));
    let (Some(state), Some(quotes)) = (state, json(&format!("{GOLDENS}/test_curve_tripool_get_dy.json"))) else {
        return;
    };
    let (addresses, tokens) = (addresses(&state), tokens_of(&state));
    let snapshot = market(&state["block_timestamp"], &tokens, &[three_pool(&state)]);
    let mut rows = Rows::of("file: onchain 3pool get_dy");
    for (parts, value) in entries(&quotes) {
        let way = way(&tokens, &addresses, &parts[2..3]);
        check(ask(&snapshot, &lower(&state["address"]), way, "amount_in", parts[3]), value, format!("{parts:?}"));
        rows.check();
    }
    rows.finish(18);
}

/// RAI's rate is its redemption price, that of the share is what the pool remembers of its base's virtual price, and tokens of
/// the base are asked for by their own addresses.
#[test]
pub(crate) fn file_of_a_meta_pool_answers_as_on_mainnet() {
    let state = json(&format!("{GOLDENS}/curve_metapool_rai_3crv_block_25144000.json"));
    let (Some(state), Some(quotes)) = (state, json(&format!("{GOLDENS}/test_curve_metapool_get_dy.json"))) else {
        return;
    };
    let base = &state["base_pool"];
    let mut meta = curve_stable(&state, 100, &[state["redemption_price"].clone(), document!(ONE.to_string())]);
    let underlying: Vec<&Value> = state["tokens_underlying"].as_array().expect("a list").iter().collect();
    let under_addresses: Vec<String> = underlying.iter().map(|token| lower(&token["address"])).collect();
    meta["base_pool"] = document!(lower(&base["address"]));
    meta["underlying"] = document!(under_addresses);
    meta["base_virtual_price"] = state["base_virtual_price"].clone();
    meta["base_cache_updated"] = state["base_cache_updated"].clone();
    let tokens = tokens_of(&state);
    let every: Vec<&Value> = tokens.iter().chain(&underlying).copied().collect();
    let snapshot = market(&state["block_timestamp"], &every, &[three_pool(base), meta.clone()]);
    meta["base_virtual_price"] = Value::Null;
    let fresh = market(&state["block_timestamp"], &every, &[three_pool(base), meta]);
    let own = addresses(&state);
    let mut rows = Rows::of("file: onchain RAI/3Crv get_dy, get_dy_underlying");
    let mut fresh_differs = 0;
    for (parts, value) in entries(&quotes) {
        let way = match parts[1] {
            "get_dy" => way(&tokens, &own, &parts[2..3]),
            "get_dy_underlying" => way(&underlying, &under_addresses, &parts[2..3]),
            other => panic!("{other} is neither"),
        };
        let pool = lower(&state["address"]);
        let answer = ask(&snapshot, &pool, way, "amount_in", parts[3]);
        check(answer, value, format!("{parts:?}"));
        fresh_differs += usize::from(ask(&fresh, &pool, way, "amount_in", parts[3]) != answer);
        rows.check();
    }
    rows.finish(42);
    assert!(fresh_differs > 0, "the rows do not tell a remembered price from a fresh one");
}

/// A fraction such as `9/10000` with 18 decimals.
fn fraction(value: &Value) -> String {
    let (numerator, denominator) = value.as_str().and_then(|text| text.split_once('/')).expect("a fraction");
    let part = |text: &str| text.parse::<u128>().expect("digits");
    (part(numerator) * ONE / part(denominator)).to_string()
}

/// States by address, and the market of all of them.
fn balancer(names: &[&str], entry: impl Fn(&Value) -> Value) -> Option<(Vec<Value>, Snapshot)> {
    let read = |name: &&str| json(&format!("{GOLDENS}/balancer_{name}.json"));
    let states = names.iter().map(read).collect::<Option<Vec<Value>>>()?;
    let pools: Vec<Value> = states.iter().map(entry).collect();
    let tokens: Vec<&Value> = states.iter().flat_map(tokens_of).collect();
    let snapshot = market(&Value::Null, &tokens, &pools);
    Some((states, snapshot))
}

fn check_balancer(states: &[Value], snapshot: &Snapshot, file: &str, name: &'static str, count: usize) {
    let Some(quotes) = json(&format!("{GOLDENS}/test_balancer_v2_{file}.json")) else { return };
    let mut rows = Rows::of(name);
    for (parts, value) in entries(&quotes) {
        let [address, "querySwap", direction, places @ .., amount] = &parts[..] else { panic!("{parts:?} is a call") };
        let state = states.iter().find(|state| state["address"] == *address).expect("a pool of the files");
        let field = if *direction == "GIVEN_IN" { "amount_in" } else { "amount_out" };
        let (tokens, addresses) = (tokens_of(state), addresses(state));
        let way = way(&tokens, &addresses, places);
        check(ask(snapshot, &lower(&state["pool_id"]), way, field, amount), value, format!("{parts:?}"));
        rows.check();
    }
    rows.finish(count);
}

#[test]
pub(crate) fn files_of_weighted_pools_answer_as_on_mainnet() {
    let names = [
        "weighted_aura_kaiaura_50_50",
        "weighted_dai_weth_40_60",
        "weighted_gel_dexg_60_40",
        "weighted_par_mimo_75_25",
        "weighted_sdvecrv_crv_90_10",
        "weighted_usdc_weth",
        "weighted_usdc_weth_50_50",
        "weighted_weth_bal",
    ];
    let entry = |state: &Value| {
        let factors = tokens_of(state).into_iter().map(|token| 10_u128.pow(36 - number::<u32>(&token["decimals"])));
        document!({
            "kind": "balancer_weighted", "address": lower(&state["address"]), "pool_id": lower(&state["pool_id"]),
            "tokens": addresses(state), "balances": state["balances"], "weights": state["weights"],
            "swap_fee": fraction(&state["fee"]), "vault": lower(&state["vault"]),
            "scaling_factors": factors.map(|factor| factor.to_string()).collect::<Vec<String>>(),
            "pow_variant": if state["pow_version"] == "v1" { "log_exp" } else { "special_cases" },
        })
    };
    let Some((states, snapshot)) = balancer(&names, entry) else { return };
    for (file, name, count) in [
        ("expanded_two_token_given_in", "file: mainnet weighted pools, exact in", 108),
        ("expanded_two_token_given_out", "file: mainnet weighted pools, exact out", 108),
        ("usdc_weth_query_swap", "file: mainnet weighted WETH/USDT", 18),
        ("weth_bal_query_swap", "file: mainnet weighted WETH/BAL", 18),
    ] {
        check_balancer(&states, &snapshot, file, name, count);
    }
}

#[test]
pub(crate) fn files_of_stable_pools_answer_as_on_mainnet() {
    let entry = |state: &Value| {
        document!({
            "kind": "balancer_stable", "address": lower(&state["address"]), "pool_id": lower(&state["pool_id"]),
            "tokens": addresses(state), "balances": state["balances"], "amplification": state["amp"],
            "swap_fee": fraction(&state["fee"]), "scaling_factors": state["resolved_scaling_factors"],
            "bpt_index": state["bpt_idx"],
            "invariant": if state["invariant_version"] == "1" { "down" } else { "directed" },
        })
    };
    let names = ["stable_bb_s_usd", "stable_cbeth_wsteth", "stable_tusd_bsp", "stable_wsteth_weth"];
    let Some((states, snapshot)) = balancer(&names, entry) else { return };
    let name = "file: mainnet stable pools, exact in";
    check_balancer(&states, &snapshot, "stable_query_swap_given_in", name, 108);
}

#[test]
pub(crate) fn file_of_a_crypto_pool_answers_as_the_pool_s_own_code() {
    let path = "vectors/curve-crypto-bytecode/0x7f86bf177dd4f3494b841a37e810a34dd56c829b.json";
    let Some(file) = json(path) else { return };
    let (state, pool) = (&file["state"], lower(&file["pool"]));
    let coins: Vec<String> = state["coins"].as_array().expect("a list").iter().map(lower).collect();
    let decimals: Vec<u32> = state["decimals"].as_array().expect("a list").iter().map(number).collect();
    let tokens: Vec<Value> = coins
        .iter()
        .zip(&decimals)
        .map(|(coin, decimals)| document!({"address": coin, "decimals": decimals.to_string()}))
        .collect();
    let precisions: Vec<String> = decimals.iter().map(|of| 10_u64.pow(18 - of).to_string()).collect();
    let entry = document!({
        "kind": "curve_crypto", "address": pool, "tokens": coins, "variant": "tri_ng", "balances": state["balances"],
        "amplification": state["A"], "gamma": state["gamma"], "d": state["D"], "price_scale": state["price_scale"],
        "precisions": precisions, "mid_fee": state["mid_fee"], "out_fee": state["out_fee"], "fee_gamma": state["fee_gamma"],
    });
    let snapshot = market(&Value::Null, &tokens.iter().collect::<Vec<_>>(), &[entry]);
    let mut rows = Rows::of("file: tricryptoUSDC by eth_simulateV1");
    for row in file["rows"].as_array().expect("a list of rows") {
        if !row["err"].is_null() {
            rows.skip(row, "the recorder's own error");
            continue;
        }
        let [token_in, token_out] = ["i", "j"].map(|place| coins[number::<usize>(&row[place])].as_str());
        let amount = row["dx"].as_str().expect("digits");
        check(ask(&snapshot, &pool, [token_in, token_out], "amount_in", amount), &row["dy"], row);
        rows.check();
    }
    rows.finish(48);
}

/// Fees of the key and of the protocol, by pool id. The map of the first pool contradicts its liquidity, which the format refuses,
/// and the others have none: no swap crosses a tick, so each is written as one range.
#[test]
pub(crate) fn files_of_v4_pools_answer_as_on_mainnet() {
    let crossing = json(&format!("{GOLDENS}/v4_crossing_9a5c1d2f_block25673381.json.gz"));
    let recurrences = json(&format!("{GOLDENS}/v4_overprediction_recurrences.json"));
    let (Some(crossing), Some(recurrences)) = (crossing, recurrences) else { return };
    let [first, second] = [1, 2].map(|number| format!("0x{number:040x}"));
    let tokens = [&first, &second].map(|address| document!({"address": address, "decimals": "18"}));
    let mut cases = vec![(
        &crossing["pools"]["v4"],
        number::<u32>(&crossing["pools"]["v4"]["fee_currency0"]),
        number::<i32>(&crossing["pools"]["v4"]["tick_spacing"]),
        vec![(crossing["v4_hop"]["input"].clone(), crossing["v4_hop"]["onchain_actual"].clone())],
    )];
    for entry in recurrences["recurrences"].as_array().expect("a list of pools") {
        let id = entry["v4"]["pool_id"].as_str().expect("an id");
        // As the maths' own test: the file leaves out the key.
        let (fee, spacing, rows): (_, _, &[(u64, u64)]) = match &id[..10] {
            "0x2a6d5b75" => (3000, 60, &[(184, 628_304_616_211_100), (185, 631_737_964_053_287)]),
            "0x76f75965" => (1, 1, &[(9_643, 9_640), (9_652, 9_649), (3_184, 3_182)]),
            _ => continue,
        };
        let texts = rows.iter().map(|(input, out)| (document!(input.to_string()), document!(out.to_string())));
        cases.push((&entry["v4"], fee, spacing, texts.collect()));
    }
    let mut rows = Rows::of("file: mainnet V4 pools");
    for (pool, fee_ppm, tick_spacing, questions) in cases {
        let id = pool["pool_id"].as_str().unwrap_or("0x9a5c1d2f").to_lowercase();
        let id = format!("{id:0<66}");
        let packed: u32 = pool.get("protocol_fee").map_or(0, number);
        let tick: i32 = number(&pool["tick"]);
        let liquidity: u128 = number(&pool["liquidity"]);
        // All of the liquidity in one range about the price: no step of these swaps leaves it.
        let (low, high) = (-887_272 / tick_spacing * tick_spacing, 887_272 / tick_spacing * tick_spacing);
        assert!((low..high).contains(&tick));
        let entry = document!({
            "kind": "uniswap_v4", "address": "0x000000000004444c5dc75cb358380d2e3de08a90", "pool_id": id,
            "hooks": format!("0x{:040x}", 0), "tokens": [first, second], "fee_ppm": fee_ppm, "tick_spacing": tick_spacing,
            "sqrt_price_x96": pool["sqrt_price_x96"], "tick": pool["tick"], "liquidity": pool["liquidity"],
            "ticks": [
                {"tick": low, "liquidity_net": liquidity.to_string()},
                {"tick": high, "liquidity_net": format!("-{liquidity}")},
            ],
            "known_ticks": [-887_272, 887_272], "protocol_fees_ppm": [packed & 0xfff, packed >> 12],
        });
        let snapshot = market(&Value::Null, &tokens.each_ref(), &[entry]);
        for (input, out) in questions {
            let amount = input.as_str().expect("digits");
            check(ask(&snapshot, &id, [&second, &first], "amount_in", amount), &out, format!("{id} {amount}"));
            rows.check();
        }
    }
    rows.finish(6);
}
