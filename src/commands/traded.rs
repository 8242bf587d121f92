//! Which strategies a test chain is traded with.

use alphapulse_strategies::StrategyKind;
use alphapulse_testnet::session::SessionOptions;
use clap::Args;

use crate::exit::Failure;
use crate::settings;

#[derive(Debug, Args)]
pub(crate) struct TradedArguments {
    /// Strategy that trades, in place of all that are built in; may be given more than once
    #[arg(long = "strategy", value_name = "KIND", value_parser = strategy)]
    strategies: Vec<StrategyKind>,
}

fn strategy(name: &str) -> Result<StrategyKind, String> {
    let registry = settings::registry();
    registry.find(name).ok_or_else(|| {
        format!("expected {}; a strategy of one's own is known to its own program alone", registry.names())
    })
}

impl TradedArguments {
    /// Refuses what would be noticed only once a chain runs.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let is_twice = |(at, kind): &(usize, &StrategyKind)| self.strategies[..*at].contains(kind);
        match self.strategies.iter().enumerate().find(is_twice) {
            None => Ok(()),
            Some((_, kind)) => Err(Failure::usage(format!("--strategy {kind} is given twice")).next("give each once")),
        }
    }

    /// The same session, traded so.
    pub(crate) fn apply_to(&self, mut options: SessionOptions) -> SessionOptions {
        options.registry = settings::registry();
        if !self.strategies.is_empty() {
            options.strategies.clone_from(&self.strategies);
        }
        options
    }
}
