//! A running relay: its tasks, its doors, its end.

use core::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{SystemTime, UNIX_EPOCH};

use alphapulse_protocol::header::SCHEMA_VERSION;
use alphapulse_protocol::{Epoch, Position};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinHandle};

use crate::config::RelayConfig;
use crate::error::{JournalError, RelayError};
use crate::fanout::Terms;
use crate::follower::{ChainEvent, Follower};
use crate::hub::{Command, Hub, Joiner};
use crate::journal::{FeedOptions, FeedWriter};
use crate::lane::Wake;
use crate::metrics::{Metrics, RelayStats};
use crate::replay::{Events, Lanes, Player, Recording, ReplayOptions};
use crate::server::{Listeners, Server};
use crate::source::{Dial, NodeDial};
use crate::subscription::Feed;
use crate::wait::Waiter;

/// Events between the follower and the writer. When it is full the follower waits: the writer is not outrun.
const EVENTS_QUEUED: usize = 64;

/// A running relay. [`Relay::stop`] ends it in order; dropping it ends it at once.
#[derive(Debug)]
pub struct Relay {
    joiner: Joiner,
    metrics: Arc<Metrics>,
    server: Option<Server>,
    hub: JoinHandle<Result<(), RelayError>>,
    /// Follows the chain, or plays a recording of it.
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

    /// Serves a recorded feed as if it were live, from its first snapshot to its end; then subscribers are told and
    /// [`Relay::ended`] returns. `config` says where to serve, and how patiently; node, pools and journal of it are not used.
    ///
    /// # Errors
    /// [`RelayError`] naming what failed; nothing is left running then.
    pub async fn replay(
        mut config: RelayConfig,
        recording: &Recording,
        options: ReplayOptions,
    ) -> Result<Self, RelayError> {
        let (expected, got) = (config.chain_id, recording.chain_id());
        if expected != got {
            let wrong = JournalError::WrongChain { dir: recording.dir().to_owned(), expected, got };
            return Err(RelayError::Journal(wrong));
        }
        // What was recorded was followed once; it must not be too deep now.
        config.reorg_depth_max = config.reorg_depth_max.max(recording.reorg_depth_max());
        config.check()?;
        let metrics = Arc::new(Metrics::default());
        let listeners = Listeners::bind(&config).await?;
        // One event waits at most: the player looks at the lanes before each.
        let (out, events) = mpsc::channel(1);
        let mut recorded = Events::open(recording.dir(), config.reorg_depth_max).map_err(RelayError::Journal)?;
        let first = recorded.next().map_err(RelayError::Journal)?.ok_or(RelayError::Stopped)?;
        let mut hub = Hub::new(&config, None, Arc::default(), Arc::clone(&metrics));
        hub.on_event(first).map_err(RelayError::Journal)?;
        let lanes = Lanes::default();
        let player = Player { events: recorded, out, options, lanes: lanes.clone(), metrics: Arc::clone(&metrics) };
        Ok(Self::assemble(&config, hub, events, listeners, Some(lanes), metrics, player.run()))
    }

    async fn launch(config: RelayConfig, dial: impl Dial, metrics: Arc<Metrics>) -> Result<Self, RelayError> {
        config.check()?;
        let listeners = Listeners::bind(&config).await?;
        let (events_in, events) = mpsc::channel(EVENTS_QUEUED);
        let resync = Arc::new(Notify::new());
        let (follower, source, image) =
            Follower::begin(dial, &config, events_in, Arc::clone(&resync), Arc::clone(&metrics)).await?;

        let journal = open_journal(&config)?;
        let mut hub = Hub::new(&config, journal, resync, Arc::clone(&metrics));
        hub.on_event(ChainEvent::Snapshot(Box::new(image))).map_err(RelayError::Journal)?;
        Ok(Self::assemble(&config, hub, events, listeners, None, metrics, follower.run(source)))
    }

    /// Sets everything going that is ready.
    fn assemble(
        config: &RelayConfig,
        hub: Hub,
        events: mpsc::Receiver<ChainEvent>,
        listeners: Listeners,
        lanes: Option<Lanes>,
        metrics: Arc<Metrics>,
        source: impl Future<Output = Option<RelayError>> + Send + 'static,
    ) -> Self {
        let (commands_in, commands) = mpsc::unbounded_channel();
        let joiner = Joiner {
            commands: commands_in,
            count: Arc::new(AtomicUsize::new(0)),
            subscribers_max: config.subscribers_max,
            lane_slots: config.lane_slots,
            chain_id: config.chain_id,
            epoch: hub.epoch(),
            lanes,
        };
        let server = Server::start(listeners, &joiner, &metrics);
        let hub = tokio::spawn(hub.run(events, commands, config.heartbeat));
        let follower = tokio::spawn(source);
        let tasks = AbortOnDrop([hub.abort_handle(), follower.abort_handle()]);
        Self { joiner, metrics, server: Some(server), hub, follower, _tasks: tasks }
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
        let waiter = Waiter::new();
        let terms = Terms { version: SCHEMA_VERSION, position };
        let place = self.joiner.reserve()?;
        let lane = self.joiner.open_lane(&place, Wake::Thread(waiter.unparker()), terms, true)?;
        Ok(Feed::embedded(lane, waiter, place))
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

    /// Waits until the relay ends by itself, which only a failure or the end of a recording makes it do; [`Relay::stop`] then
    /// tells which.
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
fn open_journal(config: &RelayConfig) -> Result<Option<FeedWriter>, RelayError> {
    let Some(dir) = &config.journal_dir else { return Ok(None) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = Epoch(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
    let options = FeedOptions { reorg_depth_max: config.reorg_depth_max, ..config.journal };
    FeedWriter::open(dir, config.chain_id, epoch, options).map(Some).map_err(RelayError::Journal)
}
