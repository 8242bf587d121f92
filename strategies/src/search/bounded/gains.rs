//! What every way through every pool gains at the prices, and the most of it at each token.

use alphapulse_protocol::TokenId;

use crate::market::HotLine;

/// Places of the lines out of band on one side of a token, and of all.
type Lines = Vec<u32>;

/// Most that a line out of a token gains, and most that one into it does: beside each other, for both are asked for at once.
#[derive(Debug, Clone, Copy, Default)]
struct Most {
    out: f64,
    into: f64,
}

/// Gains by line; 0 for a line in band. In the prices' unit.
#[derive(Debug, Default)]
pub(super) struct Gains {
    of_line: Vec<f64>,
    most: Vec<Most>,
    most_of_all: f64,
    out: Vec<Lines>,
    into: Vec<Lines>,
    all: Lines,
}

/// Adds a line that gains so much.
fn add(lines: &mut Lines, most: &mut f64, place: u32, gain: f64) {
    lines.push(place);
    *most = most.max(gain);
}

/// Takes a line out, whose gain is the one noted.
fn remove(lines: &mut Lines, most: &mut f64, gains: &[f64], place: u32) {
    if let Some(at) = lines.iter().position(|known| *known == place) {
        lines.swap_remove(at);
        if gains[place as usize] >= *most {
            *most = lines.iter().map(|line| gains[*line as usize]).fold(0.0, f64::max);
        }
    }
}

impl Gains {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn grow(&mut self, lines: usize, tokens: usize) {
        self.of_line.resize(lines, 0.0);
        self.most.resize(tokens, Most::default());
        self.out.resize_with(tokens, Lines::new);
        self.into.resize_with(tokens, Lines::new);
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
            let (token_in, token_out) = (line.token_in.index(), line.token_out.index());
            remove(&mut self.out[token_in], &mut self.most[token_in].out, &self.of_line, place);
            remove(&mut self.into[token_out], &mut self.most[token_out].into, &self.of_line, place);
            remove(&mut self.all, &mut self.most_of_all, &self.of_line, place);
        }
    }

    /// Takes back [`Gains::hide`].
    pub(super) fn show(&mut self, place: u32, line: &HotLine) {
        let gain = self.of(place);
        if gain > 0.0 {
            let (token_in, token_out) = (line.token_in.index(), line.token_out.index());
            add(&mut self.out[token_in], &mut self.most[token_in].out, place, gain);
            add(&mut self.into[token_out], &mut self.most[token_out].into, place, gain);
            add(&mut self.all, &mut self.most_of_all, place, gain);
        }
    }

    #[inline]
    pub(super) fn of(&self, place: u32) -> f64 {
        self.of_line[place as usize]
    }

    /// Most that one to `hops` hops from a token to another gain, each alone.
    #[inline]
    pub(super) fn rest(&self, from: TokenId, to: TokenId, hops: usize) -> f64 {
        let (out, into) = (self.most[from.index()].out, self.most[to.index()].into);
        match hops {
            0 => 0.0,
            1 => out.min(into),
            2 => out + into,
            more => out + into + (more - 2) as f64 * self.most_of_all,
        }
    }

    /// The same from whichever token.
    pub(super) fn rest_from_any(&self, to: TokenId, hops: usize) -> f64 {
        match hops {
            0 => 0.0,
            more => self.most[to.index()].into + (more - 1) as f64 * self.most_of_all,
        }
    }

    /// The lines out of a token that are out of band, in no order.
    pub(super) fn out_of_band(&self, token: TokenId) -> &[u32] {
        &self.out[token.index()]
    }

    /// The lines that gain so much at least, dearest first.
    pub(super) fn worth_a_look(&self, gain_min: f64, lines: &mut Vec<u32>) {
        lines.clear();
        lines.extend(self.all.iter().filter(|line| self.of(**line) >= gain_min));
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
