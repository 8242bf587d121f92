//! `relay status` where there is no relay, or something else in its place. With one, see `node`.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};

use crate::command::run;
use crate::config::Configured;

/// Asks something that gives this answer to whoever connects.
fn ask_stranger(answer: &'static str) -> crate::command::Ran {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let stranger = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("the command connects");
        let mut request = [0; 1024];
        let count = socket.read(&mut request).expect("it asks");
        socket.write_all(answer.as_bytes()).expect("it listens");
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    let ran = run(["relay", "status", "--http", &address]);
    let request = stranger.join().expect("nothing fails there");
    assert!(request.starts_with("GET /status HTTP/1.1\r\n") && request.contains(&format!("Host: {address}\r\n")));
    ran
}

#[test]
fn where_nothing_listens_the_next_step_is_named() {
    // Port 1 is reserved and nobody listens there.
    run(["relay", "status", "--http", "127.0.0.1:1"]).must_fail(1, &["127.0.0.1:1", "next: ", "listen_http"]);
    let listen = ("# listen_http = \"127.0.0.1:7101\"", "listen_http = \"127.0.0.1:1\"");
    Configured::with(&[listen]).run(&["relay", "status"]).must_fail(1, &["127.0.0.1:1", "next: "]);
}

#[test]
fn a_configuration_without_a_page_says_what_to_set() {
    Configured::with(&[]).run(&["relay", "status", "--json"]).must_fail(3, &["next: ", "relay.listen_http", "--http"]);
}

#[test]
fn what_is_no_relay_is_not_believed() {
    ask_stranger("SSH-2.0-OpenSSH_9.2\r\n").must_fail(1, &["HTTP", "next: "]);
    ask_stranger("HTTP/1.1 403 Forbidden\r\n\r\n\u{1b}[2Jgo away").must_fail(1, &["403", "[2Jgo away"]);
    ask_stranger("HTTP/1.1 200 OK\r\n\r\n{\"version\":1}").must_fail(1, &["does not answer as a relay", "next: "]);
    ask_stranger("").must_fail(1, &["next: "]);
}

#[test]
fn status_stands_alone() {
    run(["relay", "--journal", "x", "status"]).must_fail(2, &["status"]);
    run(["relay", "status", "--http", "127.0.0.1:1", "--config", "x"]).must_fail(2, &["--http"]);
}
