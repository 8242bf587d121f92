//! TLS on TCP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use alphapulse_protocol::message::{Message, Role};
use alphapulse_relay::{ClientKey, FeedError, Key, KeyGrant, Roles, SubscribeOptions, TlsClient, TlsFiles};

use super::fake_market::Change;
use super::scene::{PATIENCE, Scene, is_unauthorized, secret_file, with_key};
use super::subscriber::Subscriber;

/// A certificate of its own authority for this host, and what a client needs to believe it.
pub(crate) fn certify(folder: &Path) -> (TlsFiles, PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(["relay.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    let key = secret_file(folder.join("relay-key.pem"), &key.serialize_pem());
    let path = folder.join("relay.pem");
    fs::write(&path, certificate).unwrap();
    (TlsFiles { certificate: path.clone(), key }, path)
}

#[tokio::test]
async fn the_stream_comes_whole_through_tls_and_only_from_the_relay_that_is_meant() {
    let scene = Scene::new(|folder, config| config.access.tls = Some(certify(folder).0)).await;
    let ca = scene.folder.path().join("relay.pem");
    let options = |ca: &Path, name: &str| {
        let tls = Some(TlsClient::from_ca_file(ca, name).unwrap());
        SubscribeOptions { tls, ..with_key(scene.key("reader")) }
    };
    for name in ["relay.test", "127.0.0.1"] {
        let feed = scene.subscribe(options(&ca, name)).await.unwrap();
        let mut subscriber = Subscriber::new(feed);
        // Large blocks, so that records are many and lie across reads.
        for amount in 1..40 {
            let changes = [Change::Mint { lower: -2, width: 5, amount }; 300];
            scene.chain.announce(scene.chain.mine(&changes));
            if amount % 10 == 0 {
                subscriber.settle(&scene.chain).await;
            }
        }
        subscriber.settle(&scene.chain).await;
        scene.mine(7);
        subscriber.settle(&scene.chain).await;
    }
    let other = tempfile::tempdir().unwrap();
    let (_, other_ca) = certify(other.path());
    for (ca, name) in [(&other_ca, "relay.test"), (&ca, "other.test")] {
        let error = scene.subscribe(options(ca, name)).await.unwrap_err();
        assert!(matches!(error, FeedError::Connect { .. }), "{error}");
    }
    let error = scene.subscribe(with_key(scene.key("reader"))).await.unwrap_err();
    assert!(!matches!(error, FeedError::Closed(_)), "nothing is said in clear: {error}");
    let error = scene.refusal(SubscribeOptions { key: None, ..options(&ca, "relay.test") }).await;
    assert!(is_unauthorized(&error), "TLS alone opens nothing: {error}");
}

#[tokio::test]
async fn the_key_and_the_certificate_of_the_operating_notes_work() {
    let notes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATING.md");
    let notes = fs::read_to_string(notes).unwrap().replace("\\\n", " ");
    let recipes: Vec<&str> =
        notes.lines().map(str::trim).filter(|line| line.starts_with("(umask 077; openssl")).collect();
    assert_eq!(recipes.len(), 2, "{recipes:?}");
    if !Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("ignored: no openssl, so the recipes are not tried");
        return;
    }
    let scene = Scene::new(|folder, config| {
        for recipe in &recipes {
            let output = Command::new("sh").args(["-c", recipe]).current_dir(folder).output().unwrap();
            assert!(output.status.success(), "{recipe}: {output:?}");
        }
        let file = folder.join("trader-1.key");
        let roles = Roles::of(&[Role::Subscribe]);
        config.access.keys = vec![KeyGrant { name: "trader-1".into(), file, roles }];
        config.access.tls = Some(TlsFiles { certificate: folder.join("relay.pem"), key: folder.join("relay-key.pem") });
    })
    .await;
    let tls = Some(TlsClient::from_ca_file(&scene.folder.path().join("relay.pem"), "relay.example").unwrap());
    let key = Key::read(&scene.folder.path().join("trader-1.key")).unwrap();
    let options = SubscribeOptions { tls, ..with_key(ClientKey { name: "trader-1".into(), key }) };
    Subscriber::new(scene.subscribe(options).await.unwrap()).settle(&scene.chain).await;
}

#[tokio::test]
async fn a_wait_in_tls_ends_with_what_comes() {
    let scene = Scene::new(|folder, config| {
        config.access.tls = Some(certify(folder).0);
        config.heartbeat = Duration::from_secs(3600);
    })
    .await;
    let tls = Some(TlsClient::from_ca_file(&scene.folder.path().join("relay.pem"), "relay.test").unwrap());
    let feed = scene.subscribe(SubscribeOptions { tls, ..with_key(scene.key("reader")) }).await.unwrap();
    scene.wait_for("the join", |relay| relay.stats().joins == 1).await;
    let head = scene.chain.head().number;
    let reader = tokio::task::spawn_blocking(move || {
        let (mut feed, mut blocks) = (feed, 0);
        while blocks < 50 {
            match feed.try_next().unwrap() {
                // Nothing but what comes ends this wait.
                None => feed.wait(Duration::from_secs(3600)),
                Some(frame) => {
                    blocks += u32::from(matches!(Message::decode(frame.message_bytes()), Ok(Message::BlockEnd(_))));
                }
            }
        }
    });
    for amount in 1..=50 {
        scene.mine(amount);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::timeout(PATIENCE, reader).await.expect("no wait is for ever").unwrap();
    assert_eq!(scene.chain.head().number.get(), head.get() + 50);
}
