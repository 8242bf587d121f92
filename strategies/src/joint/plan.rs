//! Trades that balance in real numbers, as trades that can be made one after the other, in whole units.

use std::collections::BTreeMap;

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

use super::descent::Descent;
use super::flows::{Flow, Lines};
use crate::market::Market;
use crate::opportunity::Hop;
use crate::pool::Way;

/// Parts of an amount tried in turn where a pool cannot take the whole: it may lie a rounding beyond what the pool holds.
const SHRINKS: [f64; 4] = [1.0, 1.0 - 1e-12, 1.0 - 1e-9, 1.0 - 1e-6];
/// Times that the amounts are made, each with a little more of what lacked, or without a trade that could not be made.
const PASSES_MAX: usize = 100;
/// How much more than what lacked is seen to, as a part of it.
const MARGIN: f64 = 1.1;

/// Trades that gain together, in an order in which they can be made.
///
/// Whoever holds what is borrowed can make one trade after the other, gives it back at the end, and has the profit. Amounts are the pools' own
/// quotes, no pool is traded twice, and nothing is owed in any token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JointPlan {
    /// Token in which it profits.
    pub token: TokenId,
    /// The trades.
    pub trades: Vec<Hop>,
    /// Least that must be held before the first trade, and is there again after the last: raw units by token, each token once.
    pub borrowed: Vec<(TokenId, U256)>,
    /// Raw units of the token, before gas; above zero.
    pub profit: U256,
    /// What is left in other tokens, where whole units do not come out even: each token once.
    pub left: Vec<(TokenId, U256)>,
}

/// A trade as prices have it.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    pool: PoolId,
    way: Way,
    token_in: TokenId,
    token_out: TokenId,
    /// Raw units.
    input: f64,
    /// What the input is worth.
    value: f64,
    /// By how much more of it is taken where the prices' rate rises by a part, for each such part: raw units.
    stretch: f64,
}

/// The trades of one token, which are made one behind the other.
#[derive(Debug, Clone)]
struct Turn {
    token: TokenId,
    /// Whether they are made before all of the token is there.
    is_early: bool,
    trades: Vec<usize>,
}

/// Why amounts could not be made.
#[derive(Debug, Clone)]
enum Fault {
    /// The pool does not take it.
    Refused(usize),
    /// Of tokens that were spent before they were there, so much was not there at the end.
    Short(Vec<(TokenId, f64)>),
}

/// `descent` stands where its trades balance; prices are moved a little where whole units do not come out even.
pub(super) fn make(market: &Market, token: TokenId, descent: &mut Descent<'_>, pools: &[Lines]) -> Option<JointPlan> {
    let mut refused: Vec<PoolId> = Vec::new();
    let mut more: BTreeMap<TokenId, f64> = BTreeMap::new();
    for _ in 0..PASSES_MAX {
        let wanted = wanted(market, token, descent, &refused);
        if wanted.is_empty() {
            return None;
        }
        match run(market, token, &wanted, &order(&wanted, token)) {
            Ok(plan) => return Some(plan).filter(|plan| !plan.profit.is_zero()),
            Err(Fault::Refused(trade)) => refused.push(wanted[trade].pool),
            Err(Fault::Short(lacks)) => {
                for (token, lack) in lacks {
                    *more.entry(token).or_default() += MARGIN * (lack + 1.0);
                }
                descent.lean(pools, more.iter().map(|(token, more)| (*token, *more)));
            }
        }
    }
    None
}

/// The trades as prices have them, less what was refused and what then leads nowhere.
fn wanted(market: &Market, token: TokenId, descent: &Descent<'_>, refused: &[PoolId]) -> Vec<Wanted> {
    let price = |token: TokenId| descent.prices().get(token.index()).copied().unwrap_or(0.0);
    let of_flow = |flow: &Flow| {
        let line = market.all_lines().get(flow.place).filter(|line| !refused.contains(&line.pool))?;
        let (Flow { token_in, token_out, trade, .. }, pool, way) = (*flow, line.pool, line.way);
        let (value, stretch) = (trade.input * price(token_in), trade.stiffness / price(token_in));
        let input = trade.input;
        (input >= 1.0 && trade.output >= 1.0).then_some(Wanted {
            pool,
            way,
            token_in,
            token_out,
            input,
            value,
            stretch,
        })
    };
    let mut wanted: Vec<Wanted> = descent.flows().all.iter().filter_map(of_flow).collect();
    prune(&mut wanted, token);
    wanted
}

/// How what there is of a token is divided where it is not quite what was planned: what is more or less goes where it moves prices least.
#[derive(Debug, Clone, Copy)]
struct Share {
    planned: f64,
    stretch: f64,
    there: f64,
}

/// Part of the plan by which what is there may differ from it to be divided in that way.
const NEAR: f64 = 0.05;

impl Share {
    fn new<'w>(trades: impl Iterator<Item = &'w Wanted>, there: f64) -> Self {
        let add = |(planned, stretch), trade: &Wanted| (planned + trade.input, stretch + trade.stretch);
        let (planned, stretch) = trades.fold((0.0, 0.0), add);
        Self { planned, stretch, there }
    }

    fn of(&self, trade: &Wanted) -> f64 {
        let (more, part) = (self.there - self.planned, trade.input / self.planned);
        if more.abs() <= NEAR * self.planned && self.stretch > 0.0 {
            (trade.input + more * trade.stretch / self.stretch).max(0.0)
        } else {
            self.there.max(0.0) * part
        }
    }
}

/// Takes out what leads nowhere: a token that is brought and not taken, or the other way.
fn prune(wanted: &mut Vec<Wanted>, token: TokenId) {
    loop {
        let before = wanted.len();
        let taken: Vec<TokenId> = wanted.iter().map(|trade| trade.token_in).collect();
        wanted.retain(|trade| trade.token_out == token || taken.contains(&trade.token_out));
        let brought: Vec<TokenId> = wanted.iter().map(|trade| trade.token_out).collect();
        wanted.retain(|trade| trade.token_in == token || brought.contains(&trade.token_in));
        if wanted.len() == before {
            return;
        }
    }
}

/// What has yet to be brought of a token.
#[derive(Debug, Clone, Copy, Default)]
struct Awaited {
    trades: usize,
    value: f64,
}

/// Each token's trades once all that brings it was made. Where tokens wait for each other, the one of which least is missing goes first.
fn order(wanted: &[Wanted], token: TokenId) -> Vec<Turn> {
    let mut open: BTreeMap<TokenId, Turn> = BTreeMap::new();
    let mut awaited: BTreeMap<TokenId, Awaited> = BTreeMap::new();
    for (at, trade) in wanted.iter().enumerate() {
        let none = || Turn { token: trade.token_in, is_early: false, trades: Vec::new() };
        open.entry(trade.token_in).or_insert_with(none).trades.push(at);
        let awaited = awaited.entry(trade.token_out).or_default();
        awaited.trades += 1;
        awaited.value += trade.value;
    }
    let missing = |awaited: &BTreeMap<TokenId, Awaited>, of: TokenId| {
        awaited.get(&of).filter(|awaited| awaited.trades > 0 && of != token).map_or(0.0, |awaited| awaited.value)
    };
    let mut turns = Vec::with_capacity(open.len());
    // Whatever is left over goes to the last, which is the one that it moves least.
    for turn in open.values_mut() {
        turn.trades.sort_by(|a, b| wanted[*a].stretch.total_cmp(&wanted[*b].stretch));
    }
    while let Some(next) = open.keys().copied().min_by(|a, b| missing(&awaited, *a).total_cmp(&missing(&awaited, *b))) {
        let mut turn = open.remove(&next).expect("one of those open");
        turn.is_early = next == token || awaited.get(&next).is_some_and(|awaited| awaited.trades > 0);
        for trade in turn.trades.iter().map(|at| &wanted[*at]) {
            if let Some(awaited) = awaited.get_mut(&trade.token_out) {
                awaited.trades -= 1;
                awaited.value -= trade.value;
            }
        }
        turns.push(turn);
    }
    turns
}

/// Raw units of a token.
#[derive(Debug, Clone, Copy, Default)]
struct Holding {
    held: U256,
    borrowed: U256,
}

/// What is held on the way through a plan. What is not there is borrowed.
#[derive(Debug, Default)]
struct Purse(BTreeMap<TokenId, Holding>);

impl Purse {
    fn of(&mut self, token: TokenId) -> &mut Holding {
        self.0.entry(token).or_default()
    }

    fn make(&mut self, trade: &Hop) {
        let paid = self.of(trade.token_in);
        let lack = trade.amount_in.saturating_sub(paid.held);
        paid.borrowed += lack;
        paid.held = (paid.held + lack) - trade.amount_in;
        self.of(trade.token_out).held += trade.amount_out;
    }

    /// The plan, once all is made and what was borrowed given back; else of which other tokens how much is missing for that.
    fn close(self, token: TokenId, trades: Vec<Hop>) -> Result<JointPlan, Vec<(TokenId, f64)>> {
        let mut plan = JointPlan { token, trades, borrowed: Vec::new(), profit: U256::ZERO, left: Vec::new() };
        let mut lacks = Vec::new();
        for (of, Holding { held, borrowed }) in self.0 {
            match held.checked_sub(borrowed) {
                Some(more) if of == token => plan.profit = more,
                Some(more) if more.is_zero() => {}
                Some(more) => plan.left.push((of, more)),
                // A loss: no profit is no plan.
                None if of == token => {}
                None => lacks.push((of, f64::from(borrowed - held))),
            }
            if !borrowed.is_zero() {
                plan.borrowed.push((of, borrowed));
            }
        }
        if lacks.is_empty() { Ok(plan) } else { Err(lacks) }
    }
}

impl JointPlan {
    /// Of trades in their order; `None` where they do not gain, or owe another token.
    pub(super) fn of(token: TokenId, trades: Vec<Hop>) -> Option<Self> {
        let mut purse = Purse::default();
        trades.iter().for_each(|trade| purse.make(trade));
        purse.close(token, trades).ok().filter(|plan| !plan.profit.is_zero())
    }
}

fn run(market: &Market, token: TokenId, wanted: &[Wanted], turns: &[Turn]) -> Result<JointPlan, Fault> {
    let (mut purse, mut trades) = (Purse::default(), Vec::with_capacity(wanted.len()));
    for turn in turns {
        let mut left = purse.of(turn.token).held;
        let share = Share::new(turn.trades.iter().map(|at| &wanted[*at]), f64::from(left));
        for (place, at) in turn.trades.iter().enumerate() {
            let trade = &wanted[*at];
            let is_last = place + 1 == turn.trades.len();
            let amount = match (turn.is_early, is_last) {
                (true, _) => whole(trade.input),
                (false, true) => left,
                (false, false) => whole(share.of(trade)).min(left),
            };
            let (amount_in, amount_out) = swap(market, trade, amount).ok_or(Fault::Refused(*at))?;
            left = left.saturating_sub(amount_in);
            let (pool, token_in, token_out) = (trade.pool, trade.token_in, trade.token_out);
            let hop = Hop { pool, token_in, token_out, amount_in, amount_out };
            purse.make(&hop);
            trades.push(hop);
        }
    }
    purse.close(token, trades).map_err(Fault::Short)
}

/// Rounded down.
fn whole(amount: f64) -> U256 {
    U256::try_from(amount.floor()).unwrap_or(U256::ZERO)
}

/// What the pool gives for the amount, or for a little less.
fn swap(market: &Market, trade: &Wanted, amount: U256) -> Option<(U256, U256)> {
    let view = market.pool(trade.pool).ok()?;
    let quote = |amount: U256| {
        let output = view.hop_output(trade.way, amount, market.timestamp()).ok()?;
        Some((amount, output))
    };
    // More than was planned may be more than the pool can take.
    let most = f64::from(amount).min(trade.input);
    let less = |shrink: &f64| quote(whole(most * shrink));
    quote(amount).or_else(|| SHRINKS.iter().find_map(less))
}
