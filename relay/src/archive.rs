//! What a subscriber missed and memory does not hold any more, read from the journal beside the writer's work.

use alphapulse_protocol::{BlockNumber, Position, Sequence};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::journal::{Chunk, FeedWriter, Missed};

/// Chunks read ahead of a subscriber.
const AHEAD: usize = 1;

/// The journal as far as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Archive<'a> {
    pub(crate) journal: &'a FeedWriter,
    /// Last message of the epoch that is in it.
    pub(crate) last: Sequence,
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
        spawn_blocking(move || read(missed, &out));
        Some(Reading { chunks, held: None })
    }
}

/// Reads on until all was read, the journal fails, or nobody wants more. Whoever gets less than all sees it by the numbers.
fn read(mut missed: Missed, out: &mpsc::Sender<Chunk>) {
    loop {
        match missed.next_chunk() {
            Ok(Some(chunk)) => {
                if out.blocking_send(chunk).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "what a subscriber missed cannot be read");
                return;
            }
        }
    }
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
