//! Golden bytes of the messages of a connection.

use alphapulse_protocol::message::{
    ADMIN_TEXT_BYTES_MAX, AdminAction, AdminReply, AdminRequest, AdminStatus, Caution, CautionCause, Challenge, Close,
    CloseReason, Gap, GapReason, GapRecovery, Heartbeat, Hello, Message, Proof, Publish, Role, Scope, Select, Skip,
    Subscribe, Welcome,
};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, Epoch, Position, Sequence};

use super::{check, run};

#[test]
fn hello_is_its_golden_bytes() {
    check("Hello", Hello::new(), (0, 0), |m| {
        assert_eq!(m.version_min, 1);
        assert_eq!(m.version_max, 3);
    });
}

#[test]
fn welcome_is_its_golden_bytes() {
    let welcome = Welcome::new(ChainId(31_337), Epoch(0x0a0b_0c0d_0102_0304), 1);
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

#[test]
fn subscribe_is_its_golden_bytes() {
    let position = Position { epoch: Epoch(0x0a0b_0c0d_0102_0304), sequence: Sequence(0x1122_3344_5566_7788) };
    check("Subscribe", Subscribe::new(Some(position)), (0, 0), |m| {
        assert_eq!(m.resume_epoch, 0x0a0b_0c0d_0102_0304);
        assert_eq!(m.resume_sequence, 0x1122_3344_5566_7788);
        assert_eq!(m.position(), Some(position));
    });
    assert_eq!(Subscribe::new(None).position(), None);
}

#[test]
fn gap_is_its_golden_bytes() {
    let gap = Gap::new(Sequence(594), Some(Sequence(700)), GapRecovery::Snapshot, GapReason::Lapped);
    check("Gap", gap, (594, 0), |m| {
        assert_eq!((m.first.get(), m.last.get()), (595, 700));
        assert_eq!(GapRecovery::from_wire(m.recovery.get()), Some(GapRecovery::Snapshot));
        assert_eq!(GapReason::from_wire(m.reason.get()), Some(GapReason::Lapped));
    });
}

#[test]
fn select_is_its_golden_bytes() {
    let mut select = Select::address(Scope::Token, run(0x81));
    select.number = 0x2122_2324_2526_2728.into();
    check("Select", select, (0, 0), |m| {
        assert_eq!(m.scope(), Some(Scope::Token));
        assert_eq!(m.number, 0x2122_2324_2526_2728);
        assert_eq!(m.address, run(0x81));
    });
    assert_eq!(Select::number(Scope::Venue, 7).number, 7);
}

#[test]
fn caution_is_its_golden_bytes() {
    check("Caution", Caution::new(Sequence(594), CautionCause::Divergence), (594, 0), |m| {
        assert_eq!(m.is_safe, 0);
        assert_eq!(CautionCause::from_wire(m.cause.get()), Some(CautionCause::Divergence));
    });
    assert_eq!(Caution::new(Sequence(0), CautionCause::None).is_safe, 1);
}

#[test]
fn challenge_is_its_golden_bytes() {
    check("Challenge", Challenge::new(run(0x41)), (0, 0), |m| assert_eq!(m.nonce, run(0x41)));
}

#[test]
fn proof_is_its_golden_bytes() {
    let mac = *super::bytes("Proof").last_chunk().expect("the MAC is the last field");
    let proof = Proof::new(Role::Publish, "trader-1", run(0x61), mac).expect("a name of a key");
    check("Proof", proof, (0, 0), |m| {
        assert_eq!(m.role(), Some(Role::Publish));
        assert_eq!(m.name(), "trader-1");
        assert_eq!((m.nonce, m.mac), (run(0x61), mac));
    });
    for name in ["", "a b", "caf\u{e9}", &"n".repeat(33)] {
        assert!(Proof::new(Role::Publish, name, run(0), run(0)).is_none(), "{name}");
    }
}

#[test]
fn publish_is_its_golden_bytes() {
    check("Publish", Publish::new(ChainId(31_337)), (0, 0), |m| assert_eq!(m.chain_id, 31_337));
}

#[test]
fn admin_request_is_its_golden_bytes_and_hides_its_text() {
    let endpoint = "wss://node.example/v3/key";
    let request = AdminRequest::new(AdminAction::AddNode, CautionCause::None, endpoint).expect("it fits");
    check("AdminRequest", request, (0, 0), |m| {
        assert_eq!((m.action(), m.cause()), (Some(AdminAction::AddNode), Some(CautionCause::None)));
        assert_eq!(m.text(), endpoint);
        let shown = format!("{m:?} {:?}", Message::from(m));
        assert!(!shown.contains("key") && !shown.contains("107, 101, 121"), "{shown}");
    });
    let fits = "n".repeat(ADMIN_TEXT_BYTES_MAX);
    assert!(AdminRequest::new(AdminAction::RemoveNode, CautionCause::None, &fits).is_some());
    assert!(AdminRequest::new(AdminAction::RemoveNode, CautionCause::None, &format!("{fits}n")).is_none());
}

#[test]
fn admin_reply_is_its_golden_bytes() {
    check("AdminReply", AdminReply::new(AdminStatus::Item, "wss://node.example"), (0, 0), |m| {
        assert_eq!((m.status(), m.text()), (Some(AdminStatus::Item), "wss://node.example"));
    });
    let long = AdminReply::new(AdminStatus::Done, &format!("n{}", "\u{e9}".repeat(ADMIN_TEXT_BYTES_MAX)));
    assert_eq!(long.text().len(), ADMIN_TEXT_BYTES_MAX - 1, "cut between two letters");
}

#[test]
fn skip_is_its_golden_bytes() {
    check("Skip", Skip::new(0x0102_0304), (0x0a0b_0c0d_0e0f_1011, 1_700_000_125_000_000_000), |m| {
        assert_eq!(m.count, 0x0102_0304);
    });
}
