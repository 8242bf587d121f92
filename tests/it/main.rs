//! Behaviour of the `alphapulse` command, by running it.
#![expect(clippy::print_stderr, reason = "a test that cannot run says so, and counts say how much was checked")]

mod auction;
mod command;
mod config;
mod convert;
mod demo;
mod docs;
#[path = "../../relay/tests/it/fake_node.rs"]
#[allow(dead_code, reason = "the relay's tests ask it for more than these do")]
mod fake_node;
mod help;
mod journal;
mod left_out;
mod node;
mod quarantine;
mod quote;
mod quote_auction;
mod record;
mod recorded_blocks;
mod relay_admin;
mod relay_status;
mod run;
mod running;
mod scan;
mod scan_joint;
mod snapshot;
mod strategy;
mod testnet;
mod wallet;
