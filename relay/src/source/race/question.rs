//! Accusations: nothing is said of a node before the block, or the nodes themselves, were asked.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;
use futures_util::stream::StreamExt;
use tokio::time::timeout;

use super::super::{BlockProof, ChainSource, Dial, MarketImage};
use super::ask::{Answers, Given};
use super::proof::{BlockLogs, Proven, proven_context, receipts_root};
use super::standing::Suspect;
use super::tally::NodeId;
use super::watch::{Alarm, AlarmKind, Evidence, SourceState, lock};
use super::{Race, SharedLine};
use crate::error::SourceError;

impl<D: Dial> Race<D> {
    /// Names a node, and quarantines it where what it gave is known to be false.
    fn accuse(&self, id: NodeId, is_condemned: bool, alarm: Alarm) {
        let is_new = self.update(|tally| {
            let Some(node) = tally.node_mut(id) else { return false };
            node.contradictions += 1;
            let was_quarantined = node.state == SourceState::Quarantined;
            if is_condemned {
                tally.set_state(id, SourceState::Quarantined);
            }
            // One lie is enough; what it said at the same time adds nothing.
            !was_quarantined
        });
        if is_new {
            self.watch.raise(alarm);
        }
    }

    /// Says that nodes differ, and that nothing tells which of them is wrong.
    pub(super) fn tell_undecided<T>(&self, kind: AlarmKind, block: BlockRef, given: &Given<T>) {
        let names = self.update(|tally| {
            let is_new = tally.tell_unproven(block.hash);
            is_new.then(|| given.iter().map(|(id, _)| tally.name(*id)).collect::<Vec<_>>())
        });
        if let Some(names) = names {
            let detail =
                format!("{} contradict each other, and nothing proves which of them is right", names.join(" and "));
            self.watch.raise(Alarm::new(None, kind, Some(block), detail));
        }
    }

    /// Something that was relayed is not so: nothing may be traded on until a snapshot replaced it.
    fn refute(&self) {
        self.is_mended.store(false, core::sync::atomic::Ordering::Relaxed);
        self.update(|tally| tally.is_refuted = true);
        self.watch.resync();
    }

    /// Something that was relayed may not be so, and nobody can tell: as [`Self::refute`], and the snapshot needs more nodes.
    fn doubt(&self) {
        self.is_mended.store(false, core::sync::atomic::Ordering::Relaxed);
        self.update(|tally| tally.is_undecided = true);
        self.watch.resync();
    }

    /// What everyone can prove of a block. Who is asked last is waited for a little, because its proof may be the evidence.
    async fn proofs(&self, hash: B256, is_enough: impl Fn(&BlockProof) -> bool) -> BTreeMap<NodeId, BlockProof> {
        let mut answers = Self::ask(self.ready_lines(), |line| async move { line.source.proof(hash).await });
        let mut proofs = BTreeMap::new();
        let mut has_enough = false;
        loop {
            let next = if has_enough {
                timeout(self.terms.confirm_wait, answers.next()).await
            } else {
                Ok(answers.next().await)
            };
            let Ok(Some((id, answer))) = next else { break };
            if let Ok(Some(proof)) = answer {
                has_enough |= is_enough(&proof);
                proofs.insert(id, proof);
            }
        }
        self.watch.metrics().proofs.add(u64::from(has_enough));
        proofs
    }

    /// Settles which content of a block is that of its hash. Tells whether somebody was caught.
    pub(super) async fn settle_header(&self, block: BlockRef) -> bool {
        let hash = Self::hash_of(block);
        let proofs = self.proofs(hash, |proof| proven_context(proof, hash).is_some()).await;
        let proven = proofs.values().find_map(|proof| Some((proof, proven_context(proof, hash)?)));
        let Some((proof, truth)) = proven else {
            self.tell_undecided(AlarmKind::ForgedHeader, block, &Given::<()>::new());
            return false;
        };
        let (liars, was_relayed) =
            self.update(|tally| (tally.votes.contradicting(&truth), tally.forget_forgeries(&truth)));
        for id in &liars {
            let detail = format!("its header of block {} is not the one that hashes to {hash}", truth.number);
            let mut alarm = Alarm::new(Some(self.name_of(*id)), AlarmKind::ForgedHeader, Some(block), detail);
            let receipts_root_got = proofs.get(id).map(receipts_root);
            let receipts_root_expected = proof.header.receipts_root;
            alarm.evidence = Some(Evidence { header_hash: hash, receipts_root_expected, receipts_root_got });
            self.accuse(*id, true, alarm);
        }
        if was_relayed {
            self.refute();
        }
        !liars.is_empty()
    }

    fn name_of(&self, id: NodeId) -> String {
        lock(&self.tally).name(id)
    }

    /// Settles which logs a block has, and goes on with those.
    pub(super) async fn settle_logs(
        self: &Arc<Self>,
        block: BlockRef,
        contracts: Arc<[Address]>,
        mut given: Given<BlockLogs>,
        mut answers: Answers<Vec<Log>>,
    ) -> Result<Vec<Log>, SourceError> {
        if let Some(truth) = self.judge_logs(block, &contracts, &given).await {
            self.compare_later(block, contracts, given, answers, truth.clone());
            return Ok(truth.to_answer(block));
        }
        while let Some((id, answer)) = answers.next().await {
            if let Ok(logs) = answer.and_then(|logs| self.read_logs(id, &logs, block, &contracts)) {
                given.push((id, logs));
            }
        }
        let Some(logs) = self.decided(&given).cloned() else {
            if given.len() > 1 {
                self.tell_undecided(AlarmKind::ForgedLog, block, &given);
            }
            return Err(self.disagreement(format!("on the logs of block {}", block.number)));
        };
        self.outvote_logs(&given, &logs, block);
        Ok(logs.to_answer(block))
    }

    /// The block's logs as its hash proves them. Who gave others is named.
    async fn judge_logs(&self, block: BlockRef, contracts: &[Address], given: &Given<BlockLogs>) -> Option<BlockLogs> {
        let hash = Self::hash_of(block);
        let is_proven = |proof: &BlockProof| Proven::check(proof.clone(), hash).is_some();
        let proofs = self.proofs(hash, is_proven).await;
        let proven = proofs.values().find_map(|proof| Proven::check(proof.clone(), hash))?;
        let truth = proven.logs(contracts);
        for (id, logs) in given {
            let Some((kind, detail)) = logs.fault(&truth) else { continue };
            let mut alarm = Alarm::new(Some(self.name_of(*id)), kind, Some(block), detail);
            alarm.evidence = Some(Evidence {
                header_hash: hash,
                receipts_root_expected: proven.receipts_root(),
                receipts_root_got: proofs.get(id).map(receipts_root),
            });
            self.accuse(*id, true, alarm);
        }
        Some(truth)
    }

    /// Names who differs from enough others where nothing can be proven. It is not quarantined: they might be wrong.
    fn outvote_logs(&self, given: &Given<BlockLogs>, logs: &BlockLogs, block: BlockRef) {
        for (id, other) in given {
            if let Some((kind, detail)) = other.fault(logs) {
                let detail = format!("outvoted, not proven: {detail}");
                self.accuse(*id, false, Alarm::new(Some(self.name_of(*id)), kind, Some(block), detail));
            }
        }
    }

    /// Names who described the market otherwise than enough others did. An image has no proof, but at one block there is only
    /// one: where the others are most of all nodes, the one is quarantined.
    pub(super) fn outvote_images(&self, given: &Given<MarketImage>, image: &MarketImage, block: BlockRef) {
        let votes = given.iter().filter(|(_, other)| other == image).count();
        let liars = given.iter().filter(|(_, other)| other != image).map(|(id, _)| *id);
        let is_condemned = lock(&self.tally).is_majority(votes);
        self.outvote_describers(liars, is_condemned, "market", block);
    }

    /// Names those whose image of something differs from the one that got `votes`.
    pub(super) fn outvote_describers(
        &self,
        liars: impl Iterator<Item = NodeId>,
        is_condemned: bool,
        what: &str,
        block: BlockRef,
    ) {
        for id in liars {
            let detail = format!("outvoted, not proven: its image of the {what} differs from that of others");
            let alarm = Alarm::new(Some(self.name_of(id)), AlarmKind::ForgedImage, Some(block), detail);
            self.accuse(id, is_condemned, alarm);
        }
    }

    /// Compares what comes late with what was used.
    pub(super) fn compare_later(
        self: &Arc<Self>,
        block: BlockRef,
        contracts: Arc<[Address]>,
        mut given: Given<BlockLogs>,
        mut answers: Answers<Vec<Log>>,
        served: BlockLogs,
    ) {
        if answers.is_empty() {
            return;
        }
        let Ok(permit) = Arc::clone(&self.comparisons).try_acquire_owned() else {
            self.watch.metrics().comparisons_skipped.add(1);
            return;
        };
        let race = Arc::clone(self);
        self.spawn(async move {
            while let Some((id, answer)) = answers.next().await {
                if let Ok(logs) = answer.and_then(|logs| race.read_logs(id, &logs, block, &contracts)) {
                    given.push((id, logs));
                }
            }
            if given.iter().any(|(_, logs)| *logs != served) {
                race.review(block, &contracts, &given, &served).await;
            }
            drop(permit);
        });
    }

    /// Looks again at logs that were used and then contradicted.
    async fn review(&self, block: BlockRef, contracts: &[Address], given: &Given<BlockLogs>, served: &BlockLogs) {
        match self.judge_logs(block, contracts, given).await {
            Some(truth) if truth == *served => {}
            Some(_) => self.refute(),
            None if self.decided(given) == Some(served) => self.outvote_logs(given, served, block),
            None => {
                self.tell_undecided(AlarmKind::ForgedLog, block, given);
                self.doubt();
            }
        }
    }

    /// Asks about a node that has been odd for too long, and names it if it is.
    pub(super) async fn question(&self, suspect: Suspect) {
        match suspect {
            Suspect::Behind { node, other } => self.question_behind(node, other).await,
            Suspect::Apart(node) => self.question_apart(node).await,
            Suspect::Split => self.question_split().await,
        }
    }

    fn ready_line(&self, id: NodeId) -> Option<SharedLine<D>> {
        self.ready_lines().into_iter().find(|(node, _)| *node == id).map(|(_, line)| line)
    }

    /// The head of a node as it says now.
    async fn fresh_head(&self, id: NodeId, line: &SharedLine<D>) -> Option<BlockContext> {
        let head = line.source.head().await.ok()?;
        self.hear(id, head).await;
        Some(head)
    }

    /// A node is stale if, asked, it still is, and the other shows the blocks that follow its head.
    async fn question_behind(&self, node: NodeId, other: NodeId) {
        let (Some(line), Some(other_line)) = (self.ready_line(node), self.ready_line(other)) else { return };
        let (Some(head), Some(ahead)) = (self.fresh_head(node, &line).await, self.fresh_head(other, &other_line).await)
        else {
            return;
        };
        if !lock(&self.tally).is_behind(&head, &ahead) {
            return;
        }
        if !self.has_followers(&head, &other_line).await {
            return self.question_invention(other, &other_line, &ahead).await;
        }
        // It may have moved while the other was asked.
        let is_still = self.fresh_head(node, &line).await.is_some_and(|now| now.hash == head.hash);
        if is_still && self.update(|tally| tally.mark_stale(node)) {
            let detail = format!("it stays at block {} while others are at {}", head.number, ahead.number);
            self.watch.raise(Alarm::new(Some(self.name_of(node)), AlarmKind::StaleHead, Some(head.block()), detail));
        }
    }

    /// Whether a node has more blocks upon `head`, each the child of the one before, than a stale node may miss.
    async fn has_followers(&self, head: &BlockContext, line: &SharedLine<D>) -> bool {
        let mut parent = *head;
        for _ in 0..=self.terms.stale_blocks {
            let Some(number) = parent.number.get().checked_add(1) else { return false };
            match line.source.block_by_number(number).await {
                Ok(Some(block)) if block.parent_hash == parent.hash && block.number.get() == number => parent = block,
                _ => return false,
            }
        }
        true
    }

    /// A node that is ahead of all others, and cannot even show the block that it is at, made it up.
    async fn question_invention(&self, node: NodeId, line: &SharedLine<D>, head: &BlockContext) {
        let shown = line.source.block_by_hash(B256::from(head.hash)).await;
        let is_still = self.fresh_head(node, line).await.is_some_and(|now| now.hash == head.hash);
        if is_still && matches!(shown, Ok(None)) {
            self.mark_apart(node, head, "it is at a block that it cannot show");
        }
    }

    fn mark_apart(&self, node: NodeId, head: &BlockContext, what: &str) {
        if self.update(|tally| tally.mark_apart(node)) {
            let detail = format!("{what}: number {}", head.number);
            self.watch.raise(Alarm::new(Some(self.name_of(node)), AlarmKind::ForkedHead, Some(head.block()), detail));
        }
    }

    /// A node is on a branch of its own if enough others have another block at its height, before and after it is asked.
    async fn question_apart(&self, node: NodeId) {
        let Some(line) = self.ready_line(node) else { return };
        let Some(head) = self.fresh_head(node, &line).await else { return };
        let number = head.number.get();
        let theirs = self.agree_on_block(false, |line| async move { line.source.block_by_number(number).await }).await;
        let Ok(theirs) = theirs else { return };
        let is_still = self.fresh_head(node, &line).await.is_some_and(|now| now.hash == head.hash);
        match theirs {
            Some(block) if is_still && block.hash != head.hash => {
                self.mark_apart(node, &head, "the others have another block at the height of its head");
            }
            None if is_still => self.question_invention(node, &line, &head).await,
            _ => {}
        }
    }

    /// Tells once that the nodes do not agree, unless they do when asked.
    async fn question_split(&self) {
        // What they agree on is handed over by this, and the wait begins anew.
        let _ = self.agree_on_head().await;
        let heads = self.update(|tally| {
            let is_over =
                tally.standing(tokio::time::Instant::now()).safety.is_safe || tally.current_count() < self.terms.quorum;
            if is_over || core::mem::replace(&mut tally.is_split_told, true) {
                return None;
            }
            let heads = tally.nodes.iter().filter(|node| node.state == SourceState::Ready);
            let mut said = String::new();
            for node in heads {
                let head = node.head.map_or_else(
                    || "no block".to_owned(),
                    |head| format!("block {} {}", head.number, B256::from(head.hash)),
                );
                write!(said, "; {}: {head}", node.name).expect("a string takes all text");
            }
            Some(said)
        });
        if let Some(heads) = heads {
            let detail = format!("the nodes do not agree, and nothing proves which of them is right{heads}");
            self.watch.raise(Alarm::new(None, AlarmKind::ForkedHead, None, detail));
        }
    }
}
