//! From text to one tree: the file, the chosen profile over it, the environment over both. Each value keeps its span.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::{Sources, Spans};
use super::raw::{self, Kind, RawConfig};
use super::{Origin, Problem, words};

/// Start of the name of every variable that sets a key, as `ALPHAPULSE__RISK__FEE_MAX`.
pub const ENVIRONMENT_PREFIX: &str = "ALPHAPULSE__";

/// Table of the profiles; not a section of the configuration itself.
const PROFILE: &str = "profile";
/// What the parser says of a key or table that was there before.
const DUPLICATE_KEY: &str = "duplicate key";
/// Problems of one kind that are listed: who corrects so many checks again anyway, and each costs another reading.
const PROBLEMS_MAX: usize = 64;

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
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax_problems(text, &Spans::of(root.get_ref()), &errors, &sources));
    }
    let (mut root, profiles) = split_profiles(root, &sources)?;
    // What is wrong with the file itself is not a profile's fault.
    deserialize(&root, &sources)?;
    check_profiles(&root, &profiles, &sources)?;
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
    let raw = deserialize(&root, &sources)?;
    let table = plain_table(root.get_ref());
    Ok(Layered { raw, spans: Spans::of(root.get_ref()), sources, table })
}

/// What the parser stumbled over. Keys that are set twice it finds in a tree that it could read, and all of those are told; after
/// anything else, of which it speaks first, it may see errors that are none.
fn syntax_problems(text: &str, spans: &Spans, errors: &[toml::de::Error], sources: &Sources) -> Vec<Problem> {
    let mut problems = Vec::new();
    for error in errors.iter().take(PROBLEMS_MAX) {
        let span = error.span().unwrap_or(0..0);
        if error.message() == DUPLICATE_KEY
            && let Some(problem) = duplicate_problem(text, spans, &span, sources)
        {
            problems.push(problem);
            continue;
        }
        if problems.is_empty() {
            problems.push(Problem {
                origin: sources.origin(&span),
                key: String::new(),
                message: format!("this is not TOML: {}", error.message()),
                next: "correct the line".to_owned(),
            });
        }
        break;
    }
    problems
}

/// A key or section that is there before. `span` is that of its last word, where it comes again.
fn duplicate_problem(text: &str, spans: &Spans, span: &Range<usize>, sources: &Sources) -> Option<Problem> {
    let key = key_at(text, spans, span)?;
    // The tree of the whole text may hold either of the two; what stands before has the first alone.
    let (before, _) = DeTable::parse_recoverable(text.get(..span.start)?);
    let first = match Spans::of(before.get_ref()).key(&key).map(|at| sources.origin(at)) {
        Some(Origin::File { line, .. }) => format!("is set in line {line} already"),
        _ => "is set twice".to_owned(),
    };
    Some(Problem { origin: sources.origin(span), key, message: first, next: "keep one of the two".to_owned() })
}

/// Path of the key whose last word is at `span`, also where the tree does not have it there.
fn key_at(text: &str, spans: &Spans, span: &Range<usize>) -> Option<String> {
    let (before, rest) = (text.get(..span.start)?, text.get(span.start..)?);
    let line = &before[before.rfind('\n').map_or(0, |at| at + 1)..];
    let rest = rest.lines().next()?;
    if line.trim_start().starts_with('[') && !line.contains('{') {
        let header = format!("{line}{rest}");
        let inner = header.trim_start().trim_start_matches('[').split(']').next()?;
        return Some(inner.trim().to_owned());
    }
    // A dotted key begins in front of its last word.
    let start = line.rfind([' ', '\t', '{', ',']).map_or(0, |at| at + 1);
    let end = rest.find(|letter: char| letter == '=' || letter.is_whitespace()).unwrap_or(rest.len());
    let written = format!("{}{}", &line[start..], &rest[..end]).replace(['"', '\''], "");
    Some(match spans.section_at(text, span.start) {
        Some(section) => format!("{section}.{written}"),
        None => written,
    })
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
    let not_a_table = |span: &Range<usize>, key: String| {
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

/// A profile that is not chosen must be right as well: it will be, on another day.
fn check_profiles(root: &Root<'_>, profiles: &Profiles<'_>, sources: &Sources) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (name, table) in profiles {
        let mut other = root.clone();
        merge(other.get_mut(), table.clone());
        let found = deserialize(&other, sources).err().unwrap_or_default();
        problems.extend(found.into_iter().map(|mut problem| {
            problem.message = format!("in profile `{name}`: {}", problem.message);
            problem
        }));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Reads the tree. The reader stops at the first value that it cannot take, so that one is put aside and the rest read
/// again: every key may be absent here. Gives all problems in the order of the text.
fn deserialize(root: &Root<'_>, sources: &Sources) -> Result<RawConfig, Vec<Problem>> {
    let spans = Spans::of(root.get_ref());
    let mut rest = root.clone();
    let mut problems = BTreeMap::new();
    loop {
        let error = match RawConfig::deserialize(toml::de::Deserializer::from(rest.clone())) {
            Ok(raw) if problems.is_empty() => return Ok(raw),
            Ok(_) => break,
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        problems.insert((span.start, span.end), value_problem(&error, &span, &spans, sources));
        if problems.len() == PROBLEMS_MAX || !put_aside(rest.get_mut(), &span) {
            break;
        }
    }
    Err(problems.into_values().collect())
}

fn value_problem(error: &toml::de::Error, span: &Range<usize>, spans: &Spans, sources: &Sources) -> Problem {
    let key = spans.path_at(span).unwrap_or_default().to_owned();
    let (message, next) = words::told(error.message().trim_end());
    Problem { origin: sources.origin(span), key, message, next: next.to_owned() }
}

/// Removes the key that is at `span`, or whose value is or holds it. Tells whether there was one.
fn put_aside(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let holds = |value: &Spanned<DeValue<'_>>| {
        value.span() == *span
            || value.get_ref().as_array().is_some_and(|array| array.iter().any(|entry| entry.span() == *span))
    };
    let found = table.iter().find(|(key, value)| key.span() == *span || holds(value));
    if let Some(key) = found.map(|(key, _)| key.get_ref().to_string()) {
        table.remove(key.as_str());
        return true;
    }
    table.iter_mut().any(|(_, value)| match value.get_mut() {
        DeValue::Table(inner) => put_aside(inner, span),
        DeValue::Array(array) => array.iter_mut().any(|entry| match entry.get_mut() {
            DeValue::Table(inner) => put_aside(inner, span),
            _ => false,
        }),
        _ => false,
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
    let kind = match raw::kind_at(&path) {
        Some(Kind::Table) => {
            let next = format!("set its keys one by one, as {name}__KEY");
            return Err(problem("a variable cannot hold a whole table".to_owned(), &next));
        }
        Some(kind) => kind,
        None => return Err(problem("there is no such key".to_owned(), "correct or unset the variable")),
    };
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

fn insert<'a>(table: &mut DeTable<'a>, path: &[&str], value: &DeValue<'a>, span: &Range<usize>) -> Option<()> {
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
