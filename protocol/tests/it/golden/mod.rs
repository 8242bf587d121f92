//! Golden bytes: written by `tests/golden/generate.py` from the tables of the page, never by this code.

mod chain;
mod decisions;
mod market;
mod outcomes;
mod pools;
mod session;
mod side;

use std::fs;
use std::path::{Path, PathBuf};

use alphapulse_protocol::frame::{self, FrameBuf, FrameDecoder};
use alphapulse_protocol::message::{CATALOGUE, Message, WireMessage};
use alphapulse_protocol::{Sequence, UnixNanos};

use crate::page;

/// Schema versions that there are golden files of: each holds the messages that got their form in it.
const VERSIONS: [u16; 3] = [1, 2, 3];
/// Whole connections, one for each version.
const SESSIONS: [&str; 3] = ["session", "resumed_session", "kinds_session"];

fn directory(version: u16) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{version}"))
}

/// Bytes of a golden file: one whole frame, or the frames of a connection.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    let file = |version| directory(version).join(format!("{name}.hex"));
    let path = VERSIONS.map(file).into_iter().find(|path| path.exists()).unwrap_or_else(|| file(VERSIONS[0]));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    page::hex(&text)
}

/// The golden frame of every message, by name.
pub(crate) fn all_frames() -> Vec<(&'static str, Vec<u8>)> {
    CATALOGUE.iter().map(|(name, ..)| (*name, bytes(name))).collect()
}

/// Holds encoding against the golden frame, and hands the decoded message to `fields` to be compared one by one.
fn check<T: WireMessage>(name: &str, message: T, place: (u64, u64), fields: impl Fn(&T)) {
    let golden = bytes(name);
    let mut written = Vec::new();
    frame::write(&mut written, &message.stamped(Sequence(place.0), UnixNanos(place.1)));
    assert_eq!(written, golden, "{name} is not written as its golden bytes");

    let mut decoder = FrameDecoder::new();
    decoder.push(&golden);
    let read = decoder.next_message().expect("a golden frame is valid").expect("and whole");
    assert_eq!(read.name(), name);
    let header = read.header();
    assert_eq!((header.sequence.get(), header.event_ns.get()), place);
    assert_eq!((header.schema_id.get(), header.version.get()), (0x5041, T::VERSION));
    assert!(directory(T::VERSION).join(format!("{name}.hex")).exists(), "{name} is of version {}", T::VERSION);
    let body = T::ref_from_bytes(&golden[frame::FRAME_HEADER_BYTES..]).expect("decoded before");
    assert_eq!(body.as_bytes(), read.as_bytes());
    fields(body);
}

/// `count` bytes that rise from `start`, as in the generator.
fn run<const COUNT: usize>(start: u8) -> [u8; COUNT] {
    core::array::from_fn(|at| start.wrapping_add(u8::try_from(at).expect("short runs")))
}

#[test]
fn every_message_has_a_golden_file_and_every_file_a_message() {
    let mut files: Vec<_> = VERSIONS
        .into_iter()
        .flat_map(|version| fs::read_dir(directory(version)).expect("the golden directory"))
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("plain names"))
        .collect();
    let mut expected: Vec<_> = CATALOGUE.iter().map(|(name, ..)| format!("{name}.hex")).collect();
    expected.extend(SESSIONS.map(|name| format!("{name}.hex")));
    files.sort();
    expected.sort();
    assert_eq!(files, expected);
}

#[test]
fn a_live_frame_by_value_is_the_golden_frame_and_records_above_its_cap_are_refused() {
    for (name, golden) in all_frames() {
        let by_value = FrameBuf::from_message_bytes(&golden[frame::FRAME_HEADER_BYTES..]);
        if golden.len() <= frame::FRAME_BYTES_MAX {
            let by_value = by_value.unwrap_or_else(|| panic!("{name} fits"));
            assert_eq!(by_value.as_bytes(), golden, "{name}");
            assert_eq!(by_value.message_bytes(), &golden[frame::FRAME_HEADER_BYTES..], "{name}");
        } else {
            assert!(by_value.is_none(), "{name} is above the cap of live frames");
        }
        // Copied as it came, alone and with others behind it.
        for behind in [0, 1_000] {
            let bytes = [&golden[..], &vec![0xee; behind]].concat();
            let read = frame::Frame::first(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
            let read = read.unwrap_or_else(|| panic!("{name} is whole"));
            assert_eq!(read.as_bytes(), golden, "{name}");
            let copied = read.to_buf().map(|frame| frame.as_bytes().to_vec());
            assert_eq!(copied, by_value.map(|frame| frame.as_bytes().to_vec()), "{name}");
        }
        assert!(frame::Frame::first(&golden[..golden.len() - 1]).is_ok_and(|read| read.is_none()), "{name}");
    }
}

#[test]
fn every_message_that_may_go_over_a_connection_fits_a_live_frame() {
    for (name, template, bytes) in CATALOGUE {
        let is_record = *template >= 48;
        // An administrator's connection carries no stream.
        let is_admin = matches!(template, 12 | 13);
        assert!(is_record || is_admin || frame::FRAME_HEADER_BYTES + bytes <= frame::FRAME_BYTES_MAX, "{name}");
    }
}

#[test]
fn the_examples_on_the_page_are_the_golden_frames() {
    assert_eq!(page::hex_blocks(), [bytes("Hello"), bytes("V2Reserves")]);
}

#[test]
fn market_messages_are_those_of_the_market_templates() {
    for (name, golden) in all_frames() {
        let message = Message::decode(&golden[frame::FRAME_HEADER_BYTES..]).expect("a golden frame is valid");
        let is_in_range = (16..48).contains(&message.header().template_id.get());
        assert_eq!(message.is_market(), is_in_range, "{name}");
    }
}
