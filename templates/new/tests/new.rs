//! The command, as who has only the sources calls it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn new(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alphapulse-new")).args(arguments).output().expect("it starts")
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    folder
}

#[test]
fn it_writes_a_crate_that_names_this_checkout() {
    let made = folder("made").join("night_owl");
    let ran = new(&["night_owl", &made.display().to_string()]);
    assert!(ran.status.success(), "{ran:?}");
    let said = String::from_utf8(ran.stdout).expect("UTF-8");
    assert!(said.contains("next: cd ") && said.contains("demo --strategy night_owl"), "{said}");
    let manifest = fs::read_to_string(made.join("Cargo.toml")).expect("a manifest");
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("this checkout");
    assert!(manifest.contains("name = \"night_owl\""), "{manifest}");
    assert!(manifest.contains(&format!("path = \"{}/strategies\"", checkout.display())), "{manifest}");
    assert_eq!(fs::read(made.join("Cargo.lock")).ok(), fs::read(checkout.join("Cargo.lock")).ok());
    let again = new(&["night_owl", &made.display().to_string()]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is there already\nnext: "), "{again:?}");
}

#[test]
fn a_wrong_call_leaves_nothing_behind() {
    let parent = folder("wrong");
    let at = parent.join("a").display().to_string();
    for (arguments, says) in [
        (vec![], "usage: "),
        (vec!["--help"], "usage: "),
        (vec!["Mine", &at], "is no name"),
        (vec!["joint", &at], "is taken"),
        (vec!["one", &at, "more"], "usage: "),
    ] {
        let ran = new(&arguments);
        assert_eq!(ran.status.code(), Some(2), "{arguments:?}: {ran:?}");
        assert!(String::from_utf8_lossy(&ran.stderr).contains(says), "{arguments:?}: {ran:?}");
    }
    assert_eq!(fs::read_dir(parent).expect("it is there").count(), 0);
}
