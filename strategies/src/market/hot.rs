//! What search reads of a pool: one cache line for each way through it.
//!
//! A line is written when a block that touched the pool is whole, and read without asking for anything else. Lines of a
//! pool lie side by side, by the token that goes in and then by the one that comes out, so that an update touches
//! neighbours.

use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::values::TOKENS_MAX;
use alphapulse_protocol::{PoolId, TokenId};

use crate::pool::{Mobius, Way};

/// One way through a pool, in a cache line of its own.
///
/// `g` and `h` are those of [`PoolView::rate`](super::PoolView::rate), in raw units; both are 0 where nothing can be sold,
/// and where the lists leave the pool out. They are there for kinds that are not traded too: ask [`HotLine::is_admitted`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub struct HotLine {
    /// Marginal rate at no input, fee deducted.
    pub g: f64,
    /// Half the relative fall of the marginal rate per unit of input.
    pub h: f64,
    /// A rate that bounds the whole output, fee deducted: `g`, but where the fee falls as the pool comes nearer to its peg that at the least fee.
    pub g_ceiling: f64,
    /// A curvature that bounds it with that rate: for any input `x` the output is at most `g_ceiling x / (1 + h_floor x)`. 0 for a curve of
    /// which no more is known than that it is concave but for its fee.
    pub h_floor: f64,
    /// Token that goes in.
    pub token_in: TokenId,
    /// Token that comes out.
    pub token_out: TokenId,
    /// The pool.
    pub pool: PoolId,
    /// The tokens' places in the pool.
    pub way: Way,
    kind: PoolKind,
    flags: u8,
}

const _: () = assert!(size_of::<HotLine>() == 64);

/// The pool may be traded and has something to trade.
const ADMITTED: u8 = 1;

impl HotLine {
    const fn empty(pool: PoolId, kind: PoolKind, way: Way, (token_in, token_out): (TokenId, TokenId)) -> Self {
        Self { g: 0.0, h: 0.0, g_ceiling: 0.0, h_floor: 0.0, token_in, token_out, pool, way, kind, flags: 0 }
    }

    /// Whether the pool may be traded.
    #[inline]
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.flags & ADMITTED != 0
    }

    /// Kind of the pool.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> PoolKind {
        self.kind
    }

    /// The map that search composes; no output while the pool is not admitted.
    #[inline]
    #[must_use]
    pub const fn rate(&self) -> Mobius {
        if self.is_admitted() { Mobius { g: self.g, h: self.h } } else { NOTHING }
    }

    /// The map that bounds the output from above; no output while the pool is not admitted.
    #[inline]
    #[must_use]
    pub const fn bound(&self) -> Mobius {
        if self.is_admitted() { Mobius { g: self.g_ceiling, h: self.h_floor } } else { NOTHING }
    }
}

/// Of a pool that sells nothing.
pub(super) const NOTHING: Mobius = Mobius { g: 0.0, h: 0.0 };

/// What a line says of a way through a pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rated {
    pub(super) map: Mobius,
    /// One that bounds the output from above.
    pub(super) bound: Mobius,
}

/// Where a pool's lines lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    first: u32,
    tokens: u8,
}

impl Place {
    fn lines(self) -> core::ops::Range<usize> {
        let (first, tokens) = (self.first as usize, usize::from(self.tokens));
        first..first + tokens * tokens.saturating_sub(1)
    }
}

/// The lines of all pools, by pool.
#[derive(Debug, Clone, Default)]
pub(super) struct HotLines {
    lines: Vec<HotLine>,
    places: Vec<Place>,
}

impl HotLines {
    pub(super) fn clear(&mut self) {
        self.lines.clear();
        self.places.clear();
    }

    /// Adds the next pool, with nothing to sell.
    pub(super) fn add(&mut self, kind: PoolKind, tokens: &[TokenId]) {
        debug_assert!(tokens.len() <= TOKENS_MAX, "what a token list holds");
        let pool = PoolId(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        let first = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
        self.places.push(Place { first, tokens: u8::try_from(tokens.len()).unwrap_or(u8::MAX) });
        for (token_in, place_in) in tokens.iter().zip(0..) {
            for (token_out, place_out) in tokens.iter().zip(0..) {
                let way = Way { token_in: place_in, token_out: place_out };
                if place_in != place_out {
                    let (token_in, token_out) = (*token_in, *token_out);
                    self.lines.push(HotLine::empty(pool, kind, way, (token_in, token_out)));
                }
            }
        }
    }

    /// Where a pool's lines lie among all.
    pub(super) fn places(&self, pool: PoolId) -> core::ops::Range<usize> {
        self.places.get(pool.index()).map_or(0..0, |place| place.lines())
    }

    pub(super) fn all(&self) -> &[HotLine] {
        &self.lines
    }

    pub(super) fn of_pool(&self, pool: PoolId) -> &[HotLine] {
        self.places.get(pool.index()).map_or(&[], |place| &self.lines[place.lines()])
    }

    #[inline]
    pub(super) fn line(&self, pool: PoolId, way: Way) -> Option<&HotLine> {
        self.lines.get(self.place(pool, way)?)
    }

    /// Where a line lies among all.
    #[inline]
    pub(super) fn place(&self, pool: PoolId, way: Way) -> Option<usize> {
        let place = self.places.get(pool.index())?;
        let (token_in, token_out, tokens) =
            (usize::from(way.token_in), usize::from(way.token_out), usize::from(place.tokens));
        if token_in >= tokens || token_out >= tokens || token_in == token_out {
            return None;
        }
        // The way back to the same token has no line.
        let among = token_in * (tokens - 1) + token_out - usize::from(token_out > token_in);
        Some(place.first as usize + among)
    }

    /// Nothing goes through the pool until its lines are written again.
    pub(super) fn refuse(&mut self, pool: PoolId) {
        for line in self.of_pool_mut(pool) {
            line.flags &= !ADMITTED;
        }
    }

    /// Writes a pool's lines.
    pub(super) fn write(&mut self, pool: PoolId, is_admitted: bool, rate: impl Fn(Way) -> Option<Rated>) {
        for line in self.of_pool_mut(pool) {
            let Rated { map: Mobius { g, h }, bound } =
                rate(line.way).unwrap_or(Rated { map: NOTHING, bound: NOTHING });
            (line.g, line.h) = (g, h);
            (line.g_ceiling, line.h_floor) = (bound.g, bound.h);
            line.flags = if is_admitted { ADMITTED } else { 0 };
        }
    }

    fn of_pool_mut(&mut self, pool: PoolId) -> &mut [HotLine] {
        self.places.get(pool.index()).map_or(&mut [], |place| &mut self.lines[place.lines()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_has_a_line_of_its_own() {
        let mut hot = HotLines::default();
        for (count, kind) in [(2, PoolKind::UniswapV2), (8, PoolKind::CurveStable), (3, PoolKind::CurveCrypto)] {
            let tokens: Vec<_> = (10..10 + count).map(TokenId).collect();
            hot.add(kind, &tokens);
        }
        assert_eq!(hot.all().len(), 2 + 56 + 6);
        for (pool, count) in [(0, 2), (1, 8), (2, 3)] {
            let id = PoolId(pool);
            hot.write(id, true, |way| {
                let map = Mobius { g: f64::from(way.token_in), h: f64::from(way.token_out) };
                Some(Rated { map, bound: map })
            });
            for (token_in, token_out) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
                let line = hot.line(id, Way { token_in, token_out });
                assert_eq!(line.is_none(), token_in == token_out);
                let Some(line) = line else { continue };
                assert_eq!((line.way, line.pool), (Way { token_in, token_out }, id));
                assert_eq!((line.token_in.0, line.token_out.0), (10 + u32::from(token_in), 10 + u32::from(token_out)));
                assert_eq!(line.rate(), Mobius { g: f64::from(token_in), h: f64::from(token_out) });
                assert!(hot.of_pool(id).contains(line));
            }
            assert_eq!(hot.line(id, Way { token_in: 0, token_out: count }), None);
        }
        assert_eq!(hot.line(PoolId(3), Way::of_pair(true)), None);
        assert_eq!(hot.of_pool(PoolId(3)), []);
    }

    #[test]
    fn refused_pool_sells_nothing_and_keeps_its_numbers() {
        let mut hot = HotLines::default();
        hot.add(PoolKind::UniswapV2, &[TokenId(0), TokenId(1)]);
        let line = |hot: &HotLines| *hot.line(PoolId(0), Way::of_pair(true)).expect("a line");
        assert!(!line(&hot).is_admitted());
        let map = Mobius { g: 2.0, h: 0.5 };
        hot.write(PoolId(0), true, |_| Some(Rated { map, bound: Mobius { g: 2.5, h: 0.25 } }));
        assert_eq!((line(&hot).rate(), line(&hot).bound()), (map, Mobius { g: 2.5, h: 0.25 }));
        hot.write(PoolId(0), false, |_| Some(Rated { map, bound: Mobius { g: 2.5, h: 0.25 } }));
        assert_eq!((line(&hot).rate(), line(&hot).bound(), line(&hot).g), (NOTHING, NOTHING, 2.0));
    }
}
