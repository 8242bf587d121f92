//! State of pools of concentrated liquidity.

use ruint::aliases::U256;

use super::super::tick_places::TickPlaces;
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

const GROSS_OUTSIDE: Mismatch = "gross liquidity outside 0..2^128";

impl V3State {
    pub(in crate::replica) const fn set_slot(&mut self, sqrt_price_x96: U256, tick: i32, liquidity: u128) {
        (self.sqrt_price_x96, self.tick, self.liquidity) = (sqrt_price_x96, tick, liquidity);
    }

    /// Takes a described tick; one outside the known range is not kept, for its later changes would not be either.
    pub(in crate::replica) fn add_tick(
        &mut self,
        message: &V3Tick,
        places: &mut TickPlaces,
        log: &mut TickLog<'_>,
    ) -> Result<(), Mismatch> {
        let tick = TickLiquidity {
            tick: message.tick.get(),
            liquidity_net: message.liquidity_net.get(),
            liquidity_gross: message.liquidity_gross.get(),
        };
        if !places.is_known(tick.tick) {
            return Ok(());
        }
        let Err(place) = places.find(tick.tick) else { return Err("a tick described twice") };
        log.note_new(tick.tick);
        self.insert(place, tick, places);
        Ok(())
    }

    /// Applies a mint or burn; ticks outside the known range are not kept, for nothing else is known of them.
    #[inline]
    pub(in crate::replica) fn change_liquidity(
        &mut self,
        message: &V3Liquidity,
        places: &mut TickPlaces,
        log: &mut TickLog<'_>,
    ) -> Result<(), Mismatch> {
        let (lower, upper) = (message.tick_lower.get(), message.tick_upper.get());
        let (delta, count) = (message.liquidity_delta.get(), places.count());
        // Where the price lies is a toss-up: to add nothing costs less than a wrong guess.
        let active_delta = if (lower..upper).contains(&self.tick) { delta } else { 0 };
        self.liquidity = self.liquidity.checked_add_signed(active_delta).ok_or("active liquidity outside 0..2^128")?;
        // Neither search waits for the other.
        let at = [places.find(lower), places.find(upper)];
        if places.is_known(lower) {
            self.change_tick((lower, at[0]), (delta, delta), places, log)?;
        }
        if places.is_known(upper) {
            let net_delta = delta.checked_neg().ok_or("liquidity delta outside i128")?;
            // The lower tick may have come or gone.
            let at = if places.count() == count { at[1] } else { places.find(upper) };
            self.change_tick((upper, at), (delta, net_delta), places, log)?;
        }
        Ok(())
    }

    /// Changes a tick that was found there, or not.
    #[inline]
    fn change_tick(
        &mut self,
        (tick, place): (i32, Result<usize, usize>),
        (gross_delta, net_delta): (i128, i128),
        places: &mut TickPlaces,
        log: &mut TickLog<'_>,
    ) -> Result<(), Mismatch> {
        let Some((at, entry)) = place.ok().and_then(|at| Some((at, self.ticks.get_mut(at)?))) else {
            return self.begin_tick(
                TickLiquidity { tick, liquidity_net: net_delta, liquidity_gross: 0 },
                gross_delta,
                places,
                log,
            );
        };
        let net = entry.liquidity_net.checked_add(net_delta).ok_or("net liquidity outside i128")?;
        let gross = entry.liquidity_gross.checked_add_signed(gross_delta).ok_or(GROSS_OUTSIDE)?;
        log.note(entry);
        if gross == 0 {
            // The contract clears such a tick.
            self.remove(at, places);
        } else {
            (entry.liquidity_net, entry.liquidity_gross) = (net, gross);
        }
        Ok(())
    }

    /// Takes a tick that was not initialised, and has no gross liquidity yet.
    #[cold]
    fn begin_tick(
        &mut self,
        tick: TickLiquidity,
        gross_delta: i128,
        places: &mut TickPlaces,
        log: &mut TickLog<'_>,
    ) -> Result<(), Mismatch> {
        let liquidity_gross = 0_u128.checked_add_signed(gross_delta).ok_or(GROSS_OUTSIDE)?;
        // A burn of nothing (a "poke") at a tick that nobody holds changes nothing.
        if let (1.., Err(at)) = (liquidity_gross, places.find(tick.tick)) {
            log.note_new(tick.tick);
            self.insert(at, TickLiquidity { liquidity_gross, ..tick }, places);
        }
        Ok(())
    }

    /// Puts back a tick as it was before a change; `None` where it was not initialised.
    pub(in crate::replica) fn put_tick(&mut self, tick: i32, before: Option<TickLiquidity>, places: &mut TickPlaces) {
        match (places.find(tick), before) {
            (Ok(at), Some(before)) => self.ticks[at] = before,
            (Ok(at), None) => self.remove(at, places),
            (Err(at), Some(before)) => self.insert(at, before, places),
            (Err(_), None) => {}
        }
    }

    #[cold]
    fn insert(&mut self, at: usize, tick: TickLiquidity, places: &mut TickPlaces) {
        self.ticks.insert(at, tick);
        places.insert(at, tick.tick);
    }

    #[cold]
    fn remove(&mut self, at: usize, places: &mut TickPlaces) {
        self.ticks.remove(at);
        places.remove(at);
    }
}
