//! Exchanges whose quotes a relay hands on.

use alphapulse_relay::source::side::QuoteSpec;

use super::Checker;
use crate::config::raw::{RawQuotes, RawRelay};

impl Checker<'_> {
    pub(super) fn relay_quotes(&mut self, raw: &RawRelay) -> Option<Vec<QuoteSpec>> {
        let all = raw.quotes.as_deref().unwrap_or_default();
        let quotes: Vec<_> = all.iter().enumerate().filter_map(|(index, raw)| self.exchange(index, raw)).collect();
        (quotes.len() == all.len()).then_some(quotes)
    }

    fn exchange(&mut self, index: usize, raw: &RawQuotes) -> Option<QuoteSpec> {
        let key = |name: &str| format!("relay.quotes[{index}].{name}");
        let exchange = self.required(&key("exchange"), raw.exchange.as_ref(), "\"binance\"");
        let url = self.required(&key("url"), raw.url.as_ref(), "\"wss://stream.binance.com:9443/ws\"");
        let endpoint = url.and_then(|url| self.endpoint(&key("url"), &url));
        let symbols = self.required(&key("symbols"), raw.symbols.as_ref(), "[\"ETHUSDT\"]");
        let spec = QuoteSpec { exchange: exchange?, endpoint: endpoint?, symbols: symbols? };
        if let Some(fault) = spec.fault() {
            self.problem(&format!("relay.quotes[{index}]"), fault, "correct the entry");
            return None;
        }
        self.set(&key("exchange"), (), &spec.exchange);
        self.set(&key("symbols"), (), spec.symbols.join(", "));
        Some(spec)
    }
}
