//! Single pools and what factories told: as enough nodes say, and nothing where they do not.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;
use futures_util::stream::StreamExt;

use super::super::{CREATIONS, ChainSource, Dial, PoolAnswer};
use super::ask::Given;
use super::watch::{AlarmKind, lock};
use super::{Race, SharedLine};
use crate::config::PoolSpec;
use crate::error::SourceError;

/// What nodes said of one of the pools.
fn said_of(given: &Given<Vec<PoolAnswer>>, index: usize) -> Given<&PoolAnswer> {
    given.iter().map(|(id, answers)| (*id, &answers[index])).collect()
}

/// Whether two nodes say that the pool is there and describe it differently. One that refuses it may only have been busy.
fn are_contrary(answer: &PoolAnswer, other: &PoolAnswer) -> bool {
    matches!((answer, other), (PoolAnswer::Read(image), PoolAnswer::Read(other)) if image != other)
}

impl<D: Dial> Race<D> {
    /// What enough nodes say of each pool. As many are asked as must agree, and others where those do not. A pool that no
    /// such number describes in the same way is refused: it must not stop the others, nor the stream.
    pub(super) async fn agree_on_pools(
        &self,
        at: BlockContext,
        pools: Arc<[PoolSpec]>,
        is_sample: bool,
    ) -> Result<Vec<PoolAnswer>, SourceError> {
        let needed = lock(&self.tally).image_votes_min();
        let mut rest = self.current_lines().into_iter();
        let read = |line: SharedLine<D>| {
            let pools = Arc::clone(&pools);
            async move {
                match is_sample {
                    true => line.source.sample(&at, &pools).await,
                    false => line.source.pools(&at, &pools).await,
                }
            }
        };
        let ask = |lines| if is_sample { Self::ask_patiently(lines, read) } else { Self::ask(lines, read) };
        let mut answers = ask(rest.by_ref().take(needed).collect());
        let (mut given, mut failure) = (Given::new(), None);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(said) if said.len() == pools.len() => given.push((id, said)),
                Ok(_) => failure = Some(SourceError::Contradiction("it answers for other pools".into())),
                Err(error) => failure = Some(error),
            }
            let decided = |index| self.decided(&said_of(&given, index)).copied().cloned();
            let agreed: Option<Vec<PoolAnswer>> = (0..pools.len()).map(decided).collect();
            if given.len() >= needed
                && let Some(agreed) = agreed
            {
                self.outvote_pools(&given, &agreed, at.block());
                return Ok(agreed);
            }
            if answers.is_empty() {
                answers.extend(ask(rest.by_ref().take(1).collect()));
            }
        }
        if given.len() < needed {
            return Err(failure.unwrap_or_else(|| self.disagreement("too few described new pools")));
        }
        Ok((0..pools.len()).map(|index| self.settle_pool(&given, index, at.block())).collect())
    }

    fn settle_pool(&self, given: &Given<Vec<PoolAnswer>>, index: usize, block: BlockRef) -> PoolAnswer {
        let said = said_of(given, index);
        if let Some(answer) = self.decided(&said) {
            return (*answer).clone();
        }
        if said.iter().any(|(_, answer)| said.iter().any(|(_, other)| are_contrary(answer, other))) {
            self.tell_undecided(AlarmKind::ForgedImage, block, given);
        }
        PoolAnswer::Unread("the nodes do not agree on it".into())
    }

    /// Names who described a pool otherwise than enough others did. Nobody is quarantined for it: the contract is anyone's, and may
    /// answer one node otherwise than another.
    fn outvote_pools(&self, given: &Given<Vec<PoolAnswer>>, agreed: &[PoolAnswer], block: BlockRef) {
        let is_contrary =
            |answers: &Vec<PoolAnswer>| answers.iter().zip(agreed).any(|(answer, other)| are_contrary(answer, other));
        let liars = given.iter().filter(|(_, answers)| is_contrary(answers)).map(|(id, _)| *id);
        self.outvote_describers(liars, false, "pool", block);
    }

    /// What enough nodes say that factories told from one block's number to another's.
    pub(super) async fn agree_on_creations(
        &self,
        from: u64,
        to: u64,
        factories: Arc<[Address]>,
    ) -> Result<Vec<Log>, SourceError> {
        let read = |line: SharedLine<D>| {
            let factories = Arc::clone(&factories);
            async move { line.source.creations(from, to, &factories).await.map(|logs| comparable(logs, &factories)) }
        };
        let mut answers = Self::ask_patiently(self.current_lines(), read);
        let (mut given, mut failure) = (Given::new(), None);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(logs) => given.push((id, logs)),
                Err(error) => failure = Some(error),
            }
            if let Some(logs) = self.decided(&given) {
                return Ok(logs.clone());
            }
        }
        Err(match failure {
            // The range may be the reason, and a smaller one the way out.
            Some(error) if given.len() < self.terms.quorum => error,
            _ => self.disagreement(format!("on what factories told in blocks {from} to {to}")),
        })
    }
}

/// The logs that are read, in one order and form however a node gives them.
fn comparable(logs: Vec<Log>, factories: &[Address]) -> Vec<Log> {
    let is_creation = |topic: &B256| CREATIONS.contains(topic);
    let is_read = |log: &Log| factories.contains(&log.address()) && log.topic0().is_some_and(is_creation);
    let bare = |log: Log| Log {
        inner: log.inner,
        block_number: log.block_number,
        block_hash: log.block_hash,
        log_index: log.log_index,
        ..Log::default()
    };
    let mut logs: Vec<_> = logs.into_iter().filter(is_read).map(bare).collect();
    logs.sort_by_key(|log| (log.block_number, log.log_index));
    logs
}
