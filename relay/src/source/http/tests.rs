//! Addresses and requests that have no answer.

use core::sync::atomic::{AtomicUsize, Ordering};

use alloy::transports::TransportError;
use tokio::net::TcpListener;

use super::*;
use crate::error::SourceError;

#[test]
fn addresses_are_read_and_shown_without_what_may_be_a_key() {
    let url = HttpUrl::parse("https://node.example/v3/secret?key=secret").expect("an address");
    assert_eq!((url.shown(), url.path.as_str()), ("https://node.example:443".into(), "/v3/secret?key=secret"));
    let url = HttpUrl::parse("http://[::1]:8545").expect("an address");
    assert_eq!((url.name(), url.port, url.path.as_str()), ("::1", 8545, "/"));
    for bad in ["ws://h", "http://", "http://user:secret@h", "http://h:port", "http://h/a b", "http://h/\r\nX: y"] {
        assert!(HttpUrl::parse(bad).is_none(), "{bad}");
    }
}

/// A node that answers each request with these bytes, or with none and an open end.
async fn node(answer: Option<Vec<u8>>) -> (HttpConnect, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = HttpUrl::parse(&format!("http://{}", listener.local_addr().expect("bound"))).expect("an address");
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.expect("a client");
            counted.fetch_add(1, Ordering::Relaxed);
            match answer.clone() {
                None => held.push(stream),
                Some(answer) => drop(tokio::spawn(async move {
                    let mut request = [0; 1024];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(&answer).await;
                })),
            }
        }
    });
    (HttpConnect::new(url).expect("no certificates are needed"), asked)
}

async fn ask(node: &HttpConnect) -> SourceError {
    let request = RawValue::from_string(r#"{"jsonrpc":"2.0","id":7,"method":"m","params":[]}"#.into());
    let PubSubItem::Response(response) = node.answer(&request.expect("JSON")).await else { panic!("a notice") };
    let error = response.payload.as_error().expect("no answer").clone();
    assert_eq!(response.id.as_number(), Some(7));
    fault("m", &TransportError::ErrorResp(error)).expect("ours")
}

#[tokio::test]
async fn a_node_that_never_answers_keeps_no_place_and_is_asked_once() {
    let (mut node, asked) = node(None).await;
    node.patience = Duration::from_millis(50);
    let error = ask(&node).await;
    assert!(matches!(error, SourceError::Timeout { method: "m", .. }), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_longer_answer_than_is_read_is_named_and_not_asked_for_again() {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", ANSWER_BYTES_MAX);
    let answer = [head.into_bytes(), vec![b' '; usize::try_from(ANSWER_BYTES_MAX).expect("small")]].concat();
    let (node, asked) = node(Some(answer)).await;
    let error = ask(&node).await;
    assert!(matches!(&error, SourceError::Call { cause, .. } if cause.to_string().contains("more than")), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_not_there_and_what_answers_otherwise_are_two_things() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = HttpUrl::parse(&format!("http://{}", listener.local_addr().expect("bound"))).expect("an address");
    drop(listener);
    let error = ask(&HttpConnect::new(url).expect("no certificates are needed")).await;
    assert!(matches!(error, SourceError::Connect(_)), "{error}");
    let (node, _) = node(Some(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_vec())).await;
    let error = ask(&node).await;
    assert!(matches!(&error, SourceError::Call { cause, .. } if cause.to_string().contains("403")), "{error}");
}
