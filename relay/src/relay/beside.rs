//! What a relay tells beside the stream: its sources from the start on, and those that come and go.

use super::Relay;
use crate::config::RelayConfig;
use crate::error::RelayError;
use crate::source::race::WordWatch;
use crate::source::side::{BookTicker, FinalityWatch, PendingTransactions, QuoteSpec, SideReport, SideSource};

/// What a relay tells beside the stream from its start on.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pending: Option<PendingTransactions>,
    finality: Option<FinalityWatch>,
    quotes: Vec<QuoteSpec>,
    /// Of the first node, where several are raced.
    word: Option<WordWatch>,
}

impl Beside {
    /// What comes from exchanges alone, whatever the market comes from.
    pub(super) fn of_exchanges(config: &RelayConfig) -> Self {
        Self { quotes: config.quotes.clone(), ..Self::default() }
    }

    /// That, and what the first node tells while its word counts.
    pub(super) fn of_node(config: &RelayConfig, word: Option<WordWatch>) -> Self {
        let node = || (config.endpoint.clone(), config.chain_id);
        let pending = config.pending.then(node).map(|(endpoint, chain)| PendingTransactions::new(endpoint, chain));
        let finality = config.finality.then(node).map(|(endpoint, chain)| FinalityWatch::new(endpoint, chain));
        Self { pending, finality, word, ..Self::of_exchanges(config) }
    }
}

impl Relay {
    /// Starts what is told beside the stream.
    pub(super) fn with(self, beside: Beside) -> Self {
        let Beside { pending, finality, quotes, word } = beside;
        let sources = &self.side_sources.0;
        pending.into_iter().for_each(|source| drop(sources.add(source, word.clone())));
        finality.into_iter().for_each(|source| drop(sources.add(source, word.clone())));
        quotes.into_iter().for_each(|spec| drop(self.add_side_source(BookTicker::new(spec))));
        self
    }

    /// Adds a source of side messages; it is connected, and connected again, from now on. Returns its name.
    pub fn add_side_source(&self, source: impl SideSource) -> String {
        self.side_sources.0.add(source, None)
    }

    /// Adds a source that speaks for one of several nodes, by the node's name in [`Self::sources`]: while that node's word does not
    /// count, what the source hands in is refused and counted; when the node is taken away, the source ends.
    ///
    /// # Errors
    /// [`RelayError::Nodes`] when there is no such node, or only one.
    pub fn add_side_source_of(&self, node: &str, source: impl SideSource) -> Result<String, RelayError> {
        let word = self.sources.as_ref().and_then(|sources| sources.word(node)).ok_or_else(RelayError::no_such_node)?;
        Ok(self.side_sources.0.add(source, Some(word)))
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
