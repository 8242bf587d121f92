//! A record of a journal as a line, and as JSON.

use alphapulse_engine::risk::Reject;
use alphapulse_protocol::message::{Field, FieldValue, Message};
use serde_json::{Map, Value, json};

/// What a record says: its fields, and for a refusal the reason's name.
fn fields<'a>(message: &Message<'a>) -> Vec<Field<'a>> {
    let mut fields = message.fields();
    let reject = match message {
        Message::Verdict(verdict) => verdict.reject.get(),
        Message::Halt(halt) => halt.reject.get(),
        _ => return fields,
    };
    if let Some(reason) = Reject::from_code(reject) {
        fields.push(("reason", FieldValue::Word(reason.name().to_owned())));
    }
    fields
}

/// The record on one line.
pub(super) fn line(message: &Message<'_>) -> String {
    let header = message.header();
    let mut line = format!("{} sequence={} event_ns={}", message.name(), header.sequence.get(), header.event_ns.get());
    for (name, value) in fields(message) {
        line += &format!(" {name}={value}");
    }
    line
}

/// The record as an object. Amounts, which may exceed 2^53, are text.
pub(super) fn object(message: &Message<'_>) -> Value {
    let header = message.header();
    json!({
        "record": message.name(), "sequence": header.sequence.get(), "event_ns": header.event_ns.get(),
        "fields": record(fields(message)),
    })
}

fn record(fields: Vec<Field<'_>>) -> Value {
    Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), json_of(value))).collect::<Map<_, _>>())
}

fn json_of(value: FieldValue<'_>) -> Value {
    match value {
        FieldValue::Number(number) => number.into(),
        FieldValue::Signed(number) => number.into(),
        FieldValue::Flag(is_so) => is_so.into(),
        FieldValue::Text(text) => text.into(),
        FieldValue::List(values) => values.into_iter().map(json_of).collect(),
        FieldValue::Record(fields) => record(fields),
        other => other.to_string().into(),
    }
}
