//! Best bid and ask of an exchange, in the form that Binance and its like send: `<symbol>@bookTicker`.

use core::time::Duration;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use alphapulse_protocol::message::{
    EXCHANGE_BYTES_MAX, EXCHANGE_SYMBOL_BYTES_MAX, ExchangeQuote, Message, QuoteLevel, WireMessage,
};
use alphapulse_protocol::{Sequence, UnixNanos};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message as WsMessage};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::decimal::read_units;
use super::numbering::{ANEW_AFTER, Numbering, Verdict};
use super::{Outlet, SideSource};
use crate::clock::now;
use crate::config::Endpoint;
use crate::error::SourceError;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// A connection that brings nothing for so long, not even a ping, is dead: Binance pings every 20 s.
const SILENCE: Duration = Duration::from_secs(60);
/// Longest message taken of an exchange; a quote has some 200 bytes.
const MESSAGE_MAX: usize = 64 * 1024;
/// Symbols of one source: Binance takes so many subscriptions in one request.
pub const SYMBOLS_MAX: usize = 200;

/// Which exchange, and what of it. `Debug` hides all but scheme and host of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteSpec {
    /// Name under which the quotes are relayed: 1 to 16 printable ASCII characters.
    pub exchange: String,
    /// WebSocket that takes subscriptions.
    pub endpoint: Endpoint,
    /// Symbols as the exchange writes them in its quotes, each 1 to 32 printable ASCII characters: `ETHUSDT`.
    pub symbols: Vec<String>,
}

impl QuoteSpec {
    /// What makes it unusable, if something does.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let is_name = |text: &str, bytes_max| {
            (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !is_name(&self.exchange, EXCHANGE_BYTES_MAX) {
            return Some("an exchange's name has 1 to 16 printable ASCII characters".into());
        }
        if !matches!(self.endpoint, Endpoint::Ws(_)) {
            return Some("quotes come from a WebSocket: ws://… or wss://…".into());
        }
        if !(1..=SYMBOLS_MAX).contains(&self.symbols.len()) {
            return Some(format!("an exchange is asked for 1 to {SYMBOLS_MAX} symbols"));
        }
        let is_repeated = |at: usize, symbol: &String| self.symbols[..at].contains(symbol);
        let wrong = self
            .symbols
            .iter()
            .enumerate()
            .find(|(at, symbol)| !is_name(symbol, EXCHANGE_SYMBOL_BYTES_MAX) || is_repeated(*at, symbol));
        wrong.map(|(_, symbol)| {
            format!("`{symbol}` is no symbol, or listed twice: write it as the exchange does, like ETHUSDT")
        })
    }
}

/// The quotes of some symbols. One that is crossed, zero, unreadable or older than the one before is counted and not relayed.
#[derive(Debug)]
pub struct BookTicker {
    spec: QuoteSpec,
    /// By symbol, kept over connections: a server that lags behind the one before tells old news.
    numbers: Mutex<BTreeMap<String, Numbering>>,
    anew_after: Duration,
}

impl BookTicker {
    /// What `spec` asks for.
    #[must_use]
    pub fn new(spec: QuoteSpec) -> Self {
        let numbers = spec.symbols.iter().map(|symbol| (symbol.clone(), Numbering::default())).collect();
        Self { spec, numbers: Mutex::new(numbers), anew_after: ANEW_AFTER }
    }

    /// The same with another wait, than 30 s, before an exchange is taken to have begun its numbers anew: for so long all quotes of a
    /// symbol must have had lower numbers than before, and each a higher one than the last.
    #[must_use]
    pub const fn anew_after(mut self, wait: Duration) -> Self {
        self.anew_after = wait;
        self
    }

    async fn connect(&self) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, SourceError> {
        let Endpoint::Ws(url) = &self.spec.endpoint else {
            return Err(SourceError::Refused("quotes come from a WebSocket".into()));
        };
        // The first that installs one stands; all of ours are this one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
        let connected = timeout(CONNECT_MAX, connect_async_with_config(url.as_str(), Some(config), true)).await;
        let connected = connected.map_err(|_| SourceError::Timeout { method: "connect", after: CONNECT_MAX })?;
        let (mut socket, _) = connected.map_err(|error| SourceError::Connect(error.into()))?;
        let topics: Vec<_> =
            self.spec.symbols.iter().map(|symbol| format!("{}@bookTicker", symbol.to_ascii_lowercase())).collect();
        let request = serde_json::json!({ "method": "SUBSCRIBE", "params": topics, "id": 1 });
        socket.send(WsMessage::text(request.to_string())).await.map_err(lost)?;
        Ok(socket)
    }

    /// Takes one message of the exchange. Says whether it answers the request.
    fn take(&self, text: &str, outlet: &Outlet) -> Result<bool, SourceError> {
        match read(text) {
            Some(Said::Quote(ticker)) => self.hand_in(&ticker, outlet),
            Some(Said::Yes) => return Ok(true),
            Some(Said::No(reason)) => return Err(SourceError::Refused(reason)),
            None => outlet.refuse("a message of the exchange cannot be read"),
        }
        Ok(false)
    }

    fn hand_in(&self, ticker: &Ticker<'_>, outlet: &Outlet) {
        let quote = match self.quote(ticker) {
            Ok(quote) => quote,
            Err(reason) => return outlet.refuse(reason),
        };
        let mut numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(numbering) = numbers.get_mut(quote.symbol()) else {
            return outlet.refuse("a quote of a symbol that was not asked for");
        };
        let (number, symbol) = (ticker.update_id, quote.symbol());
        match numbering.judge(number, Instant::now(), self.anew_after) {
            Verdict::News => {}
            Verdict::Stale => return outlet.refuse_stale(),
            Verdict::Anew { before } => {
                outlet.renumbered();
                tracing::warn!(name = outlet.name(), symbol, before, number, "an exchange numbers its quotes anew");
            }
        }
        outlet.publish(Message::from(&quote.stamped(Sequence(0), now())).as_bytes().to_vec());
    }

    fn quote(&self, ticker: &Ticker<'_>) -> Result<ExchangeQuote, &'static str> {
        let level = |price, size| {
            let (price, size) = read_units(price).zip(read_units(size)).ok_or("an amount is no exact decimal")?;
            if price == 0 || size == 0 { Err("a quote of nothing") } else { Ok(QuoteLevel { price, size }) }
        };
        let bid = level(&ticker.bid_price, &ticker.bid_size)?;
        let ask = level(&ticker.ask_price, &ticker.ask_size)?;
        if bid.price >= ask.price {
            return Err("a bid that is not below the ask");
        }
        let quote = ExchangeQuote::new(&self.spec.exchange, &ticker.symbol, ticker.update_id, bid, ask);
        let mut quote = quote.ok_or("a symbol that is none")?;
        let time_ms = ticker.traded_ms.or(ticker.sent_ms).unwrap_or_default();
        quote.exchange_ns = UnixNanos(time_ms.saturating_mul(1_000_000)).0.into();
        Ok(quote)
    }
}

impl SideSource for BookTicker {
    fn name(&self) -> String {
        format!("quotes {} {}", self.spec.exchange, self.spec.endpoint)
    }

    async fn run(&self, outlet: &Outlet) -> Result<(), SourceError> {
        let mut socket = self.connect().await?;
        let stopped = outlet.stopped();
        tokio::pin!(stopped);
        loop {
            // Pings are answered by the library.
            let came = tokio::select! {
                () = &mut stopped => break,
                came = timeout(SILENCE, socket.next()) => came,
            };
            match came {
                Ok(Some(Ok(WsMessage::Text(text)))) => {
                    if self.take(&text, outlet)? {
                        outlet.ready();
                    }
                }
                Ok(Some(Ok(WsMessage::Binary(_)))) => outlet.refuse("a message of the exchange is no text"),
                Ok(Some(Ok(WsMessage::Close(_))) | None) => return Err(SourceError::Disconnected),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(lost(error)),
                Err(_) => return Err(SourceError::Timeout { method: "bookTicker", after: SILENCE }),
            }
        }
        // The exchange may be gone already.
        let _ = socket.close(None).await;
        Ok(())
    }
}

fn lost(error: WsError) -> SourceError {
    match error {
        WsError::ConnectionClosed | WsError::AlreadyClosed => SourceError::Disconnected,
        error => SourceError::Connect(error.into()),
    }
}

/// A quote as it is sent. The spot market states no time; futures state two.
#[derive(Debug, Deserialize)]
struct Ticker<'a> {
    #[serde(rename = "u")]
    update_id: u64,
    #[serde(rename = "s", borrow)]
    symbol: Cow<'a, str>,
    #[serde(rename = "b", borrow)]
    bid_price: Cow<'a, str>,
    #[serde(rename = "B", borrow)]
    bid_size: Cow<'a, str>,
    #[serde(rename = "a", borrow)]
    ask_price: Cow<'a, str>,
    #[serde(rename = "A", borrow)]
    ask_size: Cow<'a, str>,
    /// Milliseconds since 1970 at which the book changed.
    #[serde(rename = "T", default)]
    traded_ms: Option<u64>,
    /// Milliseconds since 1970 at which it was told.
    #[serde(rename = "E", default)]
    sent_ms: Option<u64>,
}

/// Combined streams wrap the quote.
#[derive(Debug, Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    data: Ticker<'a>,
}

/// The answer to the request.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<Refusal>,
    /// Some report it without an `error` around.
    #[serde(default)]
    code: Option<i64>,
    #[serde(default)]
    id: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    code: i64,
}

/// What an exchange says.
#[derive(Debug)]
enum Said<'a> {
    Quote(Ticker<'a>),
    Yes,
    No(String),
}

fn read(text: &str) -> Option<Said<'_>> {
    if let Ok(ticker) = serde_json::from_str(text) {
        return Some(Said::Quote(ticker));
    }
    if let Ok(Wrapped { data }) = serde_json::from_str(text) {
        return Some(Said::Quote(data));
    }
    let answer: Answer = serde_json::from_str(text).ok()?;
    // Only the number: what else it says is not ours to show.
    match (answer.error.map(|error| error.code).or(answer.code), answer.id) {
        (Some(code), _) => Some(Said::No(format!("the exchange refuses the subscription with code {code}"))),
        (None, Some(1)) => Some(Said::Yes),
        (None, _) => None,
    }
}
