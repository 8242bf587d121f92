//! A JSON document whose every value knows its place, so that an error can say where.

use core::fmt;
use core::str::FromStr;

use serde_json::Value;

use super::error::{Flaw, SnapshotError};
use super::hex;

/// Longest piece of a bad value that an error repeats.
const EXCERPT_CHARS_MAX: usize = 60;

/// A value and the path to it.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    value: &'a Value,
    place: Place<'a>,
}

#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Field(&'a Node<'a>, &'a str),
    Item(&'a Node<'a>, usize),
}

/// What ends the reading of a pool: an error of the file, or a flaw of this pool only.
pub(super) enum Stop {
    File(SnapshotError),
    Pool(Flaw),
}

impl From<SnapshotError> for Stop {
    fn from(error: SnapshotError) -> Self {
        Self::File(error)
    }
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Self::Pool(flaw)
    }
}

impl<'a> Node<'a> {
    pub(super) const fn root(value: &'a Value) -> Self {
        Self { value, place: Place::Root }
    }

    /// Field that must be there.
    pub(super) fn field(&'a self, name: &'a str) -> Result<Node<'a>, SnapshotError> {
        self.optional(name)?.ok_or_else(|| self.child(Place::Field(self, name)).error("is missing"))
    }

    /// Field that may be left out or null.
    pub(super) fn optional(&'a self, name: &'a str) -> Result<Option<Node<'a>>, SnapshotError> {
        let fields = self.value.as_object().ok_or_else(|| self.unexpected("an object"))?;
        Ok(fields
            .get(name)
            .filter(|value| !value.is_null())
            .map(|value| Node { value, place: Place::Field(self, name) }))
    }

    pub(super) fn items(&'a self) -> Result<impl ExactSizeIterator<Item = Node<'a>>, SnapshotError> {
        let items = self.value.as_array().ok_or_else(|| self.unexpected("a list"))?;
        Ok(items.iter().enumerate().map(|(index, value)| Node { value, place: Place::Item(self, index) }))
    }

    /// List of exactly two.
    pub(super) fn pair(&'a self) -> Result<[Node<'a>; 2], SnapshotError> {
        let mut items = self.items()?;
        match (items.next(), items.next(), items.next()) {
            (Some(first), Some(second), None) => Ok([first, second]),
            _ => Err(self.unexpected("a list of two")),
        }
    }

    pub(super) fn text(&self) -> Result<&'a str, SnapshotError> {
        self.value.as_str().ok_or_else(|| self.unexpected("text"))
    }

    pub(super) fn flag(&self) -> Result<bool, SnapshotError> {
        self.value.as_bool().ok_or_else(|| self.unexpected("true or false"))
    }

    /// `0x…` text of exactly `N` bytes.
    pub(super) fn bytes<const N: usize>(&self) -> Result<[u8; N], SnapshotError> {
        let bytes = self.value.as_str().and_then(hex::parse);
        bytes.ok_or_else(|| self.unexpected(&format!("0x and {} hex digits", 2 * N)))
    }

    /// Integer that must fit `T`.
    pub(super) fn integer<T: FromStr>(&self) -> Result<T, SnapshotError> {
        self.parse()?.ok_or_else(|| self.unexpected(&format!("an integer that fits {}", core::any::type_name::<T>())))
    }

    /// Integer of a pool: one that is well formed but past `T` is a flaw of the pool, not of the file.
    pub(super) fn pool_integer<T: FromStr>(&self, field: &'static str) -> Result<T, Stop> {
        Ok(self.parse()?.ok_or(Flaw::OutOfRange { field })?)
    }

    /// `None` for an integer that `T` cannot hold.
    fn parse<T: FromStr>(&self) -> Result<Option<T>, SnapshotError> {
        let number;
        let text = match self.value {
            Value::String(text) => text.as_str(),
            Value::Number(value) if value.is_u64() || value.is_i64() => {
                number = value.to_string();
                &number
            }
            _ => return Err(self.unexpected("an integer as decimal text")),
        };
        if is_decimal(text) { Ok(text.parse().ok()) } else { Err(self.unexpected("an integer as decimal text")) }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> SnapshotError {
        SnapshotError::Field { place: self.to_string(), problem: problem.into() }
    }

    pub(super) fn unexpected(&self, expected: &str) -> SnapshotError {
        let found = self.value.to_string();
        let mut excerpt: String = found.chars().take(EXCERPT_CHARS_MAX).collect();
        if excerpt.len() < found.len() {
            excerpt.push('…');
        }
        self.error(format!("expected {expected}, found {excerpt}"))
    }

    /// A value that is not there, for its path.
    const fn child(&self, place: Place<'a>) -> Self {
        Self { value: &Value::Null, place }
    }
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Root => formatter.write_str("the document"),
            Place::Field(Node { place: Place::Root, .. }, name) => formatter.write_str(name),
            Place::Field(parent, name) => write!(formatter, "{parent}.{name}"),
            Place::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// Digits with at most a minus before them. Stricter than the parsers behind it, which take `+`, `_` and prefixes.
pub(super) fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
