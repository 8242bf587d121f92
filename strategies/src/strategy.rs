//! The trait that every strategy implements, and what configures the built-in ones.

use core::fmt;
use core::str::FromStr;

use alphapulse_protocol::AddressBytes;
use ruint::aliases::U256;
use thiserror::Error;

use crate::market::{Market, MarketEvent};
use crate::opportunity::{HOPS_MAX, OpportunitySink};

/// Events in, opportunities out.
///
/// Contract, which [`crate::conformance`] checks: synchronous; the same events give the same reports in every process;
/// amounts reproduce by exact quotes on the market given; nothing is reported unless
/// [`is_tradable`](alphapulse_protocol::replica::Replica::is_tradable) holds; no panic on any stream of events.
pub trait Strategy: Send {
    /// Name for logs and counters, the same for every instance.
    fn name(&self) -> &'static str;

    /// Called once per event in sequence order, after the market has applied it. Must not block, read a clock, or
    /// allocate after warm-up. Reports best first.
    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink);

    /// How many of the strategy's searches a bound cuts short at present; above 0, routes may be missed.
    fn cuts(&self) -> u32 {
        0
    }
}

/// Built-in strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StrategyKind {
    /// Buy in one pool, sell in another of the same pair.
    TwoVenue,
    /// Closed routes of 2 to `hops_max` hops.
    Cyclic,
}

impl StrategyKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::TwoVenue, Self::Cyclic];

    /// Name as in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TwoVenue => "two_venue",
            Self::Cyclic => "cyclic",
        }
    }
}

impl fmt::Display for StrategyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for StrategyKind {
    type Err = StrategyError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| StrategyError::UnknownKind(name.to_owned()))
    }
}

/// What a built-in strategy looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyConfig {
    /// The operator's name for this instance.
    pub name: String,
    /// Which strategy.
    pub kind: StrategyKind,
    /// Tokens in which routes start, end and profit, most wanted first: profits in different tokens do not compare, so
    /// when routes of two tokens share a pool, the token named first has it.
    pub tokens: Vec<AddressBytes>,
    /// Most hops of a route, `2..=4`. Not read by [`StrategyKind::TwoVenue`], whose routes have two.
    pub hops_max: u8,
    /// Least profit worth reporting, raw units of the token, before gas. Zero means one unit.
    pub profit_min: U256,
    /// Most opportunities reported per block.
    pub per_block_max: usize,
}

impl StrategyConfig {
    /// Whether a strategy can be built from this.
    ///
    /// # Errors
    /// The first [`StrategyError`] found.
    pub fn check(&self) -> Result<(), StrategyError> {
        if self.tokens.is_empty() {
            return Err(StrategyError::NoTokens);
        }
        if self.per_block_max == 0 {
            return Err(StrategyError::NothingPerBlock);
        }
        if self.kind == StrategyKind::Cyclic && !(2..=HOPS_MAX).contains(&usize::from(self.hops_max)) {
            return Err(StrategyError::HopsMax(self.hops_max));
        }
        Ok(())
    }
}

/// Why a strategy cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// No built-in strategy has this name.
    #[error("no strategy is called `{0}`; there are two_venue and cyclic")]
    UnknownKind(String),
    /// No token to profit in.
    #[error("`tokens` is empty: name at least one token to profit in")]
    NoTokens,
    /// Routes would have no or too many hops.
    #[error("`hops_max` is {0}, outside 2..={HOPS_MAX}")]
    HopsMax(u8),
    /// Nothing could ever be reported.
    #[error("`per_block_max` is 0: nothing could ever be reported")]
    NothingPerBlock,
}
