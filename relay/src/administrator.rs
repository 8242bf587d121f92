//! Who administers a running relay from another process: one act, one connection.

use std::net::SocketAddr;
use std::path::Path;

use alphapulse_protocol::frame;
use alphapulse_protocol::message::{
    AdminAction, AdminRequest, AdminStatus, CautionCause, Message, Role, VERSION_ACCESS,
};

use crate::access::ClientKey;
use crate::dial::{self, Greeted, Papers};
use crate::error::FeedError;
use crate::inbound::Filled;
use crate::tls::TlsClient;

/// Longest wait for an answer: an act is bounded by the relay to less.
const ANSWER_MAX: core::time::Duration = core::time::Duration::from_secs(15);
/// Answers of one act, beyond which it is not a relay that answers.
const ANSWERS_MAX: usize = 1024;

/// What a running relay is asked to do. `Debug` hides endpoints, which may hold keys.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum AdminAct<'a> {
    /// Race the node at this endpoint as well.
    AddNode(&'a str),
    /// Take away the node of this name, unless it is the last.
    RemoveNode(&'a str),
    /// Take away the node of this name, also if it is the last.
    RemoveNodeEvenLast(&'a str),
    /// List the nodes.
    ListNodes,
    /// Tell subscribers not to trade, or, with [`CautionCause::None`], take that back.
    Caution(CautionCause),
    /// End the connections of the client of this key, or of this number.
    Disconnect(&'a str),
}

impl AdminAct<'_> {
    fn request(self) -> Option<AdminRequest> {
        let (action, cause, text) = match self {
            Self::AddNode(endpoint) => (AdminAction::AddNode, CautionCause::None, endpoint),
            Self::RemoveNode(name) => (AdminAction::RemoveNode, CautionCause::None, name),
            Self::RemoveNodeEvenLast(name) => (AdminAction::RemoveNodeEvenLast, CautionCause::None, name),
            Self::ListNodes => (AdminAction::ListNodes, CautionCause::None, ""),
            Self::Caution(cause) => (AdminAction::Caution, cause, ""),
            Self::Disconnect(name) => (AdminAction::Disconnect, CautionCause::None, name),
        };
        AdminRequest::new(action, cause, text)
    }
}

impl core::fmt::Debug for AdminAct<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.request().fmt(f)
    }
}

/// A relay's answer to an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAnswer {
    /// Whether it was done.
    pub is_done: bool,
    /// What was asked for, one by one.
    pub items: Vec<String>,
    /// How it went, or why it was refused.
    pub said: String,
}

/// Asks the relay at a unix socket for one act. Blocks until it answered.
///
/// # Errors
/// [`FeedError`] as of a feed: [`FeedError::Closed`] with the reason `Unauthorized` without the role.
pub fn administer_unix(path: impl AsRef<Path>, act: AdminAct<'_>) -> Result<AdminAnswer, FeedError> {
    ask(dial::greet_unix(path.as_ref())?, act)
}

/// Asks the relay at a TCP address for one act, with a key of role admin.
///
/// # Errors
/// As [`administer_unix`].
pub fn administer_tcp(
    address: SocketAddr,
    tls: Option<&TlsClient>,
    key: &ClientKey,
    act: AdminAct<'_>,
) -> Result<AdminAnswer, FeedError> {
    ask(dial::greet_tcp(address, tls, Papers { role: Role::Admin, key: Some(key) })?, act)
}

fn ask(greeted: Greeted, act: AdminAct<'_>) -> Result<AdminAnswer, FeedError> {
    let Greeted { mut socket, mut inbound, address, version, request: mut frames, .. } = greeted;
    let refused = |reason: &str| FeedError::Handshake { address: address.clone(), reason: reason.to_owned() };
    let lost = |source| FeedError::Connect { address: address.clone(), source };
    if version < VERSION_ACCESS {
        return Err(refused("it speaks a version that knows no administrators"));
    }
    let request = act.request().ok_or_else(|| refused("the text is too long for a request"))?;
    frame::write(&mut frames, &request);
    // It may have closed already; then it said why.
    let _ = socket.write_all(&frames);
    socket.set_read_timeout(ANSWER_MAX).map_err(lost)?;
    let mut items = Vec::new();
    loop {
        while let Some(frame) = inbound.peek().map_err(|error| refused(&error.to_string()))? {
            match Message::decode(frame.message_bytes()) {
                Ok(Message::AdminReply(reply)) => match reply.status() {
                    Some(AdminStatus::Item) if items.len() < ANSWERS_MAX => items.push(reply.text().to_owned()),
                    Some(AdminStatus::Done) => {
                        return Ok(AdminAnswer { is_done: true, items, said: reply.text().to_owned() });
                    }
                    Some(AdminStatus::Refused) => {
                        return Ok(AdminAnswer { is_done: false, items, said: reply.text().to_owned() });
                    }
                    _ => return Err(refused("it answers without end")),
                },
                Ok(Message::Close(close)) => return Err(dial::ending_of(close).into()),
                // A relay that wants a key says so before it closes.
                Ok(Message::Challenge(_)) => {}
                _ => return Err(refused("it answers what was not asked")),
            }
            let frame_bytes = frame.as_bytes().len();
            inbound.skip(frame_bytes);
        }
        match inbound.fill(|room| socket.read(room)).map_err(lost)? {
            Filled::Drained | Filled::Full => {}
            Filled::End => return Err(FeedError::Disconnected),
        }
    }
}
