//! The ways straight from one token to another.

use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

use alphapulse_protocol::TokenId;

use crate::market::HotLine;

/// One way, in value at the prices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Direct {
    /// The curvature that bounds its output.
    pub(super) bend: f64,
    pub(super) rate: f64,
    pub(super) place: u32,
}

/// All ways between two tokens, and what none of them betters.
#[derive(Debug)]
pub(super) struct Pair {
    /// Not above the curvature of any.
    pub(super) bend: f64,
    /// Not below the rate of any.
    pub(super) rate: f64,
    pub(super) ways: Vec<Direct>,
    /// Since the bounds were taken from all ways.
    changes: usize,
}

impl Pair {
    const EMPTY: Self = Self { bend: f64::INFINITY, rate: 0.0, ways: Vec::new(), changes: 0 };

    fn add(&mut self, way: Direct) {
        (self.bend, self.rate) = (self.bend.min(way.bend), self.rate.max(way.rate));
        self.ways.push(way);
    }

    fn replace(&mut self, at: usize, way: Direct) {
        self.ways[at] = way;
        // What is too good costs a look now and then; a look at all ways costs more, and is taken once for as many changes.
        self.changes += 1;
        if self.changes >= self.ways.len() {
            (self.bend, self.rate, self.changes) = (f64::INFINITY, 0.0, 0);
            for way in &self.ways {
                (self.bend, self.rate) = (self.bend.min(way.bend), self.rate.max(way.rate));
            }
        }
        (self.bend, self.rate) = (self.bend.min(way.bend), self.rate.max(way.rate));
    }
}

/// Where a line stands among the ways of its pair.
#[derive(Debug, Clone, Copy)]
struct Place {
    pair: u32,
    way: u32,
}

const NOWHERE: Place = Place { pair: u32::MAX, way: u32::MAX };

/// Every two tokens that a pool connects.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    by_tokens: HashMap<u64, u32, BuildHasherDefault<Mix>>,
    pairs: Vec<Pair>,
    of_line: Vec<Place>,
}

impl Pairs {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn grow(&mut self, lines: usize) {
        self.of_line.resize(lines, NOWHERE);
    }

    #[inline]
    pub(super) fn get(&self, token_in: TokenId, token_out: TokenId) -> Option<&Pair> {
        self.by_tokens.get(&key(token_in, token_out)).map(|pair| &self.pairs[*pair as usize])
    }

    /// Notes what a line is. One whose tokens have no prices gives nothing.
    pub(super) fn put(&mut self, place: u32, line: &HotLine, [price_in, price_out]: [f64; 2]) {
        let map = line.bound();
        let is_priced = price_in > 0.0 && price_out > 0.0;
        let (bend, rate) =
            if is_priced { (map.h / price_in, map.g * price_out / price_in) } else { (f64::INFINITY, 0.0) };
        let way = Direct { bend, rate, place };
        let Place { pair, way: at } = self.of_line[place as usize];
        if let Some(pair) = self.pairs.get_mut(pair as usize) {
            pair.replace(at as usize, way);
            return;
        }
        let next = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        let at = *self.by_tokens.entry(key(line.token_in, line.token_out)).or_insert(next);
        if at == next {
            self.pairs.push(Pair::EMPTY);
        }
        let pair = &mut self.pairs[at as usize];
        self.of_line[place as usize] = Place { pair: at, way: u32::try_from(pair.ways.len()).unwrap_or(u32::MAX) };
        pair.add(way);
    }
}

fn key(token_in: TokenId, token_out: TokenId) -> u64 {
    u64::from(token_in.0) << 32 | u64::from(token_out.0)
}

/// Ids are small numbers that nobody chooses: one multiplication spreads them.
#[derive(Debug, Default)]
pub(super) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        // 2^64 over the golden ratio; the high half is what is well mixed.
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
