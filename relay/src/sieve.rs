//! What of a connection's messages is handed to its reader.

use core::ops::Range;

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame;
use alphapulse_protocol::header::MessageHeader;
use alphapulse_protocol::message::{CloseReason, Message};

use crate::dial::ending_of;
use crate::lane::Ending;

/// Templates of messages that describe the market, also of those that are newer than this build.
const MARKET_TEMPLATES: Range<u16> = 16..48;
/// `Gap` and `Caution`, which say what the state is worth.
const WORTH_TEMPLATES: [u16; 2] = [6, 8];
/// `Close`.
const CLOSE_TEMPLATE: u16 = 3;

/// Messages that came on a feed and were not handed out. The state does not depend on any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PassedOver {
    /// Longer than a frame by value can be, passed over by [`Feed::try_next`](crate::Feed::try_next) alone.
    pub long: u64,
    /// Of a template that this build does not know.
    pub unknown: u64,
    /// Of a template that it knows, with a field that it does not accept.
    pub undecodable: u64,
}

/// Whether a message is handed out.
pub(crate) enum Sieved {
    Kept,
    Unknown,
    Undecodable,
}

/// Looks at a message that came on a connection.
///
/// # Errors
/// The stream is over: by the relay's word, or since the state is void without what cannot be read.
pub(crate) fn sieve(message: &[u8]) -> Result<Sieved, Ending> {
    match Message::decode(message) {
        Ok(Message::Close(close)) => Err(ending_of(close)),
        // It wants a key of us, who have none: that is what it would close with.
        Ok(Message::Challenge(_)) => Err(Ending::Closed(CloseReason::Unauthorized)),
        Ok(_) => Ok(Sieved::Kept),
        Err(error) => sieve_unread(message, error),
    }
}

#[cold]
fn sieve_unread(message: &[u8], error: DecodeError) -> Result<Sieved, Ending> {
    const AT: usize = core::mem::offset_of!(MessageHeader, template_id);
    let template = message.get(AT..AT + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes);
    match error {
        // It does not even state what it is.
        DecodeError::Schema(_) | DecodeError::Truncated { .. } => Err(Ending::Malformed(error)),
        _ if MARKET_TEMPLATES.contains(&template) || WORTH_TEMPLATES.contains(&template) => {
            Err(Ending::Malformed(error))
        }
        // For a reason that is not known, but nothing follows it.
        _ if template == CLOSE_TEMPLATE => Err(Ending::Disconnected),
        DecodeError::Template(_) => Ok(Sieved::Unknown),
        _ => Ok(Sieved::Undecodable),
    }
}

/// Whether a message that is too long to be handed out by value may be: only what stands beside the stream.
///
/// # Errors
/// [`DecodeError::FrameLength`] for any other: no message of the stream is so long.
pub(crate) fn check_length(message: &[u8]) -> Result<(), DecodeError> {
    if Message::decode(message).is_ok_and(|message| message.is_side()) {
        return Ok(());
    }
    Err(DecodeError::FrameLength {
        minimum: size_of::<MessageHeader>(),
        maximum: frame::FRAME_BYTES_MAX,
        got: u32::try_from(message.len()).unwrap_or(u32::MAX),
    })
}
