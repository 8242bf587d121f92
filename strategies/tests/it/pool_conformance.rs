//! Every kind of pool passes the suite that every pool must pass, and a broken one does not.

use std::fs;
use std::path::Path;

use alphapulse_protocol::{PoolId, U256};
use alphapulse_strategies::conformance::pool::{
    OwnAnswers, PoolAccount, PoolAnswers, Property, SamplePool, Species, check_pool, check_species,
};
use alphapulse_strategies::pool::{Mobius, QuoteError, Swapped, Way};
use alphapulse_strategies::snapshot::Snapshot;
use alphapulse_strategies::{Admission, After, Market, PoolView};

use crate::data;

/// Random pools of each arithmetic in an ordinary run.
const POOLS: usize = 60;

#[test]
fn every_kind_of_pool_passes() {
    let seed = data::seed("pool conformance", 1_000);
    let mut total = PoolAccount::default();
    let mut broken = Vec::new();
    for species in Species::ALL {
        let pools = u64::try_from(POOLS * data::cases_factor()).expect("few");
        match check_species(species, &OwnAnswers, seed, pools) {
            Ok(account) => {
                data::report(&format!("{species}: {account}"));
                for property in Property::ALL.into_iter().filter(|property| *property != Property::Duality) {
                    assert!(account.held(property) > 0, "{species} never reached {property}");
                }
                total.add(&account);
            }
            Err(violation) => broken.push(format!("{species}: {violation}")),
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    data::report(&format!("all: {total}"));
    for property in Property::ALL {
        assert!(total.held(property) > 1_000, "{property} was hardly reached: {total}");
    }
}

/// Answers that are wrong in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A unit more than the pool gives, of every large amount.
    Generous,
    /// Nothing for an amount in the middle.
    Gap,
    /// Another answer to the same question.
    Moody,
    /// Less than the input that the output costs.
    Cheap,
    /// An answer to an amount that no contract takes.
    Boundless,
    /// The swap gives what the view does not say.
    Twofold,
    /// A marginal rate without the fee.
    Feeless,
    /// A panic on an odd amount.
    Panics,
}

struct Faulty {
    fault: Fault,
    asked: std::cell::Cell<u64>,
}

impl PoolAnswers for Faulty {
    fn quote_exact_in(&self, pool: &PoolView<'_>, way: Way, amount: U256, at: u64) -> Result<U256, QuoteError> {
        self.asked.set(self.asked.get() + 1);
        let answer = pool.quote_exact_in(way, amount, at);
        match self.fault {
            Fault::Generous => answer.map(|out| out + (out >> 20_usize)),
            Fault::Gap if amount.bit_len() == 60 => answer.map(|_| U256::ZERO),
            Fault::Moody => answer.map(|out| out + U256::from(self.asked.get() % 7)),
            Fault::Boundless => answer.or(Ok(U256::ZERO)),
            Fault::Panics => {
                assert!(amount.bit_len() != 200, "a fault of this test");
                answer
            }
            _ => answer,
        }
    }

    fn quote_exact_out(&self, pool: &PoolView<'_>, way: Way, amount: U256, at: u64) -> Result<U256, QuoteError> {
        let answer = pool.quote_exact_out(way, amount, at);
        if self.fault == Fault::Cheap { answer.map(|cost| cost - (cost >> 10_usize)) } else { answer }
    }

    fn swap_exact_in(
        &self,
        pool: &PoolView<'_>,
        way: Way,
        amount: U256,
        at: u64,
    ) -> Result<Swapped<After>, QuoteError> {
        let mut swapped = pool.swap_exact_in(way, amount, at)?;
        if self.fault == Fault::Twofold {
            swapped.amount_out += swapped.amount_out;
        }
        Ok(swapped)
    }

    fn rate(&self, pool: &PoolView<'_>, way: Way, at: u64) -> Option<Mobius> {
        let map = pool.rate(way, at)?;
        Some(if self.fault == Fault::Feeless { Mobius { g: map.g * 1.003, ..map } } else { map })
    }
}

#[test]
fn broken_answers_are_caught_and_can_be_repeated() {
    let faults = [
        (Fault::Generous, Property::AfterState),
        (Fault::Gap, Property::Monotone),
        (Fault::Moody, Property::Repeatable),
        (Fault::Cheap, Property::Duality),
        (Fault::Boundless, Property::Bounds),
        (Fault::Twofold, Property::AfterState),
        (Fault::Feeless, Property::Rate),
        (Fault::Panics, Property::Total),
    ];
    for (fault, expected) in faults {
        let answers = Faulty { fault, asked: std::cell::Cell::default() };
        let violation = check_species(Species::UniswapV2, &answers, 1, 400).expect_err("it is broken");
        // One wrong answer breaks several properties: which is met first depends on the order of the questions alone.
        data::report(&format!("{fault:?}: {}", violation.property));
        if !matches!(fault, Fault::Generous | Fault::Gap | Fault::Moody) {
            assert_eq!(violation.property, expected, "{violation}");
        }
        let (species, pool) = violation.drawn.expect("a random pool");
        if expected != Property::Total {
            let again = check_pool(&species.draw(pool), &answers, violation.seed, 1).expect_err("it is still broken");
            assert!(fault == Fault::Moody || again.detail == violation.detail, "{again}, not {violation}");
        }
        assert!(violation.to_string().contains("to repeat it: check_pool(&Species::UniswapV2.draw("), "{violation}");
    }
}

#[test]
fn pools_of_a_market_pass() {
    let market = example_market();
    for id in (0..market.replica().pools().len()).filter_map(|index| u32::try_from(index).ok()).map(PoolId) {
        let pool = SamplePool::of(&market, id).expect("a known pool");
        let account = check_pool(&pool, &OwnAnswers, 3, 40).unwrap_or_else(|violation| panic!("{id}: {violation}"));
        assert!(account.held(Property::AfterState) > 0 && account.held(Property::Repeatable) > 0, "{id}: {account}");
    }
}

fn example_market() -> Market {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/examples/kinds.json");
    let file = Snapshot::from_bytes(&fs::read(path).expect("the example")).expect("a sound file");
    let mut market = Market::new(Admission::allow_all(), 1);
    file.describe(|message| market.apply(&message).map(drop)).expect("its pools fit each other");
    market
}

/// What search takes for the most that a pool can give: above every amount that the contract's own arithmetic gives, also where a fee falls on
/// the way.
#[test]
fn no_pool_gives_more_than_the_map_that_bounds_it() {
    let first = data::seed("bounding maps", 40);
    let (mut asked, mut nearest) = (0_u64, 0.0_f64);
    for species in Species::ALL {
        for seed in (first..).take(40 * data::cases_factor()) {
            let Ok((market, id)) = species.draw(seed).market() else { continue };
            for line in market.lines(id) {
                let Ok(view) = market.pool(id) else { continue };
                let bound = line.bound();
                for bit in (0..120).step_by(3) {
                    let amount = U256::from(5) << bit;
                    let Ok(output) = view.hop_output(line.way, amount, market.timestamp()) else { continue };
                    let (output, most) = (f64::from(output), bound.output(f64::from(amount)));
                    // Two units of the output, and what two of the input buy: a fee may be rounded down.
                    let rounding = 2.0 + 2.0 * bound.g;
                    assert!(
                        output <= most * (1.0 + 1e-9) + rounding,
                        "{species:?} seed {seed}: {amount} gives {output}: {line:?}"
                    );
                    asked += 1;
                    nearest =
                        nearest.max(if amount > U256::from(1_u64 << 40) && output > 1e9 { output / most } else { 0.0 });
                }
            }
        }
    }
    data::report(&format!("{asked} amounts, at most {nearest} of the bound"));
    assert!(asked > 50_000 && nearest > 0.999, "{asked}, {nearest}");
}
