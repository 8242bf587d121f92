//! The same problem for Clarabel, an interior-point solver of cones: <https://clarabel.org>.

use std::time::{Duration, Instant};

use alphapulse_protocol::{PoolId, TokenId};
use alphapulse_strategies::Market;
use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettings, DefaultSolver, IPSolver, SolverStatus, SupportedConeT};

/// `d`: part of what a pool holds that is traded, more or less.
const PART: f64 = 0.02;

/// What the solver found.
pub(crate) struct Peer {
    /// Raw units of the token.
    pub(crate) value: f64,
    /// How far its primal and dual values are apart, as a part.
    pub(crate) gap: f64,
    /// What solving took, without the making of the problem.
    #[allow(dead_code, reason = "a bench reads it")]
    pub(crate) took: Duration,
}

/// One stretch `y = g x / (1 + h x)` of one way through a pool, of at most `width` input.
struct Stretch {
    token_in: TokenId,
    token_out: TokenId,
    g: f64,
    h: f64,
    width: f64,
}

fn stretches(market: &Market) -> Vec<Stretch> {
    let mut found = Vec::new();
    for pool in (0..).map(PoolId).take(market.replica().pools().len()) {
        let view = market.pool(pool).expect("a known pool");
        for line in market.lines(pool) {
            let zero_for_one = line.way.zero_for_one().expect("pools of two tokens");
            for range in view.ranges(zero_for_one) {
                found.push(Stretch {
                    token_in: line.token_in,
                    token_out: line.token_out,
                    g: range.mobius.g,
                    h: range.mobius.h,
                    width: range.input_end - range.input_start,
                });
            }
        }
    }
    found
}

/// Most that trades earn which balance in every other token: maximise what of the token comes less what goes, over inputs and outputs of every
/// stretch, until primal and dual are so far apart at most, as a part. `None` where the solver does not finish.
///
/// With `h x = d u` and `y = (g / h) (d u - d^2 t)` each stretch is `t (1 + d u) >= u^2`, a second-order cone, in which all numbers are of a size
/// for a `d` of about what is traded: nothing is the small difference of two that are large. Tokens are counted in value, at prices of the
/// deepest pools.
pub(crate) fn peer_optimum(market: &Market, token: TokenId, tolerance: f64) -> Option<Peer> {
    let first = solve(market, token, tolerance, SCALE)?;
    // Where little is gained the solver ends by its absolute gap; counted in that little, it ends by the relative one.
    if first.gap <= 10.0 * tolerance { Some(first) } else { solve(market, token, tolerance, first.value) }
}

/// In such units values are counted at first, small enough for what is gained where little is.
const SCALE: f64 = 1e17;

fn solve(market: &Market, token: TokenId, tolerance: f64, scale: f64) -> Option<Peer> {
    let stretches = stretches(market);
    let tokens = market.replica().tokens().len();
    let prices = alphapulse_strategies::search::Prices::fit(market, &[token]);
    let price = |token: TokenId| prices.of(token).expect("every token is connected");
    let variables = 2 * stretches.len();
    let mut entries: (Vec<usize>, Vec<usize>, Vec<f64>) = Default::default();
    let mut put = |row: usize, column: usize, value: f64| {
        entries.0.push(row);
        entries.1.push(column);
        entries.2.push(value);
    };
    let (mut objective, mut right) = (vec![0.0; variables], Vec::new());
    // Rows: what is left of each other token is not below nothing.
    right.resize(tokens, 0.0);
    for (at, stretch) in stretches.iter().enumerate() {
        let Stretch { token_in, token_out, g, h, .. } = stretch;
        let (paid, got) = (price(*token_in) * PART / h / scale, price(*token_out) * g * PART / h / scale);
        let (u, t) = (2 * at, 2 * at + 1);
        for (token_at, column, value) in [(*token_in, u, paid), (*token_out, u, -got), (*token_out, t, got * PART)] {
            if token_at == token {
                objective[column] += value;
            } else {
                put(token_at.index(), column, value);
            }
        }
    }
    // Inputs are above nothing and within their stretch.
    let mut row = tokens;
    for (at, stretch) in stretches.iter().enumerate() {
        put(row, 2 * at, -1.0);
        right.push(0.0);
        row += 1;
        let most = stretch.h * stretch.width / PART;
        if most < 1e3 {
            put(row, 2 * at, 1.0);
            right.push(most);
            row += 1;
        }
    }
    let mut cones = vec![SupportedConeT::NonnegativeConeT(row)];
    // (a + b, 2 u, a - b) in the cone says a b >= u^2, with a = t and b = 1 + d u.
    for at in 0..stretches.len() {
        let (u, t) = (2 * at, 2 * at + 1);
        put(row, t, -1.0);
        put(row, u, -PART);
        put(row + 1, u, -2.0);
        put(row + 2, t, -1.0);
        put(row + 2, u, PART);
        right.extend([1.0, 0.0, -1.0]);
        row += 3;
        cones.push(SupportedConeT::SecondOrderConeT(3));
    }
    let matrix = CscMatrix::new_from_triplets(row, variables, entries.0, entries.1, entries.2);
    let settings = DefaultSettings {
        verbose: false,
        tol_gap_abs: tolerance * 1e-3,
        tol_gap_rel: tolerance,
        tol_feas: tolerance,
        max_iter: 300,
        static_regularization_constant: 1e-11,
        iterative_refinement_reltol: 1e-15,
        iterative_refinement_abstol: 1e-15,
        ..DefaultSettings::default()
    };
    let quadratic = CscMatrix::zeros((variables, variables));
    let mut solver =
        DefaultSolver::new(&quadratic, &objective, &matrix, &right, &cones, settings).expect("well formed");
    let started = Instant::now();
    solver.solve();
    let took = started.elapsed();
    let solution = &solver.solution;
    let is_done = matches!(solution.status, SolverStatus::Solved);
    let (primal, dual) = (-solution.obj_val, -solution.obj_val_dual);
    is_done.then(|| Peer { value: primal * scale, gap: (primal - dual).abs() / primal.abs(), took })
}
