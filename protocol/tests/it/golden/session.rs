//! Golden bytes of the messages of a connection.

use alphapulse_protocol::message::{Close, CloseReason, Heartbeat, Hello, Welcome};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, Epoch};

use super::{check, run};

#[test]
fn hello_is_its_golden_bytes() {
    let mut hello = Hello::new();
    assert_eq!((hello.version_min.get(), hello.version_max.get()), (1, 1));
    hello.version_max.set(3);
    check("Hello", hello, (0, 0), |m| {
        assert_eq!(m.version_min, 1);
        assert_eq!(m.version_max, 3);
    });
}

#[test]
fn welcome_is_its_golden_bytes() {
    let welcome = Welcome::new(ChainId(31_337), Epoch(0x0a0b_0c0d_0102_0304));
    check("Welcome", welcome, (0, 0), |m| {
        assert_eq!(m.chain_id, 31_337);
        assert_eq!(m.epoch, 0x0a0b_0c0d_0102_0304);
        assert_eq!(m.version, 1);
    });
}

#[test]
fn close_is_its_golden_bytes() {
    check("Close", Close::new(CloseReason::Evicted), (0, 0), |m| {
        assert_eq!(CloseReason::from_wire(m.reason.get()), Some(CloseReason::Evicted));
    });
}

#[test]
fn heartbeat_is_its_golden_bytes() {
    let head = BlockRef { number: BlockNumber(18_884_864), hash: run(0x21) };
    check("Heartbeat", Heartbeat::new(head), (77, 1_700_000_123_000_000_000), |m| {
        assert_eq!(m.head_number, 18_884_864);
        assert_eq!(m.head_hash, run(0x21));
        assert_eq!(m.head(), head);
    });
}
