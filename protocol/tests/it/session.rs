//! The golden connection goes through the states that the page tells.

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES, Split};
use alphapulse_protocol::message::{CloseReason, Gap, GapReason, GapRecovery, Message};
use alphapulse_protocol::replica::{PoolState, Replica, TickLiquidity, V2State};
use alphapulse_protocol::{BlockNumber, ChainId, Epoch, Sequence, U256};

use crate::golden;

const WEI: u128 = 1_000_000_000_000_000_000;

struct Reader {
    bytes: Vec<u8>,
    replica: Replica,
}

impl Reader {
    /// Applies messages up to and with the next one of this name, and hands that to `look`.
    fn read_to(&mut self, name: &str, look: impl Fn(&Message<'_>)) {
        loop {
            let Ok(Split::Whole { message, frame_bytes }) = frame::split(&self.bytes) else { panic!("no {name} came") };
            let message = Message::decode(message).expect("golden messages are valid");
            self.replica.apply(&message).expect("and fit each other");
            let is_found = message.name() == name;
            if is_found {
                look(&message);
            }
            self.bytes.drain(..frame_bytes);
            if is_found {
                return;
            }
        }
    }

    fn reserves(&self) -> V2State {
        let PoolState::V2(state) = &self.replica.states()[0] else { panic!("pool 0 is of kind 1") };
        *state
    }

    /// Active liquidity, and tick, net and gross of each tick, in units of 10^18.
    fn liquidity(&self) -> (u128, Vec<(i32, i128, u128)>) {
        let PoolState::V3(state) = &self.replica.states()[1] else { panic!("pool 1 is of kind 2") };
        let unit = i128::try_from(WEI).expect("small");
        let each = |t: &TickLiquidity| (t.tick, t.liquidity_net / unit, t.liquidity_gross / WEI);
        (state.liquidity / WEI, state.ticks.iter().map(each).collect())
    }

    fn place(&self) -> (u64, u64, u8) {
        let context = self.replica.context().expect("a snapshot came");
        (self.replica.sequence().0, context.number.get(), context.hash[0])
    }
}

#[test]
fn the_golden_connection_goes_through_the_states_on_the_page() {
    let mut reader = Reader { bytes: golden::bytes("session"), replica: Replica::default() };

    reader.read_to("Hello", |m| assert_eq!(m.as_bytes().len(), 32));
    reader.read_to("Welcome", |m| {
        let Message::Welcome(m) = m else { panic!("it is one") };
        assert_eq!((m.chain_id.get(), m.epoch.get(), m.version.get()), (31_337, 7, 1));
    });
    assert!(!reader.replica.is_whole());

    reader.read_to("SnapshotEnd", |_| {});
    let replica = &reader.replica;
    assert_eq!((replica.chain_id(), replica.epoch()), (ChainId(31_337), Epoch(7)));
    assert_eq!(replica.tokens().iter().map(|token| token.symbol.as_str()).collect::<Vec<_>>(), ["WETH", "DAI"]);
    assert!(replica.is_tradable());
    assert_eq!(reader.place(), (0, 100, 0x64));
    check_snapshot_state(&reader);

    reader.read_to("BlockEnd", |_| {});
    assert_eq!(reader.place(), (4, 101, 0x65));
    assert_eq!(reader.reserves(), V2State { reserve_0: 101 * WEI, reserve_1: 198_026 * WEI });
    assert_eq!(reader.liquidity(), (7, vec![(-60, 7, 7), (60, -5, 5), (120, -2, 2)]));

    reader.read_to("Heartbeat", |m| {
        let Message::Heartbeat(m) = m else { panic!("it is one") };
        assert_eq!((m.head().number, m.head_hash[0]), (BlockNumber(101), 0x65));
    });
    assert!(reader.replica.is_tradable());

    reader.read_to("Reorg", |_| {});
    assert_eq!(reader.place(), (5, 100, 0x64));
    assert!(reader.replica.is_whole() && !reader.replica.is_tradable());
    check_snapshot_state(&reader);

    reader.read_to("BlockEnd", |_| {});
    assert_eq!(reader.place(), (8, 101, 0x75));
    assert_eq!(reader.reserves(), V2State { reserve_0: 100 * WEI, reserve_1: 200_000 * WEI });
    assert_eq!(reader.liquidity(), (1, vec![(-60, 1, 1), (60, -1, 1)]));
    assert!(reader.replica.is_tradable());

    reader.read_to("Close", |m| {
        let Message::Close(m) = m else { panic!("it is one") };
        assert_eq!(CloseReason::from_wire(m.reason.get()), Some(CloseReason::Shutdown));
    });
    assert!(reader.bytes.is_empty());
}

fn check_snapshot_state(reader: &Reader) {
    assert_eq!(reader.reserves(), V2State { reserve_0: 100 * WEI, reserve_1: 200_000 * WEI });
    assert_eq!(reader.liquidity(), (5, vec![(-60, 5, 5), (60, -5, 5)]));
    let PoolState::V3(state) = &reader.replica.states()[1] else { panic!("pool 1 is of kind 2") };
    assert_eq!((state.sqrt_price_x96, state.tick), (U256::ONE << 96, 0));
}

#[test]
fn the_golden_connection_is_one_frame_after_the_other() {
    let (bytes, mut at, mut count) = (golden::bytes("session"), 0, 0);
    while at < bytes.len() {
        let Ok(Split::Whole { message, frame_bytes }) = frame::split(&bytes[at..]) else { panic!("whole frames only") };
        assert_eq!(frame_bytes, FRAME_HEADER_BYTES + message.len());
        (at, count) = (at + frame_bytes, count + 1);
    }
    assert_eq!(count, 22);
}

#[test]
fn the_resumed_connection_goes_through_the_states_on_the_page() {
    let mut reader = Reader { bytes: golden::bytes("session"), replica: Replica::default() };
    reader.read_to("Heartbeat", |_| {});
    let position = reader.replica.position().expect("it has a state");
    reader.bytes = golden::bytes("resumed_session");

    reader.read_to("Subscribe", |m| {
        let Message::Subscribe(m) = m else { panic!("it is one") };
        assert_eq!(m.position(), Some(position));
    });
    assert!(reader.replica.is_tradable());
    reader.read_to("Gap", |m| {
        let Message::Gap(m) = m else { panic!("it is one") };
        assert_eq!((m.first.get(), m.last.get()), (5, 8));
        assert_eq!(GapReason::from_wire(m.reason.get()), Some(GapReason::Away));
    });
    assert_eq!(reader.place(), (4, 101, 0x65));
    assert!(reader.replica.is_whole() && !reader.replica.is_tradable(), "old until message 8");
    reader.read_to("Reorg", |_| {});
    check_snapshot_state(&reader);
    reader.read_to("BlockEnd", |_| {});
    assert_eq!(reader.place(), (8, 101, 0x75));
    assert_eq!(reader.liquidity(), (1, vec![(-60, 1, 1), (60, -1, 1)]));
    assert!(reader.replica.is_tradable());

    reader.read_to("Gap", |_| {});
    assert!(!reader.replica.is_whole() && reader.replica.position().is_none(), "void");
    reader.read_to("SnapshotEnd", |_| {});
    assert_eq!((reader.place(), reader.replica.epoch()), ((0, 102, 0x76), Epoch(8)));
    assert_eq!(reader.reserves(), V2State { reserve_0: 102 * WEI, reserve_1: 196_079 * WEI });
    assert!(reader.replica.is_tradable());
    reader.read_to("Close", |_| {});
    assert!(reader.bytes.is_empty());
}

#[test]
fn a_gap_that_does_not_start_where_the_reader_stands_is_an_error() {
    let mut reader = Reader { bytes: golden::bytes("session"), replica: Replica::default() };
    reader.read_to("Heartbeat", |_| {});
    for seen in [3, 5] {
        let gap = Gap::new(Sequence(seen), Some(Sequence(9)), GapRecovery::Replay, GapReason::Lapped);
        let mut replica = reader.replica.clone();
        replica.apply(&Message::from(&gap)).expect_err("the reader stands at 4");
        assert!(replica.position().is_none());
    }
    let without_extent = Gap::new(Sequence(4), None, GapRecovery::Replay, GapReason::Lapped);
    reader.replica.apply(&Message::from(&without_extent)).expect_err("nobody could say when it is over");
}
