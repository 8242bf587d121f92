//! A relay's stream at its reader: whatever comes, the mirror is right or void.

use alphapulse_protocol::frame::FrameDecoder;
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::{PoolState, Replica};
use alphapulse_protocol::{DecodeError, UnixNanos};

use crate::reference::bears_on_state;

/// Blocks that the mirror can take back: few, so that the limit is met.
const REORG_DEPTH_MAX: usize = 4;

/// Reads `bytes` as a client does and applies them to a mirror.
///
/// # Panics
/// When the mirror is usable after an error, or holds what no stream describes.
pub fn check(bytes: &[u8]) {
    let mut decoder = FrameDecoder::new();
    decoder.push(bytes);
    let mut reader = Reader::new(Replica::new(REORG_DEPTH_MAX));
    loop {
        match decoder.next_bytes() {
            Ok(Some(message)) => reader.read(message),
            Ok(None) => break,
            Err(error) => {
                assert!(error.is_stream_lost());
                break;
            }
        }
    }
    reader.check_description();
}

/// A mirror, and whether it was told something that voids it.
#[derive(Debug, Clone)]
pub struct Reader {
    replica: Replica,
    is_void: bool,
}

impl Reader {
    /// Reads on with `replica`.
    #[must_use]
    pub const fn new(replica: Replica) -> Self {
        Self { replica, is_void: false }
    }

    /// The mirror.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Takes one message out of a frame.
    ///
    /// # Panics
    /// As [`check`].
    pub fn read(&mut self, bytes: &[u8]) {
        match Message::decode(bytes) {
            Ok(message) => self.apply(&message),
            // A client that cannot read what bears on the state begins anew; anything else it passes over.
            Err(DecodeError::Template(_)) if !bears_on_state(bytes) => {}
            Err(_) => {
                self.replica = Replica::new(REORG_DEPTH_MAX);
                self.is_void = true;
            }
        }
        self.check_void();
    }

    /// Takes one message.
    ///
    /// # Panics
    /// As [`check`].
    pub fn apply(&mut self, message: &Message<'_>) {
        let begins = matches!(message, Message::SnapshotBegin(_));
        let result = self.replica.apply(message);
        if begins {
            assert!(result.is_ok(), "a snapshot may begin at any time: {result:?}");
            self.is_void = false;
        } else if self.is_void && message.is_market() {
            assert!(result.is_err(), "a void mirror took {}", message.name());
        }
        self.is_void |= result.is_err();
        self.check_void();
        self.check_state();
    }

    fn check_void(&self) {
        let replica = &self.replica;
        assert!(!replica.is_tradable() || replica.is_whole());
        if self.is_void {
            assert!(!replica.is_whole() && !replica.is_tradable());
            assert!(replica.position().is_none());
            assert!(!replica.describe(UnixNanos(0), |_| panic!("a void mirror describes nothing")));
        }
    }

    fn check_state(&self) {
        assert_eq!(self.replica.pools().len(), self.replica.states().len());
        for state in self.replica.states() {
            match state {
                PoolState::V2(v2) => assert!(v2.reserve_0 >> 112 == 0 && v2.reserve_1 >> 112 == 0),
                PoolState::V3(v3) => {
                    assert!(v3.ticks.windows(2).all(|pair| pair[0].tick < pair[1].tick), "ascending");
                    assert!(v3.ticks.iter().all(|tick| tick.liquidity_gross > 0), "initialised");
                }
                _ => {}
            }
        }
    }

    /// A whole mirror describes itself so that another one becomes the same: what a relay does for whoever joins.
    ///
    /// # Panics
    /// If the other one is not the same.
    pub fn check_description(&self) {
        let mut other = Replica::new(REORG_DEPTH_MAX);
        let described = self.replica.describe(UnixNanos(1), |message| {
            crate::frame::check_message(message.as_bytes());
            other.apply(&message).expect("a description is a valid snapshot");
        });
        assert_eq!(described, self.replica.is_whole());
        assert!(!described || other.is_same_state(&self.replica));
    }
}
