//! Behaviour of the `alphapulse` command, by running it.

mod auction;
mod command;
mod help;
mod quote;
mod quote_auction;
mod scan;
mod wallet;
