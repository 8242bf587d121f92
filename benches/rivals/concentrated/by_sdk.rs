//! `uniswap-v3-sdk`: its swap with ticks in a sorted list. The swap is asynchronous and never waits; it is polled once.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use alloy::primitives::aliases::U24;
use alloy::primitives::{I256, U160, U256};
use uniswap_v3_sdk::prelude::{Tick, TickListDataProvider, v3_swap};

use crate::v3_state::V3State;
use crate::workload::Request;

/// A pool as the SDK takes it.
pub(crate) struct Pool {
    state: V3State,
    price: U160,
    ticks: TickListDataProvider,
}

impl Pool {
    pub(crate) fn new(state: &V3State) -> Self {
        let ticks = state.ticks.iter().map(|entry| Tick::new(entry.tick, entry.liquidity_gross, entry.liquidity_net));
        let ticks = TickListDataProvider::new(ticks.collect(), state.tick_spacing);
        Self { state: state.clone(), price: state.sqrt_price_x96.to(), ticks }
    }

    pub(crate) fn quote(&self, request: &Request) -> Option<U256> {
        let V3State { fee_ppm, tick, liquidity, tick_spacing, .. } = self.state;
        let amount = I256::from_raw(request.amount);
        let way = request.zero_for_one;
        let swap =
            v3_swap(U24::from(fee_ppm), self.price, tick, liquidity, tick_spacing, &self.ticks, way, amount, None);
        match pin!(swap).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(swapped) => Some(swapped.ok()?.amount_calculated.wrapping_neg().into_raw()),
            Poll::Pending => None,
        }
    }
}
