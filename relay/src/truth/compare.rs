//! Two states of one pool, as the messages that would tell them.

use core::convert::Infallible;
use std::collections::{BTreeMap, BTreeSet};

use alphapulse_protocol::message::{Message, RatesUse, StateParts};
use alphapulse_protocol::replica::{PoolInfo, PoolState, V3State, describe_pool};
use alphapulse_protocol::{PoolId, Sequence, UnixNanos};

/// Where two states differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Every part that does.
    pub(super) parts: StateParts,
    /// The first field that does, by message and name.
    pub(super) field: String,
    pub(super) ours: String,
    pub(super) theirs: String,
}

/// Which of a state's messages: name, and what tells those of one name apart.
type Key = (u16, &'static str, i64);

/// How they differ within `ticks`, inclusive. Kinds need no rules of their own: a state is what its messages say.
pub(super) fn difference(
    info: &PoolInfo,
    ours: &PoolState,
    theirs: &PoolState,
    ticks: (i32, i32),
) -> Option<Difference> {
    let (ours, theirs) = (within(ours, ticks), within(theirs, ticks));
    if ours == theirs {
        return None;
    }
    let (ours, theirs) = (told(info, &ours), told(info, &theirs));
    let keys: BTreeSet<&Key> = ours.keys().chain(theirs.keys()).collect();
    let mut found: Option<Difference> = None;
    for key in keys {
        let (ours, theirs) = (ours.get(key), theirs.get(key));
        if ours == theirs {
            continue;
        }
        let parts = part_of(key);
        match &mut found {
            Some(found) => found.parts = found.parts.with(parts),
            None => found = Some(first_field(key, parts, ours, theirs)),
        }
    }
    // States that differ tell different messages; if they ever do not, the pool is not believed either.
    Some(found.unwrap_or_else(|| Difference {
        parts: StateParts::STATE,
        field: "state".to_owned(),
        ours: "another".to_owned(),
        theirs: "another".to_owned(),
    }))
}

/// The state without ticks outside of this range.
fn within(state: &PoolState, (low, high): (i32, i32)) -> PoolState {
    let cut = |curve: &mut V3State| curve.ticks.retain(|tick| (low..=high).contains(&tick.tick));
    let mut state = state.clone();
    match &mut state {
        PoolState::V3(curve) => cut(curve),
        PoolState::V4(v4) => cut(&mut v4.curve),
        _ => {}
    }
    state
}

/// Fields of each message of a state, as text.
fn told(info: &PoolInfo, state: &PoolState) -> BTreeMap<Key, Vec<(&'static str, String)>> {
    let mut told = BTreeMap::new();
    let place = (Sequence(0), UnixNanos(0));
    let Ok(()) = describe_pool(PoolId(0), info, state, place, |message| -> Result<(), Infallible> {
        let sub = match message {
            Message::V3Tick(tick) => i64::from(tick.tick.get()),
            Message::PoolRates(rates) => i64::from(rates.rates_use),
            // The description stands for the pool, and was settled when it was added.
            Message::Pool(_) | Message::V4Pool(_) | Message::MultiTokenPool(_) => return Ok(()),
            _ => 0,
        };
        let key = (message.header().template_id.get(), message.name(), sub);
        told.insert(key, message.fields().into_iter().map(|(name, value)| (name, value.to_string())).collect());
        Ok(())
    });
    told
}

fn part_of((_, name, sub): &Key) -> StateParts {
    match *name {
        "V3Tick" => StateParts::TICKS,
        "PoolRates" if *sub == RatesUse::LastJoinExit as i64 => StateParts::RATES_LAST_JOIN_EXIT,
        "PoolRates" => StateParts::RATES_SWAP,
        name if name.ends_with("Parameters") => StateParts::TERMS,
        _ => StateParts::STATE,
    }
}

type Fields = Vec<(&'static str, String)>;

fn first_field(key: &Key, parts: StateParts, ours: Option<&Fields>, theirs: Option<&Fields>) -> Difference {
    let (_, name, sub) = key;
    let name = if *sub == 0 && *name != "V3Tick" { (*name).to_owned() } else { format!("{name}[{sub}]") };
    let none = || "none".to_owned();
    let (Some(of_us), Some(of_them)) = (ours, theirs) else {
        let is_there = |fields: Option<&Fields>| fields.map_or_else(none, |_| "there".to_owned());
        return Difference { parts, field: name, ours: is_there(ours), theirs: is_there(theirs) };
    };
    let differing = of_us.iter().zip(of_them).find(|(ours, theirs)| ours != theirs);
    let (field, ours, theirs) = differing.map_or_else(
        || (name.clone(), none(), none()),
        |((field, ours), (_, theirs))| (format!("{name}.{field}"), ours.clone(), theirs.clone()),
    );
    Difference { parts, field, ours, theirs }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::message::{TICK_MAX, TICK_MIN};
    use alphapulse_protocol::replica::{BalancerStableState, CurveStableState, TickLiquidity, V2State};
    use alphapulse_protocol::{FeePpm, TokenId, U256, VenueId};

    use super::*;

    const ALL: (i32, i32) = (TICK_MIN, TICK_MAX);

    fn info() -> PoolInfo {
        PoolInfo::uniswap_v2(VenueId(0), [7; 20], [TokenId(0), TokenId(1)], FeePpm(3_000))
    }

    fn v3(tick: i32, ticks: &[i32]) -> PoolState {
        let ticks =
            ticks.iter().map(|tick| TickLiquidity { tick: *tick, liquidity_net: 1, liquidity_gross: 1 }).collect();
        PoolState::V3(V3State { sqrt_price_x96: U256::ONE << 96, tick, liquidity: 5, ticks })
    }

    fn of_pair(reserve_1: u128) -> PoolState {
        PoolState::V2(V2State { reserve_0: 5, reserve_1 })
    }

    #[test]
    fn the_first_field_is_named_with_both_values() {
        assert_eq!(difference(&info(), &of_pair(6), &of_pair(6), ALL), None);
        let found = difference(&info(), &of_pair(6), &of_pair(7), ALL);
        let expected = Difference {
            parts: StateParts::STATE,
            field: "V2Reserves.reserve_1".to_owned(),
            ours: "6".to_owned(),
            theirs: "7".to_owned(),
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn every_part_that_differs_is_told_and_only_ticks_that_were_looked_at_count() {
        let info = info().with_ticks(60, ALL);
        let found = difference(&info, &v3(0, &[-60, 60]), &v3(1, &[-60, 0, 60]), ALL);
        let found = found.map(|found| (found.parts, found.field));
        assert_eq!(found, Some((StateParts::STATE.with(StateParts::TICKS), "V3Swap.tick".to_owned())));
        let found = difference(&info, &v3(0, &[-60, 60]), &v3(0, &[-60, 0, 60]), ALL);
        let found = found.map(|found| (found.parts, found.field, found.ours, found.theirs));
        assert_eq!(found, Some((StateParts::TICKS, "V3Tick[0]".to_owned(), "none".to_owned(), "there".to_owned())));
        assert_eq!(difference(&info, &v3(0, &[-60, 60]), &v3(0, &[-60, 0, 60]), (-120, -1)), None);
        // The state itself counts wherever one looks.
        assert!(difference(&info, &v3(0, &[60]), &v3(1, &[60]), (-120, -1)).is_some());
    }

    #[test]
    fn kinds_of_many_messages_are_compared_message_by_message() {
        let mut theirs = CurveStableState::default();
        theirs.rates.rates[0] = 9;
        let ours = PoolState::CurveStable(Box::default());
        let found = difference(&info(), &ours, &PoolState::CurveStable(Box::new(theirs)), ALL);
        assert_eq!(found.map(|found| found.parts), Some(StateParts::RATES_SWAP));
        theirs.terms.fee = 5;
        let found = difference(&info(), &ours, &PoolState::CurveStable(Box::new(theirs)), ALL);
        assert_eq!(found.map(|found| found.parts), Some(StateParts::RATES_SWAP.with(StateParts::TERMS)));
        let mut theirs = BalancerStableState::default();
        theirs.last_join_exit_rates.rates[1] = 9;
        theirs.holdings.supply = 1;
        let ours = PoolState::BalancerStable(Box::default());
        let found = difference(&info(), &ours, &PoolState::BalancerStable(Box::new(theirs)), ALL);
        let parts = StateParts::RATES_LAST_JOIN_EXIT.with(StateParts::STATE);
        assert_eq!(found.map(|found| found.parts), Some(parts));
    }

    #[test]
    fn a_state_of_another_kind_differs() {
        assert!(difference(&info(), &of_pair(6), &v3(0, &[]), ALL).is_some());
    }
}
