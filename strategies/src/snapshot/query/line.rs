//! Queries as lines of JSON.

use core::fmt;
use std::borrow::Cow;

use alphapulse_protocol::{AddressBytes, U256};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_json::Value;

use super::super::document::is_decimal;
use super::super::error::MalformedQuery;
use super::super::hex;
use super::{Amount, PoolName, Query};

/// A query as it is written.
#[derive(Deserialize)]
struct QueryLine<'a> {
    #[serde(borrow)]
    pool: Cow<'a, str>,
    #[serde(borrow)]
    token_in: Cow<'a, str>,
    #[serde(borrow)]
    token_out: Cow<'a, str>,
    amount_in: Option<Whole>,
    amount_out: Option<Whole>,
}

/// A natural number, as text of any size or as a JSON number; `None` past 256 bits.
struct Whole(Option<U256>);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;

        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a natural number as decimal text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Whole, E> {
                if is_natural(text) {
                    Ok(Whole(text.parse().ok()))
                } else {
                    Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
                }
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(Some(U256::from(number))))
            }
        }

        deserializer.deserialize_any(WholeVisitor)
    }
}

impl Query {
    /// Reads one line.
    ///
    /// # Errors
    /// [`MalformedQuery`] when the line is not a JSON object with the fields of a query.
    pub fn from_line(line: &[u8]) -> Result<Self, MalformedQuery> {
        // A list would do for the fields of an object in their order, which nobody means.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err(malformed(NO_OBJECT));
        }
        let raw: QueryLine<'_> = serde_json::from_slice(line).map_err(|_| malformed(explain(line)))?;
        let amount = match (raw.amount_in, raw.amount_out) {
            (Some(Whole(amount)), None) => Amount::In(amount),
            (None, Some(Whole(amount))) => Amount::Out(amount),
            (None, None) => return Err(malformed("`amount_in` or `amount_out` is missing")),
            (Some(_), Some(_)) => return Err(malformed("`amount_in` stands beside `amount_out`: give one of them")),
        };
        Ok(Self {
            pool: pool_name(&raw.pool)?,
            token_in: address("token_in", &raw.token_in)?,
            token_out: address("token_out", &raw.token_out)?,
            amount,
        })
    }
}

const NO_OBJECT: &str =
    r#"it is no JSON object such as {"pool":"0x…","token_in":"0x…","token_out":"0x…","amount_in":"1000"}"#;

/// What is wrong with a line that is no query, in the words of the format. The line's number is known to who reads it.
#[cold]
fn explain(line: &[u8]) -> String {
    // Behind its end there is nothing to be wrong with.
    let value: Value = match serde_json::from_slice(line.trim_ascii_end()) {
        Ok(value) => value,
        Err(error) if error.is_eof() => return "it ends before its JSON object does".to_owned(),
        Err(error) => return format!("it is not valid JSON, at byte {}", error.column()),
    };
    for field in ["pool", "token_in", "token_out"] {
        match value.get(field) {
            None => return format!("`{field}` is missing"),
            Some(Value::String(_)) => {}
            Some(other) => return format!("`{field}` is not text: {}", excerpt(other)),
        }
    }
    for field in ["amount_in", "amount_out"] {
        let is_whole = match value.get(field) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => is_natural(text),
            Some(other) => other.is_u64(),
        };
        if !is_whole {
            return format!("`{field}` is no natural number as decimal text: {}", excerpt(&value[field]));
        }
    }
    "a field stands in it twice".to_owned()
}

/// The beginning of a value.
fn excerpt(value: &Value) -> String {
    const CHARS_MAX: usize = 60;
    let text = value.to_string();
    let mut short: String = text.chars().take(CHARS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn is_natural(text: &str) -> bool {
    is_decimal(text) && !text.starts_with('-')
}

fn malformed(detail: impl Into<String>) -> MalformedQuery {
    MalformedQuery { detail: detail.into() }
}

fn pool_name(text: &str) -> Result<PoolName, MalformedQuery> {
    let name = hex::parse(text).map(PoolName::Address).or_else(|| hex::parse(text).map(PoolName::Id));
    name.ok_or_else(|| malformed(format!("`pool` is neither an address nor a 32-byte pool id: {text:?}")))
}

fn address(field: &str, text: &str) -> Result<AddressBytes, MalformedQuery> {
    hex::parse(text).ok_or_else(|| malformed(format!("`{field}` is not an address: {text:?}")))
}
