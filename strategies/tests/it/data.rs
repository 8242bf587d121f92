//! Where vectors and bytecode are, and how absence is reported.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use flate2::read::GzDecoder;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

/// Folder of the outside data: `ALPHAPULSE_DATA`, or `../shared/data` beside the workspace.
pub(crate) fn data_root() -> PathBuf {
    std::env::var_os("ALPHAPULSE_DATA").map_or_else(|| workspace().join("../shared/data"), PathBuf::from)
}

pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Text of a data file, unpacked by its ending; `None` and a loud line when it is absent.
pub(crate) fn text(path: &str) -> Option<String> {
    let full = data_root().join(path);
    if !full.exists() {
        ignored(&format!("{} is absent (set ALPHAPULSE_DATA to the data folder)", full.display()));
        return None;
    }
    let bytes = match full.extension().and_then(OsStr::to_str) {
        Some("gz") => {
            let mut unpacked = Vec::new();
            let packed = File::open(&full).expect("a readable file");
            GzDecoder::new(packed).read_to_end(&mut unpacked).expect("data files are whole");
            unpacked
        }
        Some("zst") => unpack_zstd(&full)?,
        _ => fs::read(&full).expect("a readable file"),
    };
    Some(String::from_utf8(bytes).expect("data files are UTF-8"))
}

/// By the command of that name: two files do not justify a decoder among the dependencies.
fn unpack_zstd(path: &Path) -> Option<Vec<u8>> {
    match Command::new("zstd").arg("-dc").arg(path).output() {
        Ok(output) if output.status.success() => Some(output.stdout),
        Ok(output) => panic!("zstd on {}: {}", path.display(), String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            ignored(&format!("{} needs the command `zstd`, which does not start: {error}", path.display()));
            None
        }
    }
}

pub(crate) fn json(path: &str) -> Option<Value> {
    text(path).map(|text| serde_json::from_str(&quote_integers(&text)).expect("data files are JSON"))
}

/// Makes texts of the integers outside strings, which a JSON reader would round to a float when they are large.
fn quote_integers(text: &str) -> String {
    let is_number = |character: char| character.is_ascii_digit() || matches!(character, '-' | '+' | '.' | 'e' | 'E');
    let mut quoted = String::with_capacity(text.len() + text.len() / 8);
    let (mut is_inside, mut is_escaped) = (false, false);
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            quoted.push('"');
            // An escaped mark belongs to the string it stands in.
            is_inside = !is_inside || is_escaped;
        }
        is_escaped = is_inside && part.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1;
        if is_inside {
            quoted.push_str(part);
            continue;
        }
        let mut rest = part;
        while let Some(start) = rest.find(|character: char| character.is_ascii_digit() || character == '-') {
            let (before, tail) = rest.split_at(start);
            let (token, after) = tail.split_at(tail.find(|character| !is_number(character)).unwrap_or(tail.len()));
            let mark = if token.contains(['.', 'e', 'E']) { "" } else { "\"" };
            quoted.extend([before, mark, token, mark]);
            rest = after;
        }
        quoted.push_str(rest);
    }
    quoted
}

/// One JSON value a line.
pub(crate) fn json_lines(path: &str) -> Option<Vec<Value>> {
    let text = text(path)?;
    Some(text.lines().map(|line| serde_json::from_str(line).expect("data lines are JSON")).collect())
}

/// Prints a line that is seen even when the test passes: the harness holds back what the print macros write.
pub(crate) fn report(line: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Says that a test did not run, and why.
pub(crate) fn ignored(reason: &str) {
    report(&format!("ignored: {reason}"));
}

/// Seed of a randomised test: `ALPHAPULSE_SEED`, or the default given; printed so that a failure can be repeated.
pub(crate) fn seed(test: &str, default: u64) -> u64 {
    let seed = std::env::var("ALPHAPULSE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    report(&format!("{test}: seed {seed}"));
    seed
}

/// Times that a randomised test runs its cases: `ALPHAPULSE_CASES` as a multiple of the ordinary run's, or once.
pub(crate) fn cases_factor() -> usize {
    std::env::var("ALPHAPULSE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A run of random swaps beside another's answers, of which each mismatch fails the test: what `.ci/nightly` makes a table of.
pub(crate) struct Comparison {
    kind: &'static str,
    seed: u64,
    start: Instant,
}

impl Comparison {
    /// Begins one; `kind` has no white space at its ends and no tabs.
    pub(crate) fn of(kind: &'static str, default_seed: u64) -> Self {
        Self { kind, seed: seed(kind, default_seed), start: Instant::now() }
    }

    pub(crate) fn random(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    /// Prints its line: kind, pools, swaps, mismatches, seed and seconds, between tabs.
    pub(crate) fn finish(self, pools: impl Display, swaps: impl Display) {
        let Self { kind, seed, start } = self;
        report(&format!("compared\t{kind}\t{pools}\t{swaps}\t0\t{seed}\t{}", start.elapsed().as_secs()));
    }
}

/// A number that JSON holds as text or as digits, of any size.
pub(crate) fn number<T: std::str::FromStr>(value: &Value) -> T {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

/// Count of the rows that a vector test checked, and of those it could not, with reasons.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) name: &'static str,
    pub(crate) checked: usize,
    /// Which row, and why.
    pub(crate) skipped: Vec<(String, String)>,
    /// What is no row and could not be checked either.
    aside: Vec<String>,
}

thread_local! {
    /// Accounts of the vector tests that this thread has run: each test has a thread, and the table runs them on its own.
    static ACCOUNTS: RefCell<Vec<Rows>> = const { RefCell::new(Vec::new()) };
}

/// Accounts that were finished on this thread.
pub(crate) fn take_accounts() -> Vec<Rows> {
    ACCOUNTS.take()
}

impl Rows {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, checked: 0, skipped: Vec::new(), aside: Vec::new() }
    }

    pub(crate) fn check(&mut self) {
        self.checked += 1;
    }

    pub(crate) fn skip(&mut self, row: impl Display, reason: &str) {
        self.skipped.push((row.to_string(), reason.to_owned()));
    }

    /// Names what the file holds beside rows and nothing is said of: it is told, and not counted.
    pub(crate) fn aside(&mut self, what: impl Display, reason: &str) {
        self.aside.push(format!("{what}: {reason}"));
    }

    /// Prints the account, and fails when fewer rows were checked than the file is known to hold.
    pub(crate) fn finish(self, checked_min: usize) {
        report(&format!("{}: {} rows checked, {} skipped", self.name, self.checked, self.skipped.len()));
        for (row, reason) in &self.skipped {
            report(&format!("  skipped {row}: {reason}"));
        }
        for what in &self.aside {
            report(&format!("  aside {what}"));
        }
        assert!(self.checked >= checked_min, "{} checks too few rows", self.name);
        ACCOUNTS.with_borrow_mut(|accounts| accounts.push(self));
    }
}
