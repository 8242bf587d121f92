//! Every message tells every field of the page, in the page's order, and a code by its name.

use alphapulse_protocol::frame::FRAME_HEADER_BYTES;
use alphapulse_protocol::message::{
    AdminAction, AdminRequest, Caution, CautionCause, FieldValue, Message, PoolStanding, PoolTrust, StateParts, Token,
};
use alphapulse_protocol::{BlockNumber, BlockRef, PoolId, Sequence, TokenId};

use crate::golden;
use crate::page;

/// What the page has and nobody needs to be told: what is reserved, and the lengths of what is cut to them.
fn is_silent(field: &str) -> bool {
    let lengths = ["name_length", "text_length", "symbol_length", "exchange_length", "hop_count"];
    field == "header" || field.starts_with("reserved") || lengths.contains(&field)
}

#[test]
fn each_message_tells_the_fields_of_the_page_in_its_order() {
    for (name, golden) in golden::all_frames() {
        let message = Message::decode(&golden[FRAME_HEADER_BYTES..]).expect("a golden frame is valid");
        let structure = page::structures().into_iter().find(|structure| structure.name == name).expect("a table");
        let expected: Vec<_> = structure.rows.iter().map(|row| row.field).filter(|field| !is_silent(field)).collect();
        let fields = message.fields();
        assert_eq!(fields.iter().map(|(field, _)| *field).collect::<Vec<_>>(), expected, "{name}");
        for (field, value) in &fields {
            // A code of a closed set is told by its name.
            let is_code = ["status", "cause", "reason", "recovery", "scope", "role", "action", "kind"];
            if is_code.contains(field) {
                assert!(matches!(value, FieldValue::Word(_)), "{name}.{field}: {value:?}");
            }
        }
    }
}

#[test]
fn values_are_told_as_they_are_read() {
    let caution = Caution::new(Sequence(5), CautionCause::BelowQuorum);
    let fields = Message::from(&caution).fields();
    assert_eq!(fields, [("is_safe", FieldValue::Flag(false)), ("cause", FieldValue::Word("below_quorum".to_owned()))]);
    let token = Token::new(TokenId(3), [0xab; 20], "W\u{1b}[2J\n", 18);
    let message = Message::from(&token);
    let said: Vec<_> = message.fields().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(said.join(" "), format!("token=3 decimals=18 address=0x{} symbol=W[2J", "ab".repeat(20)));
    // What no name is known for is told as it is.
    let mut unknown = caution;
    unknown.cause.set(77);
    assert_eq!(Message::from(&unknown).fields()[1], ("cause", FieldValue::Number(77)));
}

#[test]
fn a_sum_of_parts_is_told_by_the_names_of_the_page() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/WIRE.md")).expect("the page");
    let section =
        text.split("### Parts of a state\n").nth(1).and_then(|rest| rest.split("\n#").next()).expect("its table");
    let rows = section.lines().filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        Some((cells.next()?.parse::<u16>().ok()?, cells.next()?.to_lowercase()))
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 5);
    let told = |sum: u16| {
        let block = BlockRef { number: BlockNumber(7), hash: [0; 32] };
        let standing = PoolStanding::new(PoolId(0), PoolTrust::Quarantined, StateParts(sum), block);
        let fields = Message::from(&standing).fields();
        fields.iter().find(|(name, _)| *name == "parts").expect("a field").1.to_string()
    };
    for (code, name) in &rows {
        assert_eq!(told(*code).replace('_', ""), format!("[{name}]"));
    }
    assert_eq!(
        (told(0), told(24), told(8 | 64)),
        ("[]".to_owned(), "[state, ticks]".to_owned(), "[state, 64]".to_owned())
    );
}

#[test]
fn an_endpoint_is_never_told() {
    let request = AdminRequest::new(AdminAction::AddNode, CautionCause::None, "wss://node.example/hunter2");
    let request = request.expect("a short text");
    let said = format!("{:?}", Message::from(&request).fields());
    assert!(said.contains("add_node") && !said.contains("hunter2"), "{said}");
}
