//! What may be changed while a relay runs, by its owner in this process or by an administrator at its doors.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use alphapulse_protocol::message::{AdminAction, AdminReply, AdminRequest, AdminStatus, CautionCause};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::caution::{Cautions, Set};
use crate::config::Endpoint;
use crate::error::RelayError;
use crate::metrics::Metrics;
use crate::roster::Roster;
use crate::source::race::{RaceControl, SourceReport, SourceState, SourceWatch};
use crate::source::{Dial as _, NodeDial};

/// Nodes that are raced at once: each is asked for every block.
const NODES_MAX: usize = 16;
/// Longest that an administrator waits for an act. One that takes longer goes on without him.
const ACT_MAX: Duration = Duration::from_secs(10);
/// A node of which the connection is gone, and sought again.
const LOST: &str = "lost, and connected to again";

/// The nodes of a race, and what a further one is told.
pub(crate) struct Nodes {
    control: RaceControl<NodeDial>,
    template: NodeDial,
    /// Names and endpoints: a node that is there twice would confirm itself.
    known: Mutex<Vec<(String, Endpoint)>>,
}

impl Nodes {
    /// The nodes of a race that was just begun with `dials`, in their order.
    pub(crate) fn new(control: RaceControl<NodeDial>, dials: &[NodeDial]) -> Option<Self> {
        let endpoints = dials.iter().map(|dial| dial.endpoint.clone());
        let known = Mutex::new(control.names().into_iter().zip(endpoints).collect());
        Some(Self { control, template: dials.first()?.clone(), known })
    }

    fn add(&self, endpoint: Endpoint) -> Result<String, RelayError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let names = self.control.names();
        known.retain(|(name, _)| names.contains(name));
        if let Some((name, _)) = known.iter().find(|(_, other)| *other == endpoint) {
            return Err(RelayError::Nodes(format!("{name} is that node already, and it would confirm itself")));
        }
        if known.len() >= NODES_MAX {
            return Err(RelayError::Nodes(format!("there are {NODES_MAX} already: remove one first")));
        }
        let dial = self.template.to(endpoint.clone());
        tracing::info!(node = dial.name(), "a node is added");
        let name = self.control.add(dial);
        known.push((name.clone(), endpoint));
        Ok(name)
    }
}

impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nodes").finish_non_exhaustive()
    }
}

/// A running relay's controls, shared by its owner and its doors.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) cautions: Arc<Cautions>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) nodes: Option<Nodes>,
    pub(crate) sources: Option<SourceWatch>,
    /// Name of what is followed, where it is one alone.
    pub(crate) source: Arc<str>,
    pub(crate) metrics: Arc<Metrics>,
}

/// What is said of an act: things that were asked for, and how it ended.
type Said = (Vec<String>, String);

impl Control {
    pub(crate) fn add_node(&self, endpoint: Endpoint) -> Result<String, RelayError> {
        self.nodes()?.add(endpoint)
    }

    pub(crate) async fn remove_node(&self, name: &str) -> Result<SourceReport, RelayError> {
        self.nodes()?.control.remove(name).await
    }

    async fn remove_node_unless_last(&self, name: &str) -> Result<SourceReport, RelayError> {
        self.nodes()?.control.remove_unless_last(name).await
    }

    fn nodes(&self) -> Result<&Nodes, RelayError> {
        let alone = "this relay follows one node alone; set `chain.confirm_endpoints` and `chain.quorum` in its configuration \
                     and start it again, to change nodes while it runs";
        self.nodes.as_ref().ok_or_else(|| RelayError::Nodes(alone.into()))
    }

    /// Does what an administrator asks for. The answers hold no secret; the log says who asked, for what, and how it went.
    pub(crate) async fn administer(&self, request: &AdminRequest, by: &str) -> Vec<AdminReply> {
        let act = words(request);
        let done = timeout(ACT_MAX, self.act(request, by))
            .await
            .unwrap_or_else(|_| Err(RelayError::UnderWay { after: ACT_MAX, look: look(request) }));
        match done {
            Ok((items, said)) => {
                self.metrics.admin_acts.add(1);
                if request.action() == Some(AdminAction::ListNodes) {
                    // It changes nothing, and may be asked every minute.
                    tracing::info!(by, act, said, "an administrator's act");
                } else {
                    tracing::warn!(by, act, said, "an administrator's act");
                }
                let items = items.iter().map(|item| AdminReply::new(AdminStatus::Item, item));
                items.chain([AdminReply::new(AdminStatus::Done, &said)]).collect()
            }
            Err(error) => {
                self.metrics.admin_refusals.add(1);
                let why = error.to_string();
                tracing::warn!(by, act, why, "an administrator's act is refused");
                vec![AdminReply::new(AdminStatus::Refused, &why)]
            }
        }
    }

    async fn act(&self, request: &AdminRequest, by: &str) -> Result<Said, RelayError> {
        let text = request.text();
        let say = |said: String| Ok((Vec::new(), said));
        match request.action() {
            Some(AdminAction::AddNode) => say(format!("{} is added", self.add_node(text.parse()?)?)),
            Some(AdminAction::RemoveNode) => {
                let report = self.remove_node_unless_last(text).await?;
                say(format!("{} is removed; {}", report.name, self.outlook()))
            }
            Some(AdminAction::RemoveNodeEvenLast) => {
                let report = self.remove_node(text).await?;
                say(format!("{} is removed; {}", report.name, self.outlook()))
            }
            Some(AdminAction::ListNodes) => Ok((self.lines(), self.outlook())),
            Some(AdminAction::Caution) => {
                let cause = request.cause().unwrap_or(CautionCause::Divergence);
                let (cautions, by) = (Arc::clone(&self.cautions), by.to_owned());
                // The disk may take its time, and must end what it began even if nobody waits any more.
                let done = spawn_blocking(move || caution(&cautions, cause, &by)).await;
                say(done.unwrap_or(Err(RelayError::Stopped))?)
            }
            Some(AdminAction::Disconnect) => match self.roster.disconnect(text) {
                0 => Err(RelayError::Unknown("connection of that name or number")),
                count => say(format!("connections ended: {count}")),
            },
            Some(_) | None => Err(RelayError::Unknown("act of that kind")),
        }
    }

    /// A line for each node.
    fn lines(&self) -> Vec<String> {
        if let Some(sources) = &self.sources {
            return sources.sources().iter().map(line).collect();
        }
        // A relay of one node starts only once it is connected.
        let state = if self.metrics.connected.get() > 0 { "ready" } else { LOST };
        vec![format!("{}: {state}, head {}", self.source, self.metrics.head_number.get())]
    }

    fn outlook(&self) -> String {
        let Some(sources) = &self.sources else {
            return "followed alone: its word is compared with nobody's".to_owned();
        };
        let safety = *sources.safety().borrow();
        match safety.cause {
            Some(cause) => format!("not safe to trade on: {cause}"),
            None => "the nodes agree".to_owned(),
        }
    }
}

/// Sets or lifts an operator's caution, and says what that means.
fn caution(cautions: &Cautions, cause: CautionCause, by: &str) -> Result<String, RelayError> {
    if cause == CautionCause::None {
        return Ok(match cautions.lift()? {
            Some(order) => format!("the caution is lifted: it was {order}"),
            None => "no caution was set, and nothing is taken back; what the nodes' state asks for stays".to_owned(),
        });
    }
    let Set { is_kept, replaced } = cautions.set(cause, by)?;
    let told = if is_kept {
        "subscribers are told not to trade, also after a restart, until the caution is lifted"
    } else {
        "subscribers are told not to trade until the caution is lifted or the relay ends: a restart forgets it, because this relay \
         keeps no journal; a live one keeps it if it is started with `journal.dir` or `--journal DIR`"
    };
    Ok(match replaced {
        Some(order) => {
            format!("{told}; it takes the place of the caution that was there, {order}: one `caution lift` ends it")
        }
        None => told.to_owned(),
    })
}

/// An act as it is typed.
fn words(request: &AdminRequest) -> &'static str {
    match (request.action(), request.cause()) {
        (Some(AdminAction::AddNode), _) => "node add",
        (Some(AdminAction::RemoveNode), _) => "node remove",
        (Some(AdminAction::RemoveNodeEvenLast), _) => "node remove --even-last",
        (Some(AdminAction::ListNodes), _) => "node list",
        (Some(AdminAction::Caution), Some(CautionCause::None)) => "caution lift",
        (Some(AdminAction::Caution), _) => "caution set",
        (Some(AdminAction::Disconnect), _) => "disconnect",
        _ => "unknown",
    }
}

/// What shows how an act went that takes its time.
fn look(request: &AdminRequest) -> &'static str {
    match request.action() {
        Some(AdminAction::AddNode | AdminAction::RemoveNode | AdminAction::RemoveNodeEvenLast) => {
            "`relay node list` shows"
        }
        _ => "`relay status` shows",
    }
}

fn line(report: &SourceReport) -> String {
    let SourceReport { name, state, is_current, head, contradictions, .. } = report;
    let state = match state {
        // It was heard of before.
        SourceState::Starting if head.is_some() => LOST.to_owned(),
        state => format!("{state:?}").to_lowercase(),
    };
    let counts = if *is_current { "its word counts" } else { "its word does not count" };
    let head = head.map_or_else(|| "no head".to_owned(), |head| format!("head {head}"));
    format!("{name}: {state}, {counts}, {head}, {contradictions} contradictions")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn an_act_that_takes_its_time_names_what_shows_how_it_went() {
        let said = |action, cause| {
            let request = AdminRequest::new(action, cause, "").unwrap();
            RelayError::UnderWay { after: ACT_MAX, look: look(&request) }.to_string()
        };
        let caution = said(AdminAction::Caution, CautionCause::Divergence);
        assert_eq!(caution, "not done within 10s, and still under way; `relay status` shows how it went");
        assert!(said(AdminAction::RemoveNode, CautionCause::None).contains("`relay node list` shows how it went"));
    }
}
