//! StableSwap answers recorded from the chain, and a peer's own numbers.

use alloy::primitives::U256;
use alphapulse_strategies::pool::stable_swap::balance::balance;
use alphapulse_strategies::pool::stable_swap::invariant::invariant;
use alphapulse_strategies::pool::stable_swap::{BasePool, PriceCache, Rules, StableSwapView};
use alphapulse_strategies::pool::{QuoteError, Way};

use crate::data::{Rows, json, number, text};
use crate::stable_swap_state::StablePool;

/// 10^18, and 10^12 times that for coins of six decimals.
const RATES_3POOL: [u128; 3] = [10_u128.pow(18), 10_u128.pow(30), 10_u128.pow(30)];

fn three_pool() -> Option<StablePool> {
    let state = json("vectors/onchain-goldens/curve_tripool_block_24407242.json")?;
    Some(StablePool::of_golden(&state, Rules::ThreePool, &RATES_3POOL))
}

#[test]
pub(crate) fn stable_three_pool_quotes_equal_the_chain_s() {
    let (Some(pool), Some(file)) = (three_pool(), json("vectors/onchain-goldens/test_curve_tripool_get_dy.json"))
    else {
        return;
    };
    let mut rows = Rows::of("onchain 3pool get_dy");
    for (call, answer) in file["entries"].as_object().expect("entries") {
        let parts: Vec<&str> = call.split('|').collect();
        let (token_in, token_out) = parts[2].split_once("->").expect("a pair");
        let way = pool.way(token_in, token_out);
        let amount: U256 = parts[3].parse().expect("a number");
        let expected: U256 = number(&answer["value"]);
        assert_eq!(pool.view().quote_exact_in(way, amount, pool.at), Ok(expected), "{call}");
        let swapped = pool.view().swap_exact_in(way, amount, pool.at).expect("just quoted").amount_out;
        assert!(swapped <= expected && expected - swapped <= U256::ONE, "{call}: {swapped}");
        let solved = pool.view().solve(pool.at).expect("a sound pool");
        let with_solved = StableSwapView { solved: Some(&solved), ..pool.view() };
        assert_eq!(with_solved.quote_exact_in(way, amount, pool.at), Ok(expected), "{call}, solved before");
        rows.check();
    }
    rows.finish(18);
}

#[test]
pub(crate) fn stable_three_pool_deposits_and_withdrawals_equal_the_chain_s() {
    let path = "vectors/onchain-goldens/test_curve_tripool_calc_withdraw_and_token_amount.json";
    let (Some(pool), Some(file)) = (three_pool(), json(path)) else { return };
    let mut rows = Rows::of("onchain 3pool calc_token_amount, calc_withdraw_one_coin");
    for (call, answer) in file["entries"].as_object().expect("entries") {
        let parts: Vec<&str> = call.split('|').collect();
        let coin = |text: &str| text.trim_start_matches("i=").parse::<u8>().expect("an index");
        let answered = match parts[1] {
            "calc_withdraw_one_coin" => {
                let shares = parts[3].parse().expect("a number");
                pool.view().calc_withdraw_one_coin(shares, coin(parts[2]), pool.at)
            }
            "calc_token_amount" => {
                let mut amounts = [U256::ZERO; 3];
                amounts[usize::from(coin(parts[3]))] = parts[4].parse().expect("a number");
                pool.view().calc_token_amount(&amounts, parts[2] == "deposit", pool.at)
            }
            other => panic!("{other} is neither"),
        };
        assert_eq!(answered, Ok(number(&answer["value"])), "{call}");
        rows.check();
    }
    rows.finish(18);
}

#[test]
fn stable_three_pool_s_virtual_price_equals_the_chain_s() {
    let Some(state) = json("vectors/onchain-goldens/curve_tripool_block_24407242.json") else { return };
    let pool = StablePool::of_golden(&state, Rules::ThreePool, &RATES_3POOL);
    assert_eq!(pool.view().virtual_price(pool.at), Ok(number(&state["virtual_price"])));
}

#[test]
pub(crate) fn stable_meta_pool_quotes_equal_the_chain_s() {
    let path = "vectors/onchain-goldens/curve_metapool_rai_3crv_block_25144000.json";
    let answers = "vectors/onchain-goldens/test_curve_metapool_get_dy.json";
    let (Some(state), Some(file)) = (json(path), json(answers)) else { return };
    let pool = StablePool::of_golden(&state, Rules::Classic, &[number(&state["redemption_price"]), 0]);
    let base = StablePool::of_golden(&state["base_pool"], Rules::ThreePool, &RATES_3POOL);
    let cache =
        PriceCache { price: number(&state["base_virtual_price"]), updated: number(&state["base_cache_updated"]) };
    let base_view = base.view();
    let meta = pool.view_over(Some(BasePool { pool: &base_view, price_cache: Some(cache) }));
    let underlying = ["rai", "dai", "usdc", "usdt"];
    let mut rows = Rows::of("onchain RAI/3Crv get_dy, get_dy_underlying");
    let mut fresh_differs = 0;
    for (call, answer) in file["entries"].as_object().expect("entries") {
        let parts: Vec<&str> = call.split('|').collect();
        let (token_in, token_out) = parts[2].split_once("->").expect("a pair");
        let amount: U256 = parts[3].parse().expect("a number");
        let index = |token: &str| {
            let found = underlying.iter().position(|known| known.eq_ignore_ascii_case(token));
            u8::try_from(found.expect("an underlying coin")).expect("few coins")
        };
        let ask = |meta: &StableSwapView<'_>| match parts[1] {
            "get_dy" => meta.quote_exact_in(pool.way(token_in, token_out), amount, pool.at),
            "get_dy_underlying" => {
                let way = Way { token_in: index(token_in), token_out: index(token_out) };
                meta.quote_underlying(way, amount, pool.at)
            }
            other => panic!("{other} is neither"),
        };
        let expected: U256 = number(&answer["value"]);
        assert_eq!(ask(&meta), Ok(expected), "{call}");
        let without_cache = pool.view_over(Some(BasePool { pool: &base_view, price_cache: None }));
        fresh_differs += usize::from(ask(&without_cache) != Ok(expected));
        rows.check();
    }
    rows.finish(42);
    assert!(fresh_differs > 0, "the rows do not tell a remembered price from a fresh one");
}

/// What a peer's functions answer, which is no chain's truth: the file names a variant by number, and what each means is
/// found by agreement.
#[test]
pub(crate) fn stable_functions_equal_a_peer_s() {
    let Some(file) = text("vectors/onchain-goldens/oracle_curve_snapshot.txt") else { return };
    let mut rows = Rows::of("peer's curve functions");
    for line in file.lines() {
        let (call, answer) = line.rsplit_once(" = ").expect("a call and its answer");
        let expected: U256 = answer.parse().expect("a number");
        let words: Vec<&str> = call.split(' ').collect();
        let whole = |index: usize| words[index].parse::<u64>().expect("a number");
        match words[0] {
            "get_d" if words[6] == "6" => {
                rows.skip(call, "above the sum of the balances, which no contract's invariant is")
            }
            "get_d" => {
                assert_eq!(invariant(Rules::Classic, &list(words[2]), whole(3)), Ok(expected), "{call}");
                rows.check();
            }
            "get_y" => {
                let mut scaled = list(words[5]);
                // Variant 3 of the invariant, 2 and 3 of the balance: amplification without further digits.
                let of_invariant = if words[10] == "2" { Rules::ThreePool } else { Rules::Classic };
                let of_balance = if words[9] == "1" { Rules::Classic } else { Rules::ThreePool };
                let d = invariant(of_invariant, &scaled, whole(6)).expect("balances of a pool");
                let changed = usize::try_from(whole(2)).expect("an index");
                scaled[changed] = words[4].parse().expect("a number");
                let asked = usize::try_from(whole(3)).expect("an index");
                assert_eq!(balance(of_balance, &scaled, asked, whole(6), d), Ok(expected), "{call}");
                rows.check();
            }
            "get_y_d" => {
                let rules = if words[8] == "1" { Rules::ThreePool } else { Rules::Classic };
                let coin = usize::try_from(whole(3)).expect("an index");
                let d = words[5].parse().expect("a number");
                assert_eq!(balance(rules, &list(words[4]), coin, whole(2), d), Ok(expected), "{call}");
                rows.check();
            }
            "newton_y" => rows.skip(call, "amplification, gamma and invariant are not in the file"),
            "reduction" => rows.skip(call, "a fee of CryptoSwap pools"),
            other => panic!("{other} is unknown"),
        }
    }
    rows.finish(36);
}

fn list(text: &str) -> Vec<U256> {
    let inner = text.trim_start_matches('[').trim_end_matches(']');
    inner.split(',').map(|word| word.parse().expect("a number")).collect()
}

#[test]
fn stable_base_price_is_remembered_for_ten_minutes() {
    let Some(base) = three_pool() else { return };
    let base_view = base.view();
    let fresh = base_view.virtual_price(base.at).expect("a sound pool");
    let price = u128::try_from(fresh).expect("near one") + 10_u128.pow(15);
    let cache = PriceCache { price, updated: base.at };
    let pool = StablePool {
        rules: Rules::Classic,
        balances: vec![10_u128.pow(24); 2],
        rates: vec![10_u128.pow(18), 0],
        amplification: alphapulse_strategies::pool::Ramp::constant(20_000),
        tokens: vec!["a".into(), "3crv".into()],
        ..base.clone()
    };
    let meta = pool.view_over(Some(BasePool { pool: &base_view, price_cache: Some(cache) }));
    let way = Way { token_in: 0, token_out: 1 };
    let amount = U256::from(10_u128.pow(21));
    let remembered = meta.swap_exact_in(way, amount, base.at + 600).expect("a sound pool");
    assert_eq!(remembered.after.price_cache, Some(cache));
    let asked_anew = meta.swap_exact_in(way, amount, base.at + 601).expect("a sound pool");
    let renewed = PriceCache { price: u128::try_from(fresh).expect("near one"), updated: base.at + 601 };
    assert_eq!(asked_anew.after.price_cache, Some(renewed));
    assert!(asked_anew.amount_out > remembered.amount_out, "a share that is worth less buys fewer shares");
    // No contract stacks three pools.
    let third = pool.view_over(Some(BasePool { pool: &meta, price_cache: None }));
    assert_eq!(third.quote_exact_in(way, amount, base.at), Err(QuoteError::UnknownVariant));
}
