//! Live streams into a mirror: what is not due voids it, and only a snapshot makes it whole again.

use alphapulse_protocol::ReplicaError;
use alphapulse_protocol::message::Message;
use alphapulse_protocol::replica::Replica;
use rand::Rng;
use rand::rngs::SmallRng;

use super::pick;
use super::tally::{Attack, Outcome, Tally};
use crate::golden;
use crate::reference::{First, Judgement, first_frame, judge, number};
use crate::subscription::Reader;

/// Templates of the messages that a stream is cut at.
const WELCOME: u128 = 2;
const SNAPSHOT_END: u128 = 20;
const CLOSE: u128 = 3;

/// The golden connection, cut into the snapshot that makes a mirror and what follows live.
pub(super) struct LiveStreams {
    whole: Reader,
    snapshot: Vec<Vec<u8>>,
    live: Vec<Vec<u8>>,
}

impl LiveStreams {
    pub(super) fn new() -> Self {
        let connection = golden::bytes("session");
        let mut messages = Vec::new();
        let mut rest = connection.as_slice();
        while let First::Whole { message, rest: behind } = first_frame(rest) {
            messages.push(message.to_vec());
            rest = behind;
        }
        let place = |template| messages.iter().position(|message| number(message, 2, 2) == template);
        let place = |template| place(template).expect("the golden connection has one");
        let (welcome, end, close) = (place(WELCOME), place(SNAPSHOT_END), place(CLOSE));
        let snapshot = messages[welcome + 1..=end].to_vec();
        let mut whole = Reader::new(Replica::default());
        snapshot.iter().for_each(|message| whole.read(message));
        assert!(whole.replica().is_tradable(), "the golden snapshot is one to trade on");
        Self { whole, snapshot, live: messages[end + 1..close].to_vec() }
    }

    pub(super) fn send(&self, rng: &mut SmallRng, tally: &mut Tally) {
        let mut stream = self.live.clone();
        let attack = [Attack::WrongSequence, Attack::LostOrder, Attack::WrongContent][pick(rng, 0..3)];
        match attack {
            Attack::WrongSequence => state_wrong_sequence(&mut stream, rng),
            Attack::LostOrder => lose_order(&mut stream, rng),
            _ => damage(&mut stream, rng),
        }
        let mut reader = self.whole.clone();
        let mut last = 0;
        for message in &stream {
            if !apply(&mut reader, &mut last, message, attack, tally) {
                tally.deviate(format!("{attack:?}: {stream:02x?}"));
                return;
            }
        }
        reader.check_description();
        for message in &self.snapshot {
            reader.read(message);
            tally.count(attack, Outcome::Applied);
        }
        if !reader.replica().is_tradable() {
            tally.deviate(format!("{attack:?}: no snapshot helps after {stream:02x?}"));
        }
    }
}

/// Applies one message, and holds the answer against the rule of sequences (section 5 of the page). `last` is the sequence of
/// the last live message. [`Reader`] makes sure that an error voids the mirror.
fn apply(reader: &mut Reader, last: &mut u64, bytes: &[u8], attack: Attack, tally: &mut Tally) -> bool {
    if judge(bytes) != Judgement::Accepted {
        // A client begins anew at a message that it cannot read.
        *reader = Reader::new(Replica::default());
        tally.count(attack, Outcome::RefusedField);
        return Message::decode(bytes).is_err();
    }
    let message = Message::decode(bytes).expect("accepted by the page");
    let was_void = reader.replica().position().is_none();
    let got = u64::try_from(number(bytes, 8, 8)).expect("64 bits");
    let due = if matches!(number(bytes, 2, 2), 4 | 6) { *last } else { *last + 1 };
    // The reader asserts; its mirror's own answer is asked for apart.
    let result = reader.replica().clone().apply(&message);
    reader.apply(&message);
    let (outcome, is_right) = match result {
        Ok(_) if was_void => (Outcome::Applied, !message.is_market()),
        Ok(_) => (Outcome::Applied, got == due),
        Err(ReplicaError::Gap { expected, got: stated }) => {
            (Outcome::MirrorGap, !was_void && got != due && (expected.0, stated.0) == (due, got))
        }
        Err(_) if was_void => (Outcome::MirrorVoid, true),
        Err(_) => (Outcome::MirrorRefused, got == due && attack != Attack::WrongSequence),
    };
    if outcome == Outcome::Applied {
        *last = got;
    }
    tally.count(attack, outcome);
    is_right
}

fn state_sequence(message: &mut [u8], sequence: u64) {
    message[8..16].copy_from_slice(&sequence.to_le_bytes());
}

fn sequence_of(message: &[u8]) -> u64 {
    u64::try_from(number(message, 8, 8)).expect("64 bits")
}

fn state_wrong_sequence(stream: &mut [Vec<u8>], rng: &mut SmallRng) {
    let message = &mut stream[pick(rng, 0..stream.len())];
    let own = sequence_of(message);
    let wrong = match rng.random_range(0..5_u8) {
        0 => own.wrapping_sub(1),
        1 => own + 1,
        2 => 0,
        3 => u64::MAX,
        _ => rng.random(),
    };
    state_sequence(message, if wrong == own { own + 2 } else { wrong });
}

fn lose_order(stream: &mut Vec<Vec<u8>>, rng: &mut SmallRng) {
    let at = pick(rng, 0..stream.len());
    match rng.random_range(0..3_u8) {
        0 => drop(stream.remove(at)),
        1 => stream.insert(at, stream[at].clone()),
        _ => {
            let other = pick(rng, 0..stream.len());
            stream.swap(at, other);
        }
    }
}

/// Noise in the body of one message, the sequences as they are due.
fn damage(stream: &mut [Vec<u8>], rng: &mut SmallRng) {
    let message = &mut stream[pick(rng, 0..stream.len())];
    for _ in 0..=pick(rng, 0..3) {
        let at = pick(rng, 24..message.len());
        message[at] = if rng.random() { rng.random() } else { [0, 0xff, 0x7f, 0x80][pick(rng, 0..4)] };
    }
}
