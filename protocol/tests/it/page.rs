//! `docs/WIRE.md` as data, so that neither page nor code can drift from the other.

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/WIRE.md"));

/// A message or a part of one, as its table says.
pub(crate) struct Structure {
    pub(crate) name: &'static str,
    pub(crate) template: Option<u16>,
    pub(crate) bytes: usize,
    pub(crate) rows: Vec<Row>,
}

/// A row of such a table.
pub(crate) struct Row {
    pub(crate) field: &'static str,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    /// Bytes of one of its numbers, where it holds several.
    pub(crate) item_bytes: usize,
    pub(crate) accepted: &'static str,
}

/// Lines of the page by the heading above them.
fn sections() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut sections = Vec::new();
    for line in PAGE.lines() {
        if line.starts_with('#') {
            sections.push((line.trim_start_matches('#').trim(), Vec::new()));
        } else if let Some((_, lines)) = sections.last_mut() {
            lines.push(line);
        }
    }
    sections
}

/// Cells of the table rows among `lines`, without head and rule.
fn table(lines: &[&'static str]) -> Vec<Vec<&'static str>> {
    let rows = lines.iter().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.skip(2).map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// Every structure of sections 3 and 7.
pub(crate) fn structures() -> Vec<Structure> {
    let mut known = Vec::<Structure>::new();
    for (heading, lines) in sections() {
        let Some((name, rest)) = heading.split_once(" — ") else { continue };
        let rest = rest.split(" (since ").next().and_then(|rest| rest.strip_suffix(" bytes"));
        let rest = rest.expect("a structure's heading ends with its size, and the version of one that came later");
        let (template, bytes) = match rest.strip_prefix("template ").and_then(|rest| rest.split_once(", ")) {
            Some((template, bytes)) => (Some(template.parse().expect("a template id")), bytes),
            None => (None, rest),
        };
        let rows = table(&lines).iter().map(|cells| row(cells, &known)).collect();
        known.push(Structure { name, template, bytes: bytes.parse().expect("a size"), rows });
    }
    known
}

fn row(cells: &[&'static str], known: &[Structure]) -> Row {
    let [field, offset, kind, accepted, _] = cells else { panic!("five cells in a row, not {cells:?}") };
    let bytes = type_bytes(kind, known);
    let item = kind.split_once('[').map_or(*kind, |(item, _)| item);
    let item_bytes = if item == "bytes" { bytes } else { type_bytes(item, known) };
    Row { field, offset: offset.parse().expect("an offset"), bytes, item_bytes, accepted }
}

fn type_bytes(kind: &str, known: &[Structure]) -> usize {
    if let Some((item, count)) = kind.strip_suffix(']').and_then(|kind| kind.split_once('[')) {
        let item_bytes = if item == "bytes" { 1 } else { type_bytes(item, known) };
        return item_bytes * count.parse::<usize>().expect("a count");
    }
    match kind.strip_prefix(['u', 'i']).and_then(|bits| bits.parse::<usize>().ok()) {
        Some(bits) => bits / 8,
        None => known.iter().find(|s| s.name == kind).unwrap_or_else(|| panic!("{kind} is described first")).bytes,
    }
}

/// Rows (code, name) of a table of section 8.
pub(crate) fn codes(heading: &str) -> Vec<(u16, &'static str)> {
    let (_, lines) = sections().into_iter().find(|(name, _)| *name == heading).expect("a table of codes");
    table(&lines).iter().map(|cells| (cells[0].parse().expect("a code"), cells[1])).collect()
}

/// A column of a table of section 8.
pub(crate) fn column(heading: &str, at: usize) -> Vec<&'static str> {
    let (_, lines) = sections().into_iter().find(|(name, _)| *name == heading).expect("a table");
    table(&lines).iter().map(|cells| cells[at]).collect()
}

/// Bytes of each hex block of the page.
pub(crate) fn hex_blocks() -> Vec<Vec<u8>> {
    let blocks = PAGE.split("```hex\n").skip(1);
    blocks.map(|block| hex(block.split("```").next().unwrap_or_default())).collect()
}

/// Bytes of hex text; a `#` ends a line.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: String =
        text.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_whitespace).collect();
    assert!(digits.len().is_multiple_of(2), "whole bytes");
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
