//! Random V4 pools through the real manager: our amounts, price, tick and liquidity equal its own after every swap.

use alloy::primitives::{I256, U256};
use alphapulse_strategies::pool::concentrated_liquidity::sqrt_price_limit_default;
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use alphapulse_strategies::pool::v4::V4View;
use alphapulse_strategies::pool::{AmountSpecified, QuoteError, StepTable, SwapResult, Way, check_consistency};
use rand::Rng;
use rand::rngs::StdRng;

use crate::contracts::{V4Key, V4Manager};
use crate::data::{Comparison, cases_factor, report};
use crate::v3_state::{V3State, log_uniform, random_price};
use crate::v4_chain::V4Chain;

const POOLS: usize = 60;
const ACTIONS_PER_POOL: u32 = 60;

/// Fees in ppm and tick spacings: those in use, and the edges of what the manager lets in.
const POOL_KINDS: [(u32, i32); 10] = [
    (100, 1),
    (500, 10),
    (3000, 60),
    (10_000, 200),
    (0, 7),
    (1, 1),
    (8, 32_767),
    (200_000, 1000),
    (999_999, 16_383),
    (1_000_000, 60),
];

/// A pool of a test: a V3 state that moves, and the fees that stay.
pub(crate) struct V4State {
    pub(crate) ranges: V3State,
    pub(crate) protocol_fees_ppm: [u32; 2],
}

impl V4State {
    pub(crate) fn view(&self) -> V4View<'_> {
        V4View {
            hooks: [0; 20],
            lp_fee_ppm: self.ranges.fee_ppm,
            protocol_fees_ppm: self.protocol_fees_ppm,
            tick_spacing: self.ranges.tick_spacing,
            sqrt_price_x96: self.ranges.sqrt_price_x96,
            tick: self.ranges.tick,
            liquidity: self.ranges.liquidity,
            ticks: &self.ranges.ticks,
            known_ticks: (MIN_TICK, MAX_TICK),
        }
    }
}

/// A way through a pool of two tokens.
pub(crate) fn way(zero_for_one: bool) -> Way {
    if zero_for_one { Way { token_in: 0, token_out: 1 } } else { Way { token_in: 1, token_out: 0 } }
}

/// What a test saw.
#[derive(Default)]
struct Counts {
    swaps: usize,
    refused: usize,
    partial: usize,
    crossings: usize,
    on_a_tick: usize,
    quotes: usize,
    changes: usize,
}

struct Followed {
    chain: V4Chain,
    key: V4Key,
    state: V4State,
    /// Built before some quotes; so also asked when it is old.
    steps: StepTable,
    positions: Vec<((i32, i32), i128)>,
}

#[test]
fn v4_state_equals_the_manager_s_after_every_swap_and_change_of_liquidity() {
    let Some(base) = V4Chain::deploy() else { return };
    let comparison = Comparison::of("uniswap_v4 by the manager", 41);
    let mut random = comparison.random();
    let mut counts = Counts::default();
    let pools = POOLS * cases_factor();
    for index in 0..pools {
        let mut followed = Followed::create(&base, &mut random, POOL_KINDS[index % POOL_KINDS.len()], &mut counts);
        for _ in 0..ACTIONS_PER_POOL {
            followed.act(&mut random, &mut counts);
        }
        followed.check_against_chain();
    }
    let Counts { swaps, refused, partial, crossings, on_a_tick, quotes, changes } = counts;
    report(&format!(
        "v4 on the real manager: {pools} pools, {swaps} swaps ({partial} stopped by the limit, {crossings} ticks crossed, \
         {on_a_tick} ended on a tick), {refused} refused by both, {quotes} quotes, {changes} changes of liquidity"
    ));
    assert!(swaps >= 15 * pools && partial >= 3 * pools && crossings >= 15 * pools && on_a_tick >= 2 * pools);
    assert!(quotes >= 8 * pools && changes >= 10 * pools && refused >= pools);
    comparison.finish(pools, swaps);
}

impl Followed {
    fn create(base: &V4Chain, random: &mut StdRng, kind: (u32, i32), counts: &mut Counts) -> Self {
        let (lp_fee_ppm, tick_spacing) = kind;
        let (_, sqrt_price) = random_price(random);
        let mut chain = base.fork();
        let key = chain.key(lp_fee_ppm, tick_spacing);
        let mut protocol_fee = || [0, 1, 13, 500, 1000, random.random_range(0..=1000)][random.random_range(0..6)];
        let protocol_fees_ppm = [protocol_fee(), protocol_fee()];
        let tick = chain.create_pool(&key, sqrt_price, protocol_fees_ppm);
        let ranges = V3State::initialised(lp_fee_ppm, tick_spacing, tick, sqrt_price);
        let state = V4State { ranges, protocol_fees_ppm };
        let mut followed = Self { chain, key, state, steps: StepTable::default(), positions: Vec::new() };
        for _ in 0..random.random_range(3..20) {
            followed.add(random, counts);
        }
        followed
    }

    fn act(&mut self, random: &mut StdRng, counts: &mut Counts) {
        match random.random_range(0..10) {
            0 => self.add(random, counts),
            1 => self.remove(random, counts),
            2..=4 => self.quote(random, counts),
            _ => self.swap(random, counts),
        }
        let view = V4View { lp_fee_ppm: 0, protocol_fees_ppm: [0; 2], ..self.state.view() };
        check_consistency(&view.concentrated(true).expect("a sound pool")).expect("a followed pool stays sound");
    }

    fn add(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let range = self.state.ranges.random_range_of_ticks(random);
        let bits = random.random_range(20..100);
        let liquidity = i128::try_from(log_uniform(random, 1 << bits)).expect("below the tick's maximum");
        // Too much for a tick, or for int128 amounts, is the contract's to refuse.
        if self.chain.modify(&self.key, range, liquidity).is_ok() {
            self.state.ranges.modify(range.0, range.1, liquidity);
            self.positions.push((range, liquidity));
            counts.changes += 1;
        }
    }

    fn remove(&mut self, random: &mut StdRng, counts: &mut Counts) {
        if self.positions.is_empty() {
            return;
        }
        let index = random.random_range(0..self.positions.len());
        let (range, left) = self.positions[index];
        let whole = u128::try_from(left).expect("positive");
        let part = if random.random() { whole } else { log_uniform(random, whole) };
        let part = i128::try_from(part).expect("a part of it");
        // The manager's test router refuses a removal that is not worth a unit of either token.
        if self.chain.modify(&self.key, range, -part).is_err() {
            return;
        }
        self.state.ranges.modify(range.0, range.1, -part);
        self.positions[index].1 -= part;
        self.positions.retain(|(_, left)| *left > 0);
        counts.changes += 1;
    }

    /// Mostly what the active liquidity can trade, now and then anything a type holds.
    fn random_amount(&self, random: &mut StdRng) -> u128 {
        match random.random_range(0..12) {
            0 => log_uniform(random, u128::MAX),
            1 => [u128::MAX, 1 << 127, (1 << 127) - 1, 1][random.random_range(0..4)],
            _ => log_uniform(random, self.state.ranges.liquidity.max(1 << 20)),
        }
    }

    fn quote(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let zero_for_one = random.random();
        let amount = self.random_amount(random);
        let (view, way) = (self.state.view(), way(zero_for_one));
        if random.random_bool(0.7) {
            view.build_steps(&mut self.steps).expect("fees that a pool can hold");
        }
        if amount >= 1 << 127 {
            // The quoter casts to `int128`, which turns the sign: it would answer for the other side of the swap.
            assert_eq!(view.quote_exact_in(way, U256::from(amount)), Err(QuoteError::AmountOverflow));
            assert_eq!(view.quote_exact_out(way, U256::from(amount)), Err(QuoteError::AmountOverflow));
            return;
        }
        let (ours, theirs) = if random.random_bool(0.6) {
            let ours = view.quote_exact_in(way, U256::from(amount));
            assert_eq!(view.quote_exact_in_by(&self.steps, way, U256::from(amount)), ours, "{amount} {way:?}");
            (ours, self.chain.quote_exact_in(&self.key, zero_for_one, amount))
        } else {
            let ours = view.quote_exact_out(way, U256::from(amount));
            assert_eq!(view.quote_exact_out_by(&self.steps, way, U256::from(amount)), ours, "{amount} {way:?}");
            (ours, self.chain.quote_exact_out(&self.key, zero_for_one, amount))
        };
        match theirs {
            Ok(theirs) => assert_eq!(ours, Ok(theirs), "{amount} {way:?} on {:?}", self.state.ranges),
            Err(error) => assert!(ours.is_err(), "the quoter says {error:?}, we {ours:?}: {amount} {way:?}"),
        }
        counts.quotes += usize::from(ours.is_ok());
    }

    fn swap(&mut self, random: &mut StdRng, counts: &mut Counts) {
        let zero_for_one = random.random();
        let limit = self.state.ranges.random_limit(random, zero_for_one);
        let amount = U256::from(self.random_amount(random));
        // Past int128 an input may still be given, as long as the swap does not use it.
        let amount = if random.random_ratio(1, 40) { amount << random.random_range(1..128_usize) } else { amount };
        let (specified, signed) = if random.random_bool(0.6) {
            (AmountSpecified::ExactIn(amount), I256::from_raw(amount).wrapping_neg())
        } else {
            (AmountSpecified::ExactOut(amount), I256::from_raw(amount))
        };
        let ours = self.state.view().swap(zero_for_one, specified, limit);
        let before = format!("{specified:?} {zero_for_one} to {limit} on {:?}", self.state.ranges);
        // The manager's test router refuses to settle nothing.
        let is_idle = ours.is_ok_and(|swap| swap.amount_in.is_zero() && swap.amount_out.is_zero());
        match self.chain.swap(&self.key, zero_for_one, signed, limit) {
            Err(error) => {
                assert!(ours.is_err() || is_idle, "the manager says {error:?}, we {ours:?}: {before}");
                counts.refused += 1;
            }
            Ok(sent) => {
                let event: V4Manager::Swap = sent.event(self.chain.manager);
                let ours = ours.unwrap_or_else(|error| panic!("{error}: {before}"));
                assert_eq!(ours_as_event(&ours, zero_for_one), event_values(&event), "{before}");
                let fee_ppm = self.state.view().concentrated(zero_for_one).expect("a sound pool").fee_ppm;
                assert_eq!(fee_ppm, event.fee.to::<u32>(), "{before}");
                self.state.ranges.apply(&ours);
                counts.swaps += 1;
                counts.partial += usize::from(ours.is_partial);
                counts.crossings += usize::try_from(ours.ticks_crossed).expect("few");
                let is_on_a_tick = [ours.tick, ours.tick + 1]
                    .into_iter()
                    .any(|tick| get_sqrt_ratio_at_tick(tick) == Ok(ours.sqrt_price_x96));
                counts.on_a_tick += usize::from(is_on_a_tick);
            }
        }
    }

    /// Reads the manager's whole state once more, by the lens contract.
    fn check_against_chain(&mut self) {
        let ranges = &self.state.ranges;
        let [paid_0, paid_1] = self.state.protocol_fees_ppm;
        let ours = (ranges.sqrt_price_x96, ranges.tick, paid_0 | paid_1 << 12, ranges.fee_ppm, ranges.liquidity);
        assert_eq!(self.chain.slot(&self.key), ours);
        for entry in &self.state.ranges.ticks {
            let found = self.chain.tick_liquidity(&self.key, entry.tick);
            assert_eq!(found, (entry.liquidity_gross, entry.liquidity_net));
        }
    }
}

type SwapValues = (i128, i128, U256, u128, i32);

fn event_values(event: &V4Manager::Swap) -> SwapValues {
    (event.amount0, event.amount1, event.sqrtPriceX96.to(), event.liquidity, event.tick.as_i32())
}

/// The manager counts from the swapper's side: what the pool takes is negative.
fn ours_as_event(swap: &SwapResult, zero_for_one: bool) -> SwapValues {
    let taken = swap.amount_in.to::<u128>().wrapping_neg().cast_signed();
    let given = swap.amount_out.to::<u128>().cast_signed();
    let (amount_0, amount_1) = if zero_for_one { (taken, given) } else { (given, taken) };
    (amount_0, amount_1, swap.sqrt_price_x96, swap.liquidity, swap.tick)
}

/// A pool so deep that amounts pass every bound of the contract's types.
#[test]
fn v4_amounts_end_where_int128_and_int256_do() {
    let Some(mut chain) = V4Chain::deploy() else { return };
    let key = chain.key(0, 1);
    let price = U256::ONE << 96_usize;
    let tick = chain.create_pool(&key, price, [0; 2]);
    let mut state = V4State { ranges: V3State::initialised(0, 1, tick, price), protocol_fees_ppm: [0; 2] };
    let liquidity = 1_i128 << 100;
    let range = (-800_000, 800_000);
    chain.modify(&key, range, liquidity).expect("the tick holds it");
    state.ranges.modify(range.0, range.1, liquidity);
    let limit = sqrt_price_limit_default(false);
    let half = U256::ONE << 127_usize;
    let quote = |amount: U256| state.view().quote_exact_in(way(false), amount);
    let below = chain.quote_exact_in(&key, false, (1 << 127) - 1).expect("an int128 holds it");
    assert_eq!(quote(half - U256::ONE), Ok(below));
    assert_eq!(quote(half), Err(QuoteError::AmountOverflow));
    for (bits, extra) in [(126, 0), (127, 0), (127, 1), (128, 0), (254, 0), (255, 0)] {
        let amount = (U256::ONE << bits) + U256::from(extra);
        let (ours, theirs) = (
            state.view().swap(false, AmountSpecified::ExactIn(amount), limit),
            chain.fork().swap(&key, false, I256::from_raw(amount).wrapping_neg(), limit),
        );
        check_pair(&ours, theirs.map(|sent| sent.event(chain.manager)), &format!("2^{bits} + {extra} in"));
        let (ours, theirs) = (
            state.view().swap(false, AmountSpecified::ExactOut(amount), limit),
            chain.fork().swap(&key, false, I256::from_raw(amount), limit),
        );
        check_pair(&ours, theirs.map(|sent| sent.event(chain.manager)), &format!("2^{bits} + {extra} out"));
    }
    let amount = (U256::ONE << 255_usize) + U256::ONE;
    let ours = state.view().swap(false, AmountSpecified::ExactIn(amount), limit);
    assert_eq!(ours, Err(QuoteError::AmountOverflow));
}

fn check_pair<E: std::fmt::Debug>(
    ours: &Result<SwapResult, QuoteError>,
    theirs: Result<V4Manager::Swap, E>,
    case: &str,
) {
    match (ours, theirs) {
        (Ok(ours), Ok(event)) => assert_eq!(ours_as_event(ours, false), event_values(&event), "{case}"),
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("{case}: we {ours:?}, the manager {:?}", theirs.map(|event| event_values(&event))),
    }
}
