//! State of pools of concentrated liquidity.

use ruint::aliases::U256;

use super::super::undo::TickLog;
use super::Mismatch;
use crate::message::{V3Liquidity, V3Tick, V4Swap};
use crate::values::V4Fees;

/// Liquidity of one initialised tick of a concentrated-liquidity pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickLiquidity {
    /// Tick index, a multiple of the pool's spacing.
    pub tick: i32,
    /// Liquidity added when the tick is crossed upwards.
    pub liquidity_net: i128,
    /// Liquidity that references the tick; 0 means it is not initialised.
    pub liquidity_gross: u128,
}

/// State of a concentrated-liquidity pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct V3State {
    /// Square root of the price times 2^96; 0 when not initialised.
    pub sqrt_price_x96: U256,
    /// Current price tick.
    pub tick: i32,
    /// Active liquidity.
    pub liquidity: u128,
    /// Initialised ticks, ascending, none with gross 0.
    pub ticks: Vec<TickLiquidity>,
}

/// State of a pool in a Uniswap V4 pool manager.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct V4State {
    /// Price, liquidity and ticks, as in a Uniswap V3 pool.
    pub curve: V3State,
    /// Fees at present.
    pub fees: V4Fees,
}

impl V4State {
    pub(super) fn set_slot(&mut self, message: &V4Swap) {
        self.curve.set_slot(message.sqrt_price_x96.get(), message.tick.get(), message.liquidity.get());
        self.fees = message.fees();
    }
}

impl V3State {
    pub(in crate::replica) const fn set_slot(&mut self, sqrt_price_x96: U256, tick: i32, liquidity: u128) {
        (self.sqrt_price_x96, self.tick, self.liquidity) = (sqrt_price_x96, tick, liquidity);
    }

    /// Takes a described tick; one outside `known` is not kept, for its later changes would not be either.
    pub(in crate::replica) fn add_tick(
        &mut self,
        message: &V3Tick,
        known: (i32, i32),
        log: &mut TickLog<'_>,
    ) -> Result<(), Mismatch> {
        if !(known.0..=known.1).contains(&message.tick.get()) {
            return Ok(());
        }
        let tick = TickLiquidity {
            tick: message.tick.get(),
            liquidity_net: message.liquidity_net.get(),
            liquidity_gross: message.liquidity_gross.get(),
        };
        match self.ticks.binary_search_by_key(&tick.tick, |known| known.tick) {
            Ok(_) => Err("a tick described twice"),
            Err(position) => {
                log.note(tick.tick, None);
                self.ticks.insert(position, tick);
                Ok(())
            }
        }
    }

    /// Applies a mint or burn; ticks outside `known` are not kept, for nothing else is known of them.
    pub(in crate::replica) fn change_liquidity(
        &mut self,
        message: &V3Liquidity,
        known: (i32, i32),
        log: &mut TickLog<'_>,
    ) -> Result<(), Mismatch> {
        let (lower, upper) = (message.tick_lower.get(), message.tick_upper.get());
        let delta = message.liquidity_delta.get();
        if (lower..upper).contains(&self.tick) {
            self.liquidity = self.liquidity.checked_add_signed(delta).ok_or("active liquidity outside 0..2^128")?;
        }
        for (tick, net_delta) in [(lower, Some(delta)), (upper, delta.checked_neg())] {
            if (known.0..=known.1).contains(&tick) {
                self.change_tick(tick, delta, net_delta.ok_or("liquidity delta outside i128")?, log)?;
            }
        }
        Ok(())
    }

    fn change_tick(
        &mut self,
        tick: i32,
        gross_delta: i128,
        net_delta: i128,
        log: &mut TickLog<'_>,
    ) -> Result<(), Mismatch> {
        let position = self.ticks.binary_search_by_key(&tick, |known| known.tick);
        let before = position.ok().map(|at| self.ticks[at]);
        let (gross, net) = before.map_or((0, 0), |before| (before.liquidity_gross, before.liquidity_net));
        let changed = TickLiquidity {
            tick,
            liquidity_net: net.checked_add(net_delta).ok_or("net liquidity outside i128")?,
            liquidity_gross: gross.checked_add_signed(gross_delta).ok_or("gross liquidity outside 0..2^128")?,
        };
        log.note(tick, before);
        match position {
            // The contract clears a tick whose gross liquidity falls to zero.
            Ok(at) if changed.liquidity_gross == 0 => drop(self.ticks.remove(at)),
            Ok(at) => self.ticks[at] = changed,
            // A burn of nothing (a "poke") at a tick that nobody holds changes nothing.
            Err(_) if changed.liquidity_gross == 0 => {}
            Err(at) => self.ticks.insert(at, changed),
        }
        Ok(())
    }

    /// Puts back a tick as it was before a change; `None` where it was not initialised.
    pub(in crate::replica) fn put_tick(&mut self, tick: i32, before: Option<TickLiquidity>) {
        match (self.ticks.binary_search_by_key(&tick, |known| known.tick), before) {
            (Ok(at), Some(before)) => self.ticks[at] = before,
            (Ok(at), None) => drop(self.ticks.remove(at)),
            (Err(at), Some(before)) => self.ticks.insert(at, before),
            (Err(_), None) => {}
        }
    }
}
