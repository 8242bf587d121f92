//! What can go wrong around the relay, one enum per door.

use core::fmt;
use core::time::Duration;
use std::io;
use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use alphapulse_protocol::message::CloseReason;
use alphapulse_protocol::{BlockNumber, ChainId, DecodeError, ReplicaError};
use thiserror::Error;

/// Cause from a library.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why the node could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SourceError {
    /// No connection could be made.
    #[error("the node cannot be reached")]
    Connect(#[source] Cause),
    /// The connection ended.
    #[error("the connection to the node was lost")]
    Disconnected,
    /// A request was not answered in time.
    #[error("{method} was not answered within {after:?}")]
    Timeout {
        /// JSON-RPC method.
        method: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// A request was refused.
    #[error("{method} failed")]
    Call {
        /// JSON-RPC method.
        method: &'static str,
        /// The node's answer or the transport's failure.
        #[source]
        cause: Cause,
    },
    /// A block that another answer names.
    #[error("the node does not know block {0}")]
    UnknownBlock(B256),
    /// A block that is asked for by its number and that the node does not have yet.
    #[error("block {number} is not there yet: the node's head is block {head}")]
    NotThereYet {
        /// Block asked for.
        number: u64,
        /// The node's head.
        head: u64,
    },
    /// The node is on another chain: no retry helps.
    #[error("the node is on chain {got}, the configuration says chain {expected}")]
    WrongChain {
        /// Chain in the configuration.
        expected: ChainId,
        /// Chain of the node.
        got: ChainId,
    },
    /// An answer that does not fit what was asked.
    #[error("the node contradicts itself: {0}")]
    Contradiction(String),
    /// Too few nodes agree on an answer.
    #[error("fewer than {quorum} nodes agree: {reason}")]
    NoQuorum {
        /// Nodes that must agree.
        quorum: usize,
        /// What they say instead.
        reason: String,
    },
    /// A source that is no node refused what was asked of it.
    #[error("the source refused: {0}")]
    Refused(String),
    /// A pool or token that cannot be read.
    #[error("pool {pool}: {reason}")]
    Pool {
        /// Pool concerned.
        pool: Address,
        /// What is wrong with it.
        reason: String,
    },
}

impl SourceError {
    /// Whether trying again can never help.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::WrongChain { .. })
    }

    /// Whether the connection is of no more use. One that does not answer in time is taken for dead: a dropped WebSocket
    /// may hang for ever, and a new connection costs less than finding out.
    #[must_use]
    pub const fn is_connection_lost(&self) -> bool {
        matches!(self, Self::Disconnected | Self::Connect(_) | Self::Timeout { .. })
    }
}

/// Why a secret, or what belongs to one, cannot be used. Tells nothing of what a file holds.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read the file.
    #[error("{} may be read by others than its owner: a secret file has mode 0600", path.display())]
    Open {
        /// File.
        path: PathBuf,
    },
    /// The file holds something else.
    #[error("{} is not {what}", path.display())]
    Format {
        /// File.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
}

/// Why a relay does not start, or stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RelayError {
    /// The configuration cannot work.
    #[error("relay configuration: {0}")]
    Config(String),
    /// The node failed.
    #[error("node {endpoint}")]
    Node {
        /// Where the node listens.
        endpoint: String,
        /// What failed.
        #[source]
        source: SourceError,
    },
    /// Nodes cannot be changed in this way: there is no such node, or it is there already, or the last, or the relay follows one alone.
    #[error("nodes: {0}")]
    Nodes(String),
    /// An operator's caution could not be kept, or not be forgotten.
    #[error("caution: {0}")]
    Caution(String),
    /// A replay's speed that is none.
    #[error("`{0}` is no speed: expected a number above zero, such as 2 or 0.5, or `max`")]
    Speed(String),
    /// There is no such source of side messages to take away.
    #[error("there is no side source `{0}`; the status names those that run")]
    SideSource(String),
    /// There is nobody and nothing of that name.
    #[error("there is no {0} here")]
    Unknown(&'static str),
    /// A listener could not be opened.
    #[error("cannot listen on {address}")]
    Listen {
        /// Path or socket address.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that lets peers in could not be started.
    #[error("cannot start the thread that lets peers in")]
    Doors(#[source] io::Error),
    /// A key or certificate cannot be used.
    #[error("relay keys")]
    Secret(#[source] SecretError),
    /// The journal failed.
    #[error("the feed's journal")]
    Journal(#[source] JournalError),
    /// As many subscribers as configured are served.
    #[error("the relay serves its maximum of {0} subscribers")]
    Full(usize),
    /// The relay has stopped.
    #[error("the relay has stopped")]
    Stopped,
    /// An act takes longer than is waited for, and goes on.
    #[error("not done within {after:?}, and still under way; {look} how it went")]
    UnderWay {
        /// How long was waited.
        after: Duration,
        /// What shows how it went, as a command and its verb.
        look: &'static str,
    },
    /// The relay's writer is busy.
    #[error("the relay did not say within {0:?} how it is")]
    Unanswered(Duration),
}

impl RelayError {
    pub(crate) fn last_node() -> Self {
        let why = "it is the last node, and without it nothing is relayed and nobody may trade; add another first, or take it away all the \
                   same with `relay node remove --even-last`";
        Self::Nodes(why.to_owned())
    }

    /// The name is not repeated: whoever gives an endpoint for one would have its key in the log.
    pub(crate) fn no_such_node() -> Self {
        Self::Nodes("there is no node of that name; list the nodes to see them".to_owned())
    }
}

/// Why a feed gives no more messages.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FeedError {
    /// The relay said farewell.
    #[error("the relay closed the feed: {0:?}")]
    Closed(CloseReason),
    /// The relay is gone without a farewell.
    #[error("the feed was disconnected")]
    Disconnected,
    /// The embedded relay has ended for good; stopping it tells why.
    #[error("the relay inside this process has ended")]
    RelayEnded,
    /// Bytes that are not a frame.
    #[error("the feed is damaged")]
    Malformed(#[source] DecodeError),
    /// No connection could be made, or it ended or stayed silent before the relay's answer to the greeting.
    #[error("cannot connect to relay {address}")]
    Connect {
        /// Path or socket address.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What listens there is not a relay that this build understands.
    #[error("{address} does not answer as a relay: {reason}")]
    Handshake {
        /// Path or socket address.
        address: String,
        /// What came instead.
        reason: String,
    },
    /// The relay cannot leave anything out.
    #[error("relay {address} speaks version {version}, which knows no selection")]
    Unselective {
        /// Path or socket address.
        address: String,
        /// Schema version spoken.
        version: u16,
    },
    /// The relay serves another chain.
    #[error("the relay serves chain {got}, chain {expected} was asked for")]
    WrongChain {
        /// Chain asked for.
        expected: ChainId,
        /// Chain served.
        got: ChainId,
    },
}

impl FeedError {
    /// Whether joining again can help. It cannot where the relay and we will never understand each other.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Closed(reason) => {
                use CloseReason::{Chain, Disconnected, Malformed, Unauthorized, Version};
                !matches!(reason, Version | Malformed | Chain | Unauthorized | Disconnected)
            }
            Self::Disconnected | Self::Connect { .. } | Self::Malformed(_) => true,
            Self::RelayEnded | Self::Handshake { .. } | Self::Unselective { .. } | Self::WrongChain { .. } => false,
        }
    }
}

/// Blocks of one number by which two chains are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parting {
    /// Newest block that both have.
    pub block: BlockNumber,
    /// Its hash in the journal.
    pub ours: B256,
    /// Its hash on the node's chain.
    pub theirs: B256,
    /// Lowest block that was compared: a reorg goes no deeper.
    pub lowest: BlockNumber,
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { block, ours, theirs, lowest } = self;
        write!(f, "its block {block} is {ours}, the node's is {theirs}, and no block down to {lowest} is the same")
    }
}

/// Why a journal cannot be written or read on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system failed.
    #[error("journal {path}: cannot {action}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An earlier failure left the end of the journal unknown; nothing is written any more.
    #[error("journal {0} failed before and takes no more records")]
    Poisoned(PathBuf),
    /// A journal is already there.
    #[error("folder {0} already holds a journal")]
    Exists(PathBuf),
    /// Another process writes this journal.
    #[error("journal {0} is being written by another process")]
    Locked(PathBuf),
    /// No journal is there.
    #[error("folder {0} holds no journal")]
    Missing(PathBuf),
    /// Records before the end cannot be read: the journal is refused, not cut.
    #[error("journal segment {} is damaged at byte {offset}: {reason}", segment.display())]
    Damaged {
        /// File.
        segment: PathBuf,
        /// First byte that cannot be read.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A whole record that this build does not know; the next call goes on behind it.
    #[error("journal segment {} byte {offset}: unreadable record", segment.display())]
    Unreadable {
        /// File.
        segment: PathBuf,
        /// Where the record starts.
        offset: u64,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// The folder holds the journal of a node, which only that node writes and nobody shortens.
    #[error("journal {0} holds a node's own records: a feed is not recorded into it")]
    OfNode(PathBuf),
    /// The disk is nearly full.
    #[error("journal {dir}: {free} bytes are free on the disk, and {needed} are needed to begin", dir = dir.display())]
    NoSpace {
        /// Folder.
        dir: PathBuf,
        /// Bytes that may still be written.
        free: u64,
        /// Bytes that must be free.
        needed: u64,
    },
    /// The stream never is at the blocks asked for, in this order.
    #[error("journal {dir} {reason}", dir = dir.display())]
    NoBlock {
        /// Folder.
        dir: PathBuf,
        /// What was asked for, and which blocks are there.
        reason: String,
    },
    /// The part asked for ends below where it begins.
    #[error("block {until}, the last of the part, is below block {from}, its first")]
    Reversed {
        /// First block asked for.
        from: BlockNumber,
        /// Last block asked for.
        until: BlockNumber,
    },
    /// A block that was not recorded, although earlier and later ones were.
    #[error("journal {dir} has no block {block}: the recording stops at block {before} and goes on at block {after}", dir = dir.display())]
    Hole {
        /// Folder.
        dir: PathBuf,
        /// Block asked for.
        block: BlockNumber,
        /// Last block before the hole.
        before: BlockNumber,
        /// First block behind it.
        after: BlockNumber,
    },
    /// The records are whole, but they do not lead to a state.
    #[error("journal segment {} byte {offset}: the stream has no whole state here", segment.display())]
    Broken {
        /// File.
        segment: PathBuf,
        /// Where a state was expected.
        offset: u64,
        /// The last record that did not fit, if one did not.
        #[source]
        source: Option<Box<ReplicaError>>,
    },
    /// The new journal would lie in the folder of the one that it is made from, which is only read.
    #[error("{out} lies in the journal {dir}, which is only read", out = out.display(), dir = dir.display())]
    Inside {
        /// Folder of the journal.
        dir: PathBuf,
        /// Folder that was asked for.
        out: PathBuf,
    },
    /// The journal's newest blocks are not those of the node's chain, though both chains have one id.
    #[error("journal {dir} is of another chain with the same id: {parting}", dir = dir.display())]
    OtherChain {
        /// Folder.
        dir: PathBuf,
        /// Where the two chains differ.
        parting: Box<Parting>,
    },
    /// The node has none of the journal's newest blocks yet.
    #[error(
        "journal {dir} ends with block {last}, and the node is only at block {head}: whether both are of one chain cannot be told",
        dir = dir.display()
    )]
    Ahead {
        /// Folder.
        dir: PathBuf,
        /// Last block of the journal.
        last: BlockNumber,
        /// The node's head.
        head: BlockNumber,
    },
    /// The node has reached some of the journal's newest blocks, and does not give them.
    #[error(
        "journal {dir} holds blocks {lowest} to {highest} among its last ones, which the node does not serve: whether both are of one chain cannot be told",
        dir = dir.display()
    )]
    NotServed {
        /// Folder.
        dir: PathBuf,
        /// First of those blocks.
        lowest: BlockNumber,
        /// Last of them that the node has reached.
        highest: BlockNumber,
    },
    /// The journal belongs to another chain.
    #[error("journal {dir} is of chain {got}, chain {expected} was asked for", dir = dir.display())]
    WrongChain {
        /// Folder.
        dir: PathBuf,
        /// Chain asked for.
        expected: ChainId,
        /// Chain recorded.
        got: ChainId,
    },
}
