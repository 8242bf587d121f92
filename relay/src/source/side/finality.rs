//! How much of the chain a node calls settled.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};

use alloy::rpc::client::RpcClient;
use alphapulse_protocol::message::{BlockContext, Finality, Message, WireMessage};
use alphapulse_protocol::{ChainId, Sequence, UnixNanos};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::{Outlet, SideSource};
use crate::config::Endpoint;
use crate::error::SourceError;
use crate::source::node::{Header, connect, request, subscribe};

/// Without a new head it is asked after this long all the same: finality may move while blocks are missed.
const ASK_EVERY: Duration = Duration::from_secs(12);

/// The blocks that a node calls `safe` and `finalized`: asked at each head, handed in when one changes.
#[derive(Debug)]
pub struct FinalityWatch {
    endpoint: Endpoint,
    chain_id: ChainId,
    /// What was taken of it last, over all connections.
    last: Mutex<Option<Finality>>,
}

impl FinalityWatch {
    /// Of this node, which must be on this chain.
    #[must_use]
    pub const fn new(endpoint: Endpoint, chain_id: ChainId) -> Self {
        Self { endpoint, chain_id, last: Mutex::new(None) }
    }

    /// Asks, and hands in what changed. What is finalized never goes back: who says so contradicts himself.
    async fn ask(&self, client: &RpcClient, outlet: &Outlet) -> Result<(), SourceError> {
        // In this order: a block that is finalized meanwhile is not above the safe one.
        let finalized = block(client, "finalized").await?;
        let safe = block(client, "safe").await?;
        let (Some(finalized), Some(safe)) = (finalized, safe) else {
            outlet.refuse("the node knows no safe and finalized blocks");
            return Ok(());
        };
        let Some(finality) = Finality::new(self.chain_id, safe.block(), finalized.block()) else {
            outlet.refuse("the finalized block is above the safe one");
            return Ok(());
        };
        let mut told = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = *told {
            if (last.safe(), last.finalized()) == (finality.safe(), finality.finalized()) {
                return Ok(());
            }
            let (before, after) = (last.finalized(), finality.finalized());
            if after.number < before.number {
                outlet.refuse_stale();
                return Ok(());
            }
            if after.number == before.number && after.hash != before.hash {
                outlet.refuse("another block is finalized than before at its height");
                return Ok(());
            }
        }
        let at = UnixNanos(safe.timestamp.get().saturating_mul(1_000_000_000));
        // What was not taken is handed in again, and binds the node to nothing.
        if outlet.publish(Message::from(&finality.stamped(Sequence(0), at)).as_bytes().to_vec()) {
            *told = Some(finality);
        }
        Ok(())
    }
}

impl SideSource for FinalityWatch {
    fn name(&self) -> String {
        format!("finality {}", self.endpoint)
    }

    async fn run(&self, outlet: &Outlet) -> Result<(), SourceError> {
        let client = connect(&self.endpoint, self.chain_id).await?;
        let mut heads = subscribe(&client, ("newHeads",)).await?;
        outlet.ready();
        let stopped = outlet.stopped();
        tokio::pin!(stopped);
        loop {
            // Those that came while it was asked are answered by one question.
            while heads.try_recv().is_ok() {}
            self.ask(&client, outlet).await?;
            let due = Instant::now() + ASK_EVERY;
            tokio::select! {
                () = &mut stopped => return Ok(()),
                head = timeout_at(due, heads.recv()) => if matches!(head, Ok(Err(RecvError::Closed))) {
                    return Err(SourceError::Disconnected);
                },
            }
        }
    }
}

/// The block with this tag; `None` where the node knows none.
async fn block(client: &RpcClient, tag: &'static str) -> Result<Option<BlockContext>, SourceError> {
    match request::<_, Option<Header>>(client, "eth_getBlockByNumber", (tag, false)).await {
        Ok(header) => Ok(header.map(BlockContext::from)),
        // Nodes say so by an error before the first one, and those of chains without the tag always.
        Err(SourceError::Call { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
