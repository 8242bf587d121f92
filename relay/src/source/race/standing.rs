//! What follows from the votes: what may be believed now, and who is odd.

use core::time::Duration;

use alphapulse_protocol::HashBytes;
use alphapulse_protocol::message::BlockContext;
use tokio::time::Instant;

use super::tally::{Node, NodeId, Tally};
use super::watch::{Safety, SourceState, Standing, UnsafeCause};

/// Waits after which a disagreement is told although a node that is behind might be the reason.
const EXPLAINED_WAITS: u32 = 4;

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

impl Tally {
    /// Whether so many votes for a block decide: enough of them and, where a node whose word counts is on another branch, those of
    /// more than half of all nodes. Otherwise whoever spoke first would be right.
    pub(super) fn decides(&self, votes: usize, block: &BlockContext) -> bool {
        let is_contested = || self.current_heads().any(|(_, head)| self.votes.do_conflict(&head, block));
        votes >= self.terms.quorum && (self.is_majority(votes) || !is_contested())
    }

    /// Whether so many are more than half of all nodes.
    pub(super) fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.nodes.len()
    }

    fn is_agreed_block(&self, hash: &HashBytes) -> bool {
        self.agreed.is_some_and(|agreed| agreed.hash == *hash) || self.votes.is_agreed(hash)
    }

    fn current_heads(&self) -> impl Iterator<Item = (NodeId, BlockContext)> {
        let current = self.nodes.iter().filter(|node| node.is_current());
        current.filter_map(|node| Some((node.id, node.head?)))
    }

    /// The block on which the nodes stand: the highest head that was agreed on, and of those at one height the one that more nodes
    /// have. `None` unless enough nodes stand on such blocks, and those on its branch decide.
    fn stand(&self) -> Option<BlockContext> {
        let standing: Vec<_> =
            self.current_heads().map(|(_, head)| head).filter(|head| self.is_agreed_block(&head.hash)).collect();
        let place = |head: &&BlockContext| (head.number.get(), standing.iter().filter(|other| other == head).count());
        let top = *standing.iter().max_by_key(place)?;
        let count = standing.iter().filter(|head| !self.votes.do_conflict(head, &top)).count();
        self.decides(count, &top).then_some(top)
    }

    /// What may be said of the source now.
    pub(super) fn standing(&mut self, now: Instant) -> Standing {
        let (nodes, quorum) = (self.current_count(), self.terms.quorum);
        let top = self.stand();
        if top.is_some() {
            self.unconfirmed_since = None;
            self.is_split_told = false;
        } else {
            self.unconfirmed_since.get_or_insert(now);
        }
        let is_unconfirmed = self.agreed.is_none() || has_lasted(self.unconfirmed_since, now, self.terms.confirm_wait);
        let safety = Safety::of(if self.is_refuted {
            Some(UnsafeCause::Refuted)
        } else if nodes < quorum {
            Some(UnsafeCause::BelowQuorum { nodes, quorum })
        } else if is_unconfirmed || self.is_unanswered || self.is_undecided {
            Some(UnsafeCause::Unconfirmed)
        } else {
            None
        });
        Standing { safety, head: top.map(|top| top.block()) }
    }

    /// Nodes that have been odd for longer than is waited. Who has caught up counts again.
    pub(super) fn suspects(&mut self, now: Instant) -> Vec<Suspect> {
        let wait = self.terms.confirm_wait;
        let is_standing = self.stand().is_some();
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
        self.votes.voters(head).iter().any(is_other)
    }

    /// Nodes whose chain began otherwise than that of enough others, more than half of all.
    pub(super) fn strangers(&self) -> Vec<NodeId> {
        let has = |node: &&Node, genesis| node.state == SourceState::Ready && node.genesis == Some(genesis);
        let known = self.nodes.iter().filter_map(|node| node.genesis);
        let is_ours = |genesis: &HashBytes| {
            let count = self.nodes.iter().filter(|node| has(node, *genesis)).count();
            count >= self.terms.quorum && self.is_majority(count)
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
