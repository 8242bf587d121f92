//! Whether one node's word counts, for what it tells beside the stream.
//!
//! Who asks reads a value that stands by itself, and the race touches it only where it changes: the stream never waits for a source
//! beside it.

use core::future::Future;

use tokio::sync::watch;

/// Whether a node's word counts now, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is ready, current, and was not caught lying.
    Counts,
    /// It may count again.
    CountsNot(&'static str),
    /// The node was taken away. Nothing comes after this.
    Gone,
}

/// A view of one node's word. Clones share it, and it outlives the node.
#[derive(Debug, Clone)]
pub(crate) struct WordWatch(watch::Receiver<Word>);

impl WordWatch {
    pub(crate) fn now(&self) -> Word {
        *self.0.borrow()
    }

    /// Waits until the node was taken away.
    pub(crate) fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut word = self.0.clone();
        async move {
            // A race that is over takes its nodes with it.
            let _ = word.wait_for(|word| *word == Word::Gone).await;
        }
    }
}

/// Where the race says it.
#[derive(Debug)]
pub(super) struct WordTold {
    last: Word,
    watch: watch::Sender<Word>,
}

impl WordTold {
    pub(super) fn new(word: Word) -> Self {
        Self { last: word, watch: watch::Sender::new(word) }
    }

    pub(super) fn watch(&self) -> WordWatch {
        WordWatch(self.watch.subscribe())
    }

    pub(super) fn tell(&mut self, word: Word) {
        if core::mem::replace(&mut self.last, word) != word {
            self.watch.send_replace(word);
        }
    }
}
