//! Who gets in over TCP: whoever proves a key.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use alphapulse_protocol::message::{CloseReason, Hello};
use alphapulse_relay::{ClientKey, Feed, FeedError, Key, SubscribeOptions};

use super::scene::{Scene, blocking, frame_of, is_unauthorized, stranger_at, with_key};
use super::subscriber::Subscriber;

#[tokio::test]
async fn a_key_of_the_role_opens_the_stream_and_nothing_else_does() {
    let scene = Scene::new(|_, _| {}).await;
    let mut subscriber = Subscriber::new(scene.subscribe(with_key(scene.key("reader"))).await.unwrap());
    (1..5).for_each(|amount| scene.mine(amount));
    subscriber.settle(&scene.chain).await;
    let peer = scene.relay.subscribers().remove(0);
    assert!(peer.peer.ends_with(" key reader") && !peer.is_admin, "{peer:?}");
    let wrong = ClientKey { key: Key::new([0x12; 32]), ..scene.key("reader") };
    let unknown = ClientKey { name: "nobody".into(), ..scene.key("reader") };
    for key in [wrong, unknown, scene.key("node"), scene.key("watch")] {
        let error = scene.refusal(with_key(key.clone())).await;
        assert!(is_unauthorized(&error), "{key:?}: {error}");
    }
    let error = scene.refusal(SubscribeOptions::default()).await;
    assert!(is_unauthorized(&error), "without a key: {error}");
    scene.wait_for("the counting", |relay| relay.stats().unauthorized == 5).await;
    assert_eq!(scene.relay.stats().joins, 1);
    assert_eq!(scene.relay.subscribers().len(), 1);
}

#[tokio::test]
async fn a_client_with_a_key_does_not_believe_a_relay_that_wants_none() {
    let scene = Scene::new(|_, config| config.access.keys.clear()).await;
    let error = scene.refusal(with_key(scene_key())).await;
    assert!(matches!(error, FeedError::Closed(CloseReason::HandshakeTimeout)), "{error}");
    // By the unix socket it needs none.
    let path = scene.relay.unix_path().unwrap().to_owned();
    let feed = blocking(move || Feed::connect_unix_with(path, &with_key(scene_key()))).await.unwrap();
    Subscriber::new(feed).settle(&scene.chain).await;
}

fn scene_key() -> ClientKey {
    ClientKey { name: "reader".into(), key: Key::new([0x11; 32]) }
}

#[tokio::test]
async fn older_versions_cannot_prove_anything_and_are_told() {
    let scene = Scene::new(|_, _| {}).await;
    let address = scene.tcp();
    blocking(move || {
        for version in [1, 2] {
            let mut hello = Hello::new();
            hello.version_max = version.into();
            let mut stranger = stranger_at(address);
            stranger.say(&frame_of(&hello));
            assert_eq!(stranger.hear_close(), Some(CloseReason::Unauthorized), "version {version}");
        }
    })
    .await;
}

/// Passes on what a client and the relay say to each other, and keeps what the client said.
fn eavesdrop(relay: SocketAddr, key: ClientKey) -> Vec<u8> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let between = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || Feed::connect_tcp_with(between, &with_key(key)).unwrap());
    let (mut client_side, _) = listener.accept().unwrap();
    let mut relay_side = TcpStream::connect(relay).unwrap();
    let (mut hello, mut answer) = ([0; 40], [0; 56 + 64]);
    client_side.read_exact(&mut hello).unwrap();
    relay_side.write_all(&hello).unwrap();
    relay_side.read_exact(&mut answer).unwrap();
    client_side.write_all(&answer).unwrap();
    let mut rest = vec![0; 136 + 72];
    client_side.read_exact(&mut rest).unwrap();
    relay_side.write_all(&rest).unwrap();
    drop(client.join().unwrap());
    [hello.to_vec(), rest].concat()
}

#[tokio::test]
async fn a_recorded_proof_is_worth_nothing_and_a_challenge_never_comes_twice() {
    let scene = Scene::new(|_, _| {}).await;
    let (address, key) = (scene.tcp(), scene.key("reader"));
    let recorded = blocking(move || eavesdrop(address, key)).await;
    scene.wait_for("the honest join", |relay| relay.stats().joins == 1).await;
    let nonces = blocking(move || {
        [(); 3].map(|()| {
            let mut stranger = stranger_at(address);
            stranger.say(&recorded);
            assert_eq!(stranger.hear().unwrap().0, 2);
            let (template, nonce) = stranger.hear().unwrap();
            assert_eq!((template, nonce.len()), (9, 32));
            assert_eq!(stranger.hear_close(), Some(CloseReason::Unauthorized));
            nonce
        })
    })
    .await;
    assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[0] != nonces[2]);
    scene.wait_for("the counting", |relay| relay.stats().unauthorized == 3).await;
    assert_eq!(scene.relay.stats().joins, 1);
}

#[tokio::test]
async fn who_has_not_proved_anything_holds_no_place() {
    let scene = Scene::new(|_, config| config.subscribers_max = 1).await;
    let address = scene.tcp();
    let stalled = blocking(move || {
        [(); 8].map(|()| {
            let mut stranger = stranger_at(address);
            stranger.say(&frame_of(&Hello::new()));
            assert_eq!(stranger.hear().unwrap().0, 2);
            stranger
        })
    })
    .await;
    let feed = scene.subscribe(with_key(scene.key("reader"))).await.unwrap();
    Subscriber::new(feed).settle(&scene.chain).await;
    drop(stalled);
}
