//! Words of a relay's sources.

use alphapulse_protocol::frame::{self, FRAME_HEADER_BYTES};
use alphapulse_protocol::message::{
    ExchangeQuote, Finality, Message, PendingTransaction, QuoteLevel, TRANSACTION_BYTES_MAX, WireMessage,
};
use alphapulse_protocol::{BlockNumber, BlockRef, ChainId, UnixNanos};

use super::{check, run};

#[test]
fn finality_is_its_golden_bytes() {
    let safe = BlockRef { number: BlockNumber(18_884_832), hash: run(0x21) };
    let finalized = BlockRef { number: BlockNumber(18_884_800), hash: run(0x61) };
    let finality = Finality::new(ChainId(31_337), safe, finalized).expect("the finalized block is the lower one");
    check("Finality", finality, (3, 1_700_000_000_000_000_000), |m| {
        assert_eq!(m.chain_id, 31_337);
        assert_eq!((m.safe(), m.finalized()), (safe, finalized));
    });
    assert!(Finality::new(ChainId(31_337), safe, safe).is_some());
    assert!(Finality::new(ChainId(31_337), finalized, safe).is_none());
}

#[test]
fn a_pending_transaction_is_its_golden_bytes() {
    let signed = [0x02, 0xf8, 0xaa, 0xbb, 0xcc];
    let mut message = PendingTransaction::write(run(0x71), run(0x91), UnixNanos(1_700_000_126_000_000_003), &signed)
        .expect("short enough");
    // The relay gives it its number.
    message[8..16].copy_from_slice(&70_001_u64.to_le_bytes());
    let mut written = Vec::new();
    frame::write_bytes(&mut written, &message);
    assert_eq!(written, super::bytes("PendingTransaction"));

    let read = &written[FRAME_HEADER_BYTES..];
    let Ok(Message::PendingTransaction(pending)) = Message::decode(read) else { panic!("a golden frame is valid") };
    assert_eq!((pending.hash, pending.sender), (run(0x71), run(0x91)));
    assert_eq!(pending.transaction(read), Some(&signed[..]));
    assert_eq!(pending.transaction(Message::from(pending).as_bytes()), None, "the fields alone do not hold it");
    assert_eq!(pending.header.version, PendingTransaction::VERSION);
}

#[test]
fn a_transaction_has_between_one_byte_and_the_most() {
    let written = |length: usize| PendingTransaction::write(run(0), run(0), UnixNanos(0), &vec![7; length]);
    assert!(written(0).is_none());
    assert!(written(TRANSACTION_BYTES_MAX + 1).is_none());
    for length in [1, TRANSACTION_BYTES_MAX] {
        let message = written(length).expect("within the bounds");
        let Ok(Message::PendingTransaction(pending)) = Message::decode(&message) else { panic!("{length}") };
        assert_eq!(pending.transaction(&message), Some(&vec![7; length][..]));
    }
}

#[test]
fn fields_of_a_newer_writer_lie_before_the_signed_bytes() {
    let mut message = PendingTransaction::write(run(0x71), run(0x91), UnixNanos(0), b"signed").expect("short enough");
    message.splice(80..80, *b"newer");
    let length = u16::try_from(message.len()).expect("short");
    message[..2].copy_from_slice(&length.to_le_bytes());
    message[76..78].copy_from_slice(&85_u16.to_le_bytes());
    let Ok(Message::PendingTransaction(pending)) = Message::decode(&message) else { panic!("a newer form is read") };
    assert_eq!(pending.transaction(&message), Some(&b"signed"[..]));
}

const BID: QuoteLevel = QuoteLevel { price: 1_999_990_000_000_000_000_000, size: 31_210_000_000_000_000_000 };
const ASK: QuoteLevel = QuoteLevel { price: 2_000_010_000_000_000_000_000, size: 40_660_000_000_000_000_001 };

#[test]
fn an_exchange_quote_is_its_golden_bytes() {
    let mut quote = ExchangeQuote::new("binance", "ETHUSDT", 400_900_217, BID, ASK).expect("a quote");
    quote.exchange_ns = 1_700_000_126_000_000_000.into();
    check("ExchangeQuote", quote, (12, 1_700_000_126_000_000_004), |m| {
        assert_eq!((m.exchange(), m.symbol()), ("binance", "ETHUSDT"));
        assert_eq!((m.update_id.get(), m.exchange_ns.get()), (400_900_217, 1_700_000_126_000_000_000));
        assert_eq!((m.bid(), m.ask()), (BID, ASK));
    });
}

#[test]
fn a_quote_that_the_message_cannot_say_is_not_made() {
    let quote = |exchange: &str, symbol: &str| ExchangeQuote::new(exchange, symbol, 1, BID, ASK);
    assert!(quote(&"e".repeat(16), &"s".repeat(32)).is_some());
    for (exchange, symbol) in
        [("", "s"), ("e", ""), ("a b", "s"), ("e", "\u{e9}"), (&"e".repeat(17), "s"), ("e", &"s".repeat(33))]
    {
        assert!(quote(exchange, symbol).is_none(), "{exchange} {symbol}");
    }
    let nothing = QuoteLevel { size: 0, ..BID };
    for (bid, ask) in [(ASK, BID), (BID, BID), (nothing, ASK), (BID, QuoteLevel { size: 0, ..ASK })] {
        assert!(ExchangeQuote::new("e", "s", 1, bid, ask).is_none(), "{bid:?} {ask:?}");
    }
}
