//! Hostile frames by the hundred million, each made in a way that has a known outcome.
//!
//! Shape: a run is cut into chunks of [`CHUNK_FRAMES`]; a chunk's frames follow from the seed and the chunk's number alone, so
//! a run is the same on any number of threads. Each frame is read by the product and by [`reference`](crate::reference), and
//! both are held against what the way of making it asks for.

mod attack;
mod live;
mod tally;

use core::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use self::attack::Attacker;
use self::live::LiveStreams;
pub use self::tally::{Attack, Outcome, Tally};

/// Frames of a chunk: some milliseconds of work.
pub const CHUNK_FRAMES: u64 = 1 << 16;
/// Bytes of the longest message that is made on purpose; above it, only what a length field claims.
const MESSAGE_BYTES_MADE: usize = 2048;

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Frames, at least: the last one may be part of a stream that is sent to its end.
    pub frames: u64,
    /// Where the frames follow from.
    pub seed: u64,
    /// Threads.
    pub threads: usize,
}

impl Run {
    /// Sends every frame and counts what became of it. `progress` is told the frames done so far, from any thread.
    #[must_use]
    pub fn execute(self, progress: impl Fn(u64) + Sync) -> Tally {
        let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let total = Mutex::new(Tally::default());
        let chunks = self.frames.div_ceil(CHUNK_FRAMES);
        let work = || {
            let mut tally = Tally::default();
            let mut sender = Sender::new();
            loop {
                let chunk = next.fetch_add(1, Ordering::Relaxed);
                if chunk >= chunks {
                    break;
                }
                let frames = CHUNK_FRAMES.min(self.frames - chunk * CHUNK_FRAMES);
                self.send_chunk(chunk, frames, &mut sender, &mut tally);
                progress(done.fetch_add(frames, Ordering::Relaxed) + frames);
            }
            total.lock().expect("no thread panics with it").add(&tally);
        };
        thread::scope(|scope| (0..self.threads.max(1)).for_each(|_| drop(scope.spawn(work))));
        total.into_inner().expect("no thread panics with it")
    }

    /// A panic ends the chunk and counts as a deviation: it is what must never be.
    fn send_chunk(self, chunk: u64, frames: u64, sender: &mut Sender, tally: &mut Tally) {
        let mut rng = SmallRng::seed_from_u64(self.seed ^ chunk.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let end = tally.frames() + frames;
        let sent = catch_unwind(AssertUnwindSafe(|| {
            while tally.frames() < end {
                sender.send(&mut rng, tally);
            }
        }));
        if sent.is_err() {
            tally.deviate(format!("a panic in chunk {chunk} of seed {}, behind frame {}", self.seed, tally.frames()));
        }
    }
}

/// What a thread needs to send.
struct Sender {
    attacker: Attacker,
    live: LiveStreams,
}

impl Sender {
    fn new() -> Self {
        Self { attacker: Attacker::new(), live: LiveStreams::new() }
    }

    fn send(&mut self, rng: &mut SmallRng, tally: &mut Tally) {
        // A stream is some twenty messages, most of them applied as they should be.
        match rng.random_range(0..128_u8) {
            0 => self.live.send(rng, tally),
            _ => self.attacker.send(rng, tally),
        }
    }
}

/// A place in `range`, which must not be empty.
fn pick(rng: &mut SmallRng, range: Range<usize>) -> usize {
    rng.random_range(range)
}
