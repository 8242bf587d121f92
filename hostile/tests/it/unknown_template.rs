//! A client meets templates newer than its build: it passes over what does not bear on the state, and ends at what does.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use alphapulse_hostile::reference::FRAME_HEADER_BYTES;
use alphapulse_hostile::{golden, repair};
use alphapulse_protocol::DecodeError;
use alphapulse_relay::{Feed, FeedError};

/// Far above what the exchange takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(20);

/// A heartbeat under another template.
fn unknown(template: u16) -> Vec<u8> {
    let mut frame = golden::bytes("Heartbeat");
    frame[FRAME_HEADER_BYTES + 2..][..2].copy_from_slice(&template.to_le_bytes());
    repair::checksum(&mut frame);
    frame
}

/// How many frames a client is handed of what a relay says behind its greeting, and how the feed ends when the relay leaves.
fn read(said: &[u8]) -> (usize, FeedError) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("relay.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let said = [&golden::bytes("Welcome")[..], said].concat();
    let relay = thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("the client");
        peer.write_all(&said).expect("the client reads");
        // It has said its part; the client's greeting is read by nobody.
        peer.shutdown(std::net::Shutdown::Write).expect("the client is there");
        peer
    });
    let mut feed = Feed::connect_unix(&path, None).expect("a greeting");
    let (start, mut frames) = (Instant::now(), 0);
    let error = loop {
        assert!(start.elapsed() < DEADLINE, "the feed does not end");
        match feed.try_next() {
            Ok(Some(_)) => frames += 1,
            Ok(None) => feed.wait(Duration::from_millis(20)),
            Err(error) => break error,
        }
    };
    drop(relay.join().expect("the relay said all"));
    (frames, error)
}

#[test]
fn templates_that_bear_on_the_state_end_the_feed_and_others_are_passed_over() {
    let heartbeat = golden::bytes("Heartbeat");
    for template in [14, 15, 79, 60_000] {
        let (frames, error) = read(&[&heartbeat[..], &unknown(template), &heartbeat].concat());
        assert!(matches!(error, FeedError::Disconnected), "template {template}: {error}");
        assert_eq!(frames, 2, "template {template}");
    }
    for template in [46, 47] {
        let (frames, error) = read(&[&heartbeat[..], &unknown(template), &heartbeat].concat());
        assert!(matches!(error, FeedError::Malformed(DecodeError::Template(got)) if got == template), "{error}");
        assert!(error.is_retryable());
        assert_eq!(frames, 1, "template {template}");
    }
}
