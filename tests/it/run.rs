//! `run`, `relay`, `kill`, `replay`: what they refuse before anything starts.

use std::fs;

use crate::command::{file, folder, run};
use crate::config::Configured;

const PASSWORD: &str = "correct horse battery staple";

/// Changes that make the example a live configuration, with its keystore at `keys/hot`.
const LIVE: [(&str, &str); 5] = [
    ("mode = \"paper\"", "mode = \"live\""),
    ("# executor = \"0x…\"", "executor = \"0x00000000000000000000000000000000000000e1\""),
    ("# profit_address = \"0x…\"", "profit_address = \"0x00000000000000000000000000000000000000e2\""),
    ("# keystore = ", "keystore = "),
    ("# password_file = ", "password_file = "),
];

/// A live configuration with a keystore, and this text as its password file.
fn live(password: &str) -> Configured {
    let configured = Configured::with(&LIVE);
    let (keys, right) = (configured.folder.path().join("keys"), file(&configured.folder, "right", PASSWORD));
    let ran = run(["wallet", "new", "--light", "--name", "hot", "--dir"].iter().map(AsRef::as_ref).chain([
        keys.as_os_str(),
        "--password-file".as_ref(),
        right.as_os_str(),
    ]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    fs::write(keys.join("hot.password"), password).expect("our own folder");
    configured
}

#[test]
fn live_needs_the_word_in_the_configuration_as_well() {
    Configured::with(&[]).run(&["run", "--live"]).must_fail(3, &["--live", "paper", "next: "]);
}

#[test]
fn a_wrong_password_stops_the_start() {
    let ran = live("battery staple horse correct").run(&["run", "--live"]);
    ran.must_fail(3, &["wrong password", "keys/hot", "next: "]);
    assert!(!ran.stderr.contains("battery staple horse correct"), "{ran:?}");
}

#[test]
fn a_keystore_that_is_not_there_stops_the_start() {
    let configured = live(PASSWORD);
    fs::remove_file(configured.folder.path().join("keys/hot")).expect("just made");
    configured.run(&["run", "--live"]).must_fail(3, &["no keystore", "keys/hot"]);
    fs::remove_file(configured.folder.path().join("keys/hot.password")).expect("just made");
    configured.run(&["run", "--live"]).must_fail(3, &["hot.password"]);
}

#[test]
fn a_node_that_cannot_be_reached_is_named_without_its_key() {
    // Port 1 is reserved and nobody listens there.
    let endpoint = ("endpoint = \"ws://127.0.0.1:8546\"", "endpoint = \"ws://127.0.0.1:1/v3/provider-key\"");
    let ran = Configured::with(&[endpoint]).run(&["run"]);
    ran.must_fail(1, &["ws://127.0.0.1:1", "next: ", "chain.endpoint"]);
    assert!(!ran.stderr.contains("provider-key"), "{ran:?}");
}

#[test]
fn a_kill_file_stops_the_next_start_too() {
    let configured = Configured::with(&[]);
    let killed = configured.run(&["kill", "--reason", "drill"]);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    let path = configured.folder.path().join("KILL");
    assert_eq!(fs::read_to_string(&path).expect("the file that stops trading"), "drill\n");
    assert_eq!(configured.run(&["kill"]).code, Some(0), "killing twice is no error");
    configured.run(&["run"]).must_fail(4, &["kill file", "KILL", "next: "]);
}

#[test]
fn a_kill_without_a_kill_file_says_what_to_do_instead() {
    let without = ("kill_file = \"KILL\"", "# kill_file = \"KILL\"");
    Configured::with(&[without]).run(&["kill"]).must_fail(3, &["kill_file", "stop the node"]);
    Configured::with(&[("fee_max", "fee_maks")]).run(&["kill"]).must_fail(3, &["fee_maks", "kill --file FILE"]);
    let folder = folder();
    let path = folder.path().join("KILL");
    let ran = run(["kill", "--file", path.to_str().expect("UTF-8")]);
    assert_eq!(ran.code, Some(0), "a broken configuration does not stand in the way: {ran:?}");
    assert!(path.exists());
    let misspelt = folder.path().join("nonexistent/KILL");
    run(["kill", "--file", misspelt.to_str().expect("UTF-8")]).must_fail(1, &["nonexistent", "next: "]);
    assert!(!misspelt.exists(), "it is not made, for no node looks there");
}

#[test]
fn a_relay_with_no_place_to_serve_on_is_refused() {
    Configured::with(&[]).run(&["relay"]).must_fail(3, &["relay.listen_unix", "relay.listen_tcp"]);
}

#[test]
fn what_is_no_run_cannot_be_replayed() {
    let folder = folder();
    let path = folder.path().to_str().expect("UTF-8");
    run(["replay", path]).must_fail(1, &["manifest.json", "next: "]);
    file(&folder, "manifest.json", "{");
    run(["replay", path, "--json"]).must_fail(1, &["manifest.json"]);
}
