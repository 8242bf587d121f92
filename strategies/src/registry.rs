//! From configuration to strategies.

use crate::cyclic::Cyclic;
use crate::strategy::{Strategy, StrategyConfig, StrategyError, StrategyKind};
use crate::two_venue::TwoVenue;

/// Builds a strategy; `index` is its position in the node's configuration and marks its opportunities.
///
/// # Errors
/// [`StrategyError`] when the configuration does not describe a strategy.
pub fn build(config: &StrategyConfig, index: u16) -> Result<Box<dyn Strategy>, StrategyError> {
    config.check()?;
    Ok(match config.kind {
        StrategyKind::TwoVenue => Box::new(TwoVenue::new(config, index)?),
        StrategyKind::Cyclic => Box::new(Cyclic::new(config, index)?),
    })
}
