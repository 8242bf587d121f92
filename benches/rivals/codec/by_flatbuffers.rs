//! flatbuffers: a table of scalars, as `flatc` would generate it, its builder used again.
#![expect(unsafe_code, reason = "what flatc generates reads a verified table in this way")]

use std::hint::black_box;

use anyhow::Result;
use flatbuffers::{FlatBufferBuilder, Follow, InvalidFlatbuffer, Table, Verifiable, Verifier};

use crate::{Codec, Update};

/// Place of the `index`-th field in a vtable.
const fn slot(index: u16) -> u16 {
    4 + 2 * index
}

struct Swap<'a>(Table<'a>);

impl<'a> Follow<'a> for Swap<'a> {
    type Inner = Self;

    unsafe fn follow(buffer: &'a [u8], at: usize) -> Self {
        // SAFETY: the caller verified the table at `at`.
        Self(unsafe { Table::new(buffer, at) })
    }
}

impl Verifiable for Swap<'_> {
    fn run_verifier(verifier: &mut Verifier<'_, '_>, at: usize) -> Result<(), InvalidFlatbuffer> {
        verifier
            .visit_table(at)?
            .visit_field::<u64>("sequence", slot(0), false)?
            .visit_field::<u64>("event_ns", slot(1), false)?
            .visit_field::<u32>("pool", slot(2), false)?
            .visit_field::<i32>("tick", slot(3), false)?
            .visit_field::<u64>("liquidity_0", slot(4), false)?
            .visit_field::<u64>("liquidity_1", slot(5), false)?
            .visit_field::<u64>("price_0", slot(6), false)?
            .visit_field::<u64>("price_1", slot(7), false)?
            .visit_field::<u64>("price_2", slot(8), false)?
            .visit_field::<u64>("price_3", slot(9), false)?
            .finish();
        Ok(())
    }
}

impl Swap<'_> {
    fn word(&self, index: u16) -> u64 {
        // SAFETY: the field was verified to be a u64, or is absent.
        unsafe { self.0.get::<u64>(slot(index), Some(0)) }.unwrap_or(0)
    }

    fn pool(&self) -> u32 {
        // SAFETY: the field was verified to be a u32, or is absent.
        unsafe { self.0.get::<u32>(slot(2), Some(0)) }.unwrap_or(0)
    }

    fn tick(&self) -> i32 {
        // SAFETY: the field was verified to be an i32, or is absent.
        unsafe { self.0.get::<i32>(slot(3), Some(0)) }.unwrap_or(0)
    }
}

#[derive(Default)]
pub(crate) struct Flatbuffers(FlatBufferBuilder<'static>);

impl Codec for Flatbuffers {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        let builder = &mut self.0;
        builder.reset();
        let table = builder.start_table();
        let words = update.liquidity.iter().chain(&update.sqrt_price_x96);
        for (index, word) in (4..).zip(words) {
            builder.push_slot::<u64>(slot(index), *word, 0);
        }
        builder.push_slot::<u64>(slot(1), update.event_ns, 0);
        builder.push_slot::<u64>(slot(0), update.sequence, 0);
        builder.push_slot::<i32>(slot(3), update.tick, 0);
        builder.push_slot::<u32>(slot(2), update.pool, 0);
        let root = builder.end_table(table);
        builder.finish_minimal(root);
        let read = flatbuffers::root::<Swap<'_>>(black_box(builder.finished_data()))?;
        Ok(update.is_equal(&Update {
            sequence: read.word(0),
            event_ns: read.word(1),
            pool: read.pool(),
            tick: read.tick(),
            liquidity: [read.word(4), read.word(5)],
            sqrt_price_x96: [read.word(6), read.word(7), read.word(8), read.word(9)],
        }))
    }
}
