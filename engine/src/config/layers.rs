//! From text to one tree: the file, the chosen profile over it, the environment over both. Each value keeps its span.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::{Sources, Spans};
use super::raw::{self, Kind, RawConfig};
use super::{Origin, Problem};

/// Start of the name of every variable that sets a key, as `ALPHAPULSE__RISK__FEE_MAX`.
pub const ENVIRONMENT_PREFIX: &str = "ALPHAPULSE__";

/// Table of the profiles; not a section of the configuration itself.
const PROFILE: &str = "profile";

type Root<'a> = Spanned<DeTable<'a>>;

/// One tree, read.
pub(super) struct Layered {
    pub(super) raw: RawConfig,
    pub(super) spans: Spans,
    pub(super) sources: Sources,
    /// The tree as a value, for writing it out again.
    pub(super) table: toml::Table,
}

/// Reads `text`, puts the profile and the variables over it.
pub(super) fn read<'a>(
    path: PathBuf,
    text: &'a str,
    profile: Option<&str>,
    variables: &'a [(String, String)],
) -> Result<Layered, Vec<Problem>> {
    let mut sources = Sources::new(path, text);
    let root = DeTable::parse(text).map_err(|error| vec![syntax_problem(&error, &sources)])?;
    let (mut root, profiles) = split_profiles(root, &sources)?;
    // What is wrong with the file itself is not a profile's fault.
    deserialize(&root, &sources).map_err(|problem| vec![problem])?;
    for (name, table) in &profiles {
        // A profile that is not chosen must be right as well: it will be, on another day.
        let mut other = root.clone();
        merge(other.get_mut(), table.clone());
        deserialize(&other, &sources).map_err(|mut problem| {
            problem.message = format!("in profile `{name}`: {}", problem.message);
            vec![problem]
        })?;
    }
    if let Some(name) = profile {
        let chosen = profiles.into_iter().find(|known| known.0 == name);
        merge(root.get_mut(), chosen.ok_or_else(|| vec![unknown_profile(name, &sources)])?.1);
    }
    let mut problems = Vec::new();
    for (name, value) in variables.iter().filter(|variable| variable.0.starts_with(ENVIRONMENT_PREFIX)) {
        problems.extend(set_variable(root.get_mut(), &mut sources, name, value).err());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let raw = deserialize(&root, &sources).map_err(|problem| vec![problem])?;
    let table = plain_table(root.get_ref());
    Ok(Layered { raw, spans: Spans::of(root.get_ref()), sources, table })
}

fn syntax_problem(error: &toml::de::Error, sources: &Sources) -> Problem {
    Problem {
        origin: sources.origin(&error.span().unwrap_or(0..0)),
        key: String::new(),
        message: format!("this is not TOML: {}", error.message()),
        next: "correct the line".to_owned(),
    }
}

fn unknown_profile(name: &str, sources: &Sources) -> Problem {
    Problem {
        origin: Origin::File { path: sources.path.clone(), line: 1 },
        key: format!("{PROFILE}.{name}"),
        message: "there is no such profile".to_owned(),
        next: format!("add a table [{PROFILE}.{name}.…] or choose another profile"),
    }
}

type Profiles<'a> = Vec<(String, DeTable<'a>)>;

fn split_profiles<'a>(mut root: Root<'a>, sources: &Sources) -> Result<(Root<'a>, Profiles<'a>), Vec<Problem>> {
    let not_a_table = |span: &std::ops::Range<usize>, key: String| {
        let message = "a profile is a table that holds sections".to_owned();
        vec![Problem {
            origin: sources.origin(span),
            key,
            message,
            next: "write [profile.NAME.risk] and the like".to_owned(),
        }]
    };
    let Some(all) = root.get_mut().remove(PROFILE) else { return Ok((root, Vec::new())) };
    let span = all.span();
    let DeValue::Table(all) = all.into_inner() else { return Err(not_a_table(&span, PROFILE.to_owned())) };
    let mut profiles = Vec::new();
    for (name, value) in all {
        let (name, span) = (name.into_inner().into_owned(), value.span());
        let DeValue::Table(table) = value.into_inner() else {
            return Err(not_a_table(&span, format!("{PROFILE}.{name}")));
        };
        profiles.push((name, table));
    }
    Ok((root, profiles))
}

/// Tables are merged key by key; anything else, lists too, is replaced as a whole.
fn merge<'a>(base: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, value) in over {
        let is_table = value.get_ref().is_table();
        match base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut) {
            Some(DeValue::Table(existing)) if is_table => {
                if let DeValue::Table(table) = value.into_inner() {
                    merge(existing, table);
                }
            }
            _ => {
                // Removed first, so that the key's span is the new one.
                base.remove(key.get_ref().as_ref());
                base.insert(key, value);
            }
        }
    }
}

fn deserialize(root: &Root<'_>, sources: &Sources) -> Result<RawConfig, Problem> {
    RawConfig::deserialize(toml::de::Deserializer::from(root.clone())).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let key = Spans::of(root.get_ref()).path_at(&span).unwrap_or_default().to_owned();
        let message = error.message().trim_end().to_owned();
        let next = if message.starts_with("unknown field") {
            "correct the spelling or remove the key"
        } else if message.contains("expected a string") {
            "write it in quotes; quantities with their unit, such as \"100 gwei\""
        } else {
            "write it as expected"
        };
        Problem { origin: sources.origin(&span), key, message, next: next.to_owned() }
    })
}

/// Sets the key that a variable names.
fn set_variable<'a>(root: &mut DeTable<'a>, sources: &mut Sources, name: &str, value: &'a str) -> Result<(), Problem> {
    let path = variable_path(name);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let key = path.join(".");
    let problem = |message: String, next: &str| Problem {
        origin: Origin::Environment(name.to_owned()),
        key: key.clone(),
        message,
        next: next.to_owned(),
    };
    let kind = raw::kind_at(&path)
        .filter(|kind| *kind != Kind::Table)
        .ok_or_else(|| problem("there is no such key".to_owned(), "correct or unset the variable"))?;
    let text = match kind {
        Kind::Text => DeValue::String(Cow::Borrowed(value)),
        _ => DeValue::parse(value).map(Spanned::into_inner).map_err(|error| {
            let reason = error.message().to_owned();
            problem(format!("found `{value}`, which is not a TOML value: {reason}"), "correct the variable")
        })?,
    };
    let span = sources.add_variable(name.to_owned());
    insert(root, &path, &text, &span)
        .ok_or_else(|| problem("a part of the key is not a table".to_owned(), "correct the file"))
}

/// `ALPHAPULSE__RISK__NOTIONAL_MAX__USDbC` is `risk.notional_max.USDbC`: case matters in a symbol only.
fn variable_path(name: &str) -> Vec<String> {
    let segments: Vec<&str> = name[ENVIRONMENT_PREFIX.len()..].split("__").collect();
    let mut path: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
    if let ([section, table, symbol], [_, _, written]) = (&mut path[..], &segments[..])
        && (section == "risk" && table == "notional_max")
    {
        *symbol = (*written).to_owned();
    }
    path
}

fn insert<'a>(
    table: &mut DeTable<'a>,
    path: &[&str],
    value: &DeValue<'a>,
    span: &std::ops::Range<usize>,
) -> Option<()> {
    let (first, rest) = path.split_first()?;
    let key = Spanned::new(span.clone(), Cow::Owned((*first).to_owned()));
    if rest.is_empty() {
        table.remove(*first);
        table.insert(key, Spanned::new(span.clone(), value.clone()));
        return Some(());
    }
    if !table.contains_key(*first) {
        table.insert(key, Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
    }
    match table.get_mut(*first)?.get_mut() {
        DeValue::Table(inner) => insert(inner, rest, value, span),
        _ => None,
    }
}

/// The tree without spans. It was deserialised already, so every value is one of ours.
fn plain_table(table: &DeTable<'_>) -> toml::Table {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), plain(value.get_ref()))).collect()
}

fn plain(value: &DeValue<'_>) -> toml::Value {
    match value {
        DeValue::Boolean(switch) => toml::Value::Boolean(*switch),
        DeValue::Integer(number) => {
            // Out of i64 is out of every key's range, and was refused when it was deserialised.
            toml::Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX))
        }
        DeValue::Array(array) => toml::Value::Array(array.iter().map(|entry| plain(entry.get_ref())).collect()),
        DeValue::Table(table) => toml::Value::Table(plain_table(table)),
        other => toml::Value::String(other.as_str().unwrap_or_default().to_owned()),
    }
}
