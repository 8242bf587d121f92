//! Gathers the status: what is counted, and what only the writer knows.

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use alloy::primitives::B256;
use alphapulse_protocol::message::CautionCause;
use alphapulse_protocol::{BlockRef, ChainId, Position};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::histogram::Reading;
use super::status::{HeadStatus, JournalStatus, OperatorCaution, RelayStatus, SourceStatus, StageStatus};
use crate::caution::Order;
use crate::error::RelayError;
use crate::hub::Command;
use crate::metrics::Metrics;
use crate::roster::Roster;
use crate::server::DoorWatch;
use crate::source::race::{SourceReport, SourceState, SourceWatch};
use crate::source::side::SideSources;
use crate::truth::TruthStatus;

/// How long the writer may take to answer between two events.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What the writer says of itself.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) position: Position,
    /// `None` while the state is not whole.
    pub(crate) head: Option<BlockRef>,
    pub(crate) head_at: Instant,
    pub(crate) caution: CautionCause,
    /// What an operator said.
    pub(crate) order: Option<Order>,
    /// What would be told without him.
    pub(crate) caution_of_nodes: CautionCause,
    pub(crate) journal: Option<JournalStatus>,
    pub(crate) truth: TruthStatus,
}

impl Report {
    /// Why subscribers are told not to trade. Who lifts an operator's caution should know whether that ends it.
    fn caution_words(&self) -> Option<String> {
        let nodes = (self.caution_of_nodes != CautionCause::None).then(|| format!("{:?}", self.caution_of_nodes));
        match (&self.order, nodes) {
            (Some(order), None) => Some(format!("an operator's caution, {order}")),
            (Some(order), Some(nodes)) => {
                Some(format!("an operator's caution, {order}; and the nodes' state, {nodes}"))
            }
            (None, nodes) => nodes,
        }
    }
}

/// Whoever may ask how the relay is doing.
#[derive(Debug, Clone)]
pub(crate) struct Observer {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) chain_id: ChainId,
    pub(crate) source: Arc<str>,
    /// The nodes, where there are several.
    pub(crate) sources: Option<SourceWatch>,
    pub(crate) side_sources: Arc<SideSources>,
    pub(crate) doors: Vec<DoorWatch>,
    pub(crate) started: Instant,
}

impl Observer {
    pub(crate) async fn status(&self) -> Result<RelayStatus, RelayError> {
        self.observe().await.map(|(status, _)| status)
    }

    /// The status, and the latencies that it sums up.
    pub(super) async fn observe(&self) -> Result<(RelayStatus, [(&'static str, Reading); 5]), RelayError> {
        let (asked, answer) = oneshot::channel();
        self.commands.send(Command::Report(asked)).map_err(|_| RelayError::Stopped)?;
        let answer = timeout(ANSWER_MAX, answer).await.map_err(|_| RelayError::Unanswered(ANSWER_MAX))?;
        let report = answer.map_err(|_| RelayError::Stopped)?;
        let stages = self.metrics.stages.read();
        Ok((self.put_together(report, &stages), stages))
    }

    fn source_status(&self, reconnects: u64) -> Vec<SourceStatus> {
        let Some(sources) = &self.sources else {
            let is_connected = self.metrics.connected.get() > 0;
            return vec![SourceStatus { name: self.source.to_string(), is_connected, reconnects }];
        };
        let status = |report: SourceReport| SourceStatus {
            is_connected: report.state == SourceState::Ready,
            name: report.name,
            reconnects: report.reconnects,
        };
        sources.sources().into_iter().map(status).collect()
    }

    fn put_together(&self, report: Report, stages: &[(&'static str, Reading)]) -> RelayStatus {
        let stats = self.metrics.read();
        let sources = self.source_status(stats.reconnects);
        let is_connected = sources.iter().any(|source| source.is_connected);
        // Whoever is served goes on being served, but nobody joins: that cannot mend itself.
        let problem = DoorWatch::problem(&self.doors).or_else(|| match report.head {
            None => Some("the state is not whole: the next snapshot is waited for".to_owned()),
            Some(_) if sources.is_empty() => Some("no node is left: administrators took them away".to_owned()),
            Some(_) if !is_connected => Some(format!("not connected: {}", self.source)),
            Some(_) => report.caution_words().map(|why| format!("subscribers are told not to trade: {why}")),
        });
        let head = report.head.map(|head| HeadStatus {
            number: head.number.0,
            hash: B256::from(head.hash).to_string(),
            age_ms: millis(report.head_at.elapsed()),
        });
        RelayStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            chain_id: self.chain_id.0,
            uptime_ms: millis(self.started.elapsed()),
            problem,
            epoch: report.position.epoch.0,
            sequence: report.position.sequence.0,
            is_whole: head.is_some(),
            caution: (report.caution != CautionCause::None).then(|| format!("{:?}", report.caution)),
            operator_caution: report.order.map(|Order { by, at, .. }| OperatorCaution { by, at }),
            head,
            stats,
            stages: stages.iter().map(|(name, read)| StageStatus::new(name, read)).collect(),
            subscribers: self.roster.read(),
            sources,
            side_sources: self.side_sources.reports(),
            journal: report.journal,
            truth: report.truth,
        }
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
