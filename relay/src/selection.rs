//! What a subscriber asks for, and the stream as it is for those who do not ask for all of it.
//!
//! Descriptions, blocks and reorgs always pass: ids stay dense and the chain whole. Only states of pools are left out, and
//! a `Skip` says how many, so that the sequence of everyone counts the same messages.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, Split};
use alphapulse_protocol::message::{Message, PoolKind, Scope, Select, Skip, WireMessage};
use alphapulse_protocol::replica::{PoolInfo, Replica};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{AddressBytes, ChainId, Epoch, PoolId, Position, Sequence, TokenId, UnixNanos, VenueId};
use bytes::Bytes;

use crate::recent::Event;

/// Rules that one subscriber may state.
pub(crate) const RULES_MAX: usize = 64;

/// Which pools' states a subscriber wants. Rules of one sort widen, sorts narrow: kind 1 or 2, and token A or B.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selection {
    chains: BTreeSet<u64>,
    kinds: BTreeSet<u64>,
    venues: BTreeSet<u64>,
    pools: BTreeSet<AddressBytes>,
    tokens: BTreeSet<AddressBytes>,
    is_conflated: bool,
    sides: BTreeSet<u64>,
}

impl Selection {
    /// Everything, as it comes.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// Only a relay of this chain.
    #[must_use]
    pub fn chain(mut self, chain: ChainId) -> Self {
        self.chains.insert(chain.0);
        self
    }

    /// Only pools of this kind, and of others named so.
    #[must_use]
    pub fn kind(mut self, kind: PoolKind) -> Self {
        self.kinds.insert(kind as u64);
        self
    }

    /// Only pools of this venue, and of others named so.
    #[must_use]
    pub fn venue(mut self, venue: VenueId) -> Self {
        self.venues.insert(venue.0.into());
        self
    }

    /// Only this pool, and others named so.
    #[must_use]
    pub fn pool(mut self, address: AddressBytes) -> Self {
        self.pools.insert(address);
        self
    }

    /// Only pools that trade this token, or others named so.
    #[must_use]
    pub fn token(mut self, address: AddressBytes) -> Self {
        self.tokens.insert(address);
        self
    }

    /// Of several states of a pool in one block only the newest, where that leaves the state at the block's end the same.
    #[must_use]
    pub const fn conflated(mut self) -> Self {
        self.is_conflated = true;
        self
    }

    /// Side messages of this template, too.
    #[must_use]
    pub fn side(mut self, template: u16) -> Self {
        self.sides.insert(template.into());
        self
    }

    /// Whether no states are left out.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self { chains: self.chains.clone(), sides: self.sides.clone(), ..Self::default() }
    }

    /// Whether side messages of this template are wanted.
    pub(crate) fn wants_side(&self, template: u16) -> bool {
        self.sides.contains(&template.into())
    }

    /// The part that says which states are wanted.
    pub(crate) fn of_states(&self) -> Self {
        Self { chains: BTreeSet::new(), sides: BTreeSet::new(), ..self.clone() }
    }

    /// Epoch in which the stream of `epoch` is for those who select so: what others hold at the same place is another state,
    /// and must not pass for this one. Everything keeps the relay's own.
    pub(crate) fn epoch_of(&self, epoch: Epoch) -> Epoch {
        if self.is_everything() {
            return epoch;
        }
        let mut hasher = DefaultHasher::new();
        (self.of_states(), epoch.0).hash(&mut hasher);
        // Never the relay's own, and never 0, which is none.
        let other = hasher.finish();
        Epoch(if other == epoch.0 || other == 0 { !epoch.0 | 1 } else { other })
    }

    /// The messages that state this selection to a relay.
    #[must_use]
    pub fn rules(&self) -> Vec<Select> {
        let numbers = [
            (Scope::Chain, &self.chains),
            (Scope::PoolKind, &self.kinds),
            (Scope::Venue, &self.venues),
            (Scope::Side, &self.sides),
        ];
        let numbers = numbers.into_iter().flat_map(|(scope, set)| set.iter().map(move |n| Select::number(scope, *n)));
        let addresses = [(Scope::Pool, &self.pools), (Scope::Token, &self.tokens)];
        let addresses =
            addresses.into_iter().flat_map(|(scope, set)| set.iter().map(move |a| Select::address(scope, *a)));
        numbers.chain(addresses).chain(self.is_conflated.then(|| Select::number(Scope::Conflation, 1))).collect()
    }

    /// Takes one more rule, as a peer stated it.
    pub(crate) fn add(&mut self, rule: &Select) {
        let Some(scope) = rule.scope() else { return };
        match scope {
            Scope::Chain => drop(self.chains.insert(rule.number.get())),
            Scope::PoolKind => drop(self.kinds.insert(rule.number.get())),
            Scope::Venue => drop(self.venues.insert(rule.number.get())),
            Scope::Pool => drop(self.pools.insert(rule.address)),
            Scope::Token => drop(self.tokens.insert(rule.address)),
            Scope::Conflation => self.is_conflated = rule.number.get() != 0,
            Scope::Side => drop(self.sides.insert(rule.number.get())),
            _ => {}
        }
    }

    /// Whether a relay of `chain` is what was asked for.
    pub(crate) fn accepts_chain(&self, chain: ChainId) -> bool {
        self.chains.is_empty() || self.chains.contains(&chain.0)
    }

    /// Pools in one manager have its address; their ids tell them apart.
    fn names_v4(&self, pool: &PoolInfo) -> bool {
        let PoolDetails::V4(details) = &pool.details else { return false };
        details.pool_id.first_chunk().is_some_and(|start| self.pools.contains(start))
    }

    fn accepts(&self, pool: &PoolInfo, replica: &Replica) -> bool {
        let is_in = |set: &BTreeSet<u64>, value: u64| set.is_empty() || set.contains(&value);
        let is_token =
            |id: &TokenId| replica.tokens().get(id.index()).is_some_and(|token| self.tokens.contains(&token.address));
        is_in(&self.kinds, pool.kind as u64)
            && is_in(&self.venues, pool.venue.0.into())
            && (self.pools.is_empty() || self.pools.contains(&pool.address) || self.names_v4(pool))
            && (self.tokens.is_empty() || pool.tokens.iter().any(is_token))
    }
}

/// A selection at work on the stream.
#[derive(Debug)]
pub(crate) struct View {
    selection: Selection,
    /// By pool id, whether its state passes.
    watched: Vec<bool>,
    epoch: Epoch,
    /// The last event that passed, made once for all who share the view.
    last: Option<(Epoch, Sequence, Passed)>,
    /// The newest snapshot that passed, and its place, kept until the next event: joins come in crowds.
    snapshot: Option<(Position, Passed)>,
}

/// What is left of some frames.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    pub(crate) frames: Bytes,
    pub(crate) skipped: u64,
}

impl View {
    pub(crate) const fn new(selection: Selection) -> Self {
        Self { selection, watched: Vec::new(), epoch: Epoch(0), last: None, snapshot: None }
    }

    pub(crate) const fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Learns of pools that it does not know. `is_anew` says that ids may have been given to others since.
    pub(crate) fn sync(&mut self, replica: &Replica, is_anew: bool) {
        if is_anew || replica.epoch() != self.epoch {
            self.watched.clear();
            self.epoch = replica.epoch();
        }
        let unknown = replica.pools().get(self.watched.len()..).unwrap_or_default();
        self.watched.extend(unknown.iter().map(|pool| self.selection.accepts(pool, replica)));
    }

    /// A live event as those who share the view see it.
    pub(crate) fn event(&mut self, event: &Event) -> Passed {
        if let Some((epoch, first, passed)) = &self.last
            && (*epoch, *first) == (self.epoch, event.first)
        {
            return passed.clone();
        }
        let passed = self.pass(&event.frames);
        self.last = Some((self.epoch, event.first, passed.clone()));
        passed
    }

    /// The snapshot at this place as those who share the view see it.
    pub(crate) fn snapshot(&mut self, at: Position, frames: &Bytes) -> Passed {
        if let Some((_, passed)) = self.snapshot.as_ref().filter(|(made_at, _)| *made_at == at) {
            return passed.clone();
        }
        let passed = self.pass(frames);
        self.snapshot = Some((at, passed.clone()));
        passed
    }

    /// The state has changed.
    pub(crate) fn forget_snapshot(&mut self) {
        self.snapshot = None;
    }

    /// The place in the stream of `epoch` of who says that its state is at `place`; in no epoch when the state is not of this
    /// view.
    pub(crate) fn place_in(&self, epoch: Epoch, place: Position) -> Position {
        let is_same = place.epoch == self.selection.epoch_of(epoch);
        Position { epoch: if is_same { epoch } else { Epoch(0) }, ..place }
    }

    /// What is left of whole frames in the stream's order.
    pub(crate) fn pass(&self, frames: &Bytes) -> Passed {
        if self.selection.is_everything() {
            return Passed { frames: frames.clone(), skipped: 0 };
        }
        let superseded = if self.selection.is_conflated { superseded(frames) } else { HashSet::new() };
        let mut sieve = Sieve { out: Vec::with_capacity(frames.len()), run: None, skipped: 0 };
        for (at, frame) in walk(frames) {
            let message = Message::decode(&frame[FRAME_HEADER_BYTES..]).expect("the relay packs what it can read");
            if let Message::SnapshotBegin(begin) = message {
                let mut begin = *begin;
                begin.epoch.set(self.selection.epoch_of(Epoch(begin.epoch.get())).0);
                sieve.keep_changed(&begin);
                continue;
            }
            let is_watched = |pool: PoolId| self.watched.get(pool.index()).copied().unwrap_or(false);
            if message.state_of().is_none_or(is_watched) && !superseded.contains(&at) {
                sieve.keep(frame);
            } else {
                sieve.skip(&message);
            }
        }
        sieve.finish()
    }
}

/// Passes frames on and counts those that it does not.
struct Sieve {
    out: Vec<u8>,
    /// Messages left out since the last one kept, and the place of the newest.
    run: Option<(u32, Sequence, UnixNanos)>,
    skipped: u64,
}

impl Sieve {
    fn keep(&mut self, frame: &[u8]) {
        self.flush();
        self.out.extend_from_slice(frame);
    }

    fn keep_changed<T: WireMessage>(&mut self, message: &T) {
        self.flush();
        frame::write(&mut self.out, message);
    }

    fn skip(&mut self, message: &Message<'_>) {
        let header = message.header();
        let count = self.run.map_or(0, |(count, ..)| count);
        self.run = Some((count + 1, header.sequence(), UnixNanos(header.event_ns.get())));
        self.skipped += 1;
    }

    fn flush(&mut self) {
        if let Some((count, sequence, event_ns)) = self.run.take() {
            frame::write(&mut self.out, &Skip::new(count).stamped(sequence, event_ns));
        }
    }

    fn finish(mut self) -> Passed {
        self.flush();
        // What waits for a subscriber is counted by its length.
        self.out.shrink_to_fit();
        Passed { frames: self.out.into(), skipped: self.skipped }
    }
}

/// Frames with their offsets.
fn walk(frames: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    core::iter::from_fn(move || match frame::split(&frames[at..]) {
        Ok(Split::Whole { frame_bytes, .. }) => {
            let start = at;
            at += frame_bytes;
            Some((start, &frames[start..at]))
        }
        _ => None,
    })
}

/// Offsets of states, in any number of blocks, that a later message of their block replaces whole, with nothing between that depends on them.
fn superseded(frames: &[u8]) -> HashSet<usize> {
    let all: Vec<(usize, &[u8])> = walk(frames).collect();
    let mut later = HashSet::new();
    let mut superseded = HashSet::new();
    for (at, frame) in all.into_iter().rev() {
        let Ok(message) = Message::decode(&frame[FRAME_HEADER_BYTES..]) else { continue };
        if matches!(message, Message::BlockEnd(_)) {
            // The state at the end of each block is what was promised.
            later.clear();
        }
        let Some(pool) = message.state_of() else { continue };
        if !message.is_whole_state() {
            // It is applied to the state before it, which therefore has to be there.
            later.retain(|(known, _)| *known != pool);
        } else if !later.insert((pool, message.header().template_id.get())) {
            superseded.insert(at);
        }
    }
    superseded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_passes_once_for_all_who_share_a_view_until_the_next_event() {
        let at = |sequence| Position { epoch: Epoch(1), sequence: Sequence(sequence) };
        let mut begin = Vec::new();
        frame::write(&mut begin, &Skip::new(1));
        let frames = Bytes::from(begin);
        let mut view = View::new(Selection::everything().kind(PoolKind::UniswapV2));
        let first = view.snapshot(at(1), &frames).frames;
        assert_eq!(view.snapshot(at(1), &frames).frames.as_ptr(), first.as_ptr());
        assert_ne!(view.snapshot(at(2), &frames).frames.as_ptr(), first.as_ptr());
        let second = view.snapshot(at(2), &frames).frames;
        view.forget_snapshot();
        assert_ne!(view.snapshot(at(2), &frames).frames.as_ptr(), second.as_ptr());
    }

    #[test]
    fn the_epoch_of_a_selection_is_never_that_of_another_nor_none() {
        let all = Selection::everything();
        for epoch in [1, 7, u64::MAX].map(Epoch) {
            assert_eq!(all.clone().chain(ChainId(1)).side(55).epoch_of(epoch), epoch);
            let some = all.clone().kind(PoolKind::UniswapV2);
            let epochs =
                [&all, &some, &some.clone().token([1; 20]), &all.clone().conflated()].map(|wish| wish.epoch_of(epoch));
            let distinct: BTreeSet<u64> = epochs.iter().map(|epoch| epoch.0).collect();
            assert!(distinct.len() == epochs.len() && !distinct.contains(&0), "{epochs:?}");
        }
    }
}
