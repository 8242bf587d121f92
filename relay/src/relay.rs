//! A running relay: its tasks, its doors, its end.

mod beside;
mod past;

use core::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use alphapulse_protocol::Position;
use alphapulse_protocol::header::SCHEMA_VERSION;
use alphapulse_protocol::message::CautionCause;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::access::Roles;
use crate::caution::{Cautions, Flag, Order};
use crate::config::{Endpoint, RelayConfig};
use crate::control::{Control, Nodes};
use crate::error::{JournalError, RelayError};
use crate::follower::{ChainEvent, Follower};
use crate::hub::{Command, Hub};
use crate::joiner::Joiner;
use crate::lane::Wake;
use crate::metrics::{Metrics, RelayStats};
use crate::observe::{HttpDoor, HttpServer, Observer, RelayStatus};
use crate::replay::{Events, Lanes, Player, Recording, ReplayOptions};
use crate::roster::{Roster, SubscriberStatus};
use crate::server::{Listeners, Server};
use crate::side::SidePublisher;
use crate::source::race::{Alarm, RaceDial, RaceTerms, Safety, SourceReport, SourceWatch};
use crate::source::side::{SideGuard, SideSources};
use crate::source::{Dial, NodeDial};
use crate::subscriber::Terms;
use crate::subscription::{Feed, SubscribeOptions};
use crate::tls;
use crate::truth::{Findings, Sampler};
use crate::wait::Waiter;

use self::beside::Beside;

/// Events between the follower and the writer. When it is full the follower waits: the writer is not outrun.
const EVENTS_QUEUED: usize = 64;

/// A running relay. [`Relay::stop`] ends it in order; dropping it ends it at once.
#[derive(Debug)]
pub struct Relay {
    joiner: Joiner,
    sides: SidePublisher,
    metrics: Arc<Metrics>,
    server: Option<Server>,
    observer: Observer,
    http: Option<HttpServer>,
    hub: JoinHandle<Result<(), RelayError>>,
    /// Follows the chain, or plays a recording of it.
    follower: JoinHandle<Option<RelayError>>,
    sources: Option<SourceWatch>,
    control: Arc<Control>,
    side_sources: SideGuard,
    _sampler: Option<Sampler>,
    _tasks: AbortOnDrop<2>,
}

/// All that a relay is put together from.
struct Ready {
    hub: Hub,
    events: mpsc::Receiver<ChainEvent>,
    listeners: Listeners,
    tls: Option<TlsAcceptor>,
    http: Option<HttpDoor>,
    lanes: Option<Lanes>,
    sources: Option<SourceWatch>,
    nodes: Option<Nodes>,
    /// Who compares the state with the chain, and what that finds.
    sampler: Option<(Sampler, mpsc::Receiver<Findings>)>,
    /// Where an operator's caution is kept, and what was found there.
    kept: (Option<Flag>, Option<Order>),
    name: Arc<str>,
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
        config.check()?;
        let metrics = Arc::new(Metrics::default());
        let dial = NodeDial {
            endpoint: config.endpoint.clone(),
            chain_id: config.chain_id,
            venues: config.venues.as_slice().into(),
            pools: config.pools.as_slice().into(),
            metrics: Arc::clone(&metrics),
        };
        if config.confirm_endpoints.is_empty() {
            let beside = Beside::of_node(&config, None);
            return Self::launch(config, dial, None, metrics).await.map(|relay| relay.with(beside));
        }
        let terms = RaceTerms {
            quorum: config.quorum,
            stale_blocks: config.stale_blocks,
            confirm_wait: config.confirm_wait,
            silence: config.silence,
        };
        let others = config.confirm_endpoints.iter().map(|endpoint| dial.to(endpoint.clone()));
        let all: Vec<_> = core::iter::once(dial.clone()).chain(others).collect();
        let race = RaceDial::with_metrics(all.clone(), terms, Arc::clone(&metrics));
        let nodes = Nodes::new(race.control(), &all);
        let beside = Beside::of_node(&config, race.control().first_word());
        Self::launch(config, race, nodes, metrics).await.map(|relay| relay.with(beside))
    }

    /// The same over another source; `config.endpoint`, venues and pools are the source's own business then, and so is what
    /// waits in a node's pool or is final.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_from(config: RelayConfig, dial: impl Dial) -> Result<Self, RelayError> {
        let metrics = dial.watch().map_or_else(Arc::default, |watch| Arc::clone(watch.metrics()));
        let beside = Beside::of_exchanges(&config);
        Self::launch(config, dial, None, metrics).await.map(|relay| relay.with(beside))
    }

    /// Serves a recorded feed as if it were live, from its first snapshot to the end that it had when it was opened; then subscribers are told and
    /// [`Relay::ended`] returns. `config` says where to serve, and how patiently; node, pools, journal and
    /// what comes beside the stream of it are not used.
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
        let mut recorded = Events::open(recording, config.reorg_depth_max).map_err(RelayError::Journal)?;
        let first = recorded.next().map_err(RelayError::Journal)?.ok_or(RelayError::Stopped)?;
        let mut hub = Hub::new(&config, None, Arc::default(), Arc::clone(&metrics));
        hub.on_event(first).map_err(RelayError::Journal)?;
        let lanes = Lanes::default();
        let player = Player { events: recorded, out, options, lanes: lanes.clone(), metrics: Arc::clone(&metrics) };
        let http = HttpDoor::bind(config.listen_http).await?;
        let tls = prepare(&config)?;
        let name = format!("recording {}", recording.dir().display()).into();
        metrics.connected.set(1);
        let (lanes, kept) = (Some(lanes), (None, None));
        let ready =
            Ready { hub, events, listeners, tls, http, lanes, sources: None, nodes: None, sampler: None, kept, name };
        Self::assemble(&config, ready, player.run())
    }

    async fn launch(
        config: RelayConfig,
        dial: impl Dial,
        nodes: Option<Nodes>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, RelayError> {
        config.check()?;
        let name: Arc<str> = dial.name().into();
        let tls = prepare(&config)?;
        let listeners = Listeners::bind(&config).await?;
        let http = HttpDoor::bind(config.listen_http).await?;
        let (events_in, events) = mpsc::channel(EVENTS_QUEUED);
        let resync = Arc::new(Notify::new());
        let sources = dial.watch();
        if let Some(sources) = &sources {
            sources.attach(Arc::clone(&resync));
        }
        let (follower, source, image) =
            Follower::begin(dial, &config, events_in, Arc::clone(&resync), Arc::clone(&metrics)).await?;

        let journal = past::go_on(&config, &source, image.context.block().number, &name).await?;
        let flag = config.journal_dir.as_deref().map(Flag::new);
        let order = flag.as_ref().and_then(Flag::read);
        let mut hub = Hub::new(&config, journal, resync, Arc::clone(&metrics));
        if let Some(order) = &order {
            tracing::warn!(
                "subscribers are told not to trade by an operator's caution, {order}; `relay caution lift` ends it"
            );
        }
        hub.begin_under(order.clone());
        let mut sampler = None;
        if config.sample_pools > 0 {
            let (task, truth, findings) = Sampler::start(follower.lines(), config.sample_pools, &metrics);
            hub.compare(Some(truth));
            sampler = Some((task, findings));
        }
        hub.on_event(ChainEvent::Snapshot(Box::new(image), Vec::new())).map_err(RelayError::Journal)?;
        let kept = (flag, order);
        let ready = Ready { hub, events, listeners, tls, http, lanes: None, sources, nodes, sampler, kept, name };
        Self::assemble(&config, ready, follower.run(source))
    }

    /// Sets everything going that is ready.
    fn assemble(
        config: &RelayConfig,
        ready: Ready,
        source: impl Future<Output = Option<RelayError>> + Send + 'static,
    ) -> Result<Self, RelayError> {
        let Ready { hub, events, listeners, tls, http, lanes, sources, nodes, sampler, kept, name } = ready;
        let ((flag, order), (sampler, findings)) = (kept, sampler.unzip());
        tell_cost(config, &hub);
        let metrics = Arc::clone(hub.metrics());
        let (commands_in, commands) = mpsc::unbounded_channel();
        let joiner = Joiner {
            commands: commands_in,
            roster: Roster::new(config.subscribers_max),
            lane_bytes: config.lane_bytes,
            chain_id: config.chain_id,
            facts: hub.facts(),
            lanes,
        };
        let (sides, sides_out) = SidePublisher::new(Arc::clone(&metrics));
        let control = Arc::new(Control {
            cautions: Arc::new(Cautions::new(joiner.commands.clone(), flag, order)),
            roster: Arc::clone(&joiner.roster),
            nodes,
            sources: sources.clone(),
            source: Arc::clone(&name),
            metrics: Arc::clone(&metrics),
        });
        let server = Server::start(listeners, tls, &joiner, &sides, &control)?;
        let standing = sources.as_ref().map(SourceWatch::standing);
        let side_sources = SideSources::new(sides.clone());
        let observer = Observer {
            commands: joiner.commands.clone(),
            roster: Arc::clone(&joiner.roster),
            metrics: Arc::clone(&metrics),
            chain_id: config.chain_id,
            source: name,
            sources: sources.clone(),
            side_sources: Arc::clone(&side_sources),
            doors: server.watches(),
            started: Instant::now(),
        };
        let http = http.map(|door| door.serve(observer.clone()));
        let hub = tokio::spawn(hub.run(events, commands, sides_out, standing, findings, config.heartbeat));
        let follower = tokio::spawn(source);
        let tasks = AbortOnDrop([hub.abort_handle(), follower.abort_handle()]);
        Ok(Self {
            joiner,
            sides,
            metrics,
            server: Some(server),
            observer,
            http,
            hub,
            follower,
            sources,
            control,
            side_sources: SideGuard(side_sources),
            _sampler: sampler,
            _tasks: tasks,
        })
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
        let place = Arc::new(self.joiner.roster.reserve("embedded", Roles::ALL)?);
        let terms = Terms {
            version: SCHEMA_VERSION,
            position: options.position,
            selection: options.selection,
            place: Arc::clone(&place),
        };
        let lane = self.joiner.open_lane(Wake::Thread(waiter.unparker()), terms)?;
        Ok(Feed::embedded(lane, waiter, place))
    }

    /// Tells subscribers whether the nodes can be believed: while they cannot, no state may be traded on. For who knows
    /// better than the relay, an operator or a watchdog. Where a journal is kept it holds over a restart, and this waits for the disk.
    ///
    /// # Errors
    /// [`RelayError::Stopped`]; [`RelayError::Caution`] when it cannot be kept, although subscribers are told, or when it cannot be
    /// forgotten, and so stays.
    pub fn caution(&self, cause: CautionCause) -> Result<(), RelayError> {
        let cautions = &self.control.cautions;
        match cause {
            CautionCause::None => cautions.lift().map(drop),
            _ => cautions.set(cause, "the relay's own process").map(drop),
        }
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

    /// The nodes that are raced; empty when there is only one.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceReport> {
        self.sources.as_ref().map_or_else(Vec::new, SourceWatch::sources)
    }

    /// What was found wrong with the nodes that are raced: the newest 256, oldest first.
    #[must_use]
    pub fn alarms(&self) -> Vec<Alarm> {
        self.sources.as_ref().map_or_else(Vec::new, SourceWatch::alarms)
    }

    /// Whether what the nodes say may be traded on, now and whenever that changes; `None` when there is only one.
    #[must_use]
    pub fn safety(&self) -> Option<watch::Receiver<Safety>> {
        self.sources.as_ref().map(SourceWatch::safety)
    }

    /// Adds a node to those that are raced; it takes part once it is connected. Returns its name.
    ///
    /// # Errors
    /// [`RelayError::Nodes`] when the relay was not started with several nodes, has this one, or has as many as it may (16).
    pub fn add_node(&self, endpoint: Endpoint) -> Result<String, RelayError> {
        self.control.add_node(endpoint)
    }

    /// Takes a node away, by its name in [`Self::sources`], once what it was asked is answered. With fewer nodes than the quorum
    /// the source is unsafe until another is added.
    ///
    /// # Errors
    /// [`RelayError::Nodes`] when there is no such node, or the relay was not started with several.
    pub async fn remove_node(&self, name: &str) -> Result<SourceReport, RelayError> {
        self.control.remove_node(name).await
    }

    /// How the relay is doing: counters, latencies by stage, subscribers, sources, journal.
    ///
    /// # Errors
    /// [`RelayError::Stopped`], and [`RelayError::Unanswered`] when the writer is too busy to say.
    pub async fn status(&self) -> Result<RelayStatus, RelayError> {
        self.observer.status().await
    }

    /// Address of the page for watching the relay, with the port that was really taken.
    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref().map(HttpServer::address)
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

    /// Ends the relay: subscribers are told, the journal is synced, the doors are closed. Gives the counters as they stand then,
    /// when nothing is served any more.
    ///
    /// # Errors
    /// What had ended it before, if something had, or the journal's failure.
    pub async fn stop(mut self) -> Result<RelayStats, RelayError> {
        // They first, so that what they have under way still finds the writer.
        self.side_sources.0.end().await;
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
            _ => written.map(|()| self.metrics.read()),
        }
    }
}

/// Reads what the doors need.
fn prepare(config: &RelayConfig) -> Result<Option<TlsAcceptor>, RelayError> {
    config.access.tls.as_ref().map(tls::acceptor).transpose().map_err(RelayError::Secret)
}

/// Says what the doors can cost, with the market as it is.
fn tell_cost(config: &RelayConfig, hub: &Hub) {
    if config.listen_unix.is_some() || config.listen_tcp.is_some() {
        let snapshot_bytes = hub.snapshot_bytes();
        let memory_max = config.memory_max(snapshot_bytes);
        tracing::info!(memory_max, snapshot_bytes, "bytes that clients can make the relay hold, at most");
    }
}
