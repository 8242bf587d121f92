//! Where a node that is only asked listens.

use core::fmt;
use core::str::FromStr;

use alloy::rpc::client::RpcClient;
use thiserror::Error;

use crate::config::Endpoint;
use crate::error::SourceError;
use crate::source::http::HttpUrl;
use crate::source::node::{open, open_http};

/// A node's address: HTTP, WebSocket or IPC. `Debug` and `Display` hide all but scheme and host: a provider's key is often in
/// the path.
#[derive(Clone, PartialEq, Eq)]
pub struct NodeUrl(Address);

#[derive(Clone, PartialEq, Eq)]
enum Address {
    Http(HttpUrl),
    Endpoint(Endpoint),
}

/// Why a text is no address of a node. It is not repeated: it may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the node's address must be http://…, https://…, ws://…, wss://…, ipc:PATH or a path ending in .ipc")]
pub struct BadUrl;

impl FromStr for NodeUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        if let Some(url) = HttpUrl::parse(text) {
            return Ok(Self(Address::Http(url)));
        }
        text.parse().map(|endpoint| Self(Address::Endpoint(endpoint))).map_err(|_| BadUrl)
    }
}

impl NodeUrl {
    pub(super) async fn open(&self) -> Result<RpcClient, SourceError> {
        match &self.0 {
            Address::Http(url) => open_http(url).await,
            Address::Endpoint(endpoint) => open(endpoint).await,
        }
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Address::Http(url) => f.write_str(&url.shown()),
            Address::Endpoint(endpoint) => endpoint.fmt(f),
        }
    }
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
