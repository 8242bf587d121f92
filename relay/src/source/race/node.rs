//! The life of one node in the race: connect, listen, connect again, drain, end.

use core::convert::Infallible;
use std::sync::Arc;

use alphapulse_protocol::message::BlockContext;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::super::{ChainSource, Dial};
use super::tally::NodeId;
use super::watch::{Alarm, AlarmKind, SourceState, lock};
use super::{Line, Race, Seat, SharedLine};
use crate::error::SourceError;
use crate::reconnect::pause_before_reconnect;

/// Why a connection is no longer listened to.
enum End {
    Lost(SourceError),
    Stopped,
}

/// Tells that a node's task has ended, also when it is aborted before it began.
pub(super) struct Leaving(pub(super) Arc<Seat>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.gone.notify_one();
    }
}

/// Attends to a node until it is taken away, and then out of the books.
pub(super) async fn attend<D: Dial>(race: Arc<Race<D>>, id: NodeId, dial: D, leaving: Leaving) {
    live(&race, id, dial, &leaving.0.stop).await;
    *lock(&leaving.0.report) = race.update(|tally| tally.remove(id));
}

async fn live<D: Dial>(race: &Race<D>, id: NodeId, dial: D, stop: &Notify) {
    let mut failures = 0;
    loop {
        let connected = tokio::select! {
            connected = dial.dial() => connected,
            () = stop.notified() => return,
        };
        let error = match connected {
            Ok(source) => match serve(race, id, source, stop, &mut failures).await {
                End::Stopped => return,
                End::Lost(error) => error,
            },
            Err(error) => error,
        };
        race.note_failure(id, &error, failures);
        if error.is_fatal() {
            stop.notified().await;
            return;
        }
        tokio::select! {
            () = sleep(pause_before_reconnect(failures)) => {}
            () = stop.notified() => return,
        }
        failures = failures.saturating_add(1);
    }
}

/// Listens to one connection.
async fn serve<D: Dial>(race: &Race<D>, id: NodeId, source: D::Source, stop: &Notify, failures: &mut u32) -> End {
    let (in_use, mut users) = mpsc::channel::<Infallible>(1);
    let line = Arc::new(Line { source, broken: Notify::new(), _in_use: in_use });
    let end = match begin(race, id, &line).await {
        Ok(()) => {
            *failures = 0;
            listen(race, id, &line, stop).await
        }
        Err(error) => End::Lost(error),
    };
    lock(&race.lines).remove(&id);
    if matches!(end, End::Stopped) {
        // Each request is bounded in time by its source, so this is, too.
        drop(line);
        while users.recv().await.is_some() {}
    }
    end
}

/// Asks for what a node is judged by, and lets it take part.
async fn begin<D: Dial>(race: &Race<D>, id: NodeId, line: &SharedLine<D>) -> Result<(), SourceError> {
    // Some nodes no longer have it.
    let genesis = line.source.block_by_number(0).await.ok().flatten().map(|block| block.hash);
    let head = line.source.head().await?;
    lock(&race.lines).insert(id, Arc::clone(line));
    let strangers = race.update(|tally| {
        if let Some(node) = tally.node_mut(id) {
            (node.genesis, node.failure) = (genesis, None);
            node.connects += 1;
        }
        tally.set_state(id, SourceState::Ready);
        tally.strangers()
    });
    for stranger in strangers {
        race.refuse(stranger, "its first block is not that of the others".to_owned());
    }
    race.hear(id, head).await;
    Ok(())
}

async fn listen<D: Dial>(race: &Race<D>, id: NodeId, line: &SharedLine<D>, stop: &Notify) -> End {
    loop {
        let heard = tokio::select! {
            head = line.source.next_head() => head,
            // A subscription's silence proves nothing.
            () = sleep(race.terms.silence) => line.source.head().await,
            () = line.broken.notified() => Err(SourceError::Disconnected),
            () = stop.notified() => return End::Stopped,
        };
        match heard {
            Ok(head) => race.hear(id, head).await,
            Err(error) if error.is_connection_lost() => return End::Lost(error),
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "a node gave no head"),
        }
    }
}

impl<D: Dial> Race<D> {
    /// Takes a head that a node told of.
    pub(super) async fn hear(&self, id: NodeId, head: BlockContext) {
        if self.update(|tally| tally.hear(id, head)) {
            self.settle_header(head.block()).await;
        }
    }

    /// Notes that there is no connection. The alarm is raised when the first attempt to get it back fails, once.
    fn note_failure(&self, id: NodeId, error: &SourceError, failures: u32) {
        if let SourceError::WrongChain { .. } = error {
            return self.refuse(id, error.to_string());
        }
        tracing::debug!(error = error as &dyn std::error::Error, "a node is not connected");
        let was_connected = self.update(|tally| {
            tally.set_state(id, SourceState::Starting);
            let node = tally.node_mut(id)?;
            node.failure = Some(error.to_string());
            (node.connects > 0).then(|| node.name.clone())
        });
        if let Some(name) = was_connected.filter(|_| failures == 1) {
            self.watch.raise(Alarm::new(Some(name), AlarmKind::Unreachable, None, error.to_string()));
        }
    }

    fn refuse(&self, id: NodeId, reason: String) {
        let name = self.update(|tally| {
            tally.set_state(id, SourceState::Stopped);
            if let Some(node) = tally.node_mut(id) {
                node.failure = Some(reason.clone());
            }
            tally.name(id)
        });
        self.watch.raise(Alarm::new(Some(name), AlarmKind::WrongChain, None, reason));
    }
}
