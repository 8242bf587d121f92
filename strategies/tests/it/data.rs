//! Where vectors and bytecode are, and how absence is reported.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
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

/// A number that JSON holds as text or as digits, of any size.
pub(crate) fn number<T: std::str::FromStr>(value: &Value) -> T {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.parse().unwrap_or_else(|_| panic!("{text} is a number"))
}

/// Count of the rows that a vector test checked, and of those it could not, with reasons.
pub(crate) struct Rows {
    name: &'static str,
    checked: usize,
    skipped: Vec<String>,
}

impl Rows {
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, checked: 0, skipped: Vec::new() }
    }

    pub(crate) fn check(&mut self) {
        self.checked += 1;
    }

    pub(crate) fn skip(&mut self, row: impl std::fmt::Display, reason: &str) {
        self.skipped.push(format!("{row}: {reason}"));
    }

    /// Prints the account, and fails when fewer rows were checked than the file is known to hold.
    pub(crate) fn finish(self, checked_min: usize) {
        report(&format!("{}: {} rows checked, {} skipped", self.name, self.checked, self.skipped.len()));
        for row in &self.skipped {
            report(&format!("  skipped {row}"));
        }
        assert!(self.checked >= checked_min, "{} checks too few rows", self.name);
    }
}
