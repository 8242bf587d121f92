//! A crate with a strategy of one's own: the template, under another name.
//!
//! Apart from the engine, so that who has nothing but its sources need not build it twice: `cargo run -p alphapulse-new -- my_strategy` takes
//! seconds. `alphapulse strategy new` is the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What the template is called: its crate, and the strategy.
const NAME: &str = "own_strategy";
const TYPE: &str = "OwnStrategy";
/// What stands for the folder of the sources.
const PLACE: &str = "ALPHAPULSE";

/// The template's files, of which the first names the crate.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../../strategy/Cargo.toml.in")),
    (".gitignore", include_str!("../../strategy/gitignore")),
    ("rustfmt.toml", include_str!("../../../rustfmt.toml")),
    ("README.md", include_str!("../../strategy/README.md")),
    ("src/lib.rs", include_str!("../../strategy/src/lib.rs")),
    ("src/main.rs", include_str!("../../strategy/src/main.rs")),
    ("tests/market.json", include_str!("../../strategy/tests/market.json")),
    ("tests/strategy.rs", include_str!("../../strategy/tests/strategy.rs")),
];
/// Locked as the sources are, so that what is built is what was tested.
const LOCK: &str = "Cargo.lock";

/// Strategies that are built in, whose names are taken.
pub const BUILT_IN: [&str; 4] = ["two_venue", "cyclic", "split", "joint"];

/// Why no crate was written. Nothing is left behind.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NewError {
    /// A crate cannot be called so.
    #[error("`{0}` is no name for a strategy")]
    Name(String),
    /// The name means something else.
    #[error("`{0}` is taken: by a strategy, by Rust, or by what the crate uses")]
    Taken(String),
    /// The folder exists.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The sources are not where they were said to be.
    #[error("{} does not hold the sources of AlphaPulse", .0.display())]
    Source(PathBuf),
    /// The folder of the sources cannot stand in a manifest.
    #[error("{} has a name that is not Unicode", .0.display())]
    NotUnicode(PathBuf),
    /// The disk refused.
    #[error("cannot write {}", .path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
}

impl NewError {
    /// What to do about it.
    #[must_use]
    pub const fn next(&self) -> &'static str {
        match self {
            Self::Name(_) => {
                "take at most 64 small letters, digits and underscores, a letter first, such as my_strategy"
            }
            Self::Taken(_) => "take another name, such as my_strategy",
            Self::Exists(_) => "name another folder",
            Self::Source(_) | Self::NotUnicode(_) => {
                "give the folder of a checkout with --source: a crate of one's own is built with it"
            }
            Self::Write { .. } => "choose a folder that can be written to",
        }
    }

    /// Whether it is what was asked that is wrong, and not the disk.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        !matches!(self, Self::Write { .. })
    }
}

/// Writes a crate for the strategy `name` into a new folder, to be built with the sources in `source`. `is_taken` tells of strategies that the
/// caller knows besides [`BUILT_IN`].
///
/// # Errors
/// [`NewError`]; the folder is not there then.
pub fn make(name: &str, folder: &Path, source: &Path, is_taken: impl Fn(&str) -> bool) -> Result<(), NewError> {
    check_name(name, is_taken)?;
    let source = whole_source(source)?;
    let place = source.to_str().ok_or_else(|| NewError::NotUnicode(source.clone()))?;
    if folder.symlink_metadata().is_ok() {
        return Err(NewError::Exists(folder.to_owned()));
    }
    // Whoever made it meanwhile keeps it.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::create_dir(folder));
    made.map_err(|error| NewError::Write { path: folder.to_owned(), source: error })?;
    write(folder, name, place).inspect_err(|_| {
        // Half a crate helps nobody, and would be in the way of the next attempt.
        let _ = fs::remove_dir_all(folder);
    })
}

/// What a crate and a strategy can be called.
fn check_name(name: &str, is_taken: impl Fn(&str) -> bool) -> Result<(), NewError> {
    let is_word = name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_word {
        return Err(NewError::Name(name.to_owned()));
    }
    let is_ours = BUILT_IN.contains(&name) || name.starts_with("alphapulse") || is_taken(name);
    if is_ours || WORDS.contains(&name) || TYPES.contains(&type_name(name).as_str()) {
        return Err(NewError::Taken(name.to_owned()));
    }
    Ok(())
}

/// Names that a crate cannot have: Rust's words, Cargo's folders, and what is linked to every crate or is a dependency here.
const WORDS: &[&str] = &[
    "abstract",
    "alloc",
    "anyhow",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];
/// Types that the template names beside its own.
const TYPES: &[&str] = &[
    "AddressBytes",
    "Market",
    "MarketEvent",
    "Opportunity",
    "OpportunitySink",
    "Option",
    "PoolId",
    "Result",
    "Reverse",
    "Some",
    "Strategy",
    "StrategyConfig",
    "StrategyError",
    "StrategyKind",
    "TokenId",
    "U256",
    "Vec",
];
/// Longest name that is taken: a binary's, too.
const NAME_MAX: usize = 64;

/// The folder of the sources, by its whole name: the new crate may lie anywhere.
fn whole_source(folder: &Path) -> Result<PathBuf, NewError> {
    let is_whole = |folder: &PathBuf| {
        ["Cargo.toml", LOCK, "strategies/Cargo.toml", "protocol/Cargo.toml"]
            .iter()
            .all(|file| folder.join(file).is_file())
    };
    folder.canonicalize().ok().filter(is_whole).ok_or_else(|| NewError::Source(folder.to_owned()))
}

fn write(folder: &Path, name: &str, place: &str) -> Result<(), NewError> {
    let cannot = |path: &Path| {
        let path = path.to_owned();
        |source| NewError::Write { path, source }
    };
    // A string of TOML, whose quotes the template has.
    let quoted = place.replace('\\', "\\\\").replace('"', "\\\"");
    for (file, text) in FILES {
        let path = folder.join(file);
        let text = text.replace(NAME, name).replace(TYPE, &type_name(name));
        let text = if file == "Cargo.toml" { text.replace(PLACE, &quoted) } else { text };
        let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
        parent.and_then(|()| fs::write(&path, text)).map_err(cannot(&path))?;
    }
    let lock = folder.join(LOCK);
    fs::copy(Path::new(place).join(LOCK), &lock).map(|_| ()).map_err(cannot(&lock))
}

/// `my_strategy` as a type: `MyStrategy`.
fn type_name(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split('_').map(word).collect()
}
