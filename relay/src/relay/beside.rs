//! What a relay tells beside the stream: its sources from the start on, and those that come and go.

use super::Relay;
use crate::config::RelayConfig;
use crate::error::RelayError;
use crate::source::side::{BookTicker, FinalityWatch, PendingTransactions, QuoteSpec, SideReport, SideSource};

/// What a relay tells beside the stream from its start on.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pending: Option<PendingTransactions>,
    finality: Option<FinalityWatch>,
    quotes: Vec<QuoteSpec>,
}

impl Beside {
    /// What comes from exchanges alone, whatever the market comes from.
    pub(super) fn of_exchanges(config: &RelayConfig) -> Self {
        Self { quotes: config.quotes.clone(), ..Self::default() }
    }

    /// That, and what the first node tells.
    pub(super) fn of_node(config: &RelayConfig) -> Self {
        let node = || (config.endpoint.clone(), config.chain_id);
        let pending = config.pending.then(node).map(|(endpoint, chain)| PendingTransactions::new(endpoint, chain));
        let finality = config.finality.then(node).map(|(endpoint, chain)| FinalityWatch::new(endpoint, chain));
        Self { pending, finality, ..Self::of_exchanges(config) }
    }
}

impl Relay {
    /// Starts what is told beside the stream.
    pub(super) fn with(self, beside: Beside) -> Self {
        let Beside { pending, finality, quotes } = beside;
        pending.into_iter().for_each(|source| drop(self.add_side_source(source)));
        finality.into_iter().for_each(|source| drop(self.add_side_source(source)));
        quotes.into_iter().for_each(|spec| drop(self.add_side_source(BookTicker::new(spec))));
        self
    }

    /// Adds a source of side messages; it is connected, and connected again, from now on. Returns its name.
    pub fn add_side_source(&self, source: impl SideSource) -> String {
        self.side_sources.0.add(source)
    }

    /// Takes a source of side messages away, by its name in [`Self::side_sources`], once what it has under way is handed in.
    ///
    /// # Errors
    /// [`RelayError::SideSource`] when there is none of that name.
    pub async fn remove_side_source(&self, name: &str) -> Result<SideReport, RelayError> {
        self.side_sources.0.remove(name).await
    }

    /// The sources of side messages.
    #[must_use]
    pub fn side_sources(&self) -> Vec<SideReport> {
        self.side_sources.0.reports()
    }
}
