//! What a swap goes by in a pool of any number of tokens, and what it leaves behind.

use ruint::aliases::U256;

/// Which token goes in and which comes out, by index in the pool's own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Way {
    /// Index of the token that goes in.
    pub token_in: u8,
    /// Index of the token that comes out.
    pub token_out: u8,
}

/// A swap as the contract executes it, which may differ from what its view answers, and the pool behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Swapped<S> {
    /// Raw units.
    pub amount_out: U256,
    /// What changes of the pool.
    pub after: S,
}
