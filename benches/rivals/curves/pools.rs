//! Who quotes what: pools of the sizes that mainnet's have, and everybody's form of them.

use std::hint::black_box;

use alphapulse_strategies::pool::balancer::weighted::{Powers, WeightedView};
use alphapulse_strategies::pool::crypto_swap::{
    CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView,
};
use alphapulse_strategies::pool::stable_swap::{Rules, StableSwapView};
use alphapulse_strategies::pool::{Mobius, Ramp, Way, estimate};
use anyhow::{Context, Result, ensure};
use balancer_maths_rust::pools::weighted::compute_out_given_exact_in;
use curve_math::Pool;
use num_bigint::{BigInt, Sign};
use ruint::aliases::U256;

use crate::random::Random;

/// Output for an input; `None` where there is none.
pub(crate) type Quote = Box<dyn Fn(U256) -> Option<U256>>;

/// About what comes out for an input, which is there as both; of a peer that only knows exact answers, anything of one.
pub(crate) type Estimate = Box<dyn Fn(U256, f64) -> f64>;

/// Amounts, what is right for them, and who answers; ours first.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) amounts: Vec<U256>,
    pub(crate) answers: Vec<U256>,
    pub(crate) contenders: Vec<(&'static str, Quote)>,
    /// Ours first, and the exact answer of the peer last.
    pub(crate) estimates: Vec<(&'static str, Estimate)>,
    /// Most nanoseconds of an estimate: SPEED.
    pub(crate) estimate_max_ns: f64,
}

const AMOUNTS: usize = 64;
const WAY: Way = Way { token_in: 0, token_out: 1 };
/// Any block: nothing moves.
const AT: u64 = 1;
const ONE: u128 = 1_000_000_000_000_000_000;

pub(crate) fn workloads() -> Result<Vec<Workload>> {
    let stable = [Rules::ThreePool, Rules::Classic, Rules::Ng].into_iter();
    let stable = stable.flat_map(|rules| [2, 3, 4].map(|coins| stable_swap(rules, coins)));
    let crypto = [
        CryptoSwapGeneration::TwoCrypto,
        CryptoSwapGeneration::TwoCryptoNg,
        CryptoSwapGeneration::TriCrypto,
        CryptoSwapGeneration::TriCryptoNg,
    ];
    stable.chain(crypto.map(crypto_swap)).chain([50, 60, 80].map(weighted)).collect()
}

/// Puts a workload together, after everybody has given the same answer to everything.
fn workload(
    name: String,
    balance_in: u128,
    contenders: Vec<(&'static str, Quote)>,
    (estimates, estimate_max_ns): (Vec<(&'static str, Estimate)>, f64),
) -> Result<Workload> {
    let mut random = Random::new(11);
    let mut answers = Vec::new();
    let mut amounts = Vec::new();
    while amounts.len() < AMOUNTS {
        // From a hundredth of the balance down to a hundred-thousandth.
        let part = 100 * (1 + random.below(1_000));
        let amount = U256::from(balance_in / part as u128 + random.below(1_000) as u128);
        let answer = contenders[0].1(amount).with_context(|| format!("{name}: ours has no answer for {amount}"))?;
        for (other, quote) in &contenders {
            let theirs = quote(amount);
            ensure!(theirs == Some(answer), "{name}, {amount}: {other} answers {theirs:?}, ours {answer}");
        }
        amounts.push(amount);
        answers.push(answer);
    }
    Ok(Workload { name, amounts, answers, contenders, estimates, estimate_max_ns })
}

fn wide<const COUNT: usize>(values: [u128; COUNT]) -> [U256; COUNT] {
    values.map(U256::from)
}

/// A pool of coins of 6 and 18 decimals, somewhat out of balance.
fn stable_swap(rules: Rules, coins: usize) -> Result<Workload> {
    let balances = [50_000_000_000_000, 60_000_000 * ONE, 40_000_000_000_000, 45_000_000 * ONE];
    let rates = [ONE * 1_000_000_000_000, ONE, ONE * 1_000_000_000_000, ONE];
    let (balances, rates): (Vec<u128>, Vec<u128>) = (balances[..coins].to_vec(), rates[..coins].to_vec());
    let amplification = 2_000 * rules.amplification_precision();
    let (fee, offpeg) = (1_000_000_u64, 50_000_000_000_u128);
    let peer = || peer_stable_swap(rules, &balances, &rates, amplification, fee, offpeg);
    let (peer, estimated) = (peer(), peer());
    let balance_in = balances[0];
    // The pool stays for as long as the program runs.
    let view: &'static StableSwapView<'static> = Box::leak(Box::new(StableSwapView {
        rules,
        balances: Box::leak(balances.into_boxed_slice()),
        rates: Box::leak(rates.into_boxed_slice()),
        amplification: Ramp::constant(amplification),
        fee,
        admin_fee: 0,
        offpeg_fee_multiplier: offpeg,
        supply: 0,
        valid_until: u64::MAX,
        is_paused: false,
        base: None,
        solved: None,
    }));
    let solved = Box::leak(Box::new(view.solve(AT)?));
    let ours = StableSwapView { solved: Some(solved), ..*view };
    let contenders: Vec<(&'static str, Quote)> = vec![
        ("ours", Box::new(move |amount| ours.quote_exact_in(WAY, amount, AT).ok())),
        ("ours, nothing kept", Box::new(move |amount| view.quote_exact_in(WAY, amount, AT).ok())),
        ("curve-math", quote_of(peer)),
    ];
    let estimates = estimates(CURVE_MATH_EXACT, quote_of(estimated), move || estimate::stable_swap(&ours, WAY, AT))?;
    workload(format!("{rules:?} of {coins}"), balance_in, contenders, (estimates, 15.0))
}

const CURVE_MATH_EXACT: &str = "curve-math, exact";

fn quote_of(peer: Pool) -> Quote {
    Box::new(move |amount| peer.get_amount_out(0, 1, amount))
}

fn peer_stable_swap(
    rules: Rules,
    balances: &[u128],
    rates: &[u128],
    amplification: u64,
    fee: u64,
    offpeg: u128,
) -> Pool {
    let list = |values: &[u128]| values.iter().copied().map(U256::from).collect::<Vec<_>>();
    let (balances, rates) = (list(balances), list(rates));
    let (amp, fee) = (U256::from(amplification), U256::from(fee));
    match rules {
        Rules::ThreePool => Pool::StableSwapV1 { balances, rates, amp, fee },
        Rules::Ng => Pool::StableSwapNG { balances, rates, amp, fee, offpeg_fee_multiplier: U256::from(offpeg) },
        _ => Pool::StableSwapV2 { balances, rates, amp, fee },
    }
}

/// A pool in balance, so that its invariant is known without being solved.
fn crypto_swap(generation: CryptoSwapGeneration) -> Result<Workload> {
    let is_tri = generation.coin_count() == 3;
    let (balances, precisions, price_scale, d) = if is_tri {
        let balances = [10_000_000_000_000, 25_000_000_000, 5_000 * ONE];
        (balances, [1_000_000_000_000_u64, 10_000_000_000, 1], [40_000 * ONE, 2_000 * ONE], 30_000_000 * ONE)
    } else {
        ([4_000_000 * ONE, 2_000 * ONE, 0], [1, 1, 1], [2_000 * ONE, 0], 8_000_000 * ONE)
    };
    let (a, gamma) = if is_tri { (1_707_629, 11_809_167_828_997) } else { (400_000, 145_000_000_000_000) };
    let terms = CryptoSwapTerms {
        future_a: a,
        future_gamma: gamma,
        mid_fee: 3_000_000,
        out_fee: 30_000_000,
        fee_gamma: 500_000_000_000_000,
        ..CryptoSwapTerms::default()
    };
    let state = CryptoSwapState { balances, price_scale, d, ..CryptoSwapState::default() };
    let ours = CryptoSwapView { generation, precisions, terms, state };
    let (peer, estimated) = (peer_crypto_swap(&ours), peer_crypto_swap(&ours));
    let prepared = ours.prepare().context("the pool's numbers are short")?;
    let contenders: Vec<(&'static str, Quote)> = vec![
        ("ours", Box::new(move |amount| prepared.quote_exact_in(&ours, WAY, amount, AT).ok())),
        ("ours, nothing kept", Box::new(move |amount| ours.quote_exact_in(WAY, amount, AT).ok())),
        ("curve-math", quote_of(peer)),
    ];
    let estimates = estimates(CURVE_MATH_EXACT, quote_of(estimated), move || estimate::crypto_swap(&ours, WAY, AT))?;
    workload(format!("{generation:?}"), balances[0], contenders, (estimates, 60.0))
}

/// A weighted pool of Balancer of two tokens of 18 decimals, whose first has so many hundredths of the weight. The peer knows the maths
/// of the third version, which is the second's; the fee, which its vault takes, is taken before it is asked.
fn weighted(first_percent: u64) -> Result<Workload> {
    let (balances, percent) = ([4_000_000 * ONE, 500 * ONE], u64::try_from(ONE / 100)?);
    let (weights, fee) = ([first_percent * percent, (100 - first_percent) * percent], 3_000_000_000_000_000_u64);
    let ours = WeightedView {
        balances: Box::leak(Box::new(balances)),
        scales: &[ONE; 2],
        weights: Box::leak(Box::new(weights)),
        swap_fee: fee,
        powers: Powers::SpecialCases,
        is_paused: false,
    };
    let peer = move || {
        let ([paid, taken], [w_paid, w_taken]) = (balances.map(BigInt::from), weights.map(BigInt::from));
        move |amount: U256| {
            let fee = (amount * U256::from(fee)).div_ceil(U256::from(ONE));
            let amount = BigInt::from_bytes_le(Sign::Plus, &(amount - fee).to_le_bytes::<32>());
            let out = compute_out_given_exact_in(&paid, &w_paid, &taken, &w_taken, &amount).ok()?;
            U256::try_from_le_slice(&out.to_bytes_le().1)
        }
    };
    let (exact, estimated) = (peer(), peer());
    let make = move || estimate::weighted(&ours, WAY);
    let contenders: Vec<(&'static str, Quote)> = vec![
        ("ours", Box::new(move |amount| ours.quote_exact_in(WAY, amount).ok())),
        ("balancer-maths-rust", Box::new(exact)),
    ];
    let estimates = estimates("balancer-maths-rust, exact", Box::new(estimated), make)?;
    workload(format!("Weighted {first_percent}"), balances[0], contenders, (estimates, 15.0))
}

/// The map made anew for each answer, the map as search reads it once a block has made it, and the peer.
fn estimates(
    name: &'static str,
    peer: Quote,
    make: impl Fn() -> Option<Mobius> + 'static,
) -> Result<Vec<(&'static str, Estimate)>> {
    let kept = make().context("something can be sold")?;
    Ok(vec![
        ("(g, h) made anew", Box::new(move |_, amount| make().map_or(0.0, |map| map.output(amount)))),
        ("(g, h) as kept", Box::new(move |_, amount| black_box(kept).output(amount))),
        (name, Box::new(move |amount, _| peer(amount).map_or(0.0, |answer| answer.as_limbs()[0] as f64))),
    ])
}

fn peer_crypto_swap(ours: &CryptoSwapView) -> Pool {
    let CryptoSwapView { terms, state, .. } = ours;
    let (balances, precisions, price_scale) =
        (wide(state.balances), ours.precisions.map(U256::from), wide(state.price_scale));
    let [d, ann, gamma] = [U256::from(state.d), U256::from(terms.future_a), U256::from(terms.future_gamma)];
    let [mid_fee, out_fee, fee_gamma] = [terms.mid_fee, terms.out_fee, terms.fee_gamma].map(U256::from);
    let pair = |[a, b, _]: [U256; 3]| [a, b];
    match ours.generation {
        CryptoSwapGeneration::TwoCrypto => Pool::TwoCryptoV1 {
            balances: pair(balances),
            precisions: pair(precisions),
            price_scale: price_scale[0],
            d,
            ann,
            gamma,
            mid_fee,
            out_fee,
            fee_gamma,
        },
        CryptoSwapGeneration::TwoCryptoNg => Pool::TwoCryptoNG {
            balances: pair(balances),
            precisions: pair(precisions),
            price_scale: price_scale[0],
            d,
            ann,
            gamma,
            mid_fee,
            out_fee,
            fee_gamma,
        },
        CryptoSwapGeneration::TriCrypto => {
            Pool::TriCryptoV1 { balances, precisions, price_scale, d, ann, gamma, mid_fee, out_fee, fee_gamma }
        }
        CryptoSwapGeneration::TriCryptoNg => {
            Pool::TriCryptoNG { balances, precisions, price_scale, d, ann, gamma, mid_fee, out_fee, fee_gamma }
        }
    }
}
