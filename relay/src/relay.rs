//! A running relay: its tasks, its doors, its end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use alphapulse_protocol::header::SCHEMA_VERSION;
use alphapulse_protocol::message::CautionCause;
use alphapulse_protocol::{Epoch, Position};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use crate::access::Roles;
use crate::clock::now;
use crate::config::RelayConfig;
use crate::error::RelayError;
use crate::fanout::Terms;
use crate::follower::{ChainEvent, Follower};
use crate::hub::{Command, Hub, Joiner};
use crate::journal::JournalWriter;
use crate::lane::Wake;
use crate::metrics::{Metrics, RelayStats};
use crate::roster::{Roster, SubscriberStatus};
use crate::server::{Listeners, Server};
use crate::side::SidePublisher;
use crate::source::{Dial, NodeDial};
use crate::subscription::{Feed, SubscribeOptions};
use crate::tls;
use crate::wait::Waiter;

/// Events between the follower and the writer. When it is full the follower waits: the writer is not outrun.
const EVENTS_QUEUED: usize = 64;

/// A running relay. [`Relay::stop`] ends it in order; dropping it ends it at once.
#[derive(Debug)]
pub struct Relay {
    joiner: Joiner,
    sides: SidePublisher,
    metrics: Arc<Metrics>,
    server: Option<Server>,
    hub: JoinHandle<Result<(), RelayError>>,
    follower: JoinHandle<Option<RelayError>>,
    _tasks: AbortOnDrop<2>,
}

/// Ends tasks with their owner.
#[derive(Debug)]
struct AbortOnDrop<const N: usize>([AbortHandle; N]);

impl<const N: usize> Drop for AbortOnDrop<N> {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Relay {
    /// Connects to the node, checks its chain, takes the first snapshot, opens journal and doors, and starts to serve.
    ///
    /// # Errors
    /// [`RelayError`] naming what failed; nothing is left running then.
    pub async fn start(config: RelayConfig) -> Result<Self, RelayError> {
        let metrics = Arc::new(Metrics::default());
        let dial = NodeDial {
            endpoint: config.endpoint.clone(),
            chain_id: config.chain_id,
            venues: config.venues.as_slice().into(),
            pools: config.pools.as_slice().into(),
            metrics: Arc::clone(&metrics),
        };
        Self::launch(config, dial, metrics).await
    }

    /// The same over another source; `config.endpoint`, venues and pools are the source's own business then.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_from(config: RelayConfig, dial: impl Dial) -> Result<Self, RelayError> {
        Self::launch(config, dial, Arc::default()).await
    }

    async fn launch(config: RelayConfig, dial: impl Dial, metrics: Arc<Metrics>) -> Result<Self, RelayError> {
        config.check()?;
        if config.listen_unix.is_some() || config.listen_tcp.is_some() {
            tracing::info!(memory_max = config.memory_max(), "bytes that clients can make the relay hold, at most");
        }
        let tls = config.access.tls.as_ref().map(tls::acceptor).transpose().map_err(RelayError::Secret)?;
        let listeners = Listeners::bind(&config).await?;
        let (events_in, events) = mpsc::channel(EVENTS_QUEUED);
        let (commands_in, commands) = mpsc::unbounded_channel();
        let resync = Arc::new(Notify::new());
        let (follower, source, image) =
            Follower::begin(dial, &config, events_in, Arc::clone(&resync), Arc::clone(&metrics)).await?;

        let journal = open_journal(&config)?;
        let mut hub = Hub::new(&config, journal, resync, Arc::clone(&metrics));
        hub.on_event(ChainEvent::Snapshot(Box::new(image))).map_err(RelayError::Journal)?;

        let joiner = Joiner {
            commands: commands_in,
            roster: Roster::new(config.subscribers_max),
            lane_bytes: config.lane_bytes,
            chain_id: config.chain_id,
            epoch: hub.epoch(),
        };
        let (sides, sides_out) = SidePublisher::new(Arc::clone(&metrics));
        let server = Server::start(listeners, tls, &joiner, &sides, &metrics);
        let hub = tokio::spawn(hub.run(events, commands, sides_out, config.heartbeat));
        let follower = tokio::spawn(follower.run(source));
        let tasks = AbortOnDrop([hub.abort_handle(), follower.abort_handle()]);
        Ok(Self { joiner, sides, metrics, server: Some(server), hub, follower, _tasks: tasks })
    }

    /// An embedded subscription: the snapshot first, then every message. Never blocks; the snapshot may come a moment
    /// later.
    ///
    /// # Errors
    /// [`RelayError::Full`], [`RelayError::Stopped`].
    pub fn subscribe(&self) -> Result<Feed, RelayError> {
        self.subscribe_from(None)
    }

    /// An embedded subscription that goes on behind `position`: with what was missed since, told by a gap, or else with a
    /// gap and a snapshot.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn subscribe_from(&self, position: Option<Position>) -> Result<Feed, RelayError> {
        self.subscribe_with(SubscribeOptions { position, ..SubscribeOptions::default() })
    }

    /// An embedded subscription on these terms.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn subscribe_with(&self, options: SubscribeOptions) -> Result<Feed, RelayError> {
        let waiter = Waiter::new();
        let place = self.joiner.roster.reserve("embedded", Roles::ALL)?;
        let terms = Terms {
            version: SCHEMA_VERSION,
            position: options.position,
            selection: options.selection,
            entry: Arc::clone(place.entry()),
        };
        let lane = self.joiner.open_lane(Wake::Thread(waiter.unparker()), terms, true)?;
        Ok(Feed::embedded(lane, waiter, place))
    }

    /// Tells subscribers whether the nodes can be believed: while they cannot, no state may be traded on. For who knows
    /// better than the relay, an operator or a watchdog.
    ///
    /// # Errors
    /// [`RelayError::Stopped`].
    pub fn caution(&self, cause: CautionCause) -> Result<(), RelayError> {
        self.joiner.commands.send(Command::Caution(cause)).map_err(|_| RelayError::Stopped)
    }

    /// Where side messages are handed in.
    #[must_use]
    pub fn side_publisher(&self) -> SidePublisher {
        self.sides.clone()
    }

    /// Everyone who is served now, and how.
    #[must_use]
    pub fn subscribers(&self) -> Vec<SubscriberStatus> {
        self.joiner.roster.read()
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> RelayStats {
        self.metrics.read()
    }

    /// Unix socket that is served.
    #[must_use]
    pub fn unix_path(&self) -> Option<&Path> {
        self.server.as_ref().and_then(Server::unix_path)
    }

    /// TCP address that is served, with the port that was really taken.
    #[must_use]
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        self.server.as_ref().and_then(Server::tcp_addr)
    }

    /// Waits until the relay ends by itself, which only a failure makes it do; [`Relay::stop`] then tells which.
    pub async fn ended(&self) {
        self.joiner.commands.closed().await;
    }

    /// Ends the relay: subscribers are told, the journal is synced, the doors are closed.
    ///
    /// # Errors
    /// What had ended it before, if something had, or the journal's failure.
    pub async fn stop(mut self) -> Result<(), RelayError> {
        // The writer may have ended before; then there is nobody to ask, and its result says why.
        let _ = self.joiner.commands.send(Command::Stop);
        let written = (&mut self.hub).await.unwrap_or(Err(RelayError::Stopped));
        if let Some(server) = self.server.take() {
            server.finish().await;
        }
        // It stops when it finds that the writer is gone, wherever it was waiting.
        self.follower.abort();
        match (&mut self.follower).await {
            Ok(Some(error)) => Err(error),
            _ => written,
        }
    }
}

/// The journal continues over restarts: each start is a new segment and a new epoch.
fn open_journal(config: &RelayConfig) -> Result<Option<JournalWriter>, RelayError> {
    let Some(dir) = &config.journal_dir else { return Ok(None) };
    JournalWriter::open_append(dir, config.chain_id, Epoch(now().0)).map(Some).map_err(RelayError::Journal)
}
