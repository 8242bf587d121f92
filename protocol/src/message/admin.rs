//! Since version 3: what an administrator asks of a running relay, and the answer.

use core::fmt;

use zerocopy::little_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::subscription::CautionCause;
use super::{WireMessage, wire_message};
use crate::header::MessageHeader;

/// Longest text of a request or an answer, bytes.
pub const ADMIN_TEXT_BYTES_MAX: usize = 480;

/// What a relay is asked to do. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum AdminAction {
    /// Race the node at the endpoint that the text holds, which may be a secret.
    AddNode = 1,
    /// Take away the node that the text names.
    RemoveNode = 2,
    /// List the nodes.
    ListNodes = 3,
    /// Tell subscribers the cause that the request holds, or that there is none.
    Caution = 4,
    /// End the connections of the client that the text names, by its key or the number of a connection.
    Disconnect = 5,
    /// Take away the node that the text names, also if no other would be left.
    RemoveNodeEvenLast = 6,
}

impl AdminAction {
    /// Action by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::AddNode,
            2 => Self::RemoveNode,
            3 => Self::ListNodes,
            4 => Self::Caution,
            5 => Self::Disconnect,
            6 => Self::RemoveNodeEvenLast,
            _ => return None,
        })
    }
}

/// One act that the relay is asked for. `Debug` hides the text.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AdminRequest {
    /// Common header.
    pub header: MessageHeader,
    /// An [`AdminAction`].
    pub action: U16,
    /// A [`CautionCause`] where the action is about one, else 0.
    pub cause: U16,
    /// Bytes of the text.
    pub text_length: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 2],
    /// What the action says, UTF-8; the rest is zero.
    pub text: [u8; ADMIN_TEXT_BYTES_MAX],
}
wire_message!(
    AdminRequest = 12,
    512,
    version = 3,
    check = |m| {
        if m.action().is_none() {
            return Err(Self::field_error("action"));
        }
        if m.cause().is_none() {
            return Err(Self::field_error("cause"));
        }
        check_text(m.text_length, &m.text).map_err(Self::field_error)
    }
);

impl AdminRequest {
    /// A request, or `None` when the text is too long.
    #[must_use]
    pub fn new(action: AdminAction, cause: CautionCause, text: &str) -> Option<Self> {
        let (text_length, text) = padded(text)?;
        let header = MessageHeader::of::<Self>(Self::TEMPLATE_ID);
        let (action, cause) = (U16::new(action as u16), U16::new(cause as u16));
        Some(Self { header, action, cause, text_length, reserved: [0; 2], text })
    }

    /// What is asked for.
    #[must_use]
    pub const fn action(&self) -> Option<AdminAction> {
        AdminAction::from_wire(self.action.get())
    }

    /// The cause that is to be told.
    #[must_use]
    pub const fn cause(&self) -> Option<CautionCause> {
        CautionCause::from_wire(self.cause.get())
    }

    /// The text; empty in a message that was not checked and holds none.
    #[must_use]
    pub fn text(&self) -> &str {
        text_of(self.text_length, &self.text)
    }
}

impl fmt::Debug for AdminRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminRequest").field("action", &self.action()).finish_non_exhaustive()
    }
}

/// How a request went. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum AdminStatus {
    /// It was done; nothing follows.
    Done = 1,
    /// One of the things that were asked for; more follows.
    Item = 2,
    /// It was not done, and the text says why; nothing follows.
    Refused = 3,
}

impl AdminStatus {
    /// Status by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Done,
            2 => Self::Item,
            3 => Self::Refused,
            _ => return None,
        })
    }
}

/// A relay's answer to [`AdminRequest`], or a part of it. Holds no secret.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AdminReply {
    /// Common header.
    pub header: MessageHeader,
    /// An [`AdminStatus`].
    pub status: U16,
    /// Bytes of the text.
    pub text_length: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
    /// For people, UTF-8; the rest is zero.
    pub text: [u8; ADMIN_TEXT_BYTES_MAX],
}
wire_message!(
    AdminReply = 13,
    512,
    version = 3,
    check = |m| {
        if m.status().is_none() {
            return Err(Self::field_error("status"));
        }
        check_text(m.text_length, &m.text).map_err(Self::field_error)
    }
);

impl AdminReply {
    /// An answer. What is too long for it is cut off at its end.
    #[must_use]
    pub fn new(status: AdminStatus, text: &str) -> Self {
        let end = (0..=text.len().min(ADMIN_TEXT_BYTES_MAX)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let (text_length, text) = padded(&text[..end]).expect("it was cut to what fits");
        let header = MessageHeader::of::<Self>(Self::TEMPLATE_ID);
        Self { header, status: U16::new(status as u16), text_length, reserved: [0; 4], text }
    }

    /// How it went.
    #[must_use]
    pub const fn status(&self) -> Option<AdminStatus> {
        AdminStatus::from_wire(self.status.get())
    }

    /// The text; empty in a message that was not checked and holds none.
    #[must_use]
    pub fn text(&self) -> &str {
        text_of(self.text_length, &self.text)
    }
}

fn padded(text: &str) -> Option<(U16, [u8; ADMIN_TEXT_BYTES_MAX])> {
    let mut bytes = [0; ADMIN_TEXT_BYTES_MAX];
    bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some((U16::new(u16::try_from(text.len()).ok()?), bytes))
}

/// Name of the field that is not accepted, if one is not.
fn check_text(length: U16, bytes: &[u8]) -> Result<(), &'static str> {
    let text = bytes.get(..usize::from(length.get())).ok_or("text_length")?;
    core::str::from_utf8(text).map(drop).map_err(|_| "text")
}

fn text_of(length: U16, bytes: &[u8]) -> &str {
    let text = bytes.get(..usize::from(length.get())).unwrap_or_default();
    core::str::from_utf8(text).unwrap_or_default()
}
