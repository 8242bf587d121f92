//! A core from a configuration: the one place where market, strategies and risk are put together, so that a run, its
//! replay and a bench cannot be put together differently.

use alphapulse_strategies::{Market, StrategyError};
use thiserror::Error;

use crate::config::NodeConfig;
use crate::core::{Core, CoreRules};
use crate::risk::{KillSwitch, RiskManager};

/// Why a configuration makes no core.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// A strategy cannot be built.
    #[error("strategy `{name}`")]
    Strategy {
        /// The operator's name for it.
        name: String,
        /// What is wrong.
        #[source]
        source: StrategyError,
    },
    /// More strategies than an index can tell apart.
    #[error("more than 65,536 strategies are configured")]
    TooManyStrategies,
}

/// The core that `config` describes. `is_live` says what approved trades are marked as, and whether they are executed.
///
/// # Errors
/// [`AssemblyError`] naming the strategy that cannot be built.
pub fn core(config: &NodeConfig, is_live: bool) -> Result<Core, AssemblyError> {
    let mut strategies = Vec::with_capacity(config.strategies.len());
    for (position, strategy) in config.strategies.iter().enumerate() {
        let index = u16::try_from(position).map_err(|_| AssemblyError::TooManyStrategies)?;
        let built = alphapulse_strategies::build(strategy, index);
        strategies.push(built.map_err(|source| AssemblyError::Strategy { name: strategy.name.clone(), source })?);
    }
    let halt = KillSwitch::new();
    let rules =
        CoreRules { is_live, is_simulation_required: config.limits.is_simulation_required, plan: config.plan_rules() };
    Ok(Core::new(
        Market::new(config.admission(), config.relay.reorg_depth_max),
        strategies,
        RiskManager::new(config.limits.clone(), halt.clone()),
        halt,
        rules,
    ))
}
