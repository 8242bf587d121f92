//! Pools and what happens to them, told once for everybody, with the state that must come out.

use alphapulse_protocol::U256;
use alphapulse_protocol::replica::{PoolState, TickLiquidity, V2State, V3State};
use alphapulse_strategies::pool::tick_math::get_sqrt_ratio_at_tick;

use crate::random::Random;

/// Updates of a block; a few more where liquidity that was added has to leave again.
pub(crate) const UPDATES: usize = 200;
/// Positions of a pool with ticks, one around the other: two initialised ticks each.
const POSITIONS: usize = 10;
pub(crate) const SPACING: i32 = 60;

/// What a pool's contract tells.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Sync {
        reserves: [u128; 2],
    },
    Swap {
        sqrt_price_x96: U256,
        tick: i32,
        liquidity: u128,
    },
    /// Added where positive.
    Liquidity {
        lower: i32,
        upper: i32,
        delta: i128,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Update {
    pub(crate) pool: usize,
    pub(crate) event: Event,
}

/// Which events there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    Sync,
    Swap,
    Liquidity,
    /// All of them: half of the pools are pairs; of the others' events four in five are swaps.
    All,
}

/// Which pools they happen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Always the same few.
    Few,
    /// Some far more often than others.
    Zipf,
    Uniform,
}

const FEW: usize = 16;

#[derive(Debug, Clone)]
pub(crate) enum Pool {
    Pair { reserves: [u128; 2] },
    Ranged { sqrt_price_x96: U256, tick: i32, centre: i32, positions: [u128; POSITIONS] },
}

/// Ends of a position.
fn ends(centre: i32, at: usize) -> (i32, i32) {
    let reach = SPACING * i32::try_from(at + 1).expect("few");
    (centre - reach, centre + reach)
}

fn active(centre: i32, positions: &[u128; POSITIONS], tick: i32) -> u128 {
    let is_in = |at: usize| (ends(centre, at).0..ends(centre, at).1).contains(&tick);
    positions.iter().enumerate().filter(|(at, _)| is_in(*at)).map(|(_, liquidity)| liquidity).sum()
}

impl Pool {
    /// Initialised ticks, ascending.
    pub(crate) fn ticks(&self) -> Vec<TickLiquidity> {
        let Self::Ranged { centre, positions, .. } = self else { return Vec::new() };
        let mut ticks: Vec<_> = positions
            .iter()
            .enumerate()
            .flat_map(|(at, liquidity)| {
                let (lower, upper) = ends(*centre, at);
                let net = i128::try_from(*liquidity).expect("far below");
                let entry = |tick, liquidity_net| TickLiquidity { tick, liquidity_net, liquidity_gross: *liquidity };
                [entry(lower, net), entry(upper, -net)]
            })
            .collect();
        ticks.sort_unstable_by_key(|entry| entry.tick);
        ticks
    }

    /// The pool as the mirror holds it.
    pub(crate) fn state(&self) -> PoolState {
        match self {
            Self::Pair { reserves: [reserve_0, reserve_1] } => {
                PoolState::V2(V2State { reserve_0: *reserve_0, reserve_1: *reserve_1 })
            }
            Self::Ranged { sqrt_price_x96, tick, centre, positions } => PoolState::V3(V3State {
                sqrt_price_x96: *sqrt_price_x96,
                tick: *tick,
                liquidity: active(*centre, positions, *tick),
                ticks: self.ticks(),
            }),
        }
    }
}

/// A market that changes.
pub(crate) struct World {
    pub(crate) pools: Vec<Pool>,
    random: Random,
}

fn wide(random: &mut Random, bits: usize) -> u128 {
    let low = random.below(1 << 30) as u128;
    (1 << bits) + (low << (bits - 30))
}

impl World {
    /// Every second pool has ticks.
    pub(crate) fn new(pool_count: usize) -> Self {
        let mut random = Random::new(pool_count as u64);
        let pools = (0..pool_count).map(|at| {
            if at % 2 == 0 {
                return Pool::Pair { reserves: [wide(&mut random, 80), wide(&mut random, 60)] };
            }
            let centre = (i32::try_from(random.below(4_000)).expect("small") - 2_000) * SPACING;
            let positions = std::array::from_fn(|_| wide(&mut random, 70));
            let sqrt_price_x96 = get_sqrt_ratio_at_tick(centre).expect("in the domain");
            Pool::Ranged { sqrt_price_x96, tick: centre, centre, positions }
        });
        Self { pools: pools.collect(), random }
    }

    /// What happens in some blocks. After all of them the pools are as they say; going through them again leads to the same
    /// state.
    pub(crate) fn blocks(&mut self, mix: Mix, spread: Spread, count: usize) -> Vec<Vec<Update>> {
        (0..count).map(|_| self.block(mix, spread)).collect()
    }

    fn block(&mut self, mix: Mix, spread: Spread) -> Vec<Update> {
        let (mut updates, mut added) = (Vec::new(), Vec::new());
        while updates.len() + added.len() < UPDATES {
            let pool = self.draw(mix, spread);
            let is_liquidity = match mix {
                Mix::Sync | Mix::Swap => false,
                Mix::Liquidity => true,
                Mix::All => self.random.below(5) == 0,
            };
            let event = match &self.pools[pool] {
                Pool::Ranged { .. } if is_liquidity => {
                    let position = self.random.below(POSITIONS);
                    let amount = i128::try_from(wide(&mut self.random, 50)).expect("far below");
                    added.push((pool, position, amount));
                    self.add(pool, position, amount)
                }
                Pool::Ranged { .. } => self.swap(pool),
                Pool::Pair { .. } => self.sync(pool),
            };
            updates.push(Update { pool, event });
        }
        for (pool, position, amount) in added {
            updates.push(Update { pool, event: self.add(pool, position, -amount) });
        }
        updates
    }

    fn draw(&mut self, mix: Mix, spread: Spread) -> usize {
        let count = self.pools.len();
        let among = match mix {
            Mix::All => count,
            _ => count / 2,
        };
        let drawn = match spread {
            Spread::Few => self.random.below(FEW) * (among / FEW),
            // Who is popular has no place of its own in the table.
            Spread::Zipf => self.random.popular(among) * 7_919 % among,
            Spread::Uniform => self.random.below(among),
        };
        match mix {
            // Sixteen places that are all even are no mixture.
            Mix::All if spread == Spread::Few => drawn + self.random.below(2),
            Mix::All => drawn,
            Mix::Sync => 2 * drawn,
            Mix::Swap | Mix::Liquidity => 2 * drawn + 1,
        }
    }

    fn sync(&mut self, pool: usize) -> Event {
        let reserves = [wide(&mut self.random, 80), wide(&mut self.random, 60)];
        self.pools[pool] = Pool::Pair { reserves };
        Event::Sync { reserves }
    }

    /// The price jumps to anywhere within the inner positions.
    fn swap(&mut self, pool: usize) -> Event {
        let reach = 5 * usize::try_from(SPACING).expect("positive");
        let drawn = i32::try_from(self.random.below(2 * reach)).expect("small") - 5 * SPACING;
        let Pool::Ranged { sqrt_price_x96, tick, centre, positions } = &mut self.pools[pool] else {
            unreachable!("only pools with ticks swap")
        };
        *tick = *centre + drawn;
        *sqrt_price_x96 = get_sqrt_ratio_at_tick(*tick).expect("in the domain") + U256::from(drawn.unsigned_abs());
        Event::Swap { sqrt_price_x96: *sqrt_price_x96, tick: *tick, liquidity: active(*centre, positions, *tick) }
    }

    fn add(&mut self, pool: usize, position: usize, delta: i128) -> Event {
        let Pool::Ranged { centre, positions, .. } = &mut self.pools[pool] else {
            unreachable!("only pools with ticks have positions")
        };
        positions[position] = positions[position].checked_add_signed(delta).expect("what was added leaves");
        let (lower, upper) = ends(*centre, position);
        Event::Liquidity { lower, upper, delta }
    }
}
