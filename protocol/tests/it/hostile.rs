//! Hostile and damaged bytes: a message or a typed error, never a panic, and never a message that was not sent.

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, FrameDecoder, Split};
use alphapulse_protocol::message::{CATALOGUE, Message, V3Swap, WireMessage};
use proptest::prelude::*;
use zerocopy::IntoBytes;

use crate::golden;

/// All golden frames in a row, and where each begins.
fn stream() -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut starts) = (Vec::new(), Vec::new());
    for (_, frame) in golden::all_frames() {
        starts.push(bytes.len());
        bytes.extend(frame);
    }
    (bytes, starts)
}

/// Messages read until the end or an error.
fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Result<usize, DecodeError>) {
    let mut decoder = FrameDecoder::new();
    decoder.push(bytes);
    let mut messages = Vec::new();
    loop {
        match decoder.next_bytes() {
            Ok(Some(message)) => messages.push(message.to_vec()),
            Ok(None) => return (messages, Ok(decoder.pending_bytes())),
            Err(error) => return (messages, Err(error)),
        }
    }
}

/// Reads a message in every way there is; what matters is that each returns.
fn exercise(bytes: &[u8]) {
    let Ok(message) = Message::decode(bytes) else { return };
    let header = message.header();
    assert!(usize::from(header.block_length.get()) >= message.as_bytes().len());
    assert!(usize::from(header.block_length.get()) <= bytes.len());
    assert!(!format!("{message:?}").is_empty());
    match message {
        Message::Token(m) => assert!(m.symbol().len() <= 32),
        Message::Opportunity(m) => assert_eq!(m.hops().len(), usize::from(m.hop_count)),
        Message::SwapPlan(m) => assert_eq!(m.hops().len(), usize::from(m.hop_count)),
        Message::Block(m) => {
            let _ = m.context.next_base_fee();
        }
        Message::SnapshotBegin(m) => {
            let _ = m.context.next_base_fee();
        }
        Message::Outcome(m) => assert!(m.gas_cost().is_none_or(|cost| cost.0 >= m.gas_price.get() || m.gas_used == 0)),
        Message::PendingTransaction(m) => {
            let signed = m.transaction(bytes).expect("what was accepted is there");
            assert_eq!(signed.len(), usize::from(m.transaction_length.get()));
        }
        Message::ExchangeQuote(m) => {
            assert_eq!(m.exchange().len(), usize::from(m.exchange_length));
            assert_eq!(m.symbol().len(), usize::from(m.symbol_length));
        }
        _ => {}
    }
}

#[test]
fn every_single_bit_flip_in_a_stream_is_detected_and_costs_nothing_before_it() {
    let (stream, starts) = stream();
    let (sent, end) = read_all(&stream);
    assert_eq!((sent.len(), end), (CATALOGUE.len(), Ok(0)));
    for bit in 0..stream.len() * 8 {
        let mut damaged = stream.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let before = starts.partition_point(|start| *start <= bit / 8) - 1;
        let (read, end) = read_all(&damaged);
        assert_eq!(read, sent[..before], "bit {bit}");
        assert!(end.expect_err("a flip is an error, not a wait for more").is_stream_lost(), "bit {bit}");
    }
}

#[test]
fn every_truncation_gives_the_whole_frames_before_it_and_no_error() {
    let (stream, starts) = stream();
    let (sent, _) = read_all(&stream);
    for length in 0..stream.len() {
        let whole = starts.iter().skip(1).filter(|start| **start <= length).count();
        let (read, end) = read_all(&stream[..length]);
        assert_eq!((read.as_slice(), end), (&sent[..whole], Ok(length - starts[whole])), "{length} bytes");
        let Ok(Split::Incomplete { needed }) = frame::split(&stream[starts[whole]..length]) else {
            panic!("{length} bytes: a cut frame is incomplete")
        };
        assert!(needed > length - starts[whole], "more is asked for than is there");
    }
}

#[test]
fn every_truncation_and_bit_flip_of_a_bare_message_is_a_message_or_an_error() {
    for (name, frame) in golden::all_frames() {
        let message = &frame[FRAME_HEADER_BYTES..];
        for length in 0..message.len() {
            let truncated = Message::decode(&message[..length]).map(|m| m.name());
            let needed = if length < 24 { 24 } else { message.len() };
            assert_eq!(truncated, Err(DecodeError::Truncated { needed, got: length }), "{name}");
        }
        for bit in 0..message.len() * 8 {
            let mut damaged = message.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            exercise(&damaged);
        }
    }
}

#[test]
fn who_expects_one_message_gets_that_one_or_why_not() {
    for (name, frame) in golden::all_frames() {
        let message = &frame[FRAME_HEADER_BYTES..];
        let expected = <V3Swap as WireMessage>::decode(message);
        let template = u16::from_le_bytes([message[2], message[3]]);
        if template == V3Swap::TEMPLATE_ID {
            assert_eq!(expected.map(IntoBytes::as_bytes), Ok(message), "{name}");
        } else {
            assert_eq!(expected.map(|_| ()), Err(DecodeError::Template(template)), "{name}");
        }
        for bit in 0..message.len() * 8 {
            let mut damaged = message.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let among_all = Message::decode(&damaged);
            match <V3Swap as WireMessage>::decode(&damaged) {
                Ok(swap) => {
                    assert!(matches!(among_all, Ok(Message::V3Swap(other)) if other.as_bytes() == swap.as_bytes()))
                }
                Err(DecodeError::Template(_)) => assert!(!matches!(among_all, Ok(Message::V3Swap(_)))),
                Err(error) => assert_eq!(among_all.map(|_| ()), Err(error), "{name}, bit {bit}"),
            }
        }
    }
}

#[test]
fn a_foreign_schema_and_a_short_block_are_refused_by_name() {
    for (name, frame) in golden::all_frames() {
        let mut message = frame[FRAME_HEADER_BYTES..].to_vec();
        let template_id = u16::from_le_bytes([message[2], message[3]]);
        let (.., minimum) =
            CATALOGUE.iter().find(|(known, ..)| *known == name).copied().expect("every message is there");
        message[4] ^= 1;
        assert_eq!(Message::decode(&message).map(|_| ()), Err(DecodeError::Schema(0x5040)), "{name}");
        message[4] ^= 1;
        for got in [0, 1, 23, 24, minimum - 1] {
            let length = u16::try_from(got).expect("short");
            message[..2].copy_from_slice(&length.to_le_bytes());
            let refused = DecodeError::BlockLength { template_id, minimum, got };
            assert_eq!(Message::decode(&message).map(|_| ()), Err(refused), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn decoding_is_total(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        exercise(&bytes);
        let (messages, _) = read_all(&bytes);
        messages.iter().for_each(|message| exercise(message));
    }

    /// Random bytes hardly ever carry a right header; these do.
    #[test]
    fn decoding_is_total_behind_a_right_header(at in 0..CATALOGUE.len(), body in prop::collection::vec(any::<u8>(), 1200)) {
        let (name, _, bytes) = CATALOGUE[at];
        let mut message = golden::bytes(name).split_off(FRAME_HEADER_BYTES);
        message[24..bytes].copy_from_slice(&body[..bytes - 24]);
        exercise(&message);
        let mut framed = Vec::new();
        frame::write_bytes(&mut framed, &message);
        prop_assert_eq!(read_all(&framed), (vec![message], Ok(0)));
    }

    /// Beyond single flips a checksum of 32 bits promises only odds, yet bursts up to 32 bits are always caught.
    #[test]
    fn a_burst_within_a_message_is_detected(at in 0..CATALOGUE.len(), place: prop::sample::Index, burst in 1..=u32::MAX) {
        let mut frame = golden::bytes(CATALOGUE[at].0);
        let first = FRAME_HEADER_BYTES + place.index(frame.len() - FRAME_HEADER_BYTES - 3);
        for (byte, noise) in frame[first..first + 4].iter_mut().zip(burst.to_le_bytes()) {
            *byte ^= noise;
        }
        let error = frame::split(&frame).expect_err("damage");
        prop_assert!(error.is_stream_lost());
    }

    #[test]
    fn the_decoder_holds_no_more_than_what_was_pushed(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 0..50)) {
        let (mut decoder, mut pushed) = (FrameDecoder::new(), 0);
        for chunk in chunks {
            decoder.push(&chunk);
            pushed += chunk.len();
            prop_assert!(decoder.pending_bytes() <= pushed);
            while let Ok(Some(message)) = decoder.next_bytes() {
                pushed -= message.len() + FRAME_HEADER_BYTES;
            }
        }
    }
}
