//! Validation: from what is written to what is meant. All problems are collected, not only the first.

mod access;
mod factories;
mod market;
mod operation;
mod quotes;
mod trading;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256};
use alphapulse_relay::source::read::parse_address;
use alphapulse_strategies::Registry;

use super::layers::Layered;
use super::units::UnitError;
use super::validated::{NodeConfig, Setting};
use super::{Origin, Problem};

/// Checks everything.
pub(super) fn validate(layered: &Layered, registry: &Registry) -> Result<NodeConfig, Vec<Problem>> {
    let mut checker = Checker { layered, registry, problems: Vec::new(), settings: Vec::new() };
    let config = checker.node();
    let Checker { problems, settings, .. } = checker;
    match config {
        Some(mut config) if problems.is_empty() => {
            config.settings = settings;
            config.effective = effective_toml(layered, &config);
            Ok(config)
        }
        _ => Err(problems),
    }
}

/// The tree as merged, with the endpoints as they may be shown.
fn effective_toml(layered: &Layered, config: &NodeConfig) -> String {
    let mut table = layered.table.clone();
    if let Some(toml::Value::Table(chain)) = table.get_mut("chain") {
        chain.insert("endpoint".to_owned(), config.chain.endpoint.to_string().into());
        if let Some(toml::Value::Array(others)) = chain.get_mut("confirm_endpoints") {
            *others = config.chain.confirm_endpoints.iter().map(|endpoint| endpoint.to_string().into()).collect();
        }
    }
    let quotes = table.get_mut("relay").and_then(|relay| relay.get_mut("quotes")).and_then(toml::Value::as_array_mut);
    for (shown, spec) in quotes.into_iter().flatten().zip(&config.relay.quotes) {
        if let Some(shown) = shown.as_table_mut() {
            shown.insert("url".to_owned(), spec.endpoint.to_string().into());
        }
    }
    toml::to_string(&table).expect("strings, integers, booleans, lists and tables serialise")
}

/// Collects problems and effective values while sections are checked.
struct Checker<'a> {
    layered: &'a Layered,
    registry: &'a Registry,
    problems: Vec<Problem>,
    settings: Vec<Setting>,
}

impl Checker<'_> {
    fn node(&mut self) -> Option<NodeConfig> {
        let chain = self.chain();
        let venues = self.venues();
        let tokens = self.tokens();
        let native = self.native_token(&tokens);
        let pools = self.pools(&venues);
        let strategies = self.strategies(&tokens, native);
        let limits = self.limits(&tokens, &pools, native, &strategies);
        let risk = self.layered.raw.risk.clone().unwrap_or_default();
        let kill_file = self.optional_path("risk.kill_file", risk.kill_file.as_ref());
        let execution = self.execution(limits.as_ref());
        let relay = self.relay(&venues, &tokens);
        let journal = self.layered.raw.journal.clone().unwrap_or_default();
        let journal_dir = self.optional_path("journal.dir", journal.dir.as_ref());
        self.check_live(execution.as_ref(), journal_dir.is_some(), kill_file.is_some());
        self.check_fee_model(chain.as_ref(), execution.as_ref());
        Some(NodeConfig {
            chain: chain?,
            venues,
            tokens,
            pools,
            strategies,
            limits: limits?,
            kill_file,
            execution: execution?,
            relay: relay?,
            journal_dir,
            settings: Vec::new(),
            effective: String::new(),
        })
    }

    fn origin(&self, key: &str) -> Origin {
        match self.layered.spans.value(key) {
            Some(span) => self.layered.sources.origin(span),
            None => Origin::Missing,
        }
    }

    fn problem(&mut self, key: &str, message: impl Into<String>, next: impl Into<String>) {
        let origin = self.origin(key);
        self.problems.push(Problem { origin, key: key.to_owned(), message: message.into(), next: next.into() });
    }

    /// Notes an effective value.
    fn set<T>(&mut self, key: &str, value: T, shown: impl Display) -> T {
        let origin = self.origin(key);
        self.settings.push(Setting { key: key.to_owned(), value: shown.to_string(), origin });
        value
    }

    /// A key without which there is no configuration. `how` shows it written.
    fn required<T: Clone>(&mut self, key: &str, written: Option<&T>, how: &str) -> Option<T> {
        if written.is_none() {
            self.problem(key, "is missing, and has no default", format!("write it, such as {how}"));
        }
        written.cloned()
    }

    /// A key with a default.
    fn or_default<T: Clone + Display>(&mut self, key: &str, written: Option<&T>, default: T) -> T {
        let origin = if written.is_some() { self.origin(key) } else { Origin::Default };
        let value = written.cloned().unwrap_or(default);
        self.settings.push(Setting { key: key.to_owned(), value: value.to_string(), origin });
        value
    }

    /// Parses a text that is there.
    fn parse<T>(&mut self, key: &str, text: &str, how: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = parse(text);
        if value.is_none() {
            self.problem(key, format!("found `{text}`, expected {how}"), "correct the value");
        }
        value
    }

    /// Parses a quantity that is there.
    fn quantity<T>(&mut self, key: &str, text: &str, parse: impl FnOnce(&str) -> Result<T, UnitError>) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(UnitError { expected }) => {
                self.problem(key, format!("found `{text}`, expected {expected}"), "correct the value");
                None
            }
        }
    }

    /// A required address that is not zero.
    fn address(&mut self, key: &str, written: Option<&String>) -> Option<Address> {
        let text = self.required(key, written, "\"0x\" and 40 hexadecimal digits, in quotes")?;
        let how = "\"0x\" and 40 hexadecimal digits (in mixed case with a right checksum), not all zero";
        let address = self.parse(key, &text, how, parse_nonzero_address)?;
        Some(self.set(key, address, address))
    }

    fn hash(&mut self, key: &str, written: Option<&String>) -> Option<B256> {
        let text = self.required(key, written, "\"0x\" and 64 hexadecimal digits, in quotes")?;
        let hash = self.parse(key, &text, "\"0x\" and 64 hexadecimal digits", |text| {
            text.strip_prefix("0x").and_then(|digits| digits.parse().ok())
        })?;
        Some(self.set(key, hash, hash))
    }

    /// A required integer within bounds.
    fn number(&mut self, key: &str, written: Option<&u64>, bounds: (u64, u64)) -> Option<u64> {
        let value = self.required(key, written, &format!("{}", bounds.0.max(1)))?;
        self.within(key, value, bounds)
    }

    fn within(&mut self, key: &str, value: u64, (low, high): (u64, u64)) -> Option<u64> {
        if !(low..=high).contains(&value) {
            self.problem(key, format!("found {value}, expected a number in {low}..={high}"), "correct the value");
            return None;
        }
        Some(self.set(key, value, value))
    }

    /// A path; a relative one starts at the configuration's folder.
    fn optional_path(&mut self, key: &str, written: Option<&String>) -> Option<PathBuf> {
        let text = written?;
        if text.is_empty() {
            self.problem(key, "found an empty path", "write a path or remove the key");
            return None;
        }
        let folder = self.layered.sources.path.parent().unwrap_or(Path::new(""));
        let path = folder.join(text);
        Some(self.set(key, path, text))
    }

    /// Complains of a key that has no meaning beside another choice.
    fn unwanted<T>(&mut self, key: &str, written: Option<&T>, why: &str) {
        if written.is_some() {
            self.problem(key, why.to_owned(), "remove the key");
        }
    }
}

/// An address that is not all zero.
fn parse_nonzero_address(text: &str) -> Option<Address> {
    parse_address(text).filter(|address| !address.is_zero())
}
