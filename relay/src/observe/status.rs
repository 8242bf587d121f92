//! How a relay is doing, for people and machines.

use serde::{Deserialize, Serialize};

use super::histogram::Reading;
use crate::metrics::RelayStats;
use crate::roster::SubscriberStatus;
use crate::source::side::SideReport;
use crate::truth::TruthStatus;

/// How a relay is doing. Holds no secret: of the node only scheme and host are named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RelayStatus {
    /// Version of the program.
    pub version: String,
    /// EIP-155 id.
    pub chain_id: u64,
    /// Milliseconds since the relay's start.
    pub uptime_ms: u64,
    /// Why it cannot be relied on now; `None` while it can.
    pub problem: Option<String>,
    /// Identity of the stream: when it began, in nanoseconds since 1970.
    pub epoch: u64,
    /// Number of the last message of the stream.
    pub sequence: u64,
    /// Whether the state is that of a whole block.
    pub is_whole: bool,
    /// Why subscribers are told not to trade; `None` while they are not.
    pub caution: Option<String>,
    /// The caution that an operator set, whatever the nodes seem; `None` while none is set.
    #[serde(default)]
    pub operator_caution: Option<OperatorCaution>,
    /// The newest block; `None` while the state is not whole.
    pub head: Option<HeadStatus>,
    /// Counters since the start.
    pub stats: RelayStats,
    /// Latencies, in the order of an event's way.
    pub stages: Vec<StageStatus>,
    /// Everyone who is served.
    pub subscribers: Vec<SubscriberStatus>,
    /// Where the market comes from.
    pub sources: Vec<SourceStatus>,
    /// Where what stands beside the stream comes from.
    #[serde(default)]
    pub side_sources: Vec<SideReport>,
    /// The journal, if one is kept.
    pub journal: Option<JournalStatus>,
    /// The comparison with the chain.
    #[serde(default)]
    pub truth: TruthStatus,
}

/// A caution that an operator set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OperatorCaution {
    /// Who, by the name that the log has him by; or why nobody knows, where what an earlier process left cannot be read.
    pub by: String,
    /// When, as RFC 3339 has it; `None` where nobody knows.
    pub at: Option<String>,
}

/// The newest block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HeadStatus {
    /// Height.
    pub number: u64,
    /// Hash, `0x` and 64 digits.
    pub hash: String,
    /// Milliseconds since it became the stream's head, by the monotonic clock; its own timestamp plays no part.
    pub age_ms: u64,
}

/// Latencies of one stage. Quantiles are rounded up by at most 1/32.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageStatus {
    /// Name.
    pub name: String,
    /// How often it was passed.
    pub count: u64,
    /// Half of the times at most.
    pub p50_ns: u64,
    /// 90 % of the times at most.
    pub p90_ns: u64,
    /// 99 % of the times at most.
    pub p99_ns: u64,
    /// 99.9 % of the times at most.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl StageStatus {
    pub(super) fn new(name: &str, read: &Reading) -> Self {
        Self {
            name: name.to_owned(),
            count: read.count,
            p50_ns: read.quantile_ns(500),
            p90_ns: read.quantile_ns(900),
            p99_ns: read.quantile_ns(990),
            p999_ns: read.quantile_ns(999),
            max_ns: read.max_ns,
        }
    }
}

/// A node that the market comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SourceStatus {
    /// Scheme and host.
    pub name: String,
    /// Whether it is connected and answered since.
    pub is_connected: bool,
    /// Connections made after the first.
    pub reconnects: u64,
}

/// The journal at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JournalStatus {
    /// Number of the segment that is written.
    pub segment: u32,
    /// Bytes of that segment.
    pub segment_bytes: u64,
    /// Milliseconds since everything was last put on disk, which is done where a segment begins.
    pub synced_ms_ago: u64,
}
