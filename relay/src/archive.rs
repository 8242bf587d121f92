//! What a subscriber missed and memory does not hold any more, read from the journal beside the writer's work.

use std::sync::Arc;

use alphapulse_protocol::{BlockNumber, Position, Sequence};
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;

use crate::error::JournalError;
use crate::journal::{CHUNK_BYTES, Chunk, FeedWriter, Missed};

/// Chunks read ahead of a subscriber.
const AHEAD: usize = 1;
/// Chunks that are read at once. A disk is not faster for more, and each takes a thread while it lasts.
const READS_MAX: usize = 4;
/// Memory of all reads under way: what is read, and what is made of it.
pub(crate) const READS_BYTES: usize = READS_MAX * 2 * CHUNK_BYTES;
/// Memory of what was read for one subscriber: ahead of it, and at hand.
pub(crate) const READING_BYTES: usize = (AHEAD + 1) * CHUNK_BYTES;

/// Where the journal is read for all subscribers.
#[derive(Debug, Clone)]
pub(crate) struct Desks(Arc<Semaphore>);

impl Default for Desks {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(READS_MAX)))
    }
}

/// The journal as far as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archive<'a> {
    pub(crate) journal: &'a FeedWriter,
    /// Last message of the epoch that is in it.
    pub(crate) last: Sequence,
    pub(crate) desks: &'a Desks,
}

impl Archive<'_> {
    /// Begins to read all behind `seen`, for a reader that cannot go back below block `base`. `None` when the journal does
    /// not hold it all.
    pub(crate) fn read_behind(&self, seen: Position, base: BlockNumber) -> Option<Reading> {
        if self.last <= seen.sequence {
            return None;
        }
        let missed = self.journal.behind(seen, self.last, base).ok()?;
        let (out, chunks) = mpsc::channel(AHEAD);
        tokio::spawn(read(missed, out, self.desks.clone()));
        Some(Reading { chunks, held: None })
    }
}

/// Reads on until all was read, the journal fails, or nobody wants more. Whoever gets less than all sees it by the numbers.
/// A thread is taken for a chunk that there is room for, and given back with it: who does not read holds none.
async fn read(mut missed: Missed, out: mpsc::Sender<Chunk>, desks: Desks) {
    while let Ok(room) = out.reserve().await {
        let Ok(_desk) = desks.0.acquire().await else { return };
        let one = spawn_blocking(move || {
            let chunk = missed.next_chunk();
            (missed, chunk)
        });
        // Ends before its time only with the relay itself.
        let Ok((rest, chunk)) = one.await else { return };
        missed = rest;
        match chunk {
            Ok(Some(chunk)) => room.send(chunk),
            Ok(None) => return,
            Err(error) => return warn(&error),
        }
    }
}

#[cold]
fn warn(error: &JournalError) {
    tracing::warn!(error = error as &dyn std::error::Error, "what a subscriber missed cannot be read");
}

/// What is being read for one subscriber.
#[derive(Debug)]
pub(crate) struct Reading {
    chunks: mpsc::Receiver<Chunk>,
    /// Read, and not given yet.
    held: Option<Chunk>,
}

/// What a look at the reading found.
pub(crate) enum Read {
    /// Frames, and their last message.
    Frames(Bytes, Sequence),
    /// More is to come.
    Pending,
    /// All was given that there will be.
    Over,
}

impl Reading {
    /// What is next, without waiting.
    pub(crate) fn peek(&mut self) -> Read {
        if self.held.is_none() {
            self.held = match self.chunks.try_recv() {
                Ok(chunk) => Some(chunk),
                Err(mpsc::error::TryRecvError::Empty) => return Read::Pending,
                Err(mpsc::error::TryRecvError::Disconnected) => return Read::Over,
            };
        }
        self.held.as_ref().map_or(Read::Pending, |chunk| Read::Frames(chunk.frames.clone(), chunk.last))
    }

    /// What was peeked at was given.
    pub(crate) fn advance(&mut self) {
        self.held = None;
    }
}
