//! `alphapulse strategy new`: the template, under another name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings;

pub(super) const EXAMPLES: &str = "\
Examples:
  alphapulse strategy new my_strategy
  alphapulse strategy new my_strategy --dir ~/strategies/mine --source ~/alphapulse

Then, in the new folder: `cargo test`, and `cargo run -- demo --strategy my_strategy` to see it trade. The README there
says what is where. docs/STRATEGIES.md has the contract that every strategy keeps.";

/// Sources that this program was built from.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");
/// What the template is called: its crate, and the strategy.
const NAME: &str = "own_strategy";
const TYPE: &str = "OwnStrategy";
/// What stands for the folder of the sources.
const PLACE: &str = "ALPHAPULSE";

/// The template's files, of which the first names the crate.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../../../templates/strategy/Cargo.toml.in")),
    (".gitignore", include_str!("../../../templates/strategy/gitignore")),
    ("rustfmt.toml", include_str!("../../../rustfmt.toml")),
    ("README.md", include_str!("../../../templates/strategy/README.md")),
    ("src/lib.rs", include_str!("../../../templates/strategy/src/lib.rs")),
    ("src/main.rs", include_str!("../../../templates/strategy/src/main.rs")),
    ("tests/market.json", include_str!("../../../templates/strategy/tests/market.json")),
    ("tests/strategy.rs", include_str!("../../../templates/strategy/tests/strategy.rs")),
];
/// Locked as the sources are, so that what is built is what was tested.
const LOCK: &str = "Cargo.lock";

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Name of the crate and of the strategy's kind: small letters, digits and underscores
    #[arg(value_name = "NAME")]
    name: String,

    /// Folder to write, which must not exist (default: NAME)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Sources of AlphaPulse that it is built with (default: those of this program)
    #[arg(long, value_name = "DIR", default_value = SOURCE, hide_default_value = true)]
    source: PathBuf,
}

pub(super) fn run(arguments: &NewArguments) -> Outcome {
    let name = arguments.name.as_str();
    check_name(name)?;
    let source = source(&arguments.source)?;
    let folder = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    if folder.symlink_metadata().is_ok() {
        return Err(Failure::usage(format!("{} is there already", folder.display())).next("name another with --dir"));
    }
    // Whoever made it meanwhile keeps it.
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::create_dir(&folder));
    made.with_context(|| format!("cannot make {}", folder.display()))
        .map_err(|error| Failure::from(error).next("choose a folder that can be written to with --dir"))?;
    write(&folder, name, &source).with_context(|| format!("cannot write {}", folder.display())).map_err(|error| {
        // Half a crate helps nobody, and would be in the way of the next attempt.
        let _ = fs::remove_dir_all(&folder);
        Failure::from(error).next("choose a folder that can be written to with --dir")
    })?;
    let mut output = Output::new();
    output.line(format!("wrote {}", folder.display()))?;
    output.line(format!("next: cd '{}' && cargo test", folder.display()))?;
    output.line(format!("then: cargo run -- demo --strategy {name}"))?;
    output.finish()?;
    Ok(Exit::Ok)
}

/// What a crate and a strategy can be called.
fn check_name(name: &str) -> Result<(), Failure> {
    let is_word = name.len() <= NAME_MAX
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_word {
        return Err(Failure::usage(format!("`{name}` is no name for a strategy"))
            .next("take at most 64 small letters, digits and underscores, a letter first, such as my_strategy"));
    }
    let is_taken = settings::registry().find(name).is_some() || name.starts_with("alphapulse");
    if is_taken || WORDS.contains(&name) || TYPES.contains(&type_name(name).as_str()) {
        return Err(Failure::usage(format!("`{name}` is taken: by a strategy, by Rust, or by what the crate uses"))
            .next("take another name, such as my_strategy"));
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
fn source(folder: &Path) -> Result<PathBuf, Failure> {
    let is_whole = |folder: &PathBuf| {
        ["Cargo.toml", LOCK, "strategies/Cargo.toml", "protocol/Cargo.toml"]
            .iter()
            .all(|file| folder.join(file).is_file())
    };
    let found = folder.canonicalize().ok().filter(is_whole);
    found.ok_or_else(|| {
        Failure::usage(format!("{} does not hold the sources of AlphaPulse", folder.display()))
            .next("give the folder of a checkout with --source: a crate of one's own is built with them")
    })
}

fn write(folder: &Path, name: &str, source: &Path) -> anyhow::Result<()> {
    let place = source.to_str().context("the folder of the sources has a name that is not Unicode")?;
    // A string of TOML, whose quotes the template has.
    let place = place.replace('\\', "\\\\").replace('"', "\\\"");
    for (file, text) in FILES {
        let path = folder.join(file);
        let parent = path.parent().context("every file lies in the folder")?;
        fs::create_dir_all(parent)?;
        let text = text.replace(NAME, name).replace(TYPE, &type_name(name));
        let text = if file == "Cargo.toml" { text.replace(PLACE, &place) } else { text };
        fs::write(&path, text).with_context(|| format!("cannot write {file}"))?;
    }
    fs::copy(source.join(LOCK), folder.join(LOCK))
        .context("cannot copy the versions that the sources are locked to")?;
    Ok(())
}

/// `my_strategy` as a type: `MyStrategy`.
fn type_name(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split('_').map(word).collect()
}
