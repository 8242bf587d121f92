//! Strategies: exact pool maths, market state, route search and sizing.

pub mod pool;
pub mod snapshot;
