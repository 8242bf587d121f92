//! A connection to an EVM node that is made again for as long as it takes.

use std::time::Duration;

use alloy::providers::{DynProvider, IpcConnect, Provider, ProviderBuilder, WsConnect};
use alloy::pubsub::{ConnectionHandle, PubSubConnect};
use alloy::transports::{TransportError, TransportResult};
use alphapulse_relay::Endpoint;

/// Pause before the first attempt to connect again; it grows with each that fails.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Connects. A connection that is lost later costs answers until it is back, however long that takes: alloy alone gives
/// up for good after ten attempts, and a node whose market has recovered could then neither try, send nor settle a trade.
///
/// # Errors
/// [`TransportError`] when the first attempt fails.
pub async fn connect(endpoint: &Endpoint) -> Result<DynProvider, TransportError> {
    let builder = ProviderBuilder::new().disable_recommended_fillers();
    Ok(match endpoint {
        Endpoint::Ws(url) => builder.connect_pubsub_with(Lasting(WsConnect::new(url.clone()))).await?.erased(),
        Endpoint::Ipc(path) => builder.connect_pubsub_with(Lasting(IpcConnect::new(path.clone()))).await?.erased(),
    })
}

/// A connector that is never done trying.
#[derive(Debug, Clone)]
struct Lasting<C>(C);

impl<C: PubSubConnect> PubSubConnect for Lasting<C> {
    fn is_local(&self) -> bool {
        self.0.is_local()
    }

    async fn connect(&self) -> TransportResult<ConnectionHandle> {
        Ok(lasting(self.0.connect().await?))
    }

    async fn try_reconnect(&self) -> TransportResult<ConnectionHandle> {
        Ok(lasting(self.0.try_reconnect().await?))
    }
}

const fn lasting(handle: ConnectionHandle) -> ConnectionHandle {
    handle.with_max_retries(u32::MAX).with_retry_interval(RETRY_PAUSE)
}
