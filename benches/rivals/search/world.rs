//! A graph of hubs such as real ones are: few tokens in most pools, nearly every pool within its fee of one price for each token.

use crate::random::Random;

/// Tokens that most pools hold.
pub(crate) const HUBS: usize = 6;
/// Tokens of which pools are deep.
const DEEP_TOKENS: usize = 60;
/// Raw units of the first token that are a dollar.
pub(crate) const DOLLAR: f64 = 1e18;
const FEES_PPM: [u32; 5] = [100, 500, 3_000, 3_000, 10_000];

/// A constant-product pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) tokens: [usize; 2],
    pub(crate) reserves: [u128; 2],
    pub(crate) fee_ppm: u32,
    /// Dollars on one side.
    pub(crate) depth: f64,
}

/// Tokens and the pools between them.
pub(crate) struct World {
    pub(crate) token_count: usize,
    pub(crate) pairs: Vec<Pair>,
}

impl World {
    /// A fifth as many tokens as pools; 4 to 12 deep pools for each two hubs, of the others three quarters hold a hub.
    pub(crate) fn new(seed: u64, pool_count: usize) -> Self {
        let random = &mut Random::new(seed);
        let token_count = (pool_count / 5).max(HUBS + 2);
        // Dollars for a raw unit of each, times 10^18; the first is the dollar.
        let values: Vec<f64> =
            (0..token_count).map(|at| if at == 0 { 1.0 } else { 10_f64.powf(random.between(-3.0, 3.0)) }).collect();
        let mut pairs = Vec::with_capacity(pool_count);
        for (a, b) in (0..HUBS).flat_map(|a| (a + 1..HUBS).map(move |b| (a, b))) {
            for _ in 0..4 + random.below(9) {
                pairs.push(pair(random, &values, [a, b]));
            }
        }
        while pairs.len() < pool_count {
            let a = if random.below(4) < 3 { random.below(HUBS) } else { HUBS + random.popular(token_count - HUBS) };
            let b = HUBS + random.popular(token_count - HUBS);
            if a != b {
                pairs.push(pair(random, &values, [a.min(b), a.max(b)]));
            }
        }
        pairs.truncate(pool_count);
        Self { token_count, pairs }
    }

    /// The deepest pools, deepest first.
    pub(crate) fn deepest(&self, count: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.pairs.len()).collect();
        places.sort_by(|a, b| self.pairs[*b].depth.total_cmp(&self.pairs[*a].depth));
        places.truncate(count);
        places
    }
}

fn pair(random: &mut Random, values: &[f64], tokens: [usize; 2]) -> Pair {
    let fee_ppm = FEES_PPM[random.below(FEES_PPM.len())];
    // Within 95 % of the fee's band, so that nothing is to be earned.
    let off = 0.95 * f64::from(fee_ppm) / 1e6 * random.between(-1.0, 1.0);
    let decades = if tokens[1] < DEEP_TOKENS { 6.0 } else { 3.6 };
    let depth = 10_f64.powf(decades + 0.9 * random.normal());
    let reserve = |token: usize, part: f64| {
        let raw = depth * DOLLAR / values[token] * part.exp();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^112, above zero")]
        let whole = raw.max(1e6) as u128;
        whole
    };
    Pair { tokens, reserves: [reserve(tokens[0], off / 2.0), reserve(tokens[1], -off / 2.0)], fee_ppm, depth }
}

/// The pair with its price moved by a part, up or down.
pub(crate) fn moved(pair: Pair, part: f64) -> [u128; 2] {
    let root = (1.0 + part).sqrt();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small part of what was there")]
    let scaled = |reserve: u128, by: f64| (reserve as f64 * by) as u128;
    [scaled(pair.reserves[0], root), scaled(pair.reserves[1], 1.0 / root)]
}
