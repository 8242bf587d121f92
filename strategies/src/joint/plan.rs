//! Trades that balance in real numbers, as trades that can be made one after the other, in whole units.

use std::collections::BTreeMap;

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

use super::STEPS_MAX;
use super::descent::Descent;
use super::flows::{Flow, Lines};
use crate::market::Market;
use crate::opportunity::Hop;
use crate::pool::Way;

/// Parts of an amount tried in turn where a pool cannot take the whole: it may lie a rounding beyond what the pool holds.
const SHRINKS: [f64; 4] = [1.0, 1.0 - 1e-12, 1.0 - 1e-9, 1.0 - 1e-6];
/// Times that the amounts are made, each with a little more of what lacked, or without a trade that could not be made.
const PASSES_MAX: usize = 260;
/// Part of an amount that floats do not tell apart from it, and a little more.
const FLOAT: f64 = 1e-15;
/// Times that each way of seeing to what lacks is tried.
const MODE_PASSES: usize = 40;
/// Part by which a price leans at most, where prices alone do it, and where less is spent as well, each so many times.
const LEAN_MAX: [f64; 2] = [1e-3, 1e-7];
const LEAN_EVERY: usize = 4;
/// Times that trades are left out for being too small, before the rest is tried as it is.
const DUST_PASSES: usize = 12;
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
    /// What must be held before the first trade, and is there again after the last: raw units by token, each token once, the plan's own first.
    pub borrowed: Vec<(TokenId, U256)>,
    /// Raw units of the token, before gas; above zero.
    pub profit: U256,
    /// What is left in other tokens, where whole units do not come out even: each token once.
    pub left: Vec<(TokenId, U256)>,
}

/// A trade as prices have it.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// Of its line among the market's.
    place: usize,
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
    /// The pools do not take these.
    Refused(Vec<usize>),
    /// Of tokens that were spent before they were there, so much was not there at the end.
    Short(Vec<(TokenId, f64)>),
}

/// `descent` stands where the trades of `pools` balance; pools whose trade is too small for whole units are left out, and prices are moved a
/// little where these do not come out even.
pub(super) fn make(
    market: &Market,
    token: TokenId,
    descent: &mut Descent<'_>,
    mut pools: Vec<Lines>,
) -> Option<JointPlan> {
    // Less is spent of what lacks. That brings less of the next token, and where they go in a circle it has no end: so prices lean now and then,
    // for more of it to be brought. Where that is not enough they alone do it, which has no end where no pool gives way.
    let (mut missing, mut shorts): (BTreeMap<TokenId, f64>, _) = (BTreeMap::new(), 0);
    for pass in 0..PASSES_MAX {
        if descent.is_spent() {
            return None;
        }
        let (mut wanted, out) = wanted(market, token, descent, pass < DUST_PASSES);
        if !out.is_empty() {
            leave_out(&mut pools, &out, descent);
            missing.clear();
            continue;
        }
        if wanted.is_empty() {
            return None;
        }
        if shorts / MODE_PASSES != 1 {
            missing.iter().for_each(|(token, less)| spend_less(&mut wanted, *token, *less));
        }
        descent.count(wanted.len());
        match run(market, token, &wanted, &order(&wanted, token)) {
            Ok(plan) => return JointPlan::of(token, in_order(token, plan.trades)),
            Err(Fault::Refused(refused)) => {
                let out: Vec<usize> = refused.into_iter().map(|at| wanted[at].place).collect();
                leave_out(&mut pools, &out, descent);
                missing.clear();
            }
            Err(Fault::Short(lacks)) => {
                shorts += 1;
                if shorts % MODE_PASSES == 0 {
                    missing.clear();
                    descent.settle(&pools, STEPS_MAX);
                    continue;
                }
                let now: Vec<_> = lacks.into_iter().map(|(token, lack)| (token, MARGIN * (lack + 1.0))).collect();
                for (token, lack) in &now {
                    *missing.entry(*token).or_default() += lack;
                }
                match shorts / MODE_PASSES {
                    0 if shorts % LEAN_EVERY == 0 => descent.lean(&pools, now.into_iter(), LEAN_MAX[1]),
                    1 => descent.lean(&pools, missing.iter().map(|(token, more)| (*token, *more)), LEAN_MAX[0]),
                    _ => {}
                }
            }
        }
    }
    None
}

/// Plans to spend so many raw units less of a token.
fn spend_less(wanted: &mut [Wanted], token: TokenId, less: f64) {
    let is_of_it = |trade: &&Wanted| trade.token_in == token;
    let all: f64 = wanted.iter().filter(is_of_it).map(|trade| trade.input).sum();
    let share = Share::new(wanted.iter().filter(is_of_it), all - less.max(FLOAT * all));
    wanted.iter_mut().filter(|trade| trade.token_in == token).for_each(|trade| trade.input = share.of(trade));
}

/// Goes on without the pools of these lines.
fn leave_out(pools: &mut Vec<Lines>, places: &[usize], descent: &mut Descent<'_>) {
    pools.retain(|lines| !places.iter().any(|place| lines.contains(place)));
    descent.settle(pools, STEPS_MAX);
}

/// The trades as prices have them, and the places of those to leave out: that lead nowhere, or, where `is_strict`, whose gain rounding may take.
fn wanted(market: &Market, token: TokenId, descent: &Descent<'_>, is_strict: bool) -> (Vec<Wanted>, Vec<usize>) {
    let price = |token: TokenId| descent.prices().get(token.index()).copied().unwrap_or(0.0);
    let is_dust = |flow: &&Flow| flow.trade.input < 1.0 || is_strict && flow.trade.made < price(flow.token_out);
    let of_flow = |flow: &Flow| {
        let line = market.all_lines().get(flow.place)?;
        let (Flow { place, token_in, token_out, trade }, pool, way) = (*flow, line.pool, line.way);
        let (input, value, stretch) = (trade.input, trade.input * price(token_in), trade.stiffness / price(token_in));
        Some(Wanted { place, pool, way, token_in, token_out, input, value, stretch })
    };
    let flows = &descent.flows().all;
    let mut wanted: Vec<Wanted> = flows.iter().filter(|flow| !is_dust(flow)).filter_map(of_flow).collect();
    prune(&mut wanted, token);
    let is_wanted = |flow: &&Flow| wanted.iter().any(|wanted| wanted.place == flow.place);
    let out = flows.iter().filter(|flow| !is_wanted(flow)).map(|flow| flow.place).collect();
    (wanted, out)
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
    fn close(mut self, token: TokenId, trades: Vec<Hop>) -> Result<JointPlan, Vec<(TokenId, f64)>> {
        let own = self.0.remove(&token);
        let mut plan = JointPlan { token, trades, borrowed: Vec::new(), profit: U256::ZERO, left: Vec::new() };
        let mut lacks = Vec::new();
        for (of, Holding { held, borrowed }) in own.map(|own| (token, own)).into_iter().chain(self.0) {
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
    /// Profit less what the trades cost, each so much; `None` for a loss.
    #[must_use]
    pub fn net(&self, trade_cost: U256) -> Option<U256> {
        self.profit.checked_sub(trade_cost.checked_mul(U256::from(self.trades.len()))?)
    }

    /// Of trades in their order; `None` where they do not gain, or owe another token.
    pub(super) fn of(token: TokenId, trades: Vec<Hop>) -> Option<Self> {
        let mut purse = Purse::default();
        trades.iter().for_each(|trade| purse.make(trade));
        purse.close(token, trades).ok().filter(|plan| !plan.profit.is_zero())
    }
}

fn run(market: &Market, token: TokenId, wanted: &[Wanted], turns: &[Turn]) -> Result<JointPlan, Fault> {
    let (mut purse, mut trades) = (Purse::default(), Vec::with_capacity(wanted.len()));
    let mut refused = Vec::new();
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
            let Some((amount_in, amount_out)) = swap(market, trade, amount) else {
                refused.push(*at);
                continue;
            };
            left = left.saturating_sub(amount_in);
            let (pool, token_in, token_out) = (trade.pool, trade.token_in, trade.token_out);
            let hop = Hop { pool, token_in, token_out, amount_in, amount_out };
            purse.make(&hop);
            trades.push(hop);
        }
    }
    if refused.is_empty() { purse.close(token, trades).map_err(Fault::Short) } else { Err(Fault::Refused(refused)) }
}

/// The same trades in an order that needs little of what is not `lent`: each as soon as it can be paid with what is there.
pub(super) fn in_order(lent: TokenId, mut trades: Vec<Hop>) -> Vec<Hop> {
    // The smallest of each token last, to be taken from there.
    trades.sort_by(|a, b| b.amount_in.cmp(&a.amount_in).then(a.pool.cmp(&b.pool)));
    let mut waiting: BTreeMap<TokenId, Vec<Hop>> = BTreeMap::new();
    let mut ordered = Vec::with_capacity(trades.len());
    let mut held: BTreeMap<TokenId, U256> = BTreeMap::new();
    trades.into_iter().for_each(|trade| waiting.entry(trade.token_in).or_default().push(trade));
    let mut open = vec![lent];
    loop {
        while let Some(of) = open.pop() {
            let Some(list) = waiting.get_mut(&of) else { continue };
            while let Some(next) = list.last().copied() {
                let there = held.entry(of).or_default();
                if of != lent && *there < next.amount_in {
                    break;
                }
                *there = there.saturating_sub(next.amount_in);
                list.pop();
                *held.entry(next.token_out).or_default() += next.amount_out;
                open.push(next.token_out);
                ordered.push(next);
            }
        }
        // What is left waits in a circle: one of it must be borrowed, the one of which most is there already.
        let lack = |(of, list): (&TokenId, &Vec<Hop>)| {
            let there = held.get(of).map_or(0.0, |there| f64::from(*there));
            list.last().map(|next| (there / f64::from(next.amount_in), *of))
        };
        let Some((_, next)) = waiting.iter().filter_map(lack).max_by(|a, b| a.0.total_cmp(&b.0)) else {
            return ordered;
        };
        if let Some(trade) = waiting.get(&next).and_then(|list| list.last()) {
            held.insert(next, trade.amount_in);
            open.push(next);
        }
    }
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
