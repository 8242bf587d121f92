//! What every way through every pool gains at the prices, and the most of it at each token.

use alphapulse_protocol::TokenId;

use crate::market::HotLine;

/// The lines out of band on one side of a token.
#[derive(Debug, Default)]
struct Side {
    /// Places of the lines.
    lines: Vec<u32>,
    most: f64,
}

impl Side {
    fn add(&mut self, place: u32, gain: f64) {
        self.lines.push(place);
        self.most = self.most.max(gain);
    }

    fn remove(&mut self, gains: &[f64], place: u32) {
        if let Some(at) = self.lines.iter().position(|known| *known == place) {
            self.lines.swap_remove(at);
            if gains[place as usize] >= self.most {
                self.most = self.lines.iter().map(|line| gains[*line as usize]).fold(0.0, f64::max);
            }
        }
    }
}

/// Gains by line; 0 for a line in band. In the prices' unit.
#[derive(Debug, Default)]
pub(super) struct Gains {
    of_line: Vec<f64>,
    out: Vec<Side>,
    into: Vec<Side>,
    all: Side,
}

impl Gains {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn grow(&mut self, lines: usize, tokens: usize) {
        self.of_line.resize(lines, 0.0);
        self.out.resize_with(tokens, Side::default);
        self.into.resize_with(tokens, Side::default);
    }

    /// Notes what a line gains.
    pub(super) fn set(&mut self, place: u32, line: &HotLine, gain: f64) {
        if self.of(place) == gain {
            return;
        }
        self.hide(place, line);
        self.of_line[place as usize] = gain;
        self.show(place, line);
    }

    /// Leaves a line out of what is said of tokens, and of all lines, until it is shown again: for as long as no route can go over it.
    pub(super) fn hide(&mut self, place: u32, line: &HotLine) {
        if self.of(place) > 0.0 {
            self.out[line.token_in.index()].remove(&self.of_line, place);
            self.into[line.token_out.index()].remove(&self.of_line, place);
            self.all.remove(&self.of_line, place);
        }
    }

    /// Takes back [`Gains::hide`].
    pub(super) fn show(&mut self, place: u32, line: &HotLine) {
        let gain = self.of(place);
        if gain > 0.0 {
            self.out[line.token_in.index()].add(place, gain);
            self.into[line.token_out.index()].add(place, gain);
            self.all.add(place, gain);
        }
    }

    #[inline]
    pub(super) fn of(&self, place: u32) -> f64 {
        self.of_line[place as usize]
    }

    /// Most that one to `hops` hops from a token to another gain, each alone.
    #[inline]
    pub(super) fn rest(&self, from: TokenId, to: TokenId, hops: usize) -> f64 {
        let (out, into) = (self.out[from.index()].most, self.into[to.index()].most);
        match hops {
            0 => 0.0,
            1 => out.min(into),
            2 => out + into,
            more => out + into + (more - 2) as f64 * self.all.most,
        }
    }

    /// The same from whichever token.
    pub(super) fn rest_from_any(&self, to: TokenId, hops: usize) -> f64 {
        match hops {
            0 => 0.0,
            more => self.into[to.index()].most + (more - 1) as f64 * self.all.most,
        }
    }

    /// The lines out of a token that are out of band, in no order.
    pub(super) fn out_of_band(&self, token: TokenId) -> &[u32] {
        &self.out[token.index()].lines
    }

    /// The lines that gain so much at least, dearest first.
    pub(super) fn worth_a_look(&self, gain_min: f64, lines: &mut Vec<u32>) {
        lines.clear();
        lines.extend(self.all.lines.iter().filter(|line| self.of(**line) >= gain_min));
        lines.sort_unstable_by(|a, b| self.of(*b).total_cmp(&self.of(*a)).then(a.cmp(b)));
    }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::PoolId;
    use alphapulse_protocol::message::PoolKind;

    use super::*;
    use crate::market::Market;
    use crate::{Admission, conformance::MarketStream};

    /// The lines of some market; which it is does not matter.
    fn market() -> Market {
        let mut market = Market::new(Admission::allow_all(), 1);
        for message in MarketStream::new(3).snapshot() {
            let message = alphapulse_protocol::message::Message::decode(&message).expect("written by the stream");
            market.apply(&message).expect("a stream of one market");
        }
        market
    }

    #[test]
    fn what_is_hidden_counts_for_no_rest_until_it_is_shown() {
        let market = market();
        let line = market.line_places(PoolId(0)).start;
        let (place, line) = (u32::try_from(line).expect("few"), &market.all_lines()[line]);
        assert!(matches!(line.kind(), PoolKind::UniswapV2 | PoolKind::UniswapV3));
        let mut gains = Gains::default();
        gains.grow(market.all_lines().len(), market.replica().tokens().len());
        gains.set(place, line, 5.0);
        let rest = |gains: &Gains| [1, 2, 3].map(|hops| gains.rest(line.token_in, line.token_out, hops));
        assert_eq!(rest(&gains), [5.0, 10.0, 15.0]);
        gains.hide(place, line);
        assert_eq!((rest(&gains), gains.of(place)), ([0.0; 3], 5.0));
        assert_eq!(gains.out_of_band(line.token_in), [0_u32; 0]);
        gains.show(place, line);
        assert_eq!((rest(&gains), gains.out_of_band(line.token_in)), ([5.0, 10.0, 15.0], &[place][..]));
        gains.set(place, line, 0.0);
        assert_eq!(rest(&gains), [0.0; 3]);
    }
}
