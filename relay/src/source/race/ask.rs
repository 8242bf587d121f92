//! Questions to all nodes at once: the first answer that enough of them give is used.

use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::timeout;

use super::super::{ChainSource, Dial, MarketImage};
use super::proof::BlockLogs;
use super::tally::NodeId;
use super::watch::{AlarmKind, SourceState, lock};
use super::{Race, SharedLine};
use crate::error::SourceError;

/// Answers in the order in which they come.
pub(super) type Answers<T> = FuturesUnordered<BoxFuture<'static, (NodeId, Result<T, SourceError>)>>;

/// Answers that were read, by node.
pub(super) type Given<T> = Vec<(NodeId, T)>;

fn are_unanimous<T: PartialEq>(given: &Given<T>) -> bool {
    given.windows(2).all(|pair| pair[0].1 == pair[1].1)
}

impl<D: Dial> Race<D> {
    /// Connections of the nodes that are `wanted`, in the order in which the nodes were added.
    fn lines(&self, wanted: impl Fn(bool, SourceState) -> bool) -> Vec<(NodeId, SharedLine<D>)> {
        let reports =
            lock(&self.tally).nodes.iter().map(|node| (node.id, node.is_current(), node.state)).collect::<Vec<_>>();
        let lines = lock(&self.lines);
        let wanted = reports.into_iter().filter(|(_, is_current, state)| wanted(*is_current, *state));
        wanted.filter_map(|(id, ..)| Some((id, Arc::clone(lines.get(&id)?)))).collect()
    }

    /// Connections of the nodes whose word counts.
    pub(super) fn current_lines(&self) -> Vec<(NodeId, SharedLine<D>)> {
        self.lines(|is_current, _| is_current)
    }

    pub(super) fn ready_lines(&self) -> Vec<(NodeId, SharedLine<D>)> {
        self.lines(|_, state| state == SourceState::Ready)
    }

    /// The answer that enough nodes gave and, where others gave another, more than half of all nodes: else the order in which answers
    /// come would decide.
    pub(super) fn decided<'a, T: PartialEq>(&self, given: &'a Given<T>) -> Option<&'a T> {
        let tally = lock(&self.tally);
        let is_decided = |answer: &&T| {
            let count = given.iter().filter(|(_, other)| other == *answer).count();
            count >= self.terms.quorum && (count == given.len() || tally.is_majority(count))
        };
        given.iter().map(|(_, answer)| answer).find(is_decided)
    }

    /// Asks everyone on `lines` at once. Who does not answer in time is connected to again.
    pub(super) fn ask<T, F>(lines: Vec<(NodeId, SharedLine<D>)>, question: impl Fn(SharedLine<D>) -> F) -> Answers<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SourceError>> + Send + 'static,
    {
        Self::ask_each(lines, question, SourceError::is_connection_lost)
    }

    /// The same for what a node that is well may be slow at.
    pub(super) fn ask_patiently<T, F>(
        lines: Vec<(NodeId, SharedLine<D>)>,
        question: impl Fn(SharedLine<D>) -> F,
    ) -> Answers<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SourceError>> + Send + 'static,
    {
        let is_lost = |error: &SourceError| error.is_connection_lost() && !matches!(error, SourceError::Timeout { .. });
        Self::ask_each(lines, question, is_lost)
    }

    fn ask_each<T, F>(
        lines: Vec<(NodeId, SharedLine<D>)>,
        question: impl Fn(SharedLine<D>) -> F,
        is_lost: fn(&SourceError) -> bool,
    ) -> Answers<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, SourceError>> + Send + 'static,
    {
        let asked = |(id, line): (NodeId, SharedLine<D>)| -> BoxFuture<'static, _> {
            let answer = question(Arc::clone(&line));
            Box::pin(async move {
                let answer = answer.await;
                if answer.as_ref().is_err_and(is_lost) {
                    line.broken.notify_one();
                }
                (id, answer)
            })
        };
        lines.into_iter().map(asked).collect()
    }

    pub(super) fn disagreement(&self, reason: impl Into<String>) -> SourceError {
        SourceError::NoQuorum { quorum: self.terms.quorum, reason: reason.into() }
    }

    /// The highest head that enough nodes have, whether as their head or below it. Where there is none: nothing new.
    pub(super) async fn agree_on_head(&self) -> Result<BlockContext, SourceError> {
        let heads = self.hear_heads().await;
        let mut candidates: Vec<_> = heads.iter().map(|(_, head)| *head).collect();
        candidates.sort_by_key(|head| core::cmp::Reverse(head.number.get()));
        for candidate in candidates {
            if self.has_support(&candidate, &heads).await {
                self.update(|tally| tally.agree_on(candidate));
                return Ok(candidate);
            }
        }
        // Not believed again, only not left: the safety tells that nobody confirms it any more.
        lock(&self.tally).agreed.ok_or_else(|| self.disagreement("they have no head in common"))
    }

    /// Asks everyone for the head. Who is slower than the others by more than is waited for confirmations is not waited for.
    async fn hear_heads(&self) -> Given<BlockContext> {
        let mut answers = Self::ask(self.ready_lines(), |line| async move { line.source.head().await });
        let mut heads = Given::new();
        loop {
            let is_enough = heads.len() >= self.terms.quorum;
            let next = if is_enough {
                timeout(self.terms.confirm_wait, answers.next()).await
            } else {
                Ok(answers.next().await)
            };
            let Ok(Some((id, answer))) = next else { break };
            if let Ok(head) = answer {
                self.hear(id, head).await;
                heads.push((id, head));
            }
        }
        // Whoever was caught or is stale has no say.
        let current: Vec<_> = self.current_lines().into_iter().map(|(id, _)| id).collect();
        heads.retain(|(id, _)| current.contains(id));
        heads
    }

    async fn has_support(&self, candidate: &BlockContext, heads: &Given<BlockContext>) -> bool {
        let decides = |support| lock(&self.tally).decides(support, candidate);
        let mut support = heads.iter().filter(|(_, head)| head == candidate).count();
        let number = candidate.number.get();
        let is_above = |id: &NodeId| {
            heads.iter().any(|(node, head)| node == id && head.number.get() >= number && head != candidate)
        };
        if !decides(support) {
            let lines = self.current_lines().into_iter().filter(|(id, _)| is_above(id)).collect();
            let mut answers = Self::ask(lines, |line| async move { line.source.block_by_number(number).await });
            while let Some((id, answer)) = answers.next().await {
                if matches!(answer, Ok(Some(block)) if block == *candidate) {
                    self.update(|tally| tally.vouch(id, *candidate));
                    support += 1;
                }
            }
        }
        decides(support)
    }

    /// A block as enough nodes describe it, or `None` as soon as that many do not have it.
    pub(super) async fn agree_on_block<F>(
        &self,
        is_sample: bool,
        question: impl Fn(SharedLine<D>) -> F,
    ) -> Result<Option<BlockContext>, SourceError>
    where
        F: Future<Output = Result<Option<BlockContext>, SourceError>> + Send + 'static,
    {
        'again: loop {
            let lines = self.current_lines();
            let mut answers =
                if is_sample { Self::ask_patiently(lines, &question) } else { Self::ask(lines, &question) };
            let (mut given, mut failure) = (Given::new(), None);
            while let Some((id, answer)) = answers.next().await {
                let block = match answer {
                    Ok(block) => block,
                    Err(error) => {
                        failure = Some(error);
                        continue;
                    }
                };
                if let Some(block) = block
                    && self.update(|tally| tally.vouch(id, block))
                    && self.settle_header(block.block()).await
                {
                    // Whoever lied is not asked any more, so this ends.
                    continue 'again;
                }
                given.push((id, block));
                if let Some(block) = self.decided(&given) {
                    return Ok(*block);
                }
            }
            return Err(match failure {
                Some(error) if given.is_empty() => error,
                _ => self.disagreement("on a block"),
            });
        }
    }

    /// Logs of a block: those that enough nodes give, or those that the block's hash proves.
    pub(super) async fn agree_on_logs(
        self: &Arc<Self>,
        block: BlockRef,
        contracts: Arc<[Address]>,
    ) -> Result<Vec<Log>, SourceError> {
        let asked = Arc::clone(&contracts);
        let mut answers = Self::ask(self.current_lines(), |line| {
            let contracts = Arc::clone(&asked);
            async move { line.source.logs(block, &contracts).await }
        });
        let (mut given, mut failure) = (Given::new(), None);
        while let Some((id, answer)) = answers.next().await {
            match answer.and_then(|logs| self.read_logs(id, &logs, block, &contracts)) {
                Ok(logs) => given.push((id, logs)),
                Err(error) => failure = Some(error),
            }
            if !are_unanimous(&given) {
                break;
            }
            if given.len() >= self.terms.quorum {
                let served = given[0].1.clone();
                self.compare_later(block, contracts, given, answers, served.clone());
                return Ok(served.to_answer(block));
            }
        }
        if let Some(error) = failure.filter(|_| given.is_empty()) {
            return Err(error);
        }
        self.settle_logs(block, contracts, given, answers).await
    }

    /// An answer in one form, if it is one: what is not of the block is not compared.
    pub(super) fn read_logs(
        &self,
        id: NodeId,
        logs: &[Log],
        block: BlockRef,
        contracts: &[Address],
    ) -> Result<BlockLogs, SourceError> {
        BlockLogs::from_answer(logs, block, contracts).map_err(|reason| {
            self.watch.metrics().log_mismatches.add(1);
            self.update(|tally| tally.node_mut(id).map(|node| node.contradictions += 1));
            SourceError::Contradiction(reason)
        })
    }

    /// A market that enough nodes describe in the same way. As many are asked as must agree, and others where those do not.
    pub(super) async fn agree_on_market(&self, at: BlockContext) -> Result<MarketImage, SourceError> {
        let needed = lock(&self.tally).image_votes_min();
        let mut rest = self.current_lines().into_iter();
        let read = |line: SharedLine<D>| async move { line.source.market(&at).await };
        let mut answers = Self::ask(rest.by_ref().take(needed).collect(), read);
        let (mut given, mut failure) = (Given::new(), None);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(image) => given.push((id, image)),
                Err(error) => failure = Some(error),
            }
            if given.len() >= needed
                && let Some(image) = self.decided(&given).cloned()
            {
                self.outvote_images(&given, &image, at.block());
                return Ok(image);
            }
            if answers.is_empty() {
                answers.extend(Self::ask(rest.by_ref().take(1).collect(), read));
            }
        }
        if !are_unanimous(&given) {
            self.tell_undecided(AlarmKind::ForgedImage, at.block(), &given);
            return Err(self.disagreement("they describe the market of one block differently"));
        }
        Err(failure.unwrap_or_else(|| self.disagreement("too few gave an image of the market")))
    }

    /// The hash of a block whose header or logs are in doubt, as the library wants it.
    pub(super) fn hash_of(block: BlockRef) -> B256 {
        B256::from(block.hash)
    }
}
