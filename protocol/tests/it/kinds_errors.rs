//! What may not come for a pool of the later kinds, above all in a snapshot: each part once, in its place.

use alphapulse_protocol::message::{Message, SnapshotBegin, SnapshotEnd, WireMessage};
use alphapulse_protocol::replica::{Change, Replica};
use alphapulse_protocol::{PoolId, ReplicaError, frame};

use crate::golden;
use crate::stream::{CHAIN, EPOCH, context, send};

/// The messages of the golden snapshot of every kind, each with its name, begin and end left out.
fn snapshot() -> Vec<(&'static str, Vec<u8>)> {
    let (bytes, mut at, mut messages, mut is_inside) = (golden::bytes("kinds_session"), 0, Vec::new(), false);
    loop {
        let Ok(frame::Split::Whole { message, frame_bytes }) = frame::split(&bytes[at..]) else {
            panic!("whole frames")
        };
        let name = Message::decode(message).expect("valid").name();
        if name == "SnapshotEnd" {
            return messages;
        }
        if is_inside {
            messages.push((name, message.to_vec()));
        }
        is_inside |= name == "SnapshotBegin";
        at += frame_bytes;
    }
}

/// Applies a snapshot that consists of these messages; the first error, if any.
fn apply(messages: &[(&'static str, Vec<u8>)]) -> Result<Change, ReplicaError> {
    let mut replica = Replica::default();
    send(&mut replica, 0, SnapshotBegin::new(context(200, 200, 199), CHAIN, EPOCH, 8, 10))?;
    for (_, message) in messages {
        replica.apply(&Message::decode(message).expect("valid"))?;
    }
    let end = SnapshotEnd::new(u32::try_from(messages.len()).expect("few"));
    send(&mut replica, 0, end)
}

#[test]
fn a_snapshot_with_a_message_lost_and_another_twice_is_refused() {
    let whole = snapshot();
    assert_eq!(apply(&whole), Ok(Change::SnapshotReady));
    // The count of messages stays right, so it cannot be what tells.
    for lost in 0..whole.len() {
        for twice in (0..whole.len()).filter(|twice| *twice != lost) {
            let mut messages = whole.clone();
            let copy = messages[twice].clone();
            messages.insert(twice, copy);
            messages.remove(if lost > twice { lost + 1 } else { lost });
            let error = apply(&messages).expect_err("a part is missing");
            assert!(!error.to_string().is_empty(), "lost {}, twice {}", whole[lost].0, whole[twice].0);
        }
    }
}

#[test]
fn parts_of_a_pool_in_another_order_are_refused() {
    let whole = snapshot();
    for at in 0..whole.len() - 1 {
        let names = (whole[at].0, whole[at + 1].0);
        let is_unordered = names == ("V3Tick", "V3Tick");
        let mut messages = whole.clone();
        messages.swap(at, at + 1);
        assert_eq!(apply(&messages).is_ok(), is_unordered, "{names:?} at {at}");
    }
}

#[test]
fn a_part_for_a_pool_of_another_kind_is_a_contradiction() {
    let whole = snapshot();
    let mut replica = Replica::default();
    send(&mut replica, 0, SnapshotBegin::new(context(200, 200, 199), CHAIN, EPOCH, 8, 10)).expect("begins");
    for (_, message) in &whole {
        replica.apply(&Message::decode(message).expect("valid")).expect("fits");
    }
    send(&mut replica, 0, SnapshotEnd::new(u32::try_from(whole.len()).expect("few"))).expect("ends");
    let block = alphapulse_protocol::message::Block::new(context(201, 201, 200), alphapulse_protocol::BlockNumber(201));
    send(&mut replica, 1, block).expect("begins");
    let is_part = |name: &str| !["Token", "Pool", "V4Pool", "MultiTokenPool", "V3Tick"].contains(&name);
    let of = |message: &[u8]| u32::from_le_bytes([message[24], message[25], message[26], message[27]]);
    for (name, message) in whole.iter().filter(|(name, _)| is_part(name)) {
        for pool in 0..10_u32 {
            let mut placed = message.clone();
            placed[8..16].copy_from_slice(&2_u64.to_le_bytes());
            placed[24..28].copy_from_slice(&pool.to_le_bytes());
            let answer = replica.clone().apply(&Message::decode(&placed).expect("valid"));
            let kind = |pool: u32| replica.states()[PoolId(pool).index()].clone();
            let takes_rates = [5, 6, 9].contains(&pool) && placed[28] == 1 || pool == 9;
            let fits = core::mem::discriminant(&kind(pool)) == core::mem::discriminant(&kind(of(message)));
            let fits = if *name == "PoolRates" { takes_rates } else { fits };
            match answer {
                Ok(change) => assert!(fits && change == Change::Pool(PoolId(pool)), "{name} for pool {pool}"),
                Err(ReplicaError::Contradiction { .. }) => assert!(!fits, "{name} for pool {pool}"),
                Err(error) => panic!("{name} for pool {pool}: {error}"),
            }
        }
    }
}

#[test]
fn a_meta_pool_stands_over_a_described_pool_of_stable_swap() {
    let whole = snapshot();
    let meta = whole.iter().filter(|(name, _)| *name == "MultiTokenPool").nth(3).expect("pool 6").1.clone();
    let upto = whole.iter().position(|(_, message)| *message == meta).expect("it is one of them");
    for (base, is_taken) in [(5_u32, true), (4, false), (0, false)] {
        let mut messages = whole[..=upto].to_vec();
        messages[upto].1[52..56].copy_from_slice(&base.to_le_bytes());
        let mut replica = Replica::default();
        send(&mut replica, 0, SnapshotBegin::new(context(200, 200, 199), CHAIN, EPOCH, 8, 10)).expect("begins");
        let answers: Vec<_> =
            messages.iter().map(|(_, message)| replica.apply(&Message::decode(message).expect("valid"))).collect();
        let last = answers.last().copied();
        let reason = "a base pool that is not of StableSwap";
        let refused = ReplicaError::Contradiction { pool: PoolId(6), reason };
        assert_eq!(last, Some(if is_taken { Ok(Change::PoolAdded(PoolId(6))) } else { Err(refused) }), "base {base}");
    }
}

#[test]
fn a_wrapped_token_that_was_not_described_is_unknown() {
    let mut messages = snapshot();
    let (_, pool) = messages.iter_mut().find(|(name, _)| *name == "MultiTokenPool").expect("pool 2");
    pool[108..112].copy_from_slice(&99_u32.to_le_bytes());
    assert_eq!(apply(&messages), Err(ReplicaError::UnknownToken(alphapulse_protocol::TokenId(99))));
}

/// The largest message leaves no byte of a frame unused, so it is the one to hold against the cap.
#[test]
fn the_largest_message_fills_a_frame_exactly() {
    let bytes = size_of::<alphapulse_protocol::message::CurveCryptoBalances>();
    assert_eq!(bytes + frame::FRAME_HEADER_BYTES, frame::FRAME_BYTES_MAX);
    assert_eq!(alphapulse_protocol::message::CurveCryptoBalances::VERSION, 3);
}
