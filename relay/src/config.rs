//! What a relay is told: which node, which venues and pools, how patient, how much of everything.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use alphapulse_protocol::message::{PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::{ChainId, FeePpm, VenueId};

use crate::access::Access;
use crate::archive::{READING_BYTES, READS_BYTES};
use crate::discovery::FactorySpec;
use crate::error::RelayError;
use crate::journal::{FeedOptions, SyncPolicy};
use crate::lane;
use crate::server::{GREETINGS_MAX, WRITE_BYTES};
use crate::side::{QUEUED_BYTES, SLOTS, SLOTS_BYTES};
use crate::source::side::QuoteSpec;

/// A gap and a heartbeat must find room in a lane that was just half emptied.
const LANE_BYTES_MIN: usize = 512;

/// A node that far behind is seen as stale at once; each block of it is asked for when one is accused.
pub(crate) const STALE_BLOCKS_MAX: u64 = 64;

/// A factory and the rule its pools follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueSpec {
    /// Index in the operator's configuration and in the executor contract.
    pub id: VenueId,
    /// Name for people.
    pub name: String,
    /// Formula of its pools.
    pub kind: PoolKind,
    /// Contract that deploys the pools by CREATE2 (for PancakeSwap V3 that is its pool deployer).
    pub factory: Address,
    /// Keccak-256 of the pools' creation code.
    pub init_code_hash: B256,
    /// Fee of a constant-product venue. Not read for concentrated liquidity, where each pool states its own.
    pub fee: FeePpm,
}

/// A pool to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSpec {
    /// Contract.
    pub address: Address,
    /// Venue that must have deployed it.
    pub venue: VenueId,
    /// Price ticks, inclusive, whose liquidity is read and followed; `None` reads the full range.
    pub known_ticks: Option<(i32, i32)>,
}

/// Where the node listens. `Debug` and `Display` hide all but scheme and host: a provider's key is often in the path.
#[derive(Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// WebSocket, `ws://` or `wss://`.
    Ws(String),
    /// Unix socket.
    Ipc(PathBuf),
}

impl FromStr for Endpoint {
    type Err = RelayError;

    /// Reads `ws://…`, `wss://…`, `ipc:PATH`, or a path that ends in `.ipc`.
    fn from_str(text: &str) -> Result<Self, RelayError> {
        if text.starts_with("ws://") || text.starts_with("wss://") {
            return Ok(Self::Ws(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("ipc:") {
            return Ok(Self::Ipc(PathBuf::from(path)));
        }
        if text.ends_with(".ipc") {
            return Ok(Self::Ipc(PathBuf::from(text)));
        }
        // The text itself is not repeated: it may hold a key.
        Err(RelayError::Config("the node endpoint must be ws://…, wss://…, ipc:PATH or a path ending in .ipc".into()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipc(path) => write!(f, "ipc:{}", path.display()),
            Self::Ws(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("ws", url));
                let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
                let host = authority.rsplit('@').next().unwrap_or_default();
                write!(f, "{scheme}://{host}")
            }
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Everything a relay is told. No field has a default: each is a bound or a decision of the operator.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Chain the node must be on; checked on every connect.
    pub chain_id: ChainId,
    /// The node.
    pub endpoint: Endpoint,
    /// Further nodes, raced with the first. Empty follows the first alone, and then `quorum`, `stale_blocks` and
    /// `confirm_wait` have no effect.
    pub confirm_endpoints: Vec<Endpoint>,
    /// Nodes that must agree on a block before it is relayed, at least 1 and at most all. With 1 the first answer is used and
    /// compared with the others afterwards.
    pub quorum: usize,
    /// Blocks that a node may be behind the others before it counts as stale, at most 64.
    pub stale_blocks: u64,
    /// Longest wait for other nodes' confirmation before the source counts as unsafe.
    pub confirm_wait: Duration,
    /// Factories that pools may come from.
    pub venues: Vec<VenueSpec>,
    /// Pools to watch, in the order of their ids.
    pub pools: Vec<PoolSpec>,
    /// Whether transactions that wait in the first node's pool are handed to subscribers who ask for them.
    pub pending: bool,
    /// Whether the first node's safe and finalized blocks are.
    pub finality: bool,
    /// Exchanges whose quotes are.
    pub quotes: Vec<QuoteSpec>,
    /// Factories whose new pools are followed as well.
    pub factories: Vec<FactorySpec>,
    /// The head is asked for after this long without one.
    pub silence: Duration,
    /// A head further ahead than this many blocks is met with a fresh snapshot instead of block by block.
    pub backfill_blocks_max: u64,
    /// Blocks that can be taken back; a deeper reorg is met with a fresh snapshot.
    pub reorg_depth_max: usize,
    /// Bytes that may wait for a subscriber before it is lapped: then it is told of a gap, and what it missed is repaired.
    pub lane_bytes: usize,
    /// Bytes of the newest messages kept to repair gaps without a snapshot, for all subscribers together.
    pub recent_bytes: usize,
    /// A sign of life is sent after this long without a message.
    pub heartbeat: Duration,
    /// Unix socket to serve on.
    pub listen_unix: Option<PathBuf>,
    /// TCP address to serve on. Beyond loopback only with keys and TLS.
    pub listen_tcp: Option<SocketAddr>,
    /// Loopback address of the page for watching the relay: `GET /metrics`, `/status`, `/healthz`.
    pub listen_http: Option<SocketAddr>,
    /// Who may do what there.
    pub access: Access,
    /// Subscribers and publishers served at once, embedded ones included.
    pub subscribers_max: usize,
    /// Pools whose state is held against the chain in each block; 0 compares none.
    pub sample_pools: usize,
    /// Folder of the journal; `None` keeps none.
    pub journal_dir: Option<PathBuf>,
    /// How the journal is kept.
    pub journal: FeedOptions,
}

impl RelayConfig {
    /// Refuses what cannot work, before anything is opened.
    ///
    /// # Errors
    /// [`RelayError::Config`] names the field and what is wrong with it.
    pub fn check(&self) -> Result<(), RelayError> {
        let require = |holds: bool, reason: &str| if holds { Ok(()) } else { Err(RelayError::Config(reason.into())) };
        require(!self.silence.is_zero(), "`silence` must be above zero")?;
        require(!self.heartbeat.is_zero(), "`heartbeat` must be above zero")?;
        require(self.backfill_blocks_max > 0, "`backfill_blocks_max` must be above zero")?;
        require(self.reorg_depth_max > 0, "`reorg_depth_max` must be above zero")?;
        require(self.lane_bytes >= LANE_BYTES_MIN, "`lane_bytes` must be at least 512")?;
        require(self.subscribers_max > 0, "`subscribers_max` must be above zero")?;
        let nodes = self.confirm_endpoints.len() + 1;
        require((1..=nodes).contains(&self.quorum), "`quorum` must be at least 1 and at most the number of nodes")?;
        require(self.stale_blocks <= STALE_BLOCKS_MAX, "`stale_blocks` must be at most 64")?;
        require(!self.confirm_wait.is_zero(), "`confirm_wait` must be above zero")?;
        let endpoints = self.confirm_endpoints.iter().chain([&self.endpoint]);
        let is_distinct =
            endpoints.clone().enumerate().all(|(at, one)| !endpoints.clone().skip(at + 1).any(|other| other == one));
        require(is_distinct, "a node is configured twice, and would confirm itself")?;
        require(
            self.journal.sync != SyncPolicy::Interval(Duration::ZERO),
            "the journal's interval must be above zero",
        )?;
        let is_local = self.listen_http.is_none_or(|address| address.ip().is_loopback());
        require(is_local, "`listen_http` must be a loopback address: the page asks nobody who he is")?;
        self.access.fault().map_or(Ok(()), |fault| Err(RelayError::Config(fault)))?;
        let is_loopback = self.listen_tcp.is_none_or(|address| address.ip().is_loopback());
        require(
            is_loopback || self.access.is_safe_off_host(),
            "`listen_tcp` beyond this host needs keys of clients and TLS",
        )?;
        self.quotes.iter().find_map(QuoteSpec::fault).map_or(Ok(()), |fault| Err(RelayError::Config(fault)))?;
        let mut venues = BTreeSet::new();
        for venue in &self.venues {
            require(venues.insert(venue.id), &format!("venue {} is configured twice", venue.id))?;
        }
        let mut factories = BTreeSet::new();
        for factory in &self.factories {
            let address = factory.address;
            require(factories.insert(address), &format!("factory {address} is configured twice"))?;
            let venue = self.venues.iter().find(|venue| venue.id == factory.venue);
            let venue = venue.ok_or_else(|| {
                RelayError::Config(format!("factory {address}: venue {} is not configured", factory.venue))
            })?;
            factory.fault(venue.kind).map_or(Ok(()), |fault| Err(RelayError::Config(fault)))?;
        }
        let mut pools = BTreeSet::new();
        for pool in &self.pools {
            require(pools.insert(pool.address), &format!("pool {} is configured twice", pool.address))?;
            require(
                venues.contains(&pool.venue),
                &format!("pool {}: venue {} is not configured", pool.address, pool.venue),
            )?;
            let ticks = pool.known_ticks.is_none_or(|(low, high)| TICK_MIN <= low && low <= high && high <= TICK_MAX);
            require(ticks, &format!("pool {}: known ticks are outside {TICK_MIN}..={TICK_MAX}", pool.address))?;
        }
        Ok(())
    }
}

/// Memory that is declared for a connection's task, beside its buffers.
const TASK_BYTES: usize = 16 * 1024;
/// What a peer may make us hold while it greets: its bytes, twice while they are moved, and what we answer.
const GREETING_BYTES: usize = 16 * 1024;
/// Buffers of TLS of one connection: a record each way, what waits to be sent, and the handshake.
const TLS_BYTES: usize = 160 * 1024;

/// Snapshots that a subscriber can hold: one on its way out, a newer one in its lane, and the newest, made for those who
/// select as it does.
const SNAPSHOTS_HELD: usize = 3;

impl RelayConfig {
    /// Most memory that peers can make the relay hold, bytes: what is kept for subscribers, and those who greet, where a
    /// snapshot takes `snapshot_bytes` and no event takes more. Beside it there is what the market itself takes: its state,
    /// the events of a block, and a snapshot for the journal.
    #[must_use]
    pub const fn memory_max(&self, snapshot_bytes: usize) -> usize {
        let tls = if self.access.tls.is_some() { TLS_BYTES } else { 0 };
        let connection = TASK_BYTES + tls;
        let side_ring = SLOTS_BYTES + SLOTS * lane::SIDE_SLOT_BYTES;
        let (reading, reads) = if self.journal_dir.is_some() { (READING_BYTES, READS_BYTES) } else { (0, 0) };
        let snapshots = snapshot_bytes.saturating_mul(SNAPSHOTS_HELD);
        // A write is gathered until it is long enough, so it may be twice as long.
        let subscriber = lane::memory_max(self.lane_bytes) + side_ring + reading + 2 * WRITE_BYTES + connection;
        let subscribers = self.subscribers_max.saturating_mul(subscriber.saturating_add(snapshots));
        let greeters = GREETINGS_MAX * (GREETING_BYTES + connection);
        let shared = self.recent_bytes.saturating_add(QUEUED_BYTES + reads);
        shared.saturating_add(subscribers).saturating_add(greeters)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn endpoints_are_read_by_scheme_and_suffix() {
        assert_eq!("ws://h:1".parse::<Endpoint>().unwrap(), Endpoint::Ws("ws://h:1".into()));
        assert_eq!("ipc:/tmp/a".parse::<Endpoint>().unwrap(), Endpoint::Ipc("/tmp/a".into()));
        assert_eq!("/tmp/a.ipc".parse::<Endpoint>().unwrap(), Endpoint::Ipc("/tmp/a.ipc".into()));
        assert!("http://h".parse::<Endpoint>().is_err());
    }

    #[test]
    fn a_key_in_an_endpoint_is_not_shown() {
        let endpoint: Endpoint = "wss://user:secret@node.example:8546/v3/secret?key=secret".parse().unwrap();
        assert_eq!(format!("{endpoint} {endpoint:?}"), "wss://node.example:8546 wss://node.example:8546");
        let error = "https://node.example/v3/secret".parse::<Endpoint>().unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
