//! A look at messages that are about to come: it changes nothing, whatever they turn out to be.

use alphapulse_protocol::frame::{self, Ahead};
use alphapulse_protocol::message::{BlockEnd, Message, V2Reserves, V3Liquidity, V3Swap, WireMessage};
use alphapulse_protocol::replica::{AHEAD_MAX, Replica};
use alphapulse_protocol::{PoolId, Sequence, U256, UnixNanos};

use crate::replica_errors::in_block;
use crate::stream::{block_ref, send};

fn bytes<T: WireMessage>(message: &T) -> Vec<u8> {
    message.as_bytes().to_vec()
}

/// Changes of pools of each kind, of pools that are of another one, and of pools that nobody knows; and what is no message.
fn messages() -> Vec<Vec<u8>> {
    let of_pool = |pool: u32| {
        let pool = PoolId(pool);
        let liquidity = |lower, upper| bytes(&V3Liquidity::new(pool, lower, upper, 5));
        let swap = V3Swap::new(pool, U256::ONE << 96, 0, 0);
        [bytes(&V2Reserves::new(pool, 1, 2)), bytes(&swap), liquidity(-60, 60), liquidity(-600, 600)]
    };
    let mut messages: Vec<_> = [0, 1, 2, u32::MAX].into_iter().flat_map(of_pool).collect();
    messages.extend([vec![], vec![0xff; 35], vec![0xff; 36], vec![0; 200]]);
    messages
}

/// Block 101, with a look behind so many of its messages.
fn block(looked_behind: usize) -> Replica {
    let (messages, mut replica) = (messages(), in_block());
    let look = |replica: &mut Replica, behind: usize| {
        if behind == looked_behind {
            assert_eq!(replica.look_ahead(messages.iter().map(Vec::as_slice), |_| true), messages.len());
        }
    };
    look(&mut replica, 0);
    send(&mut replica, 12, V2Reserves::new(PoolId(0), 1, 2)).expect("a pair");
    send(&mut replica, 13, V3Swap::new(PoolId(1), U256::ONE << 96, 0, 0)).expect("a pool with ticks");
    for (sequence, behind, delta) in [(14, 1, 5), (15, 2, 6), (16, 3, -11)] {
        send(&mut replica, sequence, V3Liquidity::new(PoolId(1), -60, 60, delta)).expect("two ticks of it");
        look(&mut replica, behind);
    }
    send(&mut replica, 17, BlockEnd::new(block_ref(101, 101), 5)).expect("ends");
    replica
}

#[test]
fn a_look_changes_nothing() {
    (0..4).for_each(|behind| assert!(block(behind).is_same_state(&block(usize::MAX)), "behind {behind}"));
}

#[test]
fn a_look_counts_what_it_was_given_up_to_its_limit() {
    let messages = messages();
    let all = || messages.iter().map(Vec::as_slice).cycle().take(AHEAD_MAX + 1);
    for mut replica in [Replica::default(), in_block()] {
        // The second is left out, since no pool was new to the block.
        for given in [AHEAD_MAX + 1, 2] {
            assert_eq!(replica.look_ahead(all().take(given), |_| true), given.min(AHEAD_MAX));
        }
    }
}

#[test]
fn messages_of_frames_are_told_as_far_as_they_are_whole() {
    let messages = [V2Reserves::new(PoolId(1), 2, 3), V2Reserves::new(PoolId(2), 3, 4)];
    let mut frames = Vec::new();
    messages.iter().for_each(|message| frame::write(&mut frames, &message.stamped(Sequence(1), UnixNanos(0))));
    let pools = |frames: &[u8]| -> Vec<_> {
        Ahead::of(frames).map(|bytes| Message::decode(bytes).ok().and_then(|message| message.state_of())).collect()
    };
    assert_eq!(pools(&frames), [Some(PoolId(1)), Some(PoolId(2))]);
    assert_eq!(pools(&frames[..frames.len() - 1]), [Some(PoolId(1))]);
    assert_eq!(pools(&frames[..7]), []);
    assert_eq!(pools(&[0xff; 8]), []);
}
