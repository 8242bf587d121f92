//! `relay node`, `relay caution`, `relay disconnect` where there is no relay, or what was typed is a secret. With one, see `node`.

use crate::command::{file, folder, run, run_reading};
use crate::config::Configured;

const SECRET: &str = "wss://node.example/v3/hunter2";

#[test]
fn an_endpoint_as_an_argument_is_refused_and_not_repeated() {
    for arguments in [&["relay", "node", "add", SECRET][..], &["relay", "node", "add", "endpoint.txt", SECRET]] {
        let ran = run(arguments);
        ran.must_fail(2, &["next: "]);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
}

#[test]
fn where_no_relay_answers_the_next_step_is_named() {
    let folder = folder();
    let socket = folder.path().join("relay.sock").display().to_string();
    let endpoint = file(&folder, "endpoint.txt", format!("{SECRET}\n"));
    let path = endpoint.display().to_string();
    let given = run(["relay", "node", "add", "--unix", &socket, &path]);
    let piped = run_reading(["relay", "node", "add", "--unix", &socket, "-"], &endpoint);
    for ran in [given, piped, run(["relay", "caution", "set", "--unix", &socket])] {
        ran.must_fail(1, &["relay.sock", "next: "]);
        assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
    }
    run(["relay", "node", "add", "--unix", &socket, "/nonexistent"]).must_fail(2, &["/nonexistent", "next: "]);
    let empty = file(&folder, "empty.txt", String::new());
    let nothing = run_reading(["relay", "node", "add", "--unix", &socket, "-"], &empty);
    nothing.must_fail(2, &["stdin is empty", "the node's endpoint", "next: "]);
    assert!(!nothing.stderr.contains("secret"), "{nothing:?}");
    run(["relay", "disconnect", "--unix", &socket]).must_fail(2, &["NAME"]);
}

#[test]
fn a_configuration_without_a_door_or_a_key_says_what_to_set() {
    Configured::with(&[]).run(&["relay", "caution", "lift"]).must_fail(3, &["next: ", "relay.listen_unix", "--unix"]);
}
