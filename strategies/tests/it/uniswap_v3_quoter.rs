//! Quotes equal `QuoterV2`'s on the real pool bytecode, for random tick maps written into its storage.

use alloy::primitives::U256;
use alphapulse_strategies::pool::concentrated_liquidity::{quote_exact_in, quote_exact_out, swap};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use alphapulse_strategies::pool::{AmountSpecified, QuoteError, StepTable, SwapResult, check_consistency};
use rand::Rng;
use rand::rngs::StdRng;

use crate::data::{Comparison, cases_factor, report};
use crate::v3_chain::{FEE_TIERS, V3Chain};
use crate::v3_state::{V3State, log_uniform};

const POOLS: usize = 320;
const QUOTES_PER_POOL: usize = 32;
const QUOTES_MIN: u32 = 10_000;

/// What the cases covered, so that a generator gone dull is noticed.
#[derive(Debug, Default)]
struct Coverage {
    quotes: u32,
    refused: u32,
    partial: u32,
    no_crossing: u32,
    crossings_1_to_9: u32,
    crossings_10_to_49: u32,
    crossings_50_up: u32,
}

impl Coverage {
    fn count(&mut self, result: &Result<SwapResult, QuoteError>) {
        self.quotes += 1;
        let Ok(swap) = result else {
            self.refused += 1;
            return;
        };
        self.partial += u32::from(swap.is_partial);
        *match swap.ticks_crossed {
            0 => &mut self.no_crossing,
            1..10 => &mut self.crossings_1_to_9,
            10..50 => &mut self.crossings_10_to_49,
            _ => &mut self.crossings_50_up,
        } += 1;
    }

    fn check(&self) {
        report(&format!("v3 quotes against QuoterV2: {self:?}"));
        assert!(self.quotes >= QUOTES_MIN);
        for count in [
            self.refused,
            self.partial,
            self.no_crossing,
            self.crossings_1_to_9,
            self.crossings_10_to_49,
            self.crossings_50_up,
        ] {
            assert!(count >= 100, "a kind of case is missing");
        }
    }
}

#[test]
fn v3_quotes_equal_the_quoter_on_random_tick_maps() {
    let Some(base) = V3Chain::deploy() else { return };
    let comparison = Comparison::of("uniswap_v3 by QuoterV2", 7);
    let mut random = comparison.random();
    let pools = POOLS * cases_factor();
    let mut coverage = Coverage::default();
    let mut steps = StepTable::default();
    for index in 0..pools {
        let (fee_ppm, tick_spacing) = FEE_TIERS[index % FEE_TIERS.len()];
        let state = V3State::random(&mut random, fee_ppm, tick_spacing);
        check_consistency(&state.view()).expect("the generator makes sound pools");
        let mut chain = base.fork();
        let pool = chain.create_pool(fee_ppm, state.sqrt_price_x96);
        chain.write_state(pool, &state, [0, 0x44, 0xaa][random.random_range(0..3)]);
        steps.build(&state.view(), [fee_ppm; 2]);
        for _ in 0..QUOTES_PER_POOL {
            let zero_for_one = random.random();
            let specified = random_amount(&mut random, &state, zero_for_one);
            coverage.count(&compare(&mut chain, &state, &steps, zero_for_one, specified));
        }
    }
    coverage.check();
    comparison.finish(pools, pools * QUOTES_PER_POOL);
}

fn compare(
    chain: &mut V3Chain,
    state: &V3State,
    steps: &StepTable,
    zero_for_one: bool,
    specified: AmountSpecified,
) -> Result<SwapResult, QuoteError> {
    let view = state.view();
    let (ours, by_table, theirs) = match specified {
        AmountSpecified::ExactIn(amount) => {
            let ours = quote_exact_in(&view, zero_for_one, amount);
            let by_table = steps.swap_exact_in(&view, zero_for_one, amount);
            let theirs = chain.quote_exact_in(state.fee_ppm, zero_for_one, amount, U256::ZERO);
            (ours, by_table, theirs)
        }
        AmountSpecified::ExactOut(amount) => {
            let ours = quote_exact_out(&view, zero_for_one, amount);
            let by_table = steps.swap_exact_out(&view, zero_for_one, amount);
            let theirs = chain.quote_exact_out(state.fee_ppm, zero_for_one, amount, U256::ZERO);
            (ours, by_table, theirs)
        }
    };
    assert_eq!(by_table, ours, "{specified:?} {zero_for_one} of {state:?}");
    match (&ours, &theirs) {
        (Ok(swap), Ok((other_side, sqrt_price))) => {
            let answer = match specified {
                AmountSpecified::ExactIn(_) => swap.amount_out,
                AmountSpecified::ExactOut(_) => swap.amount_in,
            };
            assert_eq!((answer, swap.sqrt_price_x96), (*other_side, *sqrt_price), "{specified:?} of {state:?}");
        }
        (Err(_), Err(_)) => {}
        _ => panic!("{ours:?} against {theirs:?} for {specified:?} {zero_for_one} of {state:?}"),
    }
    ours
}

/// Tiny, huge, or at and around what brings the price exactly to a tick.
fn random_amount(random: &mut StdRng, state: &V3State, zero_for_one: bool) -> AmountSpecified {
    let is_exact_in = random.random();
    let amount = match random.random_range(0..20) {
        0 => U256::ONE << random.random_range(128_usize..=255),
        1 => U256::from(random.random_range(0..3_u32)),
        2..8 => U256::from(log_uniform(random, state.liquidity.max(1 << 20))),
        8..12 => U256::from(log_uniform(random, u128::MAX)),
        _ => amount_to_a_tick(random, state, zero_for_one, is_exact_in),
    };
    if is_exact_in { AmountSpecified::ExactIn(amount) } else { AmountSpecified::ExactOut(amount) }
}

fn amount_to_a_tick(random: &mut StdRng, state: &V3State, zero_for_one: bool, is_exact_in: bool) -> U256 {
    let reach = random.random_range(1..=130) * state.tick_spacing;
    let target = if zero_for_one { state.tick - reach } else { state.tick + reach };
    let target = target.div_euclid(state.tick_spacing) * state.tick_spacing;
    let limit = get_sqrt_ratio_at_tick(target.clamp(MIN_TICK, MAX_TICK)).expect("in the domain");
    let plenty = AmountSpecified::ExactIn(U256::ONE << 254_usize);
    let Ok(result) = swap(&state.view(), zero_for_one, plenty, limit) else { return U256::ONE };
    let exact = if is_exact_in { result.amount_in } else { result.amount_out };
    exact.saturating_add(U256::from(random.random_range(0..3_u32))).saturating_sub(U256::ONE)
}
