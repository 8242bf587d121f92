//! `wallet`: accounts made, imported and listed, and no secret in any output.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::command::{Ran, file, folder, run, run_reading};

/// First account of the well-known test phrase ("test test … junk").
const KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const PASSWORD: &str = "correct horse battery staple";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: folder() };
        file(&place.folder, "password", format!("{PASSWORD}\n"));
        file(&place.folder, "key", format!("0x{KEY}\n"));
        place
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("test paths are UTF-8").to_owned()
    }

    /// Runs `wallet VERB` on the folder `keys`, and looks through what it said.
    fn wallet(&self, verb: &str, arguments: &[&str]) -> Ran {
        let (keys, password) = (self.path("keys"), self.path("password"));
        let mut all = vec!["wallet", verb, "--dir", &keys];
        if verb != "list" {
            all.extend(["--light", "--password-file", &password]);
        }
        check_says_no_secret(run(all.iter().chain(arguments)))
    }
}

fn check_says_no_secret(ran: Ran) -> Ran {
    for secret in [KEY, PASSWORD] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "{ran:?}");
    }
    ran
}

fn object(ran: &Ran) -> Value {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    serde_json::from_str(&ran.stdout).expect("one JSON object")
}

#[test]
fn an_imported_key_keeps_its_account_and_is_listed() {
    let place = Place::new();
    let imported = object(&place.wallet("import", &["--name", "trader", "--key-file", &place.path("key"), "--json"]));
    assert_eq!(imported["address"], ADDRESS);
    assert_eq!(imported["path"], place.path("keys/trader"));
    let listed = object(&place.wallet("list", &["--json"]));
    assert_eq!(listed, imported);
    let mode = |name: &str| fs::metadata(place.path(name)).expect("just written").permissions().mode() & 0o777;
    assert_eq!((mode("keys"), mode("keys/trader")), (0o700, 0o600));
}

#[test]
fn a_key_may_come_from_stdin() {
    let place = Place::new();
    let (keys, password) = (place.path("keys"), place.path("password"));
    let arguments = ["wallet", "import", "--light", "--dir", &keys, "--password-file", &password];
    let ran = check_says_no_secret(run_reading(arguments, place.path("key").as_ref()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.starts_with(ADDRESS), "{ran:?}");
}

#[test]
fn each_new_account_is_another_one_named_after_itself() {
    let place = Place::new();
    let [first, second] = [0, 1].map(|_| object(&place.wallet("new", &["--json"])));
    assert_ne!(first["address"], second["address"]);
    let address = first["address"].as_str().expect("an address").to_lowercase();
    assert!(first["path"].as_str().is_some_and(|path| path.ends_with(&address)), "{first}");
    assert_eq!(place.wallet("list", &[]).lines().len(), 2);
}

#[test]
fn a_keystore_is_never_overwritten() {
    let place = Place::new();
    assert_eq!(place.wallet("new", &["--name", "trader"]).code, Some(0));
    let before = fs::read(place.path("keys/trader")).expect("just written");
    place.wallet("new", &["--name", "trader"]).must_fail(1, &["error: ", "trader"]);
    assert_eq!(fs::read(place.path("keys/trader")).expect("still there"), before);
}

#[test]
fn what_is_no_key_is_refused_without_repeating_it() {
    let place = Place::new();
    for bad in [&KEY[1..], "0x", &"0".repeat(64), &"f".repeat(64), &KEY.replace('a', "g")] {
        let key = file(&place.folder, "bad", bad);
        let ran = place.wallet("import", &["--key-file", key.to_str().expect("UTF-8")]);
        ran.must_fail(1, &["error: ", "next: "]);
        assert!(bad.len() < 8 || !ran.stderr.contains(bad), "{ran:?}");
    }
    assert!(!fs::exists(place.path("keys")).expect("readable"), "nothing was written");
}

#[test]
fn a_password_is_asked_for_by_name_when_there_is_no_terminal() {
    let place = Place::new();
    run(["wallet", "new", "--dir", &place.path("keys")]).must_fail(2, &["--password-file"]);
    let absent = place.path("absent");
    run(["wallet", "new", "--dir", &place.path("keys"), "--password-file", &absent]).must_fail(1, &["absent"]);
    run(["wallet", "new", "--password", PASSWORD]).must_fail(2, &["--password"]);
}

#[test]
fn an_argument_that_may_be_a_key_is_not_repeated() {
    let key = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    for arguments in [
        vec!["wallet", "import", key],
        vec!["wallet", key],
        vec!["wallet", "new", "--name", "x", key],
        vec!["--log", "debug", "wallet", "import", key],
        vec!["wallet", "import", "--key-fd", key],
    ] {
        let ran = run(arguments);
        ran.must_fail(2, &["not taken as arguments", "next: "]);
        assert!(!ran.stderr.contains("ac0974") && !ran.stdout.contains("ac0974"), "{ran:?}");
    }
}

#[test]
fn one_stream_is_not_both_key_and_password_and_an_output_is_neither() {
    let folder = folder();
    let dir = folder.path().to_str().expect("UTF-8");
    let import = ["wallet", "import", "--light", "--dir", dir, "--name", "x"];
    let both = run(import.into_iter().chain(["--password-fd", "0"]));
    both.must_fail(2, &["one descriptor", "next: "]);
    for output in ["1", "2"] {
        run(["wallet", "new", "--light", "--dir", dir, "--password-fd", output]).must_fail(2, &["is an output"]);
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("ours").count(), 0, "nothing was made");
}
