//! No key and no password is in anything that a run leaves behind, in whatever form.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use alloy::primitives::hex;
use alphapulse_engine::node::Node;
use alphapulse_engine::secret::Secret;
use alphapulse_testnet::session::{Session, SessionOptions, Testnet};
use alphapulse_testnet::{DevNodeConfig, Layout};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::kit::kit;

const ROUNDS: usize = 6;

/// Everything that was logged, at the finest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The forms in which a secret could have been written.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let lower = hex::encode(secret);
    let listed: Vec<String> = secret.iter().map(u8::to_string).collect();
    vec![
        ("raw", secret.to_vec()),
        ("hexadecimal", lower.clone().into_bytes()),
        ("capital hexadecimal", lower.to_uppercase().into_bytes()),
        ("base64", base64(secret).into_bytes()),
        ("a list of numbers", listed.join(", ").into_bytes()),
    ]
}

/// RFC 4648, without padding: the tail of a longer text may differ.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(6)
        .map(|six| char::from(ALPHABET[six.iter().fold(0, |n, bit| n << 1 | usize::from(*bit))]))
        .collect()
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}

/// Every file below `folder`, except those whose purpose is to hold the secret.
fn files(folder: &Path, out: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("folder is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push((path.display().to_string(), fs::read(&path).expect("file is readable")));
        }
    }
}

/// What a start with a wrong password and one with a broken keystore say.
async fn error_texts(testnet: &Testnet) -> Vec<u8> {
    let mut text = Vec::new();
    let keystore = testnet.folder().join("keys/owner");
    let good = fs::read(&keystore).expect("keystore is readable");
    for (password, keystore_text) in
        [(b"wrong".to_vec(), good.clone()), (b"wrong".to_vec(), good[..good.len() / 2].to_vec())]
    {
        fs::write(&keystore, keystore_text).expect("keystore is writable");
        let config = testnet.config(&testnet.node.ws_url()).expect("configuration is good");
        let run_dir = testnet.folder().join(format!("failed-{}", text.len()));
        let mut options = testnet.options(Some(run_dir), 0).expect("password file is there");
        options.password = Some(Secret::new(password));
        text.extend_from_slice(format!("{config:?} {options:?}").as_bytes());
        let error = Node::start(config, options).await.err().expect("such a key does not open");
        text.extend_from_slice(format!("{error} {error:?}").as_bytes());
    }
    fs::write(&keystore, good).expect("keystore is writable");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_run_leaves_no_key_material_behind() {
    let log = Log::default();
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("trace")).with_writer(log.clone());
    let builder = builder.with_filter_reloading();
    let level = builder.reload_handle();
    tracing::subscriber::set_global_default(builder.finish()).expect("this test alone sets it");
    let folder = tempfile::tempdir().expect("temporary folder");
    let run_dir = folder.path().join("run");
    let options = SessionOptions::standard(9, Some(run_dir.clone()));
    let mut session = Session::start(&kit(), options, &mut |_| {}).await.expect("session starts");
    for _ in 0..ROUNDS {
        session.round().await.expect("the round is settled");
    }
    let status = session.node().status().await.expect("the node lives");
    assert!(status.totals.submitted > 0, "something must have been signed");
    let (testnet, status) = session.stop().await.expect("the node ends well");
    let errors = error_texts(&testnet).await;
    // The other tests of this process need not be logged.
    level.reload(EnvFilter::new("off")).expect("the subscriber lives");

    let mut traces = vec![
        ("the log".to_owned(), log.0.lock().expect("no writer panics").clone()),
        ("the errors".to_owned(), errors),
        ("the status".to_owned(), format!("{status:?}").into_bytes()),
        ("the configuration".to_owned(), fs::read(testnet.folder().join("alphapulse.toml")).expect("written")),
    ];
    files(&run_dir, &mut traces);
    assert!(traces.len() >= 6, "log, errors, status, configuration, journal and manifest");
    let empty: Vec<&String> = traces.iter().filter(|(_, bytes)| bytes.is_empty()).map(|(place, _)| place).collect();
    // Nothing to search proves nothing; a lock is empty by nature.
    assert!(empty.iter().all(|place| place.ends_with(".lock")), "{empty:?}");

    let key = testnet.deployment.owner.to_bytes();
    let password = fs::read(testnet.password_file()).expect("password file is readable");
    for (secret, bytes) in [("the key", key.as_slice()), ("the password", password.as_slice())] {
        for (form, needle) in forms(bytes) {
            for (place, hay) in &traces {
                assert!(!contains(hay, &needle), "{secret} is in {place} as {form}");
            }
        }
    }
}

#[test]
fn the_search_finds_each_form() {
    // "Man" in base64 is the RFC's neighbour's example; the others are by definition.
    assert_eq!(base64(b"Man"), "TWFu");
    for (form, needle) in forms(&[0xde, 0xad, 0xbe, 0xef, 0x00, 0x11]) {
        let hay = [b"before ".as_slice(), &needle, b" after"].concat();
        assert!(contains(&hay, &needle), "{form}");
    }
    assert!(!contains(b"before", b"after"));
}

#[tokio::test]
async fn a_password_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let testnet =
        Testnet::start(&kit(), DevNodeConfig::default(), &Layout { tokens: Vec::new(), pools: Vec::new() }, 0).await;
    let testnet = testnet.expect("chain with contracts");
    let mode = fs::metadata(testnet.password_file()).expect("password file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
