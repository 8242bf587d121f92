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

/// Why there is a node no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parting {
    /// An administrator or the relay's owner took it away.
    TakenAway,
    /// Its race is over: the relay ends.
    RaceOver,
}

impl Parting {
    /// The reason in words, for what spoke for the node.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::TakenAway => "its node was taken away",
            Self::RaceOver => "its node is followed no more: the relay ends",
        }
    }
}

/// A view of one node's word. Clones share it, and it outlives the node.
#[derive(Debug, Clone)]
pub(crate) struct WordWatch(watch::Receiver<Word>);

impl WordWatch {
    pub(crate) fn now(&self) -> Word {
        *self.0.borrow()
    }

    /// Waits until there is no such node any more, and says why.
    pub(crate) fn gone(&self) -> impl Future<Output = Parting> + Send + use<> {
        let mut word = self.0.clone();
        async move {
            // A race that is over takes its nodes with it, and their ends of this, without a word.
            match word.wait_for(|word| *word == Word::Gone).await {
                Ok(_) => Parting::TakenAway,
                Err(_) => Parting::RaceOver,
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_that_was_taken_away_is_told_from_one_whose_race_is_over() {
        let mut told = WordTold::new(Word::Counts);
        let (taken, over) = (told.watch(), WordTold::new(Word::Counts).watch());
        told.tell(Word::Gone);
        assert_eq!((taken.gone().await, over.gone().await), (Parting::TakenAway, Parting::RaceOver));
        drop(told);
        assert_eq!(taken.gone().await, Parting::TakenAway, "also afterwards");
    }
}
