//! The snapshot that a conversion makes, and what it could not take along.

use std::collections::BTreeMap;

use alphapulse_strategies::snapshot::{FORMAT, LeftOut};
use serde::Serialize;
use serde_json::Value;

/// Most pools that a line on stderr names; the document names all.
const NAMED_MAX: usize = 8;

/// A file of the format. `assumptions`, which the format does not list, is ignored by its readers.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    format: &'static str,
    pub(super) chain_id: u64,
    pub(super) block: Value,
    /// What the file does not say and was decided here.
    assumptions: Vec<String>,
    left_out: Vec<LeftOut>,
    tokens: Vec<Token>,
    pools: Vec<Value>,
}

/// A token of the pools.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Token {
    pub(super) address: String,
    pub(super) symbol: String,
    pub(super) decimals: u8,
}

impl Document {
    pub(super) fn new(chain_id: u64, block: Value) -> Self {
        Self {
            format: FORMAT,
            chain_id,
            block,
            assumptions: Vec::new(),
            left_out: Vec::new(),
            tokens: Vec::new(),
            pools: Vec::new(),
        }
    }

    /// Adds a pool, or that it was left out and why.
    pub(super) fn add(&mut self, name: &str, kind: &str, converted: Result<Value, String>) {
        match converted {
            Ok(pool) => self.pools.push(pool),
            Err(reason) => self.left_out.push(LeftOut::new(name, Some(kind), &reason)),
        }
    }

    pub(super) fn assume(&mut self, what: String) {
        self.assumptions.push(what);
    }

    /// Lists the tokens of the pools, in the order of their addresses.
    pub(super) fn list_tokens(&mut self, find: impl FnMut(&str) -> Token) {
        let of_pools = self.pools.iter().filter_map(|pool| pool["tokens"].as_array()).flatten();
        let mut addresses: Vec<&str> = of_pools.filter_map(Value::as_str).collect();
        addresses.sort_unstable();
        addresses.dedup();
        self.tokens = addresses.into_iter().map(find).collect();
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("text, numbers and lists are JSON")
    }

    pub(super) fn summary(&self) -> String {
        format!("{} pools, {} tokens; {} pools left out", self.pools.len(), self.tokens.len(), self.left_out.len())
    }

    /// Says on stderr what was decided, and what was left out: a line for each kind and reason.
    pub(super) fn report(&self) {
        for assumption in &self.assumptions {
            tracing::warn!("assumed: {assumption}");
        }
        let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for LeftOut { pool, kind, reason } in &self.left_out {
            groups.entry((kind.as_deref().unwrap_or_default(), reason)).or_default().push(pool);
        }
        for ((kind, reason), pools) in groups {
            let shown = pools[..pools.len().min(NAMED_MAX)].join(", ");
            let rest = if pools.len() > NAMED_MAX { ", and others that the output lists" } else { "" };
            tracing::warn!("left out: {} of {kind}: {reason}: {shown}{rest}", pools.len());
        }
    }
}
