//! Our own codec: a message as its bytes lie, and the same in a frame.

use std::hint::black_box;

use alphapulse_protocol::frame::{self, Frame};
use alphapulse_protocol::message::{self, V3Swap, WireMessage};
use alphapulse_protocol::{PoolId, Sequence, U256, UnixNanos};
use anyhow::{Context, Result, bail};
use zerocopy::IntoBytes;

use crate::{Codec, Update};

fn message(update: &Update) -> V3Swap {
    let [low, high] = update.liquidity;
    let liquidity = u128::from(low) | u128::from(high) << 64;
    V3Swap::new(PoolId(update.pool), U256::from_limbs(update.sqrt_price_x96), update.tick, liquidity)
        .stamped(Sequence(update.sequence), UnixNanos(update.event_ns))
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
fn read(bytes: &[u8]) -> Result<Update> {
    let message::Message::V3Swap(swap) = message::Message::decode(bytes)? else { bail!("another message") };
    let liquidity = swap.liquidity.get();
    Ok(Update {
        sequence: swap.header.sequence().0,
        event_ns: swap.header.event_ns().0,
        pool: swap.pool.get(),
        tick: swap.tick.get(),
        liquidity: [liquidity as u64, (liquidity >> 64) as u64],
        sqrt_price_x96: *swap.sqrt_price_x96.get().as_limbs(),
    })
}

/// The message alone: it is made where its bytes are to lie.
pub(crate) struct Message(V3Swap);

impl Default for Message {
    fn default() -> Self {
        Self(V3Swap::new(PoolId(0), U256::ZERO, 0, 0))
    }
}

impl Codec for Message {
    fn pass(&mut self, update: &Update) -> Result<Update> {
        self.0 = message(update);
        read(black_box(&self.0).as_bytes())
    }
}

/// The message in a frame, its checksum computed and checked.
#[derive(Default)]
pub(crate) struct Framed(Vec<u8>);

impl Codec for Framed {
    fn pass(&mut self, update: &Update) -> Result<Update> {
        self.0.clear();
        frame::write(&mut self.0, &message(update));
        let frame = Frame::first(black_box(&self.0))?.context("a whole frame")?;
        read(frame.message_bytes())
    }
}
