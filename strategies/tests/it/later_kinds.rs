//! Pools of kinds that routes do not go through are followed and quoted, survive a file, and disturb no other pool.

use std::fs;
use std::path::Path;

use alphapulse_protocol::frame::FrameDecoder;
use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::PoolInfo;
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{PoolId, TokenId, U256, VenueId};
use alphapulse_strategies::search::best_cycles;
use alphapulse_strategies::snapshot::{Amount, Answer, NoAnswer, PoolName, Query, Snapshot, to_json};
use alphapulse_strategies::{Admission, Market, QuoteError, Refusal};

/// The golden connection with a pool of each kind.
fn session() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden/v3/kinds_session.hex");
    let text = fs::read_to_string(path).expect("the golden file");
    let digits: String =
        text.lines().filter_map(|line| line.split('#').next()).flat_map(str::split_whitespace).collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex")).collect()
}

fn market() -> Market {
    market_with(Admission::allow_all())
}

fn market_with(admission: Admission) -> Market {
    let (mut market, mut decoder) = (Market::new(admission, 64), FrameDecoder::new());
    decoder.push(&session());
    while let Some(message) = decoder.next_message().expect("golden messages are valid") {
        market.apply(&message).expect("and fit each other");
    }
    market
}

#[test]
fn pools_of_kinds_without_routes_are_refused_by_name_and_the_others_trade() {
    let traded = [PoolKind::UniswapV2, PoolKind::UniswapV3];
    let market = market_with(Admission::allow_all().of_kinds(&traded));
    let pools = market.replica().pools();
    assert_eq!(pools.len(), 10);
    for (info, id) in pools.iter().zip((0..).map(PoolId)) {
        let is_traded = traded.contains(&info.kind);
        assert_eq!(market.is_admitted(id), is_traded, "{:?}", info.kind);
        let refused = market.refused().iter().find(|(pool, _)| *pool == id).map(|(_, refusal)| *refusal);
        assert_eq!(refused, (!is_traded).then_some(Refusal::KindNotTraded { kind: info.kind }));
        let quote = market.quote_exact_in(id, (info.tokens[0], info.tokens[1]), U256::from(1_000_000));
        assert_ne!(quote, Err(QuoteError::UnsupportedPoolKind), "{:?}", info.kind);
    }
    let edges = market.graph().edges(TokenId(0));
    assert_eq!(edges.iter().map(|edge| edge.pool.0).collect::<Vec<_>>(), [0, 1]);
    let routes = best_cycles(&market, TokenId(0), 4, U256::ZERO, 100);
    assert!(routes.iter().flat_map(|route| route.hops().iter()).all(|hop| hop.pool.0 < 2));
}

#[test]
fn a_file_of_every_kind_reads_back_as_the_same_market() {
    let market = market();
    let text = to_json(market.replica()).expect("a whole block");
    let snapshot = Snapshot::from_bytes(text.as_bytes()).expect("what was written can be read");
    assert_eq!(snapshot.warnings(), [""; 0]);
    let mut read = Market::new(Admission::allow_all(), 64);
    snapshot.describe(|message| read.apply(&message).map(drop)).expect("a sound file");
    assert_eq!(read.replica().states(), market.replica().states());
    for (info, back) in market.replica().pools().iter().zip(read.replica().pools()) {
        // A file says nothing of factories.
        assert_eq!(*back, PoolInfo { venue: VenueId(0), ..*info });
    }
    let again = to_json(read.replica()).expect("a whole block");
    assert_eq!(again, text);
}

#[test]
fn a_file_answers_as_the_market_it_was_written_from() {
    let market = market();
    let snapshot = Snapshot::from_bytes(to_json(market.replica()).expect("a whole block").as_bytes()).expect("a file");
    let mut answered = 0;
    for (info, id) in market.replica().pools().iter().zip((0..).map(PoolId)) {
        let name = match info.details {
            PoolDetails::V4(details) => PoolName::Id(details.pool_id),
            _ => PoolName::Address(info.address),
        };
        for (place, token_in) in info.tokens.iter().enumerate() {
            let token_out = info.tokens[(place + 1) % info.tokens.len()];
            let ours = market.quote_exact_in(id, (*token_in, token_out), U256::from(1_000_000));
            let [token_in, token_out] = [*token_in, token_out].map(|id| market.replica().tokens()[id.index()].address);
            let amount = Amount::In(Some(U256::from(1_000_000)));
            let answer = snapshot.quote(&Query { pool: name, token_in, token_out, amount });
            let expected = match ours {
                Ok(amount_out) => Answer::Out { amount_out, consumed: None },
                Err(error) => Answer::None(NoAnswer::Refused(error)),
            };
            assert_eq!(answer, expected, "{:?}, token {place}", info.kind);
            answered += usize::from(ours.is_ok());
        }
    }
    assert!(answered >= 16, "only {answered} of the golden states give a quote");
}
