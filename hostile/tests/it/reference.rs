//! The reference against the page's own numbers: it must not have been bent to fit the code.

use alphapulse_hostile::golden;
use alphapulse_hostile::reference::{First, Judgement, TEMPLATES, first_frame, judge};
use alphapulse_protocol::message::CATALOGUE;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/WIRE.md"));

#[test]
fn every_template_of_the_page_is_in_the_reference_with_its_size() {
    let known: Vec<_> =
        TEMPLATES.iter().map(|(id, name, bytes, _)| format!("{name} — template {id}, {bytes} bytes")).collect();
    let headings =
        PAGE.lines().filter_map(|line| line.strip_prefix("### ")).filter(|heading| heading.contains("template"));
    let headings: Vec<_> = headings.map(|heading| heading.split(" (since").next().expect("a first part")).collect();
    assert_eq!(headings, known);
    assert_eq!(CATALOGUE.len(), known.len());
}

#[test]
fn every_golden_frame_is_accepted() {
    for frame in golden::all_frames() {
        let First::Whole { message, rest: [] } = first_frame(&frame) else { panic!("one whole frame: {frame:02x?}") };
        assert_eq!(judge(message), Judgement::Accepted);
    }
}
