//! Where each effective value comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a value was set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A line of a file, from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// Nowhere: the program's own default.
    Default,
    /// Nowhere, and there is no default.
    Missing,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Default => f.write_str("default"),
            Self::Missing => f.write_str("not set"),
        }
    }
}

/// The sources of one configuration, addressed by span: bytes of the file, then one byte for each variable.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    pub(super) path: PathBuf,
    /// Offset of the first byte of each line.
    line_starts: Vec<usize>,
    text_bytes: usize,
    pub(super) variables: Vec<String>,
}

impl Sources {
    pub(super) fn new(path: PathBuf, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path,
            line_starts: std::iter::once(0).chain(ends).collect(),
            text_bytes: text.len(),
            variables: Vec::new(),
        }
    }

    /// Adds a variable and gives the span that stands for it.
    pub(super) fn add_variable(&mut self, name: String) -> Range<usize> {
        // The byte at `text_bytes` is the file's end, which an error may point at.
        let at = self.text_bytes + 1 + self.variables.len();
        self.variables.push(name);
        at..at + 1
    }

    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        let variable = span.start.checked_sub(self.text_bytes + 1).and_then(|index| self.variables.get(index));
        match variable {
            Some(name) => Origin::Environment(name.clone()),
            None => Origin::File { path: self.path.clone(), line: self.line(span.start) },
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }
}

/// Spans by key path, as `risk.fee_max` or `pools[3].venue`.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    keys: BTreeMap<String, Range<usize>>,
    values: BTreeMap<String, Range<usize>>,
    /// Of a table its header, or its braces; of one that no header names, the key that made it.
    tables: BTreeMap<String, Range<usize>>,
}

impl Spans {
    pub(super) fn of(root: &DeTable<'_>) -> Self {
        let mut spans = Self::default();
        spans.add_table("", root);
        spans
    }

    fn add_table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path =
                if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
            self.keys.insert(path.clone(), key.span());
            self.add_value(path, value);
        }
    }

    fn add_value(&mut self, path: String, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => {
                self.tables.insert(path.clone(), value.span());
                self.add_table(&path, table);
            }
            DeValue::Array(array) => {
                for (index, entry) in array.iter().enumerate() {
                    self.add_value(format!("{path}[{index}]"), entry);
                }
            }
            _ => {}
        }
        self.values.insert(path, value.span());
    }

    /// Where the value at `path` is.
    pub(super) fn value(&self, path: &str) -> Option<&Range<usize>> {
        self.values.get(path)
    }

    /// Where the key of `path` is.
    pub(super) fn key(&self, path: &str) -> Option<&Range<usize>> {
        self.keys.get(path)
    }

    /// The table that a key at `offset` of `text` belongs to: the innermost one in braces around it, else that of the header
    /// above.
    pub(super) fn section_at(&self, text: &str, offset: usize) -> Option<&str> {
        let is_around = |at: &Range<usize>| match text.as_bytes().get(at.start) {
            Some(b'{') => at.contains(&offset),
            Some(b'[') => at.start < offset && text.get(at.clone()).is_some_and(|header| header.ends_with(']')),
            _ => false,
        };
        let tables = self.tables.iter().filter(|(_, at)| is_around(at));
        tables.max_by_key(|(_, at)| at.start).map(|(path, _)| path.as_str())
    }

    /// The path whose key or value is at `span`: the key itself if it is one, else the innermost value.
    pub(super) fn path_at(&self, span: &Range<usize>) -> Option<&str> {
        let key = self.keys.iter().find(|(_, at)| *at == span);
        let value = || self.values.iter().filter(|(_, at)| *at == span).max_by_key(|(path, _)| path.len());
        key.or_else(value).map(|(path, _)| path.as_str())
    }
}
