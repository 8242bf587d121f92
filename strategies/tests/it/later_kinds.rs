//! Pools of kinds that nothing here prices yet are followed and refused, and disturb no other pool.

use std::fs;
use std::path::Path;

use alphapulse_protocol::frame::FrameDecoder;
use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::search::best_cycles;
use alphapulse_strategies::snapshot::to_json;
use alphapulse_strategies::{Admission, Market, QuoteError, Refusal};

/// The golden connection with a pool of each kind.
fn session() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden/v3/kinds_session.hex");
    let text = fs::read_to_string(path).expect("the golden file");
    let digits: String =
        text.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_whitespace).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn pools_of_kinds_without_a_price_are_refused_by_name_and_the_others_trade() {
    let (mut market, mut decoder) = (Market::new(Admission::allow_all(), 64), FrameDecoder::new());
    decoder.push(&session());
    while let Some(message) = decoder.next_message().expect("golden messages are valid") {
        market.apply(&message).expect("and fit each other");
    }
    let pools = market.replica().pools();
    assert_eq!(pools.len(), 10);
    for (info, id) in pools.iter().zip((0..).map(PoolId)) {
        let is_priced = matches!(info.kind, PoolKind::UniswapV2 | PoolKind::UniswapV3);
        assert_eq!(market.is_admitted(id), is_priced, "{:?}", info.kind);
        assert_eq!(market.pool(id).is_some(), is_priced, "{:?}", info.kind);
        let refused = market.refused().iter().find(|(pool, _)| *pool == id).map(|(_, refusal)| *refusal);
        assert_eq!(refused, (!is_priced).then_some(Refusal::KindNotQuoted { kind: info.kind }));
        let quote = market.quote_exact_in(id, info.tokens[0], U256::from(1_000_000));
        assert_eq!(quote.err(), (!is_priced).then_some(QuoteError::UnsupportedPoolKind), "{:?}", info.kind);
        let quote = market.quote_exact_out(id, info.tokens[0], U256::from(1_000_000));
        assert_eq!(quote.err(), (!is_priced).then_some(QuoteError::UnsupportedPoolKind), "{:?}", info.kind);
    }
    let edges = market.graph().edges(TokenId(0));
    assert_eq!(edges.iter().map(|edge| edge.pool.0).collect::<Vec<_>>(), [0, 1]);
    let routes = best_cycles(&market, TokenId(0), 4, U256::ZERO, 100);
    assert!(routes.iter().flat_map(|route| route.hops().iter()).all(|hop| hop.pool.0 < 2));
    let text = to_json(market.replica()).expect("a whole block");
    assert_eq!(text.matches("\"kind\"").count(), 2, "the file holds what can be quoted");
}
