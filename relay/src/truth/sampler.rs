//! The task that asks the source.

use core::time::Duration;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use alloy::primitives::B256;
use futures_util::future::{join, join_all};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Truth;
use super::compare::difference;
use super::job::{Ask, Findings, Found, Job, Purpose};
use crate::config::PoolSpec;
use crate::metrics::Metrics;
use crate::source::{ChainSource, PoolAnswer};

/// Longest wait for pools that are asked for together, and for a block's place: a source that is slower is no help, and says nothing
/// against a pool.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// The connection that the follower has, while it has one. It alone keeps it.
pub(super) type Lines<S> = watch::Receiver<Weak<S>>;

/// A running task; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Sampler(AbortHandle);

impl Drop for Sampler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sampler {
    /// Begins to compare `sample_pools` pools in each block: the task, the writer's side, and what the task finds.
    pub(crate) fn start<S: ChainSource>(
        lines: Lines<S>,
        sample_pools: usize,
        metrics: &Arc<Metrics>,
    ) -> (Self, Truth, mpsc::Receiver<Findings>) {
        let (jobs, taken) = mpsc::channel(1);
        let (found_in, found) = mpsc::channel(1);
        // The standard library seeds its hashers differently each time: nobody can foretell whose turn it is.
        let seed = RandomState::new().hash_one(sample_pools);
        let task = tokio::spawn(run(lines, taken, found_in));
        (Self(task.abort_handle()), Truth::new(sample_pools, seed, jobs, Arc::clone(metrics)), found)
    }
}

async fn run<S: ChainSource>(lines: Lines<S>, mut jobs: mpsc::Receiver<Job>, found: mpsc::Sender<Findings>) {
    while let Some(job) = jobs.recv().await {
        let (generation, at) = (job.generation, job.at.block());
        let line = lines.borrow().upgrade();
        let found_of_each = match line {
            Some(line) => look(&*line, &job, WAIT_MAX).await,
            None => all(&job.asks, || Found::Unread("there is no connection".to_owned())),
        };
        let found_of_each = job.asks.iter().map(|ask| ask.pool).zip(found_of_each).collect();
        if found.send(Findings { generation, at, found: found_of_each }).await.is_err() {
            return;
        }
    }
}

fn all<'a>(asks: &'a [Ask], found: impl Fn() -> Found + 'a) -> Vec<Found> {
    asks.iter().map(|_| found()).collect()
}

/// Those in quarantine each alone, so that one which is slow to read keeps no other from coming back; the rest together.
async fn look<S: ChainSource>(source: &S, job: &Job, wait_max: Duration) -> Vec<Found> {
    let (ill, rest) = job.asks.split_at(job.ill);
    let alone = join_all(ill.iter().map(|ask| ask_for(source, job, core::slice::from_ref(ask), wait_max)));
    let (alone, rest) = join(alone, ask_for(source, job, rest, wait_max)).await;
    let found = alone.into_iter().flatten().chain(rest).collect();
    let found = doubt(source, job, found, wait_max).await;
    // Asked last: what was read of a block that left the chain may be of another.
    match timeout(wait_max, source.is_canonical(&job.at)).await {
        Ok(Ok(true)) => found,
        Ok(Ok(false)) => all(&job.asks, || Found::Void),
        Ok(Err(error)) => all(&job.asks, || Found::Unread(error.to_string())),
        Err(_) => all(&job.asks, || unanswered(wait_max)),
    }
}

/// Asks once more for those that differ: a node that takes in the next block meanwhile may answer from that one.
async fn doubt<S: ChainSource>(source: &S, job: &Job, mut found: Vec<Found>, wait_max: Duration) -> Vec<Found> {
    let doubted = job.asks.iter().zip(&mut found).filter_map(|(ask, found)| match found {
        Found::Differs(first) => Some((ask, first.clone(), found)),
        _ => None,
    });
    // Each alone: an answer for one is none for another.
    join_all(doubted.map(|(ask, first, found)| async move {
        let again = ask_for(source, job, core::slice::from_ref(ask), wait_max).await;
        match again.into_iter().next() {
            Some(Found::Equal) => *found = Found::Wavered(first),
            Some(Found::Differs(second)) => *found = Found::Differs(second),
            _ => {}
        }
    }))
    .await;
    found
}

async fn ask_for<S: ChainSource>(source: &S, job: &Job, asks: &[Ask], wait_max: Duration) -> Vec<Found> {
    if asks.is_empty() {
        return Vec::new();
    }
    let specs: Vec<PoolSpec> = asks.iter().map(Ask::spec).collect();
    match timeout(wait_max, source.sample(&job.at, &specs)).await {
        Ok(Ok(answers)) if answers.len() == asks.len() => {
            asks.iter().zip(answers).map(|(ask, answer)| weigh(ask, answer)).collect()
        }
        Ok(Ok(_)) => all(asks, || Found::Unread(format!("other pools of block {}", B256::from(job.at.hash)))),
        Ok(Err(error)) => all(asks, || Found::Unread(error.to_string())),
        Err(_) => all(asks, || unanswered(wait_max)),
    }
}

fn unanswered(wait_max: Duration) -> Found {
    Found::Unread(format!("no answer within {wait_max:?}"))
}

/// Only what was read speaks against a pool: one that is refused may be the node's doing.
fn weigh(ask: &Ask, answer: PoolAnswer) -> Found {
    let image = match answer {
        PoolAnswer::Read(image) => image,
        PoolAnswer::Refused(reason) | PoolAnswer::Unread(reason) => return Found::Unread(reason),
    };
    if image.info.kind != ask.info.kind || image.info.address != ask.info.address {
        return Found::Unread("another pool".to_owned());
    }
    match &ask.purpose {
        Purpose::Read => Found::Read(Box::new(image.state)),
        Purpose::Compare(ours) => {
            difference(&ask.info, ours, &image.state, ask.ticks).map_or(Found::Equal, Found::Differs)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;
    use alloy::rpc::types::Log;
    use alphapulse_protocol::message::BlockContext;
    use alphapulse_protocol::replica::{PoolInfo, PoolState, V2State};
    use alphapulse_protocol::{BlockRef, FeePpm, PoolId, TokenId, VenueId};

    use super::*;
    use crate::error::SourceError;
    use crate::source::{MarketImage, PoolImage};

    /// Answers for every pair but one, at once.
    struct SlowAtOne(Address);

    fn info(pool: u8) -> PoolInfo {
        PoolInfo::uniswap_v2(VenueId(0), [pool; 20], [TokenId(0), TokenId(1)], FeePpm(3_000))
    }

    fn state() -> PoolState {
        PoolState::V2(V2State { reserve_0: 1, reserve_1: 2 })
    }

    impl ChainSource for SlowAtOne {
        async fn next_head(&self) -> Result<BlockContext, SourceError> {
            Err(SourceError::Disconnected)
        }

        fn try_head(&self) -> Option<BlockContext> {
            None
        }

        async fn head(&self) -> Result<BlockContext, SourceError> {
            Err(SourceError::Disconnected)
        }

        async fn block_by_hash(&self, _: B256) -> Result<Option<BlockContext>, SourceError> {
            Ok(None)
        }

        async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
            Ok((number == 7).then(context))
        }

        async fn logs(&self, _: BlockRef, _: &[Address]) -> Result<Vec<Log>, SourceError> {
            Ok(Vec::new())
        }

        async fn market(&self, _: &BlockContext) -> Result<MarketImage, SourceError> {
            Err(SourceError::Disconnected)
        }

        async fn sample(&self, _: &BlockContext, pools: &[PoolSpec]) -> Result<Vec<PoolAnswer>, SourceError> {
            if pools.iter().any(|pool| pool.address == self.0) {
                core::future::pending::<()>().await;
            }
            let image = |spec: &PoolSpec| PoolImage { tokens: Vec::new(), info: info(spec.address[0]), state: state() };
            Ok(pools.iter().map(|spec| PoolAnswer::Read(Box::new(image(spec)))).collect())
        }
    }

    fn context() -> BlockContext {
        BlockContext {
            number: 7.into(),
            hash: [7; 32],
            parent_hash: [6; 32],
            timestamp: 0.into(),
            base_fee: 0.into(),
            gas_used: 0.into(),
            gas_limit: 0.into(),
        }
    }

    fn job(ill: usize, pools: u8) -> Job {
        let ask = |pool: u8| {
            let (ticks, purpose) = ((0, 0), Purpose::Compare(state()));
            Ask { pool: PoolId(u32::from(pool)), info: info(pool), ticks, purpose }
        };
        Job { generation: 1, at: context(), ill, asks: (0..pools).map(ask).collect() }
    }

    /// Kinds of what was found.
    async fn found(source: &SlowAtOne, job: &Job) -> Vec<&'static str> {
        let found = look(source, job, Duration::from_millis(20)).await;
        let kind = |found| match found {
            Found::Equal => "equal",
            Found::Unread(_) => "unread",
            Found::Void => "void",
            _ => "another",
        };
        found.into_iter().map(kind).collect()
    }

    #[tokio::test]
    async fn a_pool_in_quarantine_that_is_slow_to_read_keeps_no_other_from_being_compared() {
        let slow = SlowAtOne(Address::repeat_byte(1));
        assert_eq!(found(&slow, &job(3, 5)).await, ["equal", "unread", "equal", "equal", "equal"]);
        assert_eq!(found(&slow, &job(0, 2)).await, ["unread"; 2], "those that are sampled are asked for together");
    }

    #[tokio::test]
    async fn a_block_that_another_took_the_place_of_says_nothing() {
        let mut gone = job(1, 3);
        gone.at.hash = [8; 32];
        assert_eq!(found(&SlowAtOne(Address::repeat_byte(9)), &gone).await, ["void"; 3]);
        gone.at.number.set(8);
        assert_eq!(found(&SlowAtOne(Address::repeat_byte(9)), &gone).await, ["void"; 3]);
    }
}
