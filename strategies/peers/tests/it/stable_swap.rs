//! StableSwap quotes beside those of `curve-math`: random pools, random swaps, each pool by a sequence of its own swaps.

use alphapulse_strategies::pool::stable_swap::invariant::invariant;
use alphapulse_strategies::pool::stable_swap::{BasePool, PriceCache, Rules, StableSwapView};
use alphapulse_strategies::pool::{QuoteError, Ramp, Way};
use curve_math::Pool;
use curve_math::core::stableswap_alend;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use ruint::aliases::U256;

use crate::tally::{Tally, Verdict};
use crate::{SWAPS_PER_POOL, sized};

/// A family here, and what the peer calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    First,
    ThreePool,
    Classic,
    Factory,
    Ng,
    Offpeg,
    Meta,
}

#[derive(Debug, Clone)]
struct State {
    family: Family,
    rules: Rules,
    balances: Vec<u128>,
    rates: Vec<u128>,
    amplification: u64,
    fee: u64,
    admin_fee: u64,
    multiplier: u128,
}

impl State {
    fn random(family: Family, random: &mut SmallRng) -> Self {
        let rules = match family {
            Family::First => Rules::First,
            Family::ThreePool => Rules::ThreePool,
            Family::Classic | Family::Meta => Rules::Classic,
            Family::Factory => Rules::Factory,
            Family::Ng => Rules::Ng,
            Family::Offpeg => Rules::Offpeg,
        };
        let coins = match family {
            Family::Meta => 2,
            Family::Ng => random.random_range(2..=8),
            _ => random.random_range(2..=4),
        };
        let decimals: Vec<u32> = (0..coins).map(|_| [6, 8, 18][random.random_range(0..3)]).collect();
        let whole = 10_u128.pow(random.random_range(0..9));
        // Within a factor of a thousand, and thinner in one pool of eight.
        let spread = if random.random_ratio(1, 8) { 1_000_000 } else { 1_000 };
        let balance = |&decimals: &u32| 10_u128.pow(decimals) * whole / random.random_range(1..=spread) + 1;
        let balances = decimals.iter().map(balance).collect();
        // A lending or oracle rate in one pool of two; off-peg pools know precisions only.
        let is_moving = rules != Rules::Offpeg && random.random();
        let growth = |random: &mut SmallRng| if is_moving { random.random_range(1_000..2_000_u128) } else { 1_000 };
        let rates = decimals.iter().map(|&decimals| 10_u128.pow(36 - decimals) / 1_000 * growth(random)).collect();
        Self {
            family,
            rules,
            balances,
            rates,
            amplification: random.random_range(1..5_000) * rules.amplification_precision(),
            fee: random.random_range(0..100_000_000),
            admin_fee: random.random_range(0..=10_000_000_000),
            multiplier: if matches!(rules, Rules::Ng | Rules::Offpeg) {
                random.random_range(0..200_000_000_000)
            } else {
                0
            },
        }
    }

    fn view(&self) -> StableSwapView<'_> {
        StableSwapView {
            rules: self.rules,
            balances: &self.balances,
            rates: &self.rates,
            amplification: Ramp::constant(self.amplification),
            fee: self.fee,
            admin_fee: self.admin_fee,
            offpeg_fee_multiplier: self.multiplier,
            supply: 0,
            valid_until: u64::MAX,
            is_paused: false,
            base: None,
            solved: None,
        }
    }

    fn scaled(&self) -> Vec<U256> {
        let one = U256::from(10_u128.pow(18));
        let coins = self.balances.iter().zip(&self.rates);
        coins.map(|(&balance, &rate)| U256::from(balance) * U256::from(rate) / one).collect()
    }

    fn peer(&self) -> Pool {
        let wide = |values: &[u128]| values.iter().map(|&value| U256::from(value)).collect::<Vec<_>>();
        let (balances, rates) = (wide(&self.balances), wide(&self.rates));
        let (amp, fee) = (U256::from(self.amplification), U256::from(self.fee));
        let offpeg_fee_multiplier = U256::from(self.multiplier);
        match self.family {
            Family::First => Pool::StableSwapV0 { balances, rates, amp, fee },
            Family::ThreePool => Pool::StableSwapV1 { balances, rates, amp, fee },
            Family::Classic => Pool::StableSwapV2 { balances, rates, amp, fee },
            Family::Meta => Pool::StableSwapMeta { balances, rates, amp, fee },
            // The peer has no pool of the factory before NG; NG without a growing fee reckons as it does.
            Family::Factory | Family::Ng => Pool::StableSwapNG { balances, rates, amp, fee, offpeg_fee_multiplier },
            Family::Offpeg => {
                let one = U256::from(10_u128.pow(18));
                let precision_mul = rates.into_iter().map(|rate| rate / one).collect();
                Pool::StableSwapALend { balances, precision_mul, amp, fee, offpeg_fee_multiplier }
            }
        }
    }

    /// Why the two differ, where that is known.
    fn named_difference(&self, ours: Result<U256, QuoteError>, theirs: Option<U256>) -> Option<&'static str> {
        let scaled = self.scaled();
        let our_invariant = invariant(self.rules, &scaled, self.amplification);
        if self.family == Family::Offpeg {
            let their_invariant = stableswap_alend::get_d(&scaled, U256::from(self.amplification));
            if their_invariant != our_invariant.ok() {
                return Some("the peer's off-peg invariant leaves the contract's + 1 out");
            }
        }
        if matches!(self.rules, Rules::First | Rules::ThreePool) && theirs.is_none() && ours.is_ok() {
            // Only an invariant that oscillates: a family that refuses such refuses this one.
            let strict = match self.rules {
                Rules::First => Rules::Offpeg,
                _ => Rules::Classic,
            };
            let hundredfold = self.amplification * 100;
            if invariant(strict, &scaled, hundredfold) == Err(QuoteError::NotConverged) {
                return Some("the peer refuses an unsettled invariant, with which these contracts go on");
            }
        }
        None
    }
}

fn compare(family: Family, seed: u64) {
    let mut tally = Tally::new(seed);
    let seed = tally.seed;
    let mut random = SmallRng::seed_from_u64(seed);
    while tally.next_pool() {
        let mut state = State::random(family, &mut random);
        for _ in 0..SWAPS_PER_POOL {
            let coins = u8::try_from(state.balances.len()).expect("few coins");
            let token_in = random.random_range(0..coins);
            let way = Way { token_in, token_out: (token_in + random.random_range(1..coins)) % coins };
            let held = state.balances[usize::from(token_in)];
            let amount_in = sized(&mut random, 4 + (128 - held.leading_zeros())).min(1 << 110);
            let amount_in = U256::from(amount_in);
            let ours = quote(&state, way, amount_in);
            let theirs = state.peer().get_amount_out(usize::from(way.token_in), usize::from(way.token_out), amount_in);
            tally.add(match (ours, theirs) {
                (Ok(ours), Some(theirs)) if ours == theirs => Verdict::Equal,
                (Err(_), None) => Verdict::Refused,
                (Ok(U256::ZERO), None) => Verdict::Nothing,
                _ => state.named_difference(ours, theirs).map(Verdict::Named).unwrap_or_else(|| {
                    panic!("seed {seed}: {ours:?} here, {theirs:?} there, {way:?} {amount_in} of {state:?}")
                }),
            });
            if let Ok(swapped) = state.view().swap_exact_in(way, amount_in, 0) {
                state.balances.copy_from_slice(&swapped.after.balances[..usize::from(coins)]);
            }
        }
    }
    tally.finish(&format!("curve_stable {family:?} by curve-math"));
}

/// With the invariant solved before, and over a base pool where the family is one of meta pools.
fn quote(state: &State, way: Way, amount_in: U256) -> Result<U256, QuoteError> {
    let base = State { balances: vec![1; 2], rates: vec![10_u128.pow(18); 2], ..state.clone() };
    let base = base.view();
    let price_cache = state.rates.last().map(|&price| PriceCache { price, updated: 0 });
    let over = (state.family == Family::Meta).then_some(BasePool { pool: &base, price_cache });
    let view = StableSwapView { base: over, ..state.view() };
    let solved = view.solve(0).ok();
    StableSwapView { solved: solved.as_ref(), ..view }.quote_exact_in(way, amount_in, 0)
}

#[test]
fn first_pools_equal_curve_math() {
    compare(Family::First, 11);
}

#[test]
fn three_pools_equal_curve_math() {
    compare(Family::ThreePool, 12);
}

#[test]
fn classic_pools_equal_curve_math() {
    compare(Family::Classic, 13);
}

#[test]
fn factory_pools_equal_curve_math() {
    compare(Family::Factory, 14);
}

#[test]
fn ng_pools_equal_curve_math() {
    compare(Family::Ng, 15);
}

#[test]
fn offpeg_pools_equal_curve_math_but_for_its_invariant() {
    compare(Family::Offpeg, 16);
}

#[test]
fn meta_pools_equal_curve_math() {
    compare(Family::Meta, 17);
}
