//! State of one pool and how each message changes it.

use ruint::aliases::U256;

use crate::message::{PoolKind, V2Reserves, V3Liquidity, V3Swap, V3Tick};

/// State of a constant-product pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct V2State {
    /// Raw token-0 units, below 2^112.
    pub reserve_0: u128,
    /// Raw token-1 units, below 2^112.
    pub reserve_1: u128,
}

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

/// State of a pool of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PoolState {
    /// Constant product.
    V2(V2State),
    /// Concentrated liquidity.
    V3(V3State),
}

/// Why a message does not fit: static, so that it costs nothing to carry.
type Mismatch = &'static str;

impl PoolState {
    /// State of a pool of which nothing but the kind is known.
    #[must_use]
    pub fn empty(kind: PoolKind) -> Self {
        match kind {
            PoolKind::UniswapV2 => Self::V2(V2State::default()),
            PoolKind::UniswapV3 => Self::V3(V3State::default()),
        }
    }

    pub(super) fn set_reserves(&mut self, message: &V2Reserves) -> Result<(), Mismatch> {
        let Self::V2(state) = self else { return Err("reserves for a pool that is not constant-product") };
        *state = V2State { reserve_0: message.reserve_0.get(), reserve_1: message.reserve_1.get() };
        Ok(())
    }

    pub(super) fn set_slot(&mut self, message: &V3Swap) -> Result<(), Mismatch> {
        let state = self.concentrated()?;
        state.sqrt_price_x96 = message.sqrt_price_x96.get();
        state.tick = message.tick.get();
        state.liquidity = message.liquidity.get();
        Ok(())
    }

    /// Takes a described tick; one outside `known` is not kept, for its later changes would not be either.
    pub(super) fn add_tick(&mut self, message: &V3Tick, known: (i32, i32)) -> Result<(), Mismatch> {
        let state = self.concentrated()?;
        if !(known.0..=known.1).contains(&message.tick.get()) {
            return Ok(());
        }
        let tick = TickLiquidity {
            tick: message.tick.get(),
            liquidity_net: message.liquidity_net.get(),
            liquidity_gross: message.liquidity_gross.get(),
        };
        match state.ticks.binary_search_by_key(&tick.tick, |known| known.tick) {
            Ok(_) => Err("a tick described twice"),
            Err(position) => {
                state.ticks.insert(position, tick);
                Ok(())
            }
        }
    }

    /// Applies a mint or burn; ticks outside `known` are not kept, for nothing else is known of them.
    pub(super) fn change_liquidity(&mut self, message: &V3Liquidity, known: (i32, i32)) -> Result<(), Mismatch> {
        let state = self.concentrated()?;
        let (lower, upper) = (message.tick_lower.get(), message.tick_upper.get());
        let delta = message.liquidity_delta.get();
        if (lower..upper).contains(&state.tick) {
            state.liquidity = state.liquidity.checked_add_signed(delta).ok_or("active liquidity outside 0..2^128")?;
        }
        for (tick, net_delta) in [(lower, Some(delta)), (upper, delta.checked_neg())] {
            if (known.0..=known.1).contains(&tick) {
                state.change_tick(tick, delta, net_delta.ok_or("liquidity delta outside i128")?)?;
            }
        }
        Ok(())
    }

    fn concentrated(&mut self) -> Result<&mut V3State, Mismatch> {
        match self {
            Self::V3(state) => Ok(state),
            Self::V2(_) => Err("ticks for a constant-product pool"),
        }
    }
}

impl V3State {
    fn change_tick(&mut self, tick: i32, gross_delta: i128, net_delta: i128) -> Result<(), Mismatch> {
        let position = self.ticks.binary_search_by_key(&tick, |known| known.tick);
        let (gross, net) = position.map_or((0, 0), |at| (self.ticks[at].liquidity_gross, self.ticks[at].liquidity_net));
        let changed = TickLiquidity {
            tick,
            liquidity_net: net.checked_add(net_delta).ok_or("net liquidity outside i128")?,
            liquidity_gross: gross.checked_add_signed(gross_delta).ok_or("gross liquidity outside 0..2^128")?,
        };
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
}
