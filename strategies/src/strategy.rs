//! The trait that every strategy implements, and what configures one.

use core::str::FromStr;
use std::collections::BTreeMap;

use alphapulse_protocol::AddressBytes;
use ruint::aliases::U256;
use thiserror::Error;

use crate::market::{Market, MarketEvent};
use crate::opportunity::OpportunitySink;
use crate::registry::StrategyKind;

/// Events in, opportunities out.
///
/// Contract, which [`crate::conformance`] checks: synchronous; the same events give the same reports in every process;
/// amounts reproduce by exact quotes on the market given; nothing is reported unless
/// [`is_tradable`](alphapulse_protocol::replica::Replica::is_tradable) holds; no panic on any stream of events.
pub trait Strategy: Send {
    /// Name for logs and counters, the same for every instance.
    fn name(&self) -> &'static str;

    /// Called once per event in sequence order, after the market has applied it. Must not block or read a clock. A search
    /// that finds nothing allocates nothing after warm-up. Reports best first.
    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink);

    /// How many of the strategy's searches a bound cuts short at present; above 0, routes may be missed.
    fn cuts(&self) -> u32 {
        0
    }
}

/// What a kind of one's own is configured with besides, as text by name: [`StrategyKind::settings`] says which names there are.
pub type Settings = BTreeMap<String, String>;

/// What a strategy looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyConfig {
    /// The operator's name for this instance.
    pub name: String,
    /// Which strategy.
    pub kind: StrategyKind,
    /// Tokens in which routes start, end and profit, most wanted first: profits in different tokens do not compare, so
    /// when routes of two tokens share a pool, the token named first has it.
    pub tokens: Vec<AddressBytes>,
    /// Most hops of a route, within [`StrategyKind::hops`]; not read where that is one number.
    pub hops_max: u8,
    /// Least profit worth reporting, raw units of the token, before gas. Zero means one unit.
    pub profit_min: U256,
    /// Most opportunities reported per block.
    pub per_block_max: usize,
    /// Of this kind alone.
    pub settings: Settings,
}

impl StrategyConfig {
    /// A setting as what it stands for; `None` where it is not configured.
    ///
    /// # Errors
    /// [`StrategyError::Setting`] for a text that is no such thing.
    pub fn setting<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, StrategyError> {
        let Some(text) = self.settings.get(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| StrategyError::Setting { name, text: text.clone() })
    }

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
        let (least, most) = self.kind.hops();
        // Where there is one number of hops, it is not read.
        if least < most && !(least..=most).contains(&self.hops_max) {
            return Err(StrategyError::HopsMax { stated: self.hops_max, least, most });
        }
        Ok(())
    }
}

/// Why a strategy cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StrategyError {
    /// A setting's text does not stand for what it must.
    #[error("the setting `{name}` cannot be `{text}`")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What was configured.
        text: String,
    },
    /// A kind's name is no word that a configuration can hold.
    #[error("`{0}` is no name of a strategy: small letters, digits and underscores, a letter first")]
    Name(&'static str),
    /// Two kinds of one name could not be told apart.
    #[error("there is a strategy called `{0}` already")]
    NameTaken(&'static str),
    /// No token to profit in.
    #[error("`tokens` is empty: name at least one token to profit in")]
    NoTokens,
    /// Routes would have no or too many hops.
    #[error("`hops_max` is {stated}, outside {least}..={most}")]
    HopsMax {
        /// What was configured.
        stated: u8,
        /// Least that the kind takes.
        least: u8,
        /// Most that the kind takes.
        most: u8,
    },
    /// Nothing could ever be reported.
    #[error("`per_block_max` is 0: nothing could ever be reported")]
    NothingPerBlock,
}
