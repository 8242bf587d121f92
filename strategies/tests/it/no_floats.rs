//! No float is near an amount: the exact maths of pools neither computes with one nor asks who does.

use std::fs;
use std::path::{Path, PathBuf};

/// Where estimates live, which rank and decide no amount.
const ESTIMATES: [&str; 3] = ["estimate", "mobius.rs", "ladder.rs"];

/// Names by which an exact module would come to an estimate.
const NAMES: [&str; 5] = ["f64", "f32", "estimate", "mobius", "ladder"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pool")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Words and numbers of a line of code that stand for floats; comments do not count.
fn floats(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let is_part = |symbol: char| symbol.is_alphanumeric() || symbol == '_' || symbol == '.';
    let words = code.split(|symbol| !is_part(symbol)).filter(|word| !word.is_empty());
    words.filter(|word| is_float(word)).map(str::to_owned).collect()
}

/// A name from the list, or a number with a point or an exponent.
fn is_float(word: &str) -> bool {
    if !word.starts_with(|symbol: char| symbol.is_ascii_digit()) {
        return word.split('.').any(|name| NAMES.contains(&name));
    }
    let digits = word.trim_start_matches(|symbol: char| symbol.is_ascii_digit() || symbol == '_');
    let is_hexadecimal = word.starts_with("0x");
    // A range has two points, and a tuple's field no digit before its point.
    let has_fraction = digits.starts_with('.') && !digits.starts_with("..");
    !is_hexadecimal
        && (has_fraction || digits.starts_with(['e', 'E']) || NAMES.iter().any(|name| digits.ends_with(name)))
}

#[test]
fn exact_maths_knows_no_floats() {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let (mut exact, mut broken) = (0, Vec::new());
    for file in &files {
        let name = file.strip_prefix(root()).expect("below the root");
        let is_estimate = ESTIMATES.iter().any(|estimate| name.starts_with(estimate));
        let text = fs::read_to_string(file).expect("text");
        // The table of contents names every module.
        let lines = text.lines().zip(1..).filter(|(line, _)| name != Path::new("mod.rs") || !line.contains("pub "));
        let found: Vec<_> = lines
            .flat_map(|(line, number)| floats(line).into_iter().map(move |word| format!("{number}: {word}")))
            .collect();
        if is_estimate {
            continue;
        }
        exact += 1;
        broken.extend(found.into_iter().map(|found| format!("{}:{found}", name.display())));
    }
    assert!(broken.is_empty(), "floats in exact maths:\n{}", broken.join("\n"));
    assert!(exact > 30, "only {exact} files of {}", files.len());
    for estimate in ESTIMATES {
        assert!(root().join(estimate).exists(), "{estimate} is excused and does not exist");
    }
}

#[test]
fn a_float_is_found_in_each_of_its_forms() {
    for line in
        ["let a: f64 = b;", "x as f32", "1.5", "2.0 * a", "1e18", "3_000.25", "7f64", "estimate::weighted(v)", "1."]
    {
        assert!(!floats(line).is_empty(), "{line}");
    }
    for line in
        ["// f64 says no", "0..5", "pair.0.1", "0x1e5", "10_u128.pow(3)", "let e5 = 1;", "1..=8", "U256::from(5_u64)"]
    {
        assert_eq!(floats(line), [""; 0], "{line}");
    }
}
