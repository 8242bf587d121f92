//! Quotes of an exchange, against a server of our own that says what exchanges say, and what they should not.

use std::net::SocketAddr;
use std::time::Duration;

use alphapulse_protocol::message::{ExchangeQuote, Message};
use alphapulse_relay::source::race::SourceState;
use alphapulse_relay::source::side::{BookTicker, QuoteSpec, SideReport};
use alphapulse_relay::{Endpoint, Feed, Relay, RelayConfig, RelayError, Selection, SubscribeOptions};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as WsMessage;

use super::fake_chain::FakeChain;
use super::log::Log;
use super::subscriber::config;

/// Far above what any step takes, so that only a hang meets it.
const DEADLINE: Duration = Duration::from_secs(30);
const TEMPLATE: u16 = 82;

/// The exchange's side of one connection.
struct Exchange(WebSocketStream<TcpStream>);

impl Exchange {
    /// Takes up the next connection and its request, and answers it.
    async fn accept(listener: &TcpListener, answer: &str) -> (Self, serde_json::Value) {
        let (stream, _) = timeout(DEADLINE, listener.accept()).await.unwrap().unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        let request = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let mut exchange = Self({
            socket.send(WsMessage::Ping(Vec::new().into())).await.unwrap();
            socket
        });
        exchange.say(answer).await;
        (exchange, serde_json::from_str(&request).unwrap())
    }

    async fn say(&mut self, text: &str) {
        self.0.send(WsMessage::text(text)).await.unwrap();
    }

    async fn quote(&mut self, id: u64, symbol: &str, [bid, bid_size, ask, ask_size]: [&str; 4]) {
        let quote = format!(r#"{{"u":{id},"s":"{symbol}","b":"{bid}","B":"{bid_size}","a":"{ask}","A":"{ask_size}"}}"#);
        self.say(&quote).await;
    }
}

const YES: &str = r#"{"result":null,"id":1}"#;
const GOOD: [&str; 4] = ["25.35190000", "31.21000000", "25.36520000", "40.66000000"];

fn spec(at: SocketAddr, symbols: &[&str]) -> QuoteSpec {
    QuoteSpec {
        exchange: "binance".into(),
        endpoint: Endpoint::Ws(format!("ws://{at}/ws?secret=hunter2")),
        symbols: symbols.iter().map(|symbol| (*symbol).to_owned()).collect(),
    }
}

fn listening(relay: &Relay, template: u16) -> Feed {
    let selection = Selection::everything().side(template);
    relay.subscribe_with(SubscribeOptions { selection, ..SubscribeOptions::default() }).unwrap()
}

/// The next quote, and its number.
async fn next_quote(feed: &mut Feed) -> (u64, ExchangeQuote) {
    let quote = async {
        loop {
            while let Some(frame) = feed.try_next().unwrap() {
                if let Message::ExchangeQuote(quote) = Message::decode(frame.message_bytes()).unwrap() {
                    return (quote.header.sequence.get(), *quote);
                }
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, quote).await.expect("the quote comes")
}

async fn report_when(relay: &Relay, what: impl Fn(&SideReport) -> bool) -> SideReport {
    let report = async {
        loop {
            if let Some(report) = relay.side_sources().into_iter().find(&what) {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, report).await.unwrap_or_else(|_| panic!("{:?}", relay.side_sources()))
}

#[tokio::test]
async fn quotes_are_relayed_to_the_last_digit_and_what_is_none_is_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let quotes = vec![spec(listener.local_addr().unwrap(), &["BNBUSDT", "ETHUSDT"])];
    let chain = FakeChain::new();
    let relay = Relay::start_from(RelayConfig { quotes, ..config() }, chain.clone()).await.unwrap();
    let mut feed = listening(&relay, TEMPLATE);
    let (mut exchange, request) = Exchange::accept(&listener, YES).await;
    assert_eq!(request["method"], "SUBSCRIBE");
    assert_eq!(request["params"], serde_json::json!(["bnbusdt@bookTicker", "ethusdt@bookTicker"]));

    exchange.quote(400_900_217, "BNBUSDT", GOOD).await;
    let (number, quote) = next_quote(&mut feed).await;
    assert_eq!((number, quote.exchange(), quote.symbol()), (1, "binance", "BNBUSDT"));
    assert_eq!((quote.update_id.get(), quote.exchange_ns.get()), (400_900_217, 0));
    assert_eq!((quote.bid().price, quote.bid().size), (25_351_900_000_000_000_000, 31_210_000_000_000_000_000));
    assert_eq!((quote.ask().price, quote.ask().size), (25_365_200_000_000_000_000, 40_660_000_000_000_000_000));
    assert!(quote.header.event_ns.get() > 1_700_000_000_000_000_000);

    // None of these is a quote.
    let wrong = [
        ["25.4", "1", "25.4", "1"],
        ["25.5", "1", "25.4", "1"],
        ["0", "1", "25.4", "1"],
        ["25.3", "0.000", "25.4", "1"],
        ["25.3", "1", "25.4", "0"],
        ["25.3e0", "1", "25.4", "1"],
        ["-25.3", "1", "25.4", "1"],
        ["NaN", "1", "25.4", "1"],
        ["25.3000000000000000001", "1", "25.4", "1"],
        ["25.3", "1", "99999999999999999999999999999999999999999", "1"],
    ];
    for (id, amounts) in (400_900_300..).zip(wrong) {
        exchange.quote(id, "BNBUSDT", amounts).await;
    }
    exchange.quote(1, "DOGEUSDT", GOOD).await;
    exchange.say("no JSON").await;
    exchange.say(r#"{"u":400900400,"s":"BNBUSDT","b":25.3,"B":"1","a":"25.4","A":"1"}"#).await;
    // Old news, and a repetition.
    exchange.quote(400_900_216, "BNBUSDT", GOOD).await;
    exchange.quote(400_900_217, "BNBUSDT", GOOD).await;
    // A combined stream, with the time that futures state.
    exchange
        .say(
            r#"{"stream":"ethusdt@bookTicker","data":{"e":"bookTicker","u":7,"E":1568014460893,"T":1568014460891,
            "s":"ETHUSDT","b":"2000.000000000000000001","B":"1","a":"2000.000000000000000002","A":"3"}}"#,
        )
        .await;
    let (number, quote) = next_quote(&mut feed).await;
    assert_eq!((number, quote.symbol()), (2, "ETHUSDT"));
    assert_eq!(quote.bid().price, 2_000_000_000_000_000_000_001);
    assert_eq!(quote.exchange_ns, 1_568_014_460_891_000_000);

    let [report] = &relay.side_sources()[..] else { panic!("one source") };
    assert_eq!(report.state, SourceState::Ready);
    assert_eq!((report.published, report.refused, report.stale, report.dropped), (2, 13, 2, 0));
    assert!(!format!("{report:?}").contains("hunter2"), "{report:?}");
    let status = relay.status().await.unwrap();
    assert_eq!(status.side_sources, relay.side_sources());
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_exchange_is_connected_to_again_and_may_not_tell_old_news() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let mut feed = listening(&relay, TEMPLATE);
    let name = relay.add_side_source(BookTicker::new(spec(at, &["ETHUSDT"])));
    assert_eq!(name, format!("quotes binance ws://{at}"));

    let (mut exchange, _) = Exchange::accept(&listener, YES).await;
    exchange.quote(50, "ETHUSDT", GOOD).await;
    assert_eq!(next_quote(&mut feed).await.1.update_id, 50);
    drop(exchange);

    // A server that lags behind the one before.
    let (mut exchange, _) = Exchange::accept(&listener, YES).await;
    exchange.quote(49, "ETHUSDT", GOOD).await;
    exchange.quote(51, "ETHUSDT", GOOD).await;
    assert_eq!(next_quote(&mut feed).await.1.update_id, 51);
    let report = report_when(&relay, |report| report.stale == 1).await;
    assert_eq!((report.reconnects, report.state), (1, SourceState::Ready));
    assert!(report.last_error.is_some());

    // One of the same name is told apart; it is taken away in order, and the exchange is told.
    let twin = relay.add_side_source(BookTicker::new(spec(at, &["BTCUSDT"])));
    assert_eq!(twin, format!("{name} #2"));
    let (_twin_exchange, _) = Exchange::accept(&listener, YES).await;
    let report = relay.remove_side_source(&name).await.unwrap();
    assert_eq!((report.name.as_str(), report.state, report.published), (name.as_str(), SourceState::Stopped, 2));
    loop {
        match timeout(DEADLINE, exchange.0.next()).await.expect("a farewell") {
            Some(Ok(WsMessage::Close(_))) | None => break,
            Some(Ok(WsMessage::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(relay.side_sources().iter().map(|report| report.name.clone()).collect::<Vec<_>>(), [twin]);
    let error = relay.remove_side_source(&name).await.unwrap_err();
    assert!(matches!(error, RelayError::SideSource(unknown) if unknown == name));
}

#[tokio::test]
async fn an_exchange_that_counts_anew_is_heard_again_and_that_is_said_once() {
    let (log, _logging) = Log::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let mut feed = listening(&relay, TEMPLATE);
    // Of two that wait differently, so that no clock decides.
    let at = listener.local_addr().unwrap();
    let hasty = relay.add_side_source(BookTicker::new(spec(at, &["ETHUSDT"])).anew_after(Duration::ZERO));
    let (mut exchange, _) = Exchange::accept(&listener, YES).await;
    let patient = relay.add_side_source(BookTicker::new(spec(at, &["BTCUSDT"])));
    let (mut other, _) = Exchange::accept(&listener, YES).await;
    for (exchange, symbol, taken) in [(&mut exchange, "ETHUSDT", &[900, 2, 3][..]), (&mut other, "BTCUSDT", &[900])] {
        // One number again and again is no new count, and neither are numbers that fall.
        for id in [900, 899, 899, 898, 897, 1, 2, 3] {
            exchange.quote(id, symbol, GOOD).await;
        }
        for id in taken {
            let quote = next_quote(&mut feed).await.1;
            assert_eq!((quote.symbol(), quote.update_id.get()), (symbol, *id));
        }
    }
    let of = |name: &str| relay.side_sources().into_iter().find(|report| report.name == name).unwrap();
    report_when(&relay, |report| report.name == patient && report.stale == 7).await;
    let (hasty, patient) = (of(&hasty), of(&patient));
    assert_eq!((hasty.published, hasty.stale, hasty.renumbered), (3, 5, 1));
    assert_eq!((patient.published, patient.stale, patient.renumbered), (1, 7, 0));
    let told = log.lines("numbers its quotes anew");
    assert_eq!(told.len(), 1, "{told:?}");
    let words = ["ETHUSDT", "before=900", "number=2"];
    assert!(words.iter().all(|word| told[0].contains(word)), "{told:?}");
    relay.stop().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_told_and_what_listens_there_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    relay.add_side_source(BookTicker::new(spec(listener.local_addr().unwrap(), &["ETHUSDT"])));
    let refusal = r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#;
    let (_exchange, _) = Exchange::accept(&listener, refusal).await;
    let report = report_when(&relay, |report| report.last_error.is_some()).await;
    assert!(report.last_error.unwrap().contains("code 2"));
    assert_eq!((report.state, report.published), (SourceState::Starting, 0));

    let (mut exchange, _) = Exchange::accept(&listener, YES).await;
    exchange.quote(1, "ETHUSDT", GOOD).await;
    report_when(&relay, |report| report.published == 1).await;
}

#[tokio::test]
async fn nobody_gets_what_he_did_not_ask_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let relay = Relay::start_from(config(), FakeChain::new()).await.unwrap();
    let mut asks = listening(&relay, TEMPLATE);
    let mut others = [relay.subscribe().unwrap(), listening(&relay, 80), listening(&relay, 81)];
    relay.add_side_source(BookTicker::new(spec(listener.local_addr().unwrap(), &["ETHUSDT"])));
    let (mut exchange, _) = Exchange::accept(&listener, YES).await;
    exchange.quote(1, "ETHUSDT", GOOD).await;
    next_quote(&mut asks).await;
    for other in &mut others {
        while let Some(frame) = other.try_next().unwrap() {
            assert!(!Message::decode(frame.message_bytes()).unwrap().is_side());
        }
    }
}

#[test]
fn a_specification_that_cannot_work_is_refused() {
    let at = "127.0.0.1:1".parse().unwrap();
    let good = spec(at, &["ETHUSDT", "BTCUSDT"]);
    assert_eq!(good.fault(), None);
    let long = "S".repeat(33);
    let faults = [
        QuoteSpec { exchange: String::new(), ..good.clone() },
        QuoteSpec { exchange: "seventeen letters".into(), ..good.clone() },
        QuoteSpec { endpoint: Endpoint::Ipc("/tmp/a.ipc".into()), ..good.clone() },
        spec(at, &[]),
        spec(at, &["ETH USDT"]),
        spec(at, &["ETHUSDT", "ETHUSDT"]),
        spec(at, &[&long]),
    ];
    for quotes in faults {
        assert!(quotes.fault().is_some(), "{quotes:?}");
        assert!(matches!(RelayConfig { quotes: vec![quotes], ..config() }.check(), Err(RelayError::Config(_))));
    }
}
