//! Our own codec: a message as its bytes lie, the same found among all messages, and in a frame.

use std::hint::black_box;

use alphapulse_protocol::frame::{self, Frame};
use alphapulse_protocol::message::{self, V3Swap, WireMessage};
use alphapulse_protocol::{PoolId, Sequence, U256, UnixNanos};
use anyhow::{Context, Result, bail};
use zerocopy::IntoBytes;

use crate::{Codec, Update};

#[inline(always)]
fn message(update: &Update) -> V3Swap {
    let [low, high] = update.liquidity;
    let liquidity = u128::from(low) | u128::from(high) << 64;
    V3Swap::new(PoolId(update.pool), U256::from_limbs(update.sqrt_price_x96), update.tick, liquidity)
        .stamped(Sequence(update.sequence), UnixNanos(update.event_ns))
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
fn is_equal(swap: &V3Swap, update: &Update) -> bool {
    let liquidity = swap.liquidity.get();
    update.is_equal(&Update {
        sequence: swap.header.sequence().0,
        event_ns: swap.header.event_ns().0,
        pool: swap.pool.get(),
        tick: swap.tick.get(),
        liquidity: [liquidity as u64, (liquidity >> 64) as u64],
        sqrt_price_x96: *swap.sqrt_price_x96.get().as_limbs(),
    })
}

/// Finds out which message it is, as who follows a stream must.
#[inline(always)]
fn is_equal_among_all(bytes: &[u8], update: &Update) -> Result<bool> {
    let message::Message::V3Swap(swap) = message::Message::decode(bytes)? else { bail!("another message") };
    Ok(is_equal(swap, update))
}

/// A swap for who expects one, which is what the rivals' readers do.
pub(crate) struct Swap(V3Swap);

impl Default for Swap {
    fn default() -> Self {
        Self(V3Swap::new(PoolId(0), U256::ZERO, 0, 0))
    }
}

impl Codec for Swap {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        self.0 = message(update);
        let swap = <V3Swap as WireMessage>::decode(black_box(&self.0).as_bytes())?;
        Ok(is_equal(swap, update))
    }
}

/// Any message of the schema, without a frame.
#[derive(Default)]
pub(crate) struct AnyMessage(Swap);

impl Codec for AnyMessage {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        self.0.0 = message(update);
        is_equal_among_all(black_box(&self.0.0).as_bytes(), update)
    }
}

/// Any message in a frame, its checksum computed and checked.
#[derive(Default)]
pub(crate) struct Framed(Vec<u8>);

impl Codec for Framed {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        self.0.clear();
        frame::write(&mut self.0, &message(update));
        let frame = Frame::first(black_box(&self.0))?.context("a whole frame")?;
        is_equal_among_all(frame.message_bytes(), update)
    }
}
