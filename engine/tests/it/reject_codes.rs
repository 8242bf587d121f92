//! The reject codes of the wire document are those of the code.

use std::path::Path;

use alphapulse_engine::risk::Reject;

#[test]
fn the_wire_document_lists_every_reject_code_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/WIRE.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("<!-- reject-codes: one row").unwrap();
    let (table, _) = table.split_once("<!-- reject-codes: end -->").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code")).collect();
    let row = |reject: &Reject| format!("| {} | {} | {reject} |", reject.code(), reject.name());
    assert_eq!(rows, Reject::ALL.iter().map(row).collect::<Vec<_>>());
}
