//! Behaviour of the test kit, the dev node and the executor contract, against real processes and real bytecode.
#![allow(clippy::print_stderr, reason = "a test that installs, is ignored or measures says so")]

mod account;
mod artifacts;
mod chain;
mod deploy;
mod dev_node;
mod discovery;
mod executor_callbacks;
mod executor_refusals;
mod executor_swaps;
mod executor_trades;
mod exhaustive;
mod journal_replay;
mod kit;
mod liar;
mod mainnet_block;
mod outage;
mod route;
mod secrets;
mod side_sources;
mod trap;
mod truth;
mod validate;
