//! The ways out of each token, deepest first.

use core::cmp::Ordering;

use crate::market::HotLine;

/// A line stands by a curvature a little below its own, by this part of it, and until it is off by twice as much: so that it need not move
/// whenever its pool does.
const BELOW: f64 = 0.5;
/// The same of its rate, which is written a little above, until it is off by four times as much.
const ABOVE: f64 = 1e-3;

/// A line: a curvature that is not above the one that bounds its output, and a rate in value that is not below its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shelf {
    pub(super) h: f64,
    pub(super) rate: f64,
    pub(super) place: u32,
}

impl Shelf {
    /// Order on the shelves of a token.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.h.total_cmp(&other.h).then(self.place.cmp(&other.place))
    }
}

/// By token, the lines that it goes into, in their order.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    of_token: Vec<Vec<Shelf>>,
    /// By line, curvature and rate as they are written; NaN for one that stands nowhere yet.
    written: Vec<(f64, f64)>,
}

impl Shelves {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn grow(&mut self, lines: usize, tokens: usize) {
        self.written.resize(lines, (f64::NAN, f64::NAN));
        self.of_token.resize_with(tokens, Vec::new);
    }

    #[inline]
    pub(super) fn of(&self, token: usize) -> &[Shelf] {
        &self.of_token[token]
    }

    #[inline]
    pub(super) fn shelf(&self, place: u32) -> Shelf {
        let (h, rate) = self.written[place as usize];
        Shelf { h, rate, place }
    }

    /// Puts a line where its curvature belongs, if it is not near there, and writes its rate in value.
    pub(super) fn put(&mut self, place: u32, line: &HotLine, [price_in, price_out]: [f64; 2]) {
        let known = self.shelf(place);
        let map = line.bound();
        // Without prices it is no way at all.
        let rate = if price_in > 0.0 && price_out > 0.0 { map.g * price_out / price_in } else { 0.0 };
        let stays = known.h <= map.h && known.h >= map.h * BELOW * BELOW;
        if stays && known.rate >= rate && known.rate <= rate * (1.0 + 4.0 * ABOVE) {
            return;
        }
        let shelves = &mut self.of_token[line.token_in.index()];
        let found = shelves.binary_search_by(|shelf| shelf.order(&known));
        let h = if stays { known.h } else { map.h * BELOW };
        let shelf = Shelf { h, rate: rate * (1.0 + ABOVE), place };
        self.written[place as usize] = (shelf.h, shelf.rate);
        if let Ok(at) = found {
            if stays {
                shelves[at] = shelf;
                return;
            }
            shelves.remove(at);
        }
        let at = shelves.partition_point(|known| known.order(&shelf).is_lt());
        shelves.insert(at, shelf);
    }
}
