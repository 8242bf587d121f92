//! From an approved opportunity to the chain.

pub mod calldata;
