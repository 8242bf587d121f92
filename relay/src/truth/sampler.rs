//! The task that asks the source.

use core::time::Duration;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};

use alloy::primitives::B256;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::Truth;
use super::compare::difference;
use super::job::{Ask, Findings, Found, Job, Purpose};
use crate::config::PoolSpec;
use crate::metrics::Metrics;
use crate::source::{ChainSource, PoolAnswer};

/// Longest wait for all pools of a job: a source that is slower is no help, and says nothing against a pool.
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
            Some(line) => look(&*line, &job).await,
            None => all(&job, || Found::Unread("there is no connection".to_owned())),
        };
        let found_of_each = job.asks.iter().map(|ask| ask.pool).zip(found_of_each).collect();
        if found.send(Findings { generation, at, found: found_of_each }).await.is_err() {
            return;
        }
    }
}

fn all(job: &Job, found: impl Fn() -> Found) -> Vec<Found> {
    job.asks.iter().map(|_| found()).collect()
}

async fn look<S: ChainSource>(source: &S, job: &Job) -> Vec<Found> {
    let specs: Vec<PoolSpec> = job.asks.iter().map(Ask::spec).collect();
    let asked = async {
        let answers = source.sample(&job.at, &specs).await;
        // Asked last: what was read of a block that left the chain may be of another.
        let there = source.block_by_number(job.at.number.get()).await;
        (answers, there)
    };
    let Ok((answers, there)) = timeout(WAIT_MAX, asked).await else {
        return all(job, || Found::Unread(format!("no answer within {WAIT_MAX:?}")));
    };
    match there {
        Ok(Some(block)) if block.hash == job.at.hash => {}
        Ok(_) => return all(job, || Found::Void),
        Err(error) => return all(job, || Found::Unread(error.to_string())),
    }
    match answers {
        Ok(answers) if answers.len() == job.asks.len() => {
            job.asks.iter().zip(answers).map(|(ask, answer)| weigh(ask, answer)).collect()
        }
        Ok(_) => all(job, || Found::Unread(format!("other pools of block {}", B256::from(job.at.hash)))),
        Err(error) => all(job, || Found::Unread(error.to_string())),
    }
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
