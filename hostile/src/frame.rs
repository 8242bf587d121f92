//! Frames and messages: what the decoder hands out is what the page says, in pieces of any size.

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, FrameBuf, FrameDecoder, Split};
use alphapulse_protocol::message::{Message, PendingTransaction};

use crate::reference::{First, Judgement, Malformed, first_frame, judge, number};

/// Reads `bytes` as a stream, whole and in pieces, and holds both against the page.
///
/// # Panics
/// On any difference.
pub fn check(bytes: &[u8]) {
    let piece_bytes = usize::from(bytes.last().copied().unwrap_or_default()) + 1;
    check_in_pieces(bytes, bytes.len().max(1), check_message);
    check_in_pieces(bytes, piece_bytes, check_judgement);
    // As one message without a frame: the decoder must not rely on the frame's checks.
    check_judgement(bytes);
}

fn check_in_pieces(bytes: &[u8], piece_bytes: usize, check_message: fn(&[u8])) {
    let mut decoder = FrameDecoder::new();
    let mut rest = bytes;
    for (number, piece) in bytes.chunks(piece_bytes).enumerate() {
        decoder.push(piece);
        let pushed = &bytes[..(number * piece_bytes + piece.len())];
        // What is held is exactly what was pushed and not handed out: this is what bounds a hostile peer's share of memory.
        assert_eq!(decoder.pending_bytes(), pushed.len() - (bytes.len() - rest.len()));
        loop {
            let held = &rest[..decoder.pending_bytes()];
            match first_frame(held) {
                First::Whole { message, .. } => {
                    assert_eq!(decoder.has_whole(), Ok(true));
                    let read = decoder.next_bytes().expect("a whole frame is read").expect("and handed out");
                    assert_eq!(read, message);
                    check_message(message);
                    rest = &rest[FRAME_HEADER_BYTES + message.len()..];
                }
                First::CutShort => {
                    assert_eq!(decoder.has_whole(), Ok(false));
                    assert_eq!(decoder.next_bytes(), Ok(None));
                    check_needed(held);
                    break;
                }
                First::Malformed(why) => {
                    let error = decoder.next_bytes().expect_err("malformed by the page");
                    assert_eq!(malformed(&error), Some(why), "{error}");
                    assert!(error.is_stream_lost());
                    assert_eq!(decoder.has_whole(), Err(error));
                    return;
                }
            }
        }
    }
}

/// More is asked for than is there, and never more than the cap: whoever waits or allocates by it is safe.
fn check_needed(held: &[u8]) {
    let Ok(Split::Incomplete { needed }) = frame::split(held) else { panic!("a cut frame is incomplete") };
    assert!(needed > held.len() && needed <= FRAME_HEADER_BYTES + frame::MESSAGE_BYTES_MAX);
}

/// One message out of a frame: decoded as the page says, usable in every way, and the same after another trip.
pub fn check_message(bytes: &[u8]) {
    check_judgement(bytes);
    let by_value = FrameBuf::from_message_bytes(bytes);
    assert_eq!(by_value.is_some(), FRAME_HEADER_BYTES + bytes.len() <= frame::FRAME_BYTES_MAX);
    assert!(by_value.is_none_or(|frame| frame.message_bytes() == bytes));
    let mut again = Vec::new();
    frame::write_bytes(&mut again, bytes);
    assert!(matches!(first_frame(&again), First::Whole { message, rest: [] } if message == bytes));
    if let Ok(message) = Message::decode(bytes) {
        match message {
            // Its fields alone are not the whole of it.
            Message::PendingTransaction(pending) => check_signed_bytes(pending, bytes),
            _ => check_known_bytes(&message),
        }
        exercise(&message);
    }
}

/// The signed bytes are those that the page points at, and without them the fields are no message.
fn check_signed_bytes(pending: &PendingTransaction, bytes: &[u8]) {
    let [start, length] = [76, 78].map(|at| usize::try_from(number(bytes, at, 2)).expect("16 bits"));
    assert_eq!(pending.transaction(bytes), Some(&bytes[start..start + length]));
    let mut cut = bytes[..start].to_vec();
    cut[..2].copy_from_slice(&u16::try_from(start).expect("below 64 KiB").to_le_bytes());
    assert_eq!(judgement(Message::decode(&cut).as_ref().err()), Judgement::Field);
}

/// Whether the decoder says of `bytes` what the page says.
pub fn check_judgement(bytes: &[u8]) {
    let decoded = Message::decode(bytes);
    let got = judgement(decoded.as_ref().err());
    assert_eq!(got, judge(bytes), "{decoded:?}");
    if let Ok(message) = decoded {
        let known = message.as_bytes();
        assert_eq!(known, &bytes[..known.len()], "what is decoded is what was there");
    }
}

/// The fields that are known, written again as a message of their own, are read as the same fields.
fn check_known_bytes(message: &Message<'_>) {
    let mut known = message.as_bytes().to_vec();
    let length = u16::try_from(known.len()).expect("a message is below 64 KiB");
    known[..2].copy_from_slice(&length.to_le_bytes());
    let mut frame = Vec::new();
    frame::write_bytes(&mut frame, &known);
    let read = Message::decode(&frame[FRAME_HEADER_BYTES..]).expect("the same fields");
    assert_eq!((read.name(), read.as_bytes()), (message.name(), known.as_slice()));
}

/// Calls everything that computes on foreign values; what matters is that each returns.
pub fn exercise(message: &Message<'_>) {
    match message {
        Message::Token(m) => assert!(m.symbol().len() <= 32),
        Message::Opportunity(m) => {
            assert_eq!(m.hops().len(), usize::from(m.hop_count));
            let _ = m.profit();
        }
        Message::SwapPlan(m) => assert_eq!(m.hops().len(), usize::from(m.hop_count)),
        Message::Block(m) => {
            let _ = (m.context.next_base_fee(), m.is_at_head());
        }
        Message::SnapshotBegin(m) => {
            let _ = m.context.next_base_fee();
        }
        Message::Outcome(m) => {
            let _ = m.gas_cost();
        }
        Message::Subscribe(m) => {
            let _ = m.position();
        }
        _ => {}
    }
    assert!(!format!("{message:?}").is_empty());
}

/// An error as the step of the page that it stands for.
#[must_use]
pub fn malformed(error: &DecodeError) -> Option<Malformed> {
    match error {
        DecodeError::FrameLength { .. } => Some(Malformed::Length),
        DecodeError::LengthMismatch { .. } => Some(Malformed::BlockLength),
        DecodeError::Checksum { .. } => Some(Malformed::Checksum),
        _ => None,
    }
}

/// A decoder's answer as the judgement of the page that it stands for.
///
/// # Panics
/// On an error that only a frame can have.
#[must_use]
pub fn judgement(error: Option<&DecodeError>) -> Judgement {
    match error {
        None => Judgement::Accepted,
        Some(DecodeError::Truncated { .. } | DecodeError::BlockLength { .. }) => Judgement::TooShort,
        Some(DecodeError::Schema(_)) => Judgement::Schema,
        Some(DecodeError::Template(_)) => Judgement::Template,
        Some(DecodeError::Field { .. }) => Judgement::Field,
        Some(other) => panic!("{other} is no error of a message"),
    }
}
