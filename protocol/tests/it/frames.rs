//! Frames: the same messages whatever the chunks, room for the future, and a bound on what is held.

use alphapulse_protocol::DecodeError;
use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, FrameBuf, FrameDecoder, MESSAGE_BYTES_MAX, Split};
use alphapulse_protocol::message::{CATALOGUE, Message};
use proptest::prelude::*;

use crate::golden;

/// The message inside a golden frame.
fn message_of(name: &str) -> Vec<u8> {
    golden::bytes(name).split_off(FRAME_HEADER_BYTES)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_bytes(&mut bytes, message);
    bytes
}

/// Everything a decoder hands out, as owned bytes.
fn drain(decoder: &mut FrameDecoder) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| decoder.next_bytes().expect("valid frames").map(<[u8]>::to_vec)).collect()
}

/// Messages for properties: a golden one each, some with fields appended by a writer of the future.
fn any_messages() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let one = (0..CATALOGUE.len(), prop::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(at, appended)| grown(&message_of(CATALOGUE[at].0), &appended));
    prop::collection::vec(one, 0..12)
}

/// A message with appended fields, and a block length that says so.
fn grown(message: &[u8], appended: &[u8]) -> Vec<u8> {
    let mut message = [message, appended].concat();
    let length = u16::try_from(message.len()).expect("a short message").to_le_bytes();
    message[..2].copy_from_slice(&length);
    message
}

proptest! {
    #[test]
    fn chunks_of_any_size_give_the_same_messages(
        messages in any_messages(),
        cuts in prop::collection::vec(1..200_usize, 0..60),
    ) {
        let stream = messages.iter().flat_map(|message| framed(message)).collect::<Vec<_>>();
        let mut decoder = FrameDecoder::new();
        let (mut rest, mut read) = (stream.as_slice(), Vec::new());
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (chunk, after) = rest.split_at(cut.min(rest.len()));
            rest = after;
            decoder.push(chunk);
            read.extend(drain(&mut decoder));
            prop_assert!(decoder.pending_bytes() < FRAME_HEADER_BYTES + MESSAGE_BYTES_MAX);
        }
        prop_assert_eq!(read, messages);
        prop_assert_eq!(decoder.pending_bytes(), 0);
    }

    #[test]
    fn fields_appended_by_a_newer_writer_are_skipped(at in 0..CATALOGUE.len(), appended in prop::collection::vec(any::<u8>(), 1..300)) {
        let (name, _, bytes) = CATALOGUE[at];
        let present = message_of(name);
        let future = grown(&present, &appended);
        let mut decoder = FrameDecoder::new();
        decoder.push(&[framed(&future), framed(&present)].concat());
        let read = decoder.next_message().expect("a longer message is read").expect("and whole");
        prop_assert_eq!(read.name(), name);
        prop_assert_eq!(&read.as_bytes()[2..], &present[2..bytes]);
        let next = decoder.next_message().expect("the stream goes on behind it").expect("and whole");
        prop_assert_eq!(next.as_bytes(), &present[..bytes]);
    }

    #[test]
    fn an_unknown_template_is_skipped_by_its_length(template: u16, body in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assume!(CATALOGUE.iter().all(|(_, known, _)| *known != template));
        let mut unknown = grown(&message_of("Clock")[..24], &body);
        unknown[2..4].copy_from_slice(&template.to_le_bytes());
        let mut decoder = FrameDecoder::new();
        decoder.push(&[framed(&unknown), golden::bytes("Clock")].concat());
        prop_assert_eq!(decoder.next_message().map(|_| ()), Err(DecodeError::Template(template)));
        let next = decoder.next_message().expect("the stream goes on").map(|message| message.name());
        prop_assert_eq!(next, Some("Clock"));
    }

    #[test]
    fn a_length_out_of_range_is_refused_from_its_four_bytes(length: u32) {
        let is_allowed = (24..=65_535).contains(&length);
        let bytes = length.to_le_bytes();
        let answer = frame::split(&bytes);
        if is_allowed {
            prop_assert_eq!(answer, Ok(Split::Incomplete { needed: 8 + length as usize }));
        } else {
            prop_assert_eq!(answer, Err(DecodeError::FrameLength { minimum: 24, maximum: 65_535, got: length }));
        }
    }

    #[test]
    fn a_length_that_is_not_the_messages_own_is_refused_before_the_message_came(frame in 24..65_536_u32, block: u16) {
        prop_assume!(frame != u32::from(block));
        let bytes = [&frame.to_le_bytes()[..], &[0; 4], &block.to_le_bytes()].concat();
        prop_assert_eq!(frame::split(&bytes), Err(DecodeError::LengthMismatch { frame, block }));
    }
}

#[test]
fn length_limits_hold_at_both_ends() {
    for (length, is_allowed) in [(23_u32, false), (24, true), (65_535, true), (65_536, false)] {
        assert_eq!(frame::split(&length.to_le_bytes()).is_ok(), is_allowed, "{length}");
    }
}

#[test]
fn the_longest_message_goes_through() {
    let longest = grown(&message_of("Hello"), &vec![0xa5; MESSAGE_BYTES_MAX - 32]);
    assert_eq!(longest.len(), 65_535);
    let bytes = framed(&longest);
    assert_eq!(frame::split(&bytes), Ok(Split::Whole { message: &longest, frame_bytes: 65_543 }));
}

#[test]
fn bytes_that_are_not_one_whole_message_are_not_framed() {
    let message = message_of("Hello");
    for wrong in [&[][..], &message[..1], &message[..31], &[&message[..], &[0]].concat()] {
        assert!(FrameBuf::from_message_bytes(wrong).is_none());
        let written = std::panic::catch_unwind(|| framed(wrong));
        assert!(written.is_err(), "{} bytes", wrong.len());
    }
}

#[test]
fn a_message_of_a_newer_writer_is_written_again_with_the_length_it_then_has() {
    let future = grown(&message_of("V2Reserves"), &[0xff; 16]);
    let Ok(Message::V2Reserves(read)) = Message::decode(&future) else { panic!("a longer message is read") };
    let mut written = Vec::new();
    frame::write(&mut written, read);
    assert_eq!(written, golden::bytes("V2Reserves"));
    assert_eq!(FrameBuf::new(read).expect("it fits").as_bytes(), golden::bytes("V2Reserves"));
}
