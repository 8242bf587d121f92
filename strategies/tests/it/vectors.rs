//! One line for each file of vectors: its rows, how many are answered exactly, and why the others are not asked.
//!
//! Rows are counted here from the files, and by the tests that check them: a row that neither checks nor names is a failure, and so
//! is a file that the table does not know.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::data::{Rows, data_root, report, take_accounts, text};
use crate::{
    balancer_vectors, cow_auction, crypto_vectors, file_goldens, kyber_vectors, onchain_goldens, solidly_vectors,
    stable_swap_goldens, stable_swap_kyber, tycho_recordings, uniswap_v2_vectors, uniswap_v3_vectors,
    uniswap_v4_vectors,
};

/// Every test that checks rows.
const TESTS: [fn(); 46] = [
    balancer_vectors::weighted_quotes_equal_those_of_pools_on_mainnet,
    balancer_vectors::stable_quotes_equal_those_of_pools_on_mainnet,
    balancer_vectors::quotes_of_a_real_auction_s_balancer_pools_are_exact,
    balancer_vectors::weighted_inputs_equal_kyber_s,
    balancer_vectors::kyber_s_weighted_pools_give_refusals_only,
    balancer_vectors::stable_inputs_equal_kyber_s_before_the_fee,
    balancer_vectors::invariants_equal_those_of_balancer_v3,
    cow_auction::quotes_of_a_real_auction_s_pools_are_exact,
    crypto_vectors::tricrypto_ng_amounts_equal_kyber_s,
    crypto_vectors::tricrypto_ng_amounts_equal_the_pool_s_own_code,
    file_goldens::file_of_v3_answers_as_the_quoter_on_mainnet,
    file_goldens::files_of_pairs_answer_as_contracts_on_base,
    file_goldens::file_of_the_three_coin_pool_answers_as_on_mainnet,
    file_goldens::file_of_a_meta_pool_answers_as_on_mainnet,
    file_goldens::files_of_weighted_pools_answer_as_on_mainnet,
    file_goldens::files_of_stable_pools_answer_as_on_mainnet,
    file_goldens::file_of_a_crypto_pool_answers_as_the_pool_s_own_code,
    file_goldens::files_of_v4_pools_answer_as_on_mainnet,
    kyber_vectors::v2_amounts_equal_kyber_s,
    kyber_vectors::v3_amounts_equal_kyber_s,
    onchain_goldens::wbtc_weth_quotes_equal_the_quoter_on_mainnet,
    onchain_goldens::pancake_v2_quotes_equal_the_router_on_base,
    solidly_vectors::solidly_v2_quotes_equal_the_pool_on_base,
    solidly_vectors::solidly_amounts_equal_kyber_s,
    stable_swap_goldens::stable_three_pool_quotes_equal_the_chain_s,
    stable_swap_goldens::stable_three_pool_deposits_and_withdrawals_equal_the_chain_s,
    stable_swap_goldens::stable_meta_pool_quotes_equal_the_chain_s,
    stable_swap_goldens::stable_functions_equal_a_peer_s,
    stable_swap_kyber::stable_plain_outputs_equal_kyber_s,
    stable_swap_kyber::stable_plain_outputs_over_a_range_equal_kyber_s,
    stable_swap_kyber::stable_ng_outputs_equal_kyber_s,
    stable_swap_kyber::stable_plain_inputs_equal_kyber_s,
    stable_swap_kyber::stable_quotes_by_index_equal_kyber_s,
    stable_swap_kyber::stable_refusals_are_kyber_s,
    stable_swap_kyber::stable_ng_sequences_equal_kyber_s,
    stable_swap_kyber::stable_plain_sequences_equal_kyber_s,
    stable_swap_kyber::stable_lending_inputs_equal_kyber_s,
    stable_swap_kyber::stable_meta_rows_have_no_pool,
    tycho_recordings::quotes_of_a_recorded_market_are_exact_at_block_24721174,
    tycho_recordings::quotes_of_a_recorded_market_are_exact_at_block_24721394,
    uniswap_v2_vectors::v2_quotes_equal_the_pair_s_own_test_cases,
    uniswap_v3_vectors::tick_prices_equal_the_contract_s_snapshot,
    uniswap_v3_vectors::v3_swaps_equal_the_contract_s_snapshots,
    uniswap_v4_vectors::v4_quote_equals_the_amount_that_mainnet_paid,
    uniswap_v4_vectors::v4_quotes_equal_the_recorded_recurrences,
    uniswap_v4_vectors::v4_ticks_lie_in_the_words_of_the_recorded_bitmaps,
];

/// How rows are counted in a file.
#[derive(Debug, Clone, Copy)]
enum Count {
    /// Calls by name.
    Entries,
    /// One a line.
    Lines,
    /// Cases of KyberSwap's tests.
    Cases,
    /// Lists of the file by name.
    Lists(&'static [&'static str]),
    /// As many, because the rows are no list.
    Known(usize),
}

use Count::{Cases, Entries, Known, Lines, Lists};

/// What becomes of a file's rows.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// The accounts of the tests that go through them, and how many rows are answered at least.
    Checked(&'static [&'static str], usize),
    /// No test does, for this reason.
    Skipped(&'static str),
}

use Fate::{Checked, Skipped};

const OTHER_KIND: Fate = Skipped("pools of another kind");

/// Files below the data folder.
const FILES: [(&str, Count, Fate); 67] = [
    ("vectors/uniswap-v2-core/pair-cases.json", Known(13), Checked(&["uniswap-v2-core pair cases"], 8)),
    ("vectors/uniswap-v3-core/swap-cases.json.gz", Lists(&["cases"]), Checked(&["uniswap-v3-core swap cases"], 144)),
    (
        "vectors/uniswap-v3-core/tick-to-sqrt.json",
        Lists(&["getSqrtRatioAtTick"]),
        Checked(&["uniswap-v3-core tick-to-sqrt"], 14),
    ),
    (
        "vectors/onchain-goldens/test_cached_calculations_v3_wbtc_weth.json",
        Entries,
        Checked(&["mainnet WBTC/WETH quoter"], 80),
    ),
    (
        "vectors/onchain-goldens/test_cached_calculations_v3_wbtc_weth.json",
        Entries,
        Checked(&["file: mainnet WBTC/WETH quoter"], 80),
    ),
    (
        "vectors/onchain-goldens/test_pancakeswap_v2_router_get_amounts_out.json",
        Entries,
        Checked(&["Base Pancake V2 router"], 24),
    ),
    (
        "vectors/onchain-goldens/test_pancakeswap_v2_router_get_amounts_out.json",
        Entries,
        Checked(&["file: Base Pancake V2 router"], 24),
    ),
    (
        "vectors/onchain-goldens/test_aerodrome_v2_stable_get_amount_out.json",
        Entries,
        Checked(&["Base Aerodrome getAmountOut"], 26),
    ),
    (
        "vectors/onchain-goldens/test_aerodrome_v2_stable_get_amount_out.json",
        Entries,
        Checked(&["file: Base Aerodrome"], 26),
    ),
    ("vectors/onchain-goldens/test_curve_tripool_get_dy.json", Entries, Checked(&["onchain 3pool get_dy"], 18)),
    ("vectors/onchain-goldens/test_curve_tripool_get_dy.json", Entries, Checked(&["file: onchain 3pool get_dy"], 18)),
    (
        "vectors/onchain-goldens/test_curve_tripool_calc_withdraw_and_token_amount.json",
        Entries,
        Checked(&["onchain 3pool calc_token_amount, calc_withdraw_one_coin"], 18),
    ),
    (
        "vectors/onchain-goldens/test_curve_metapool_get_dy.json",
        Entries,
        Checked(&["onchain RAI/3Crv get_dy, get_dy_underlying"], 42),
    ),
    (
        "vectors/onchain-goldens/test_curve_metapool_get_dy.json",
        Entries,
        Checked(&["file: onchain RAI/3Crv get_dy, get_dy_underlying"], 42),
    ),
    ("vectors/onchain-goldens/oracle_curve_snapshot.txt", Lines, Checked(&["peer's curve functions"], 36)),
    (
        "vectors/onchain-goldens/test_balancer_v2_expanded_two_token_given_in.json",
        Entries,
        Checked(&["mainnet weighted pools, exact in"], 108),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_expanded_two_token_given_in.json",
        Entries,
        Checked(&["file: mainnet weighted pools, exact in"], 108),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_expanded_two_token_given_out.json",
        Entries,
        Checked(&["mainnet weighted pools, exact out"], 108),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_expanded_two_token_given_out.json",
        Entries,
        Checked(&["file: mainnet weighted pools, exact out"], 108),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_usdc_weth_query_swap.json",
        Entries,
        Checked(&["mainnet weighted WETH/USDT"], 18),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_usdc_weth_query_swap.json",
        Entries,
        Checked(&["file: mainnet weighted WETH/USDT"], 18),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_weth_bal_query_swap.json",
        Entries,
        Checked(&["mainnet weighted WETH/BAL"], 18),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_weth_bal_query_swap.json",
        Entries,
        Checked(&["file: mainnet weighted WETH/BAL"], 18),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_stable_query_swap_given_in.json",
        Entries,
        Checked(&["mainnet stable pools, exact in"], 108),
    ),
    (
        "vectors/onchain-goldens/test_balancer_v2_stable_query_swap_given_in.json",
        Entries,
        Checked(&["file: mainnet stable pools, exact in"], 108),
    ),
    (
        "vectors/onchain-goldens/v4_crossing_9a5c1d2f_block25673381.json.gz",
        Known(1),
        Checked(&["mainnet V4 pool 0x9a5c1d2f"], 1),
    ),
    // Five amounts of two pools, and a third pool.
    ("vectors/onchain-goldens/v4_overprediction_recurrences.json", Known(6), Checked(&["mainnet V4 recurrences"], 5)),
    ("vectors/onchain-goldens/v4_overprediction_recurrences.json", Known(6), Checked(&["file: mainnet V4 pools"], 6)),
    ("vectors/onchain-goldens/liquidity_mapping_fixtures.json", Known(15), Checked(&["V4 tick bitmaps"], 15)),
    (
        "vectors/onchain-goldens/path5000_v2v4v3_block25704509.json",
        Known(1),
        Skipped("no amount of the chain; a test of its own loads it"),
    ),
    (
        "vectors/onchain-goldens/v4_eth_usdc_diverge_corpus.json",
        Known(1),
        Skipped("no amount of the chain; a test of its own loads it"),
    ),
    (
        "vectors/curve-crypto-bytecode/0x7f86bf177dd4f3494b841a37e810a34dd56c829b.json",
        Lists(&["rows"]),
        Checked(&["tricryptoUSDC by eth_simulateV1"], 48),
    ),
    (
        "vectors/curve-crypto-bytecode/0x7f86bf177dd4f3494b841a37e810a34dd56c829b.json",
        Lists(&["rows"]),
        Checked(&["file: tricryptoUSDC by eth_simulateV1"], 48),
    ),
    (
        "vectors/kyber/liquidity-source__uniswap__v2__pool_simulator_test.json",
        Cases,
        Checked(&["kyber uniswap-v2"], 11),
    ),
    (
        "vectors/kyber/liquidity-source__uniswap__v3__pool_simulator_test.json.gz",
        Cases,
        Checked(&["kyber uniswap-v3"], 6),
    ),
    ("vectors/kyber/liquidity-source__uniswap__v3__bench_test.json", Cases, Checked(&[], 0)),
    ("vectors/kyber/liquidity-source__solidly-v2__pool_simulator_test.json", Cases, Checked(&["kyber solidly-v2"], 11)),
    (
        "vectors/kyber/liquidity-source__velodrome-v1__pool_simulator_test.json",
        Cases,
        Checked(&["kyber velodrome-v1"], 12),
    ),
    (
        "vectors/kyber/liquidity-source__curve__plain__pool_simulator_test.json",
        Cases,
        Checked(&["kyber plain out", "kyber plain in", "kyber plain get_dy", "kyber plain refusals"], 75),
    ),
    (
        "vectors/kyber/liquidity-source__curve__plain__pool_simulator_compare_test.json.gz",
        Cases,
        Checked(
            &["kyber plain, compared with the chain", "kyber plain sequences, with Kyber's rule for balances"],
            509,
        ),
    ),
    (
        "vectors/kyber/liquidity-source__curve__stable-ng__pool_simulator_test.json",
        Cases,
        Checked(&["kyber stable-ng out", "kyber stable-ng sequences", "kyber stable-ng refusals"], 25),
    ),
    ("vectors/kyber/source__curve__base__pool_simulator_test.json", Cases, Checked(&["kyber base get_dy"], 8)),
    ("vectors/kyber/source__curve__compound__pool_simulator_test.json", Cases, Checked(&["kyber compound in"], 4)),
    ("vectors/kyber/source__curve__meta__pool_simulator_test.json", Cases, Checked(&["kyber meta"], 0)),
    (
        "vectors/kyber/liquidity-source__curve__tricrypto-ng__pool_simulator_test.json",
        Cases,
        Checked(&["kyber tricrypto-ng"], 49),
    ),
    (
        "vectors/kyber/liquidity-source__curve__tricrypto-ng__math_test.json",
        Cases,
        Skipped("inner functions that this library has no like of: the averages and prices are checked by bytecode"),
    ),
    (
        "vectors/kyber/liquidity-source__balancer__v2__math__weighted_math_test.json",
        Cases,
        Checked(&["kyber weighted maths"], 4),
    ),
    (
        "vectors/kyber/liquidity-source__balancer__v2__weighted__pool_simulator_test.json",
        Cases,
        Checked(&["kyber weighted pools"], 2),
    ),
    (
        "vectors/kyber/liquidity-source__balancer__v2__stable__pool_simulator_test.json",
        Cases,
        Checked(&["kyber stable pools"], 2),
    ),
    (
        "vectors/kyber/liquidity-source__balancer__v3__math__stable_math_test.json",
        Cases,
        Checked(&["kyber V3 stable maths"], 4),
    ),
    ("vectors/kyber/liquidity-source__balancer__v3__stable__pool_simulator_test.json", Cases, OTHER_KIND),
    ("vectors/kyber/liquidity-source__algebra__integral__pool_simulator_test.json", Cases, OTHER_KIND),
    (
        "vectors/balancer-v3-maths/11155111-7439300-Stable-stataUSDC-stataUSDT.json",
        Lists(&["swaps", "adds", "removes"]),
        Skipped("Balancer V3, whose contract rounds a balance otherwise"),
    ),
    ("snapshots/cow-auction/v3-quotes.ndjson.gz", Lines, Checked(&["cow-auction V3 quotes"], 3_516)),
    (
        "snapshots/cow-auction/balancer-math.ndjson.gz",
        Lines,
        Checked(&["cow-auction weighted, 4 columns each", "cow-auction stable"], 1_989),
    ),
    (
        "snapshots/tycho-recordings/24721174-24721181.v3-quotes.ndjson.gz",
        Lines,
        Checked(&["tycho V3 quotes at 24721174"], 2_414),
    ),
    (
        "snapshots/tycho-recordings/24721394-24721407.v3-quotes.ndjson.gz",
        Lines,
        Checked(&["tycho V3 quotes at 24721394"], 2_406),
    ),
    ("vectors/balancer-v3-maths/1-21671845-Buffer-csUSDC.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/1-21671845-Buffer-waEthLidoWETH.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/1-21671845-Buffer-waEthUSDC.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/11155111-10434442-FixedPriceLBP-MTK-USDC.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/8453-31094200-ReClamm-WETH-USDC-In-Range.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/8453-31094380-ReClamm-WETH-USDC-Same-Timestamp.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/8453-32641745-ReClamm-V2-Out-Of-Range.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/buffer-manual.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/1-23511249-GyroECLP-Barter.json", Lists(&["swaps"]), OTHER_KIND),
    ("vectors/balancer-v3-maths/11155111-8085514-LBP-BAL-DAI.json", Lists(&["swaps"]), OTHER_KIND),
];

/// Beginnings of the names of states, which rows of other files of that folder refer to.
const STATES: (&str, [&str; 5]) =
    ("vectors/onchain-goldens", ["aerodrome_", "balancer_", "curve_", "pancakeswap_", "uniswap_"]);

const FOLDERS: [&str; 6] = [
    "vectors/onchain-goldens",
    "vectors/kyber",
    "vectors/curve-crypto-bytecode",
    "vectors/balancer-v3-maths",
    "vectors/uniswap-v2-core",
    "vectors/uniswap-v3-core",
];

#[test]
fn every_row_of_every_file_is_checked_or_named() {
    if !data_root().join("vectors").exists() {
        crate::data::ignored("the data folder is absent (set ALPHAPULSE_DATA)");
        return;
    }
    for folder in FOLDERS {
        check_known(folder);
    }
    for test in TESTS {
        test();
    }
    let accounts: BTreeMap<&str, Rows> = take_accounts().into_iter().map(|rows| (rows.name, rows)).collect();
    let mut totals = [0; 3];
    report("file: rows, passed, skipped");
    for (path, count, fate) in FILES {
        let Some(text) = text(path) else { continue };
        let rows = count_rows(&text, count);
        let (passed, skipped) = account(path, rows, fate, &accounts);
        assert_eq!(passed + skipped, rows, "{path}: {passed} passed and {skipped} skipped of {rows} rows");
        for (total, add) in totals.iter_mut().zip([rows, passed, skipped]) {
            *total += add;
        }
    }
    report(&format!("all: {} rows, {} passed, {} skipped", totals[0], totals[1], totals[2]));
}

/// Prints a file's line; gives the rows that passed and those that were skipped.
fn account(path: &str, rows: usize, fate: Fate, accounts: &BTreeMap<&str, Rows>) -> (usize, usize) {
    let (names, passed_min) = match fate {
        Checked(names, passed_min) => (names, passed_min),
        Skipped(reason) => {
            report(&format!("{path}: {rows} rows, 0 passed, {rows} skipped ({reason})"));
            return (0, rows);
        }
    };
    let found =
        names.iter().map(|name| accounts.get(name).unwrap_or_else(|| panic!("{path}: nothing checks {name:?}")));
    let (mut passed, mut skipped, mut reasons) = (0, 0, BTreeMap::<&str, usize>::new());
    for rows in found {
        passed += rows.checked;
        skipped += rows.skipped.len();
        for (_, reason) in &rows.skipped {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let form = if names.iter().any(|name| name.starts_with("file: ")) { " as a snapshot file" } else { "" };
    let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    report(&format!("{path}{form}: {rows} rows, {passed} passed, {skipped} skipped{reasons}"));
    assert!(passed >= passed_min, "{path}: {passed} rows pass, {passed_min} did");
    (passed, skipped)
}

fn count_rows(text: &str, count: Count) -> usize {
    let list = |value: &Value| value.as_array().map_or(0, Vec::len);
    let file = || serde_json::from_str::<Value>(text).expect("data files are JSON");
    match count {
        Known(count) => count,
        Lines => text.lines().filter(|line| !line.trim().is_empty()).count(),
        Entries => file()["entries"].as_object().expect("a table of calls").len(),
        Lists(names) => names.iter().map(|name| list(&file()[*name])).sum(),
        Cases => {
            let file = file();
            let segments = file.as_array().expect("a list of segments");
            let cases = segments.iter().flat_map(|segment| segment["cases"].as_array().into_iter().flatten());
            cases.map(|case| list(&case["rows"])).sum()
        }
    }
}

/// Fails for a file that is in neither table.
fn check_known(folder: &str) {
    let Ok(entries) = fs::read_dir(data_root().join(folder)) else { return };
    for entry in entries {
        let name = entry.expect("a readable folder").file_name().into_string().expect("names are UTF-8");
        let is_listed = FILES.iter().any(|(path, ..)| path.strip_prefix(folder) == Some(&format!("/{name}")));
        let is_state = STATES.0 == folder && STATES.1.iter().any(|beginning| name.starts_with(beginning));
        assert!(is_listed || is_state || name == "README.md", "{folder}/{name} is a file that the table does not know");
    }
}
