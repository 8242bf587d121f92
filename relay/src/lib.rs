//! Market-data relay of AlphaPulse: from a node's blocks and logs to one sequenced binary stream, and the client of it.
//!
//! Guarantees: a subscriber gets a snapshot and then every message in sequence; where some are missing it is told so before
//! the next one, and they, or a snapshot, follow; blocks come by
//! ancestry, so a block that was missed is fetched and a reorg is announced before its blocks; every message is in the
//! journal as it was on the wire; every loss, retry and repair is counted in [`RelayStats`], and every stage's
//! latency in [`RelayStatus`].
//!
//! Refusals: a subscription's silence proves nothing and `removed` flags are never read; a node on another chain is not
//! relayed; a pool that its factory did not deploy is not watched; a slow subscriber is never waited for; a peer that is not known gets nothing, and holds little while it is asked; a damaged journal is refused, not cut.
//!
//! ```
//! use alphapulse_protocol::message::{Clock, Message};
//! use alphapulse_protocol::{ChainId, Epoch, UnixNanos};
//! use alphapulse_relay::journal::{JournalReader, JournalWriter};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path().join("journal");
//! let mut writer = JournalWriter::create(&folder, ChainId(1), Epoch(1))?;
//! writer.append(&Clock::new(UnixNanos(7)))?;
//! writer.sync()?;
//!
//! let mut reader = JournalReader::open(&folder)?;
//! assert!(matches!(reader.next_message()?, Some(Message::SegmentBegin(_))));
//! assert!(matches!(reader.next_message()?, Some(Message::Clock(clock)) if clock.now_ns.get() == 7));
//! assert!(reader.next_message()?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod administrator;
mod archive;
mod auth;
mod caution;
mod client;
mod clock;
mod config;
mod control;
mod dial;
mod discovery;
mod error;
mod fanout;
mod follower;
mod history;
mod hub;
mod inbound;
mod joiner;
pub mod journal;
mod lane;
mod metrics;
mod observe;
mod pace;
mod publisher;
mod recent;
mod reconnect;
mod recovery;
mod relay;
mod replay;
mod roster;
mod selection;
mod sequencer;
mod server;
mod side;
mod sieve;
mod socket;
pub mod source;
mod subscriber;
mod subscription;
mod tls;
mod truth;
mod wait;

pub use crate::access::{Access, ClientFiles, ClientKey, Key, KeyGrant, Roles, TlsFiles, UserGrant};
pub use crate::administrator::{AdminAct, AdminAnswer, administer_tcp, administer_unix};
pub use crate::clock::utc;
pub use crate::config::{Endpoint, PoolSpec, RelayConfig, VenueSpec};
pub use crate::discovery::{FactorySpec, WantedTokens};
pub use crate::error::{FeedError, JournalError, Parting, RelayError, SecretError, SourceError};
pub use crate::metrics::RelayStats;
pub use crate::observe::{HeadStatus, JournalStatus, OperatorCaution, RelayStatus, SourceStatus, StageStatus};
pub use crate::publisher::{PublishOptions, Publisher};
pub use crate::relay::Relay;
pub use crate::replay::{Recording, ReplayOptions, ReplaySpeed};
pub use crate::roster::SubscriberStatus;
pub use crate::selection::Selection;
pub use crate::side::SidePublisher;
pub use crate::sieve::PassedOver;
pub use crate::subscription::{Feed, SubscribeOptions};
pub use crate::tls::TlsClient;
pub use crate::truth::{QuarantinedPool, TruthStatus};
pub use crate::wait::FeedWaker;
