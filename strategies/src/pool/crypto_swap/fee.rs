//! The fee, which rises from one level to another as the pool leaves its balance.

use ruint::aliases::U256;

use super::words::{E18, of};
use crate::pool::QuoteError;

/// Levels of the fee, of 10^10, and how fast it goes from one to the other, of 10^18.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeeTerms {
    pub(super) mid: U256,
    pub(super) out: U256,
    pub(super) gamma: U256,
}

impl FeeTerms {
    /// Of two coins.
    pub(super) fn of_two(self, [a, b]: [U256; 2]) -> Result<U256, QuoteError> {
        let sum = of(a) + b;
        let balance = of(E18) * U256::from(4) * a / sum * b / sum;
        self.between(of(self.gamma) * E18 / (of(self.gamma) + E18 - balance))
    }

    /// Of three coins. Both generations take the same products, coin by coin, and the same floors.
    pub(super) fn of_three(self, xp: [U256; 3]) -> Result<U256, QuoteError> {
        let sum = xp.iter().fold(of(U256::ZERO), |sum, &x| sum + x);
        let balance = xp.iter().fold(of(E18), |part, &x| part * U256::from(3) * x / sum);
        // Without a gamma the balance itself is the measure.
        let part = if self.gamma.is_zero() { balance } else { of(self.gamma) * E18 / (of(self.gamma) + E18 - balance) };
        self.between(part)
    }

    fn between(self, part: super::words::Checked) -> Result<U256, QuoteError> {
        ((of(self.mid) * part + of(self.out) * (of(E18) - part)) / E18).get()
    }
}
