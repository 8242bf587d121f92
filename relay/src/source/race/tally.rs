//! Who said what: nodes, their heads, the votes for each block. No I/O; time is passed in.

use core::time::Duration;
use std::collections::VecDeque;

use alphapulse_protocol::HashBytes;
use alphapulse_protocol::message::BlockContext;
use tokio::time::Instant;

use super::RaceTerms;
use super::watch::{Safety, SourceReport, SourceState, UnsafeCause};

/// Blocks whose votes are remembered; the oldest is forgotten first.
const CANDIDATES_MAX: usize = 256;
/// Blocks agreed on and not yet taken; when more come the oldest is dropped, and ancestry finds it.
const AGREED_QUEUED: usize = 256;

/// Blocks remembered so that one disagreement is told once.
const UNPROVEN_KEPT: usize = 64;

/// Waits after which a disagreement is told although a node that is behind might be the reason.
const EXPLAINED_WAITS: u32 = 4;

/// A node for as long as it is in the race. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) u64);

/// One node's part in the race.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) name: String,
    pub(super) state: SourceState,
    /// Its latest word, which may be lower than an earlier one.
    pub(super) head: Option<BlockContext>,
    /// Since when it is behind others, or on a block that nobody confirms.
    behind_since: Option<Instant>,
    apart_since: Option<Instant>,
    is_stale: bool,
    is_apart: bool,
    /// Hash of its first block, where it has it.
    pub(super) genesis: Option<HashBytes>,
    /// Why there is no connection to it, once one was tried.
    pub(super) failure: Option<String>,
    wins: u64,
    confirmations: u64,
    pub(super) contradictions: u64,
    pub(super) connects: u64,
}

impl Node {
    pub(super) fn is_current(&self) -> bool {
        self.state == SourceState::Ready && !self.is_stale && !self.is_apart
    }

    fn report(&self) -> SourceReport {
        SourceReport {
            name: self.name.clone(),
            state: self.state,
            is_current: self.is_current(),
            head: self.head.map(|head| head.number.get()),
            wins: self.wins,
            confirmations: self.confirmations,
            contradictions: self.contradictions,
            reconnects: self.connects.saturating_sub(1),
        }
    }
}

/// A block as told, down to its content, and who told of it.
#[derive(Debug)]
struct Candidate {
    context: BlockContext,
    /// In the order in which they came.
    voters: Vec<NodeId>,
    /// Whether a node told of it as its head, rather than when asked for an older block.
    is_head: bool,
    is_agreed: bool,
    is_queued: bool,
}

/// A node that has been odd for too long; the nodes themselves are asked before it is accused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspect {
    /// Behind another node.
    Behind { node: NodeId, other: NodeId },
    /// On a block that the others, who agree, do not confirm.
    Apart(NodeId),
    /// No block has enough nodes on it.
    Split,
}

/// The books of the race.
#[derive(Debug)]
pub(super) struct Tally {
    terms: RaceTerms,
    pub(super) nodes: Vec<Node>,
    next_id: u64,
    candidates: VecDeque<Candidate>,
    agreed_queue: VecDeque<BlockContext>,
    /// Newest block that enough nodes agreed on.
    pub(super) agreed: Option<BlockContext>,
    /// Since when too few nodes stand on agreed blocks.
    unconfirmed_since: Option<Instant>,
    /// Whether the present disagreement was told.
    pub(super) is_split_told: bool,
    /// Blocks of which it was told that nobody could prove anything.
    unproven_told: VecDeque<HashBytes>,
    /// Whether the last request for logs or an image found too few nodes that agree.
    pub(super) is_unanswered: bool,
    /// Whether something relayed was proven wrong and no snapshot was taken since.
    pub(super) is_refuted: bool,
}

impl Tally {
    pub(super) fn new(terms: RaceTerms) -> Self {
        Self {
            terms,
            nodes: Vec::new(),
            next_id: 0,
            candidates: VecDeque::new(),
            agreed_queue: VecDeque::new(),
            agreed: None,
            unconfirmed_since: None,
            is_split_told: false,
            unproven_told: VecDeque::new(),
            is_unanswered: false,
            is_refuted: false,
        }
    }

    /// Adds a node under a name of its own.
    pub(super) fn add(&mut self, name: String) -> NodeId {
        let id = NodeId(self.next_id);
        self.next_id += 1;
        let is_taken = |name: &str| self.nodes.iter().any(|node| node.name == name);
        let numbered = (2..).map(|number| format!("{name}#{number}"));
        let name = core::iter::once(name.clone()).chain(numbered).find(|name| !is_taken(name));
        self.nodes.push(Node {
            id,
            name: name.expect("numbers do not run out"),
            state: SourceState::Starting,
            head: None,
            behind_since: None,
            apart_since: None,
            is_stale: false,
            is_apart: false,
            genesis: None,
            failure: None,
            wins: 0,
            confirmations: 0,
            contradictions: 0,
            connects: 0,
        });
        id
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.iter_mut().find(|node| node.id == id)
    }

    pub(super) fn name(&self, id: NodeId) -> String {
        self.node(id).map_or_else(|| format!("node {}", id.0), |node| node.name.clone())
    }

    /// Takes a node out of the books; what it voted for is counted without it.
    pub(super) fn remove(&mut self, id: NodeId) -> Option<SourceReport> {
        let at = self.nodes.iter().position(|node| node.id == id)?;
        let node = self.nodes.remove(at);
        Some(SourceReport { state: SourceState::Stopped, is_current: false, ..node.report() })
    }

    /// Moves a node on in its life. Nothing but removal leads out of quarantine or from a chain that is not ours.
    pub(super) fn set_state(&mut self, id: NodeId, state: SourceState) {
        if let Some(node) = self.node_mut(id)
            && (!matches!(node.state, SourceState::Quarantined | SourceState::Stopped)
                || state == SourceState::Draining)
        {
            node.state = state;
            if state != SourceState::Ready {
                (node.behind_since, node.apart_since) = (None, None);
            }
        }
        self.count();
    }

    pub(super) fn current_count(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_current()).count()
    }

    fn is_current(&self, id: NodeId) -> bool {
        self.node(id).is_some_and(Node::is_current)
    }

    /// Takes a head that a node told of. Tells whether another content of the same block is known.
    pub(super) fn hear(&mut self, id: NodeId, head: BlockContext) -> bool {
        let Some(node) = self.node_mut(id).filter(|node| node.state == SourceState::Ready) else { return false };
        node.head = Some(head);
        self.vote(id, head, true)
    }

    /// Takes an older block that a node vouches for. Tells whether another content of the same block is known.
    pub(super) fn vouch(&mut self, id: NodeId, context: BlockContext) -> bool {
        self.vote(id, context, false)
    }

    fn vote(&mut self, id: NodeId, context: BlockContext, is_head: bool) -> bool {
        if !self.node(id).is_some_and(|node| node.state == SourceState::Ready) {
            return false;
        }
        let is_disputed =
            self.candidates.iter().any(|known| known.context.hash == context.hash && known.context != context);
        let at = self.candidates.iter().rposition(|known| known.context == context).unwrap_or_else(|| {
            if self.candidates.len() == CANDIDATES_MAX {
                self.candidates.pop_front();
            }
            self.candidates.push_back(Candidate {
                context,
                voters: Vec::new(),
                is_head,
                is_agreed: false,
                is_queued: false,
            });
            self.candidates.len() - 1
        });
        let candidate = &mut self.candidates[at];
        candidate.is_head |= is_head;
        if !candidate.voters.contains(&id) {
            candidate.voters.push(id);
            if candidate.is_agreed
                && let Some(node) = self.node_mut(id)
            {
                node.confirmations += 1;
            }
        }
        self.count();
        is_disputed
    }

    /// Hands over what has enough votes now.
    fn count(&mut self) {
        for at in 0..self.candidates.len() {
            let candidate = &self.candidates[at];
            if !candidate.is_agreed {
                let votes = candidate.voters.iter().filter(|id| self.is_current(**id)).count();
                if votes < self.terms.quorum {
                    continue;
                }
                self.credit(at);
            }
            let candidate = &mut self.candidates[at];
            candidate.is_agreed = true;
            if candidate.is_head && !core::mem::replace(&mut candidate.is_queued, true) {
                let context = candidate.context;
                self.hand_over(context);
            }
        }
    }

    /// Notes who was first and who confirmed.
    fn credit(&mut self, at: usize) {
        for (place, id) in self.candidates[at].voters.clone().into_iter().enumerate() {
            let Some(node) = self.node_mut(id) else { continue };
            let count = if place == 0 { &mut node.wins } else { &mut node.confirmations };
            *count += 1;
        }
    }

    fn hand_over(&mut self, context: BlockContext) {
        if self.agreed_queue.len() == AGREED_QUEUED {
            self.agreed_queue.pop_front();
        }
        self.agreed_queue.push_back(context);
        if self.agreed.is_none_or(|agreed| agreed.number.get() <= context.number.get()) {
            self.agreed = Some(context);
        }
    }

    pub(super) fn take_agreed(&mut self) -> Option<BlockContext> {
        self.agreed_queue.pop_front()
    }

    /// Takes a head that the nodes were asked for and agree on: their word of now, also where it is lower than before.
    pub(super) fn agree_on(&mut self, head: BlockContext) {
        self.agreed = Some(head);
        if let Some(known) = self.candidates.iter_mut().find(|known| known.context == head) {
            known.is_agreed = true;
        }
    }

    /// Who gave another content of this block than the true one.
    pub(super) fn contradicting(&self, truth: &BlockContext) -> Vec<NodeId> {
        let others = self.candidates.iter().filter(|known| known.context.hash == truth.hash && known.context != *truth);
        let mut ids: Vec<_> = others.flat_map(|known| known.voters.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Forgets what was said of a block that is not so. Tells whether it was handed over.
    pub(super) fn forget_forgeries(&mut self, truth: &BlockContext) -> bool {
        let is_forged = |known: &Candidate| known.context.hash == truth.hash && known.context != *truth;
        let was_agreed = self.candidates.iter().any(|known| is_forged(known) && known.is_agreed);
        self.candidates.retain(|known| !is_forged(known));
        self.agreed_queue.retain(|known| known.hash != truth.hash || known == truth);
        if let Some(agreed) = self.agreed.as_mut().filter(|agreed| agreed.hash == truth.hash) {
            *agreed = *truth;
        }
        was_agreed
    }

    /// Whether a disagreement about this block that nobody could settle is told for the first time.
    pub(super) fn tell_unproven(&mut self, hash: HashBytes) -> bool {
        if self.unproven_told.contains(&hash) {
            return false;
        }
        if self.unproven_told.len() == UNPROVEN_KEPT {
            self.unproven_told.pop_front();
        }
        self.unproven_told.push_back(hash);
        true
    }

    fn is_agreed_block(&self, hash: &HashBytes) -> bool {
        self.agreed.is_some_and(|agreed| agreed.hash == *hash)
            || self.candidates.iter().any(|known| known.is_agreed && known.context.hash == *hash)
    }

    fn standing_count(&self) -> usize {
        let stands = |node: &&Node| node.head.is_some_and(|head| self.is_agreed_block(&head.hash));
        self.nodes.iter().filter(|node| node.is_current()).filter(stands).count()
    }

    /// What may be said of the source now.
    pub(super) fn safety(&mut self, now: Instant) -> Safety {
        let (nodes, quorum) = (self.current_count(), self.terms.quorum);
        if self.standing_count() >= quorum {
            self.unconfirmed_since = None;
            self.is_split_told = false;
        } else {
            self.unconfirmed_since.get_or_insert(now);
        }
        let is_unconfirmed = self.agreed.is_none() || has_lasted(self.unconfirmed_since, now, self.terms.confirm_wait);
        Safety::of(if self.is_refuted {
            Some(UnsafeCause::Refuted)
        } else if nodes < quorum {
            Some(UnsafeCause::BelowQuorum { nodes, quorum })
        } else if is_unconfirmed || self.is_unanswered {
            Some(UnsafeCause::Unconfirmed)
        } else {
            None
        })
    }

    pub(super) fn reports(&self) -> Vec<SourceReport> {
        self.nodes.iter().map(Node::report).collect()
    }

    /// Nodes that have been odd for longer than is waited. Who has caught up counts again.
    pub(super) fn suspects(&mut self, now: Instant) -> Vec<Suspect> {
        let wait = self.terms.confirm_wait;
        let is_standing = self.standing_count() >= self.terms.quorum;
        let heads: Vec<_> = self.ready_heads().collect();
        let mut suspects = Vec::new();
        for (id, head) in &heads {
            let ahead = heads.iter().filter(|(_, other)| self.is_behind(head, other));
            let ahead = ahead.max_by_key(|(_, other)| other.number.get()).map(|(id, _)| *id);
            let is_known = self.is_agreed_block(&head.hash) || self.is_shared(*id, head);
            let Some(node) = self.node_mut(*id) else { continue };
            node.behind_since = ahead.map(|_| node.behind_since.unwrap_or(now));
            node.apart_since = (!is_known && is_standing).then(|| node.apart_since.unwrap_or(now));
            node.is_stale &= ahead.is_some();
            node.is_apart &= !is_known;
            match ahead {
                Some(other) if !node.is_stale && has_lasted(node.behind_since, now, wait) => {
                    suspects.push(Suspect::Behind { node: *id, other });
                }
                _ if !node.is_apart && has_lasted(node.apart_since, now, wait) => suspects.push(Suspect::Apart(*id)),
                _ => {}
            }
        }
        // A node that is behind explains it, and is about to be named.
        let is_explained = self.nodes.iter().any(|node| node.behind_since.is_some());
        let patience = if is_explained { wait * EXPLAINED_WAITS } else { wait };
        if has_lasted(self.unconfirmed_since, now, patience) && self.current_count() >= self.terms.quorum {
            suspects.push(Suspect::Split);
        }
        self.count();
        suspects
    }

    /// Whether another node has this very block.
    fn is_shared(&self, id: NodeId, head: &BlockContext) -> bool {
        let is_other =
            |voter: &NodeId| *voter != id && self.node(*voter).is_some_and(|node| node.state == SourceState::Ready);
        self.candidates.iter().any(|known| known.context == *head && known.voters.iter().any(is_other))
    }

    /// Nodes whose chain began otherwise than that of enough others, more than half of all.
    pub(super) fn strangers(&self) -> Vec<NodeId> {
        let has = |node: &&Node, genesis| node.state == SourceState::Ready && node.genesis == Some(genesis);
        let known = self.nodes.iter().filter_map(|node| node.genesis);
        let is_ours = |genesis: &HashBytes| {
            let count = self.nodes.iter().filter(|node| has(node, *genesis)).count();
            count >= self.terms.quorum && count * 2 > self.nodes.len()
        };
        let Some(ours) = known.into_iter().find(is_ours) else { return Vec::new() };
        let strangers = self.nodes.iter().filter(|node| node.genesis.is_some_and(|genesis| genesis != ours));
        strangers.filter(|node| node.state == SourceState::Ready).map(|node| node.id).collect()
    }

    fn ready_heads(&self) -> impl Iterator<Item = (NodeId, BlockContext)> {
        let ready = self.nodes.iter().filter(|node| node.state == SourceState::Ready);
        ready.filter_map(|node| Some((node.id, node.head?)))
    }

    /// Whether a node at `head` is too far behind one at `other`.
    pub(super) fn is_behind(&self, head: &BlockContext, other: &BlockContext) -> bool {
        head.number.get().saturating_add(self.terms.stale_blocks) < other.number.get()
    }

    /// Counts a node's word no more until it is seen to have caught up. Tells whether that is new.
    pub(super) fn mark_stale(&mut self, id: NodeId) -> bool {
        let is_new = self.node_mut(id).is_some_and(|node| !core::mem::replace(&mut node.is_stale, true));
        self.count();
        is_new
    }

    /// Counts a node's word no more until it is seen on a block that others confirm. Tells whether that is new.
    pub(super) fn mark_apart(&mut self, id: NodeId) -> bool {
        let is_new = self.node_mut(id).is_some_and(|node| !core::mem::replace(&mut node.is_apart, true));
        self.count();
        is_new
    }
}

fn has_lasted(since: Option<Instant>, now: Instant, wait: Duration) -> bool {
    since.is_some_and(|since| now.saturating_duration_since(since) >= wait)
}
