//! Cap'n Proto: a struct of nine words, as `capnp` would generate it, in scratch space that is used again and in new.

use std::hint::black_box;

use anyhow::Result;
use capnp::Word;
use capnp::message::{Builder, ReaderOptions, ScratchSpaceHeapAllocator};
use capnp::private::layout::{PointerBuilder, PointerReader, StructBuilder, StructReader, StructSize};
use capnp::serialize;
use capnp::traits::{FromPointerBuilder, FromPointerReader};

use crate::{Codec, Update};

const SIZE: StructSize = StructSize { data: 9, pointers: 0 };

struct SwapBuilder<'a>(StructBuilder<'a>);

impl<'a> FromPointerBuilder<'a> for SwapBuilder<'a> {
    fn init_pointer(builder: PointerBuilder<'a>, _: u32) -> Self {
        Self(builder.init_struct(SIZE))
    }

    fn get_from_pointer(builder: PointerBuilder<'a>, default: Option<&'a [Word]>) -> capnp::Result<Self> {
        builder.get_struct(SIZE, default).map(Self)
    }
}

struct SwapReader<'a>(StructReader<'a>);

impl<'a> FromPointerReader<'a> for SwapReader<'a> {
    fn get_from_pointer(reader: &PointerReader<'a>, default: Option<&'a [Word]>) -> capnp::Result<Self> {
        reader.get_struct(default).map(Self)
    }
}

pub(crate) struct Capnp {
    scratch: Vec<Word>,
    /// Words, for the reader wants its bytes aligned.
    bytes: Vec<Word>,
}

impl Default for Capnp {
    fn default() -> Self {
        Self { scratch: Word::allocate_zeroed_vec(64), bytes: Word::allocate_zeroed_vec(64) }
    }
}

#[inline(always)]
fn fill(swap: &StructBuilder<'_>, update: &Update) {
    swap.set_data_field::<u64>(0, update.sequence);
    swap.set_data_field::<u64>(1, update.event_ns);
    swap.set_data_field::<u32>(4, update.pool);
    swap.set_data_field::<i32>(5, update.tick);
    for (at, word) in (3..).zip(update.liquidity.iter().chain(&update.sqrt_price_x96)) {
        swap.set_data_field::<u64>(at, *word);
    }
}

#[inline(always)]
fn is_equal(swap: &StructReader<'_>, update: &Update) -> bool {
    let word = |at: usize| swap.get_data_field::<u64>(at);
    update.is_equal(&Update {
        sequence: word(0),
        event_ns: word(1),
        pool: swap.get_data_field::<u32>(4),
        tick: swap.get_data_field::<i32>(5),
        liquidity: [word(3), word(4)],
        sqrt_price_x96: [word(5), word(6), word(7), word(8)],
    })
}

impl Codec for Capnp {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        let mut allocator = ScratchSpaceHeapAllocator::new(Word::words_to_bytes_mut(&mut self.scratch));
        let mut message = Builder::new(&mut allocator);
        fill(&message.init_root::<SwapBuilder<'_>>().0, update);
        let mut room = Word::words_to_bytes_mut(&mut self.bytes);
        let held = room.len();
        serialize::write_message(&mut room, &message)?;
        let written = held - room.len();
        let mut bytes = black_box(&Word::words_to_bytes(&self.bytes)[..written]);
        let message = serialize::read_message_from_flat_slice_no_alloc(&mut bytes, ReaderOptions::new())?;
        Ok(is_equal(&message.get_root::<SwapReader<'_>>()?.0, update))
    }
}

/// As its documentation begins: a new builder and a new reader for each.
pub(crate) struct Allocating;

impl Codec for Allocating {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        let mut message = Builder::new_default();
        fill(&message.init_root::<SwapBuilder<'_>>().0, update);
        let bytes = serialize::write_message_to_words(&message);
        let message = serialize::read_message(black_box(&bytes[..]), ReaderOptions::new())?;
        Ok(is_equal(&message.get_root::<SwapReader<'_>>()?.0, update))
    }
}
