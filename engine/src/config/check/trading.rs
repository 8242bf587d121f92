//! Strategies and risk limits.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use alphapulse_protocol::{FeePerGas, Gas, U256, Wei};
use alphapulse_relay::PoolSpec;
use alphapulse_strategies::{Settings, StrategyConfig, StrategyKind};

use super::Checker;
use crate::config::raw::{RawRisk, RawStrategy};
use crate::config::units;
use crate::config::validated::TokenSpec;
use crate::risk::Limits;

/// Most trades in flight that can be configured: they are searched one by one.
const IN_FLIGHT_MAX: u64 = 64;
/// Most opportunities that one strategy may report per block.
const PER_BLOCK_MAX: u64 = 256;

impl Checker<'_> {
    pub(super) fn strategies(&mut self, tokens: &[TokenSpec], native: Option<Address>) -> Vec<StrategyConfig> {
        let raws = self.layered.raw.strategies.clone().unwrap_or_default();
        if raws.is_empty() {
            self.problem("strategies", "no strategy is configured", "add a [[strategies]] entry");
        }
        let mut strategies: Vec<StrategyConfig> = Vec::new();
        let mut off: Vec<String> = Vec::new();
        for (index, raw) in raws.iter().enumerate() {
            let is_on = self.or_default(&format!("strategies[{index}].enabled"), raw.enabled.as_ref(), true);
            // One that is off has to be right as well, so that it can be switched on.
            let Some(strategy) = self.strategy(index, raw, tokens, native) else { continue };
            if strategies.iter().map(|known| &known.name).chain(&off).any(|known| *known == strategy.name) {
                self.problem(&format!("strategies[{index}].name"), "the name is taken", "choose another name");
            }
            if is_on {
                strategies.push(strategy);
            } else {
                off.push(strategy.name);
            }
        }
        if strategies.is_empty() && !off.is_empty() {
            self.problem("strategies", "no strategy is enabled", "set `enabled = true` for one");
        }
        strategies
    }

    fn strategy(
        &mut self,
        index: usize,
        raw: &RawStrategy,
        tokens: &[TokenSpec],
        native: Option<Address>,
    ) -> Option<StrategyConfig> {
        let key = |name: &str| format!("strategies[{index}].{name}");
        let name = self.required(&key("name"), raw.name.as_ref(), "\"cyclic\"");
        let name = name.map(|name| self.set(&key("name"), name.clone(), name));
        let kind = self.required(&key("kind"), raw.kind.as_ref(), "\"cyclic\"");
        let kind = kind.and_then(|text| {
            let (registry, how) = (
                self.registry,
                format!("{}; a strategy of one's own is known to its own program alone", self.registry.names()),
            );
            let kind = self.parse(&key("kind"), &text, &how, |text| registry.find(text))?;
            Some(self.set(&key("kind"), kind, kind))
        });
        let starts = self.start_tokens(&key("tokens"), raw, tokens, native);
        let per_block_max = self.number(&key("per_block_max"), raw.per_block_max.as_ref(), (1, PER_BLOCK_MAX));
        let (least, most) = kind?.hops();
        let range = (u64::from(least), u64::from(most));
        let hops_max = if least == most {
            // There is one value that it can have.
            self.within(&key("hops_max"), raw.hops_max.unwrap_or(range.0), range)
        } else {
            self.number(&key("hops_max"), raw.hops_max.as_ref(), range)
        };
        let starts = starts?;
        let profit_min = self.strategy_profit(&key("profit_min"), raw, &starts, native);
        let settings = self.strategy_settings(&key("settings"), raw, kind?);
        let config = StrategyConfig {
            name: name?,
            kind: kind?,
            tokens: starts.iter().map(|token| token.address.0.0).collect(),
            hops_max: u8::try_from(hops_max?).ok()?,
            profit_min: profit_min?,
            per_block_max: usize::try_from(per_block_max?).ok()?,
            settings,
        };
        // Only the kind itself knows what its settings may be.
        if let Err(error) = alphapulse_strategies::build(&config, 0) {
            self.problem(&key("settings"), error.to_string(), "correct the value");
        }
        Some(config)
    }

    fn strategy_settings(&mut self, key: &str, raw: &RawStrategy, kind: StrategyKind) -> Settings {
        let settings = raw.settings.clone().unwrap_or_default();
        for (name, text) in &settings {
            if kind.settings().contains(&name.as_str()) {
                self.set(&format!("{key}.{name}"), (), text);
            } else {
                let known = if kind.settings().is_empty() { "none".to_owned() } else { kind.settings().join(", ") };
                self.problem(key, format!("`{kind}` has no setting `{name}`; it has {known}"), "remove it");
            }
        }
        settings
    }

    fn start_tokens<'t>(
        &mut self,
        key: &str,
        raw: &RawStrategy,
        tokens: &'t [TokenSpec],
        native: Option<Address>,
    ) -> Option<Vec<&'t TokenSpec>> {
        let names = self.required(key, raw.tokens.as_ref(), "[\"WETH\"]")?;
        let starts: Vec<&TokenSpec> = names.iter().filter_map(|name| self.token_named(key, name, tokens)).collect();
        if names.is_empty() {
            self.problem(key, "no token to profit in", "name at least one");
        }

        let is_priced = |token: &&TokenSpec| native.is_none_or(|native| token.address == native);
        for token in &starts {
            if !is_priced(token) {
                let message = format!("profit in {} cannot be set against gas: its price is not known", token.symbol);
                self.problem(key, message, "name the token of chain.native_token only");
            }
        }
        if starts.len() != names.len() || names.is_empty() || !starts.iter().all(is_priced) {
            return None;
        }
        let shown: Vec<String> = starts.iter().map(|token| token.address.to_string()).collect();
        self.set(key, (), shown.join(","));
        Some(starts)
    }

    fn strategy_profit(
        &mut self,
        key: &str,
        raw: &RawStrategy,
        starts: &[&TokenSpec],
        native: Option<Address>,
    ) -> Option<U256> {
        let first = starts.first()?;
        let how = format!("\"0.0001 {}\"", first.symbol);
        let text = self.required(key, raw.profit_min.as_ref(), &how)?;
        let is_native = Some(first.address) == native;
        let amount =
            self.quantity(key, &text, |text| units::token_amount(text, &first.symbol, first.decimals, is_native))?;
        Some(self.set(key, amount, amount))
    }

    pub(super) fn limits(
        &mut self,
        tokens: &[TokenSpec],
        pools: &[PoolSpec],
        native: Option<Address>,
        strategies: &[StrategyConfig],
    ) -> Option<Limits> {
        let raw = self.layered.raw.risk.clone().unwrap_or_default();
        let notional_max = self.notional_max(&raw, tokens, native);
        self.check_starts(&notional_max, tokens, strategies);
        let in_flight_max = self.number("risk.in_flight_max", raw.in_flight_max.as_ref(), (1, IN_FLIGHT_MAX));
        let unknown_max = self.number("risk.unknown_max", raw.unknown_max.as_ref(), (1, IN_FLIGHT_MAX));
        let profit_min = self.wei("risk.profit_min", raw.profit_min.as_ref(), "\"0.0002 ether\"");
        let fee_max = self.wei_above_zero("risk.fee_max", raw.fee_max.as_ref(), "\"100 gwei\"");
        let gas_max = self.number("risk.gas_max", raw.gas_max.as_ref(), (21_000, u64::MAX));
        let age = self.duration("risk.market_age_max", raw.market_age_max.as_ref(), "\"1500ms\"");
        let loss_day_max = self.wei_above_zero("risk.loss_day_max", raw.loss_day_max.as_ref(), "\"0.1 ether\"");
        let execution = self.layered.raw.execution.clone().unwrap_or_default();
        let is_simulation_required = self.simulation(execution.simulation.as_ref());
        Some(Limits {
            native_token: native?,
            tokens: tokens.iter().map(|token| token.address).collect(),
            pools: pools.iter().map(|pool| pool.address).collect(),
            notional_max,
            in_flight_max: u32::try_from(in_flight_max?).ok()?,
            unknown_max: u32::try_from(unknown_max?).ok()?,
            profit_min: profit_min?,
            fee_max: FeePerGas(fee_max?.0),
            gas_max: Gas(gas_max?),
            market_age_max: age?,
            loss_day_max: loss_day_max?,
            is_simulation_required: is_simulation_required?,
        })
    }

    fn notional_max(
        &mut self,
        raw: &RawRisk,
        tokens: &[TokenSpec],
        native: Option<Address>,
    ) -> BTreeMap<Address, U256> {
        const KEY: &str = "risk.notional_max";
        let mut limits = BTreeMap::new();
        let Some(written) = self.required(KEY, raw.notional_max.as_ref(), "{ WETH = \"5\" }") else { return limits };
        for (name, text) in &written {
            let key = format!("{KEY}.{name}");
            let Some(token) = self.token_named(&key, name, tokens) else { continue };
            let is_native = Some(token.address) == native;
            let amount = self
                .quantity(&key, text, |text| units::whole_token_amount(text, &token.symbol, token.decimals, is_native));
            let Some(amount) = amount else { continue };
            self.set(&key, (), amount);
            if limits.insert(token.address, amount).is_some() {
                self.problem(&key, "the token has a limit already, by its other name", "remove one of the two");
            }
        }
        limits
    }

    /// Without a limit every trade of the strategy would be refused: better said now.
    fn check_starts(&mut self, limits: &BTreeMap<Address, U256>, tokens: &[TokenSpec], strategies: &[StrategyConfig]) {
        for token in tokens {
            let starts = strategies.iter().find(|strategy| strategy.tokens.contains(&token.address.0.0));
            if let Some(strategy) = starts
                && !limits.contains_key(&token.address)
            {
                let key = format!("risk.notional_max.{}", token.symbol);
                let has_problem = self.problems.iter().any(|problem| problem.key.starts_with("risk.notional_max"));
                if !has_problem {
                    let message = format!("is missing: strategy `{}` trades from this token", strategy.name);
                    self.problem(&key, message, "write it; a limit has no default");
                }
            }
        }
    }

    pub(super) fn wei(&mut self, key: &str, written: Option<&String>, how: &str) -> Option<Wei> {
        let text = self.required(key, written, how)?;
        let amount = self.quantity(key, &text, units::wei)?;
        Some(self.set(key, amount, format!("{amount} wei")))
    }

    fn wei_above_zero(&mut self, key: &str, written: Option<&String>, how: &str) -> Option<Wei> {
        let amount = self.wei(key, written, how)?;
        if amount == Wei(0) {
            self.problem(key, "is zero: nothing could ever be traded", "write an amount above zero");
        }
        Some(amount)
    }

    pub(super) fn duration(&mut self, key: &str, written: Option<&String>, how: &str) -> Option<std::time::Duration> {
        let text = self.required(key, written, how)?;
        let span = self.quantity(key, &text, units::duration)?;
        Some(self.set(key, span, format!("{}ms", span.as_millis())))
    }

    fn simulation(&mut self, written: Option<&String>) -> Option<bool> {
        const KEY: &str = "execution.simulation";
        let text = self.required(KEY, written, "\"required\"")?;
        let is_required = self.parse(KEY, &text, "\"required\" or \"off\"", |text| match text {
            "required" => Some(true),
            "off" => Some(false),
            _ => None,
        })?;
        Some(self.set(KEY, is_required, text))
    }
}
