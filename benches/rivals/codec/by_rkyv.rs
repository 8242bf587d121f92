//! rkyv: its low-level interface, into a buffer that is used again, and its plain one.

use std::hint::black_box;

use anyhow::Result;
use rkyv::api::low::to_bytes_in_with_alloc;
use rkyv::rancor::Error;
use rkyv::ser::allocator::SubAllocator;
use rkyv::ser::writer::Buffer;
use rkyv::util::Align;
use rkyv::{Archive, Serialize};

use crate::{Codec, Update};

#[derive(Archive, Serialize)]
struct Swap {
    sequence: u64,
    event_ns: u64,
    pool: u32,
    tick: i32,
    liquidity: [u64; 2],
    sqrt_price_x96: [u64; 4],
}

pub(crate) struct Rkyv(Align<[u8; 128]>);

impl Default for Rkyv {
    fn default() -> Self {
        Self(Align([0; 128]))
    }
}

fn swap(update: &Update) -> Swap {
    let Update { sequence, event_ns, pool, tick, liquidity, sqrt_price_x96 } = *update;
    Swap { sequence, event_ns, pool, tick, liquidity, sqrt_price_x96 }
}

#[inline(always)]
fn is_equal(bytes: &[u8], update: &Update) -> Result<bool> {
    let read = rkyv::access::<ArchivedSwap, Error>(bytes)?;
    Ok(update.is_equal(&Update {
        sequence: read.sequence.to_native(),
        event_ns: read.event_ns.to_native(),
        pool: read.pool.to_native(),
        tick: read.tick.to_native(),
        liquidity: read.liquidity.map(|word| word.to_native()),
        sqrt_price_x96: read.sqrt_price_x96.map(|word| word.to_native()),
    }))
}

impl Codec for Rkyv {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        let buffer = Buffer::from(&mut *self.0);
        let written = to_bytes_in_with_alloc::<_, _, Error>(&swap(update), buffer, SubAllocator::new(&mut []))?.len();
        is_equal(black_box(&self.0[..written]), update)
    }
}

/// As its documentation begins: a new buffer for each.
pub(crate) struct Allocating;

impl Codec for Allocating {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        is_equal(black_box(&rkyv::to_bytes::<Error>(&swap(update))?), update)
    }
}
