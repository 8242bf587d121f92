//! Who said what: nodes, their heads, what they agree on. No I/O; time is passed in.

use std::collections::VecDeque;

use alphapulse_protocol::HashBytes;
use alphapulse_protocol::message::BlockContext;
use tokio::time::Instant;

use super::RaceTerms;
use super::votes::Votes;
use super::watch::{SourceReport, SourceState};
use super::word::{Word, WordTold};

/// Blocks agreed on and not yet taken; when more come the oldest is dropped, and ancestry finds it.
const AGREED_QUEUED: usize = 256;

/// Blocks remembered so that one disagreement is told once.
const UNPROVEN_KEPT: usize = 64;

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
    pub(super) behind_since: Option<Instant>,
    pub(super) apart_since: Option<Instant>,
    pub(super) is_stale: bool,
    pub(super) is_apart: bool,
    /// Hash of its first block, where it has it.
    pub(super) genesis: Option<HashBytes>,
    /// Why there is no connection to it, once one was tried.
    pub(super) failure: Option<String>,
    wins: u64,
    confirmations: u64,
    pub(super) contradictions: u64,
    pub(super) connects: u64,
    pub(super) word: WordTold,
}

impl Node {
    pub(super) fn is_current(&self) -> bool {
        self.state == SourceState::Ready && !self.is_stale && !self.is_apart
    }

    fn word_now(&self) -> Word {
        Word::CountsNot(match self.state {
            SourceState::Ready if self.is_stale => "it is behind the others",
            SourceState::Ready if self.is_apart => "it is on a branch of its own",
            SourceState::Ready => return Word::Counts,
            SourceState::Starting => "the race is not connected to it",
            SourceState::Draining => "it is being taken away",
            SourceState::Stopped => "it is of another chain",
            SourceState::Quarantined => "it was caught lying",
        })
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

/// The books of the race.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) terms: RaceTerms,
    pub(super) nodes: Vec<Node>,
    next_id: u64,
    pub(super) votes: Votes,
    agreed_queue: VecDeque<BlockContext>,
    /// Newest block that enough nodes agreed on.
    pub(super) agreed: Option<BlockContext>,
    /// Since when too few nodes stand on agreed blocks.
    pub(super) unconfirmed_since: Option<Instant>,
    /// Whether the present disagreement was told.
    pub(super) is_split_told: bool,
    /// Blocks of which it was told that nobody could prove anything.
    unproven_told: VecDeque<HashBytes>,
    /// Whether the last request for logs or an image found too few nodes that agree.
    pub(super) is_unanswered: bool,
    /// Whether something relayed was proven wrong and no snapshot was taken since.
    pub(super) is_refuted: bool,
    /// Whether something relayed was contradicted, and neither proof nor majority tells who is right. Then an image must have more
    /// than half of all nodes before it replaces what was relayed.
    pub(super) is_undecided: bool,
}

impl Tally {
    pub(super) fn new(terms: RaceTerms) -> Self {
        Self {
            terms,
            nodes: Vec::new(),
            next_id: 0,
            votes: Votes::default(),
            agreed_queue: VecDeque::new(),
            agreed: None,
            unconfirmed_since: None,
            is_split_told: false,
            unproven_told: VecDeque::new(),
            is_unanswered: false,
            is_refuted: false,
            is_undecided: false,
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
            word: WordTold::new(Word::CountsNot("the race is not connected to it")),
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
        let mut node = self.nodes.remove(at);
        node.word.tell(Word::Gone);
        self.votes.forget(id);
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
        let cast = self.votes.cast(id, context, is_head);
        if cast.is_confirmation
            && let Some(node) = self.node_mut(id)
        {
            node.confirmations += 1;
        }
        self.count();
        cast.is_disputed
    }

    /// Hands over what has enough votes now.
    pub(super) fn count(&mut self) {
        let decided = |(context, voters): &(&BlockContext, &[NodeId])| {
            let votes = voters.iter().filter(|id| self.is_current(**id)).count();
            self.decides(votes, context)
        };
        let decided = self.votes.open().filter(decided).map(|(context, voters)| (*context, voters.to_vec()));
        for (context, voters) in decided.collect::<Vec<_>>() {
            self.votes.agree(&context);
            self.credit(&voters);
        }
        for context in self.votes.take_agreed() {
            self.hand_over(context);
        }
    }

    /// Notes who was first and who confirmed.
    fn credit(&mut self, voters: &[NodeId]) {
        for (place, id) in voters.iter().enumerate() {
            let Some(node) = self.node_mut(*id) else { continue };
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
        self.votes.agree(&head);
    }

    /// Forgets what was said of a block that is not so. Tells whether it was handed over.
    pub(super) fn forget_forgeries(&mut self, truth: &BlockContext) -> bool {
        let was_agreed = self.votes.forget_forgeries(truth);
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

    /// Nodes that must describe a market alike before it is relayed.
    pub(super) fn image_votes_min(&self) -> usize {
        if self.is_undecided { self.terms.quorum.max(self.nodes.len() / 2 + 1) } else { self.terms.quorum }
    }

    /// Lets everyone know whose word counts.
    pub(super) fn tell_words(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.word.tell(node.word_now()));
    }

    pub(super) fn reports(&self) -> Vec<SourceReport> {
        self.nodes.iter().map(Node::report).collect()
    }
}
