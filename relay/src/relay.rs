//! A running relay.

use std::net::SocketAddr;
use std::path::Path;

use crate::config::RelayConfig;
use crate::error::RelayError;
use crate::metrics::RelayStats;
use crate::subscription::Feed;

/// A running relay. Dropping it ends it; [`Relay::stop`] ends it in order.
#[derive(Debug)]
pub struct Relay {
    _config: RelayConfig,
}

impl Relay {
    /// Connects to the node, takes the first snapshot, and starts to serve.
    ///
    /// # Errors
    /// [`RelayError`] naming what failed.
    pub async fn start(config: RelayConfig) -> Result<Self, RelayError> {
        config.check()?;
        Err(RelayError::Stopped)
    }

    /// An embedded subscription: the snapshot first, then every message.
    ///
    /// # Errors
    /// [`RelayError::Full`], [`RelayError::Stopped`].
    pub fn subscribe(&self) -> Result<Feed, RelayError> {
        Err(RelayError::Stopped)
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> RelayStats {
        RelayStats::default()
    }

    /// Unix socket that is served.
    #[must_use]
    pub fn unix_path(&self) -> Option<&Path> {
        None
    }

    /// TCP address that is served.
    #[must_use]
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// Ends the relay: subscribers are told, the journal is synced.
    ///
    /// # Errors
    /// What had ended it before, if something had.
    pub async fn stop(self) -> Result<(), RelayError> {
        Ok(())
    }
}
