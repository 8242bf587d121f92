//! The trading node: from market messages to signed transactions, and the books about them.
//!
//! Guarantees: nothing is signed that [`risk`] did not approve on a whole, newest and fresh market; every input and every
//! decision is in the journal before it has an effect; the same inputs give the same decisions ([`replay`]).
//!
//! Refusals: no limit has a default; no sandwich; no transaction but to the configured executor, or to ourselves to
//! free a nonce; no key material in any output.

pub mod clock;
pub mod config;
pub mod secret;

pub mod ledger;
pub mod risk;
pub mod trade;

pub mod core;
pub mod decision_hash;
pub mod execution;

pub mod assembly;
pub mod node;
pub mod replay;
