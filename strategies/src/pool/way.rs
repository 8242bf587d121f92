//! What a swap goes by in a pool of any number of tokens, and what it leaves behind.

use ruint::aliases::U256;

use super::QuoteError;

/// Which token goes in and which comes out, by index in the pool's own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// Index of the token that goes in.
    pub token_in: u8,
    /// Index of the token that comes out.
    pub token_out: u8,
}

impl Way {
    /// The way through a pool of two tokens.
    #[inline]
    #[must_use]
    pub const fn of_pair(zero_for_one: bool) -> Self {
        if zero_for_one { Self { token_in: 0, token_out: 1 } } else { Self { token_in: 1, token_out: 0 } }
    }

    /// Whether token 0 is paid in a pool of two tokens.
    ///
    /// # Errors
    /// [`QuoteError::TokenNotInPool`] for a way that such a pool does not have.
    #[inline]
    pub const fn zero_for_one(self) -> Result<bool, QuoteError> {
        match (self.token_in, self.token_out) {
            (0, 1) => Ok(true),
            (1, 0) => Ok(false),
            _ => Err(QuoteError::TokenNotInPool),
        }
    }

    /// The way back.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { token_in: self.token_out, token_out: self.token_in }
    }
}

/// A swap as the contract executes it, which may differ from what its view answers, and the pool behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swapped<S> {
    /// Raw units.
    pub amount_out: U256,
    /// What changes of the pool.
    pub after: S,
}

impl<S> Swapped<S> {
    /// The same swap with another account of what changed.
    pub fn map<T>(self, of_after: impl FnOnce(S) -> T) -> Swapped<T> {
        Swapped { amount_out: self.amount_out, after: of_after(self.after) }
    }
}
