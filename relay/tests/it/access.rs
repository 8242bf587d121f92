//! Who gets in: keys and TLS on TCP, users on a unix socket; and what publishers may do there.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use alphapulse_protocol::ChainId;
use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{CloseReason, Hello, Message, Publish, Role, Subscribe, WireMessage};
use alphapulse_relay::{
    Access, ClientKey, Feed, FeedError, Key, KeyGrant, PublishOptions, Publisher, Relay, RelayConfig, RelayError,
    Roles, SecretError, Selection, SubscribeOptions, TlsClient, TlsFiles, UserGrant,
};
use tempfile::TempDir;

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{Subscriber, config};

/// Far above what any answer takes, so that only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(30);
const CHAIN: ChainId = ChainId(31_337);
/// Key files by name: what each holds and gives.
const KEYS: [(&str, u8, Role); 3] =
    [("reader", 0x11, Role::Subscribe), ("node", 0x22, Role::Publish), ("watch", 0x33, Role::Admin)];

pub(crate) fn secret_file(path: PathBuf, text: &str) -> PathBuf {
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A relay that wants keys on TCP, and its chain.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) chain: FakeChain,
    pub(crate) relay: Relay,
}

impl Scene {
    pub(crate) async fn new(adjust: impl FnOnce(&Path, &mut RelayConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let grant = |(name, byte, role): (&str, u8, Role)| {
            let file = secret_file(folder.path().join(name), &format!("{byte:02x}").repeat(32));
            KeyGrant { name: name.into(), file, roles: Roles::of(&[role]) }
        };
        let mut config = config();
        config.listen_unix = Some(folder.path().join("relay.sock"));
        config.listen_tcp = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        config.access.keys = KEYS.map(grant).to_vec();
        adjust(folder.path(), &mut config);
        let chain = FakeChain::new();
        let relay = Relay::start_from(config, chain.clone()).await.unwrap();
        Self { folder, chain, relay }
    }

    pub(crate) fn key(&self, name: &str) -> ClientKey {
        ClientKey { name: name.into(), key: Key::read(&self.folder.path().join(name)).unwrap() }
    }

    fn mine(&self, amount: u64) {
        let block = self.chain.mine(&[Change::Sync { pool: 0, reserves: (amount.into(), 5) }]);
        self.chain.announce(block);
    }

    pub(crate) fn tcp(&self) -> SocketAddr {
        self.relay.tcp_addr().unwrap()
    }

    pub(crate) async fn subscribe(&self, options: SubscribeOptions) -> Result<Feed, FeedError> {
        let address = self.tcp();
        blocking(move || Feed::connect_tcp_with(address, &options)).await
    }

    /// How a subscription over TCP with these options ends.
    async fn refusal(&self, options: SubscribeOptions) -> FeedError {
        match self.subscribe(options).await {
            Err(error) => error,
            Ok(feed) => Subscriber::new(feed).ending(&self.chain).await,
        }
    }

    async fn publish(&self, key: Option<ClientKey>) -> Result<Publisher, FeedError> {
        let (address, options) = (self.tcp(), PublishOptions { chain_id: CHAIN, key, tls: None });
        blocking(move || Publisher::connect_tcp(address, &options)).await
    }

    pub(crate) async fn wait_for(&self, what: &str, is_so: impl Fn(&Relay) -> bool) {
        let start = Instant::now();
        while !is_so(&self.relay) {
            assert!(start.elapsed() < PATIENCE, "{what} did not happen: {:?}", self.relay.stats());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

pub(crate) fn with_key(key: ClientKey) -> SubscribeOptions {
    SubscribeOptions { key: Some(key), ..SubscribeOptions::default() }
}

pub(crate) fn is_unauthorized(error: &FeedError) -> bool {
    matches!(error, FeedError::Closed(CloseReason::Unauthorized)) && !error.is_retryable()
}

/// The frame of a golden message, made by another implementation.
fn golden(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/tests/golden");
    let file = ["v1", "v3"].map(|version| folder.join(version).join(format!("{name}.hex")));
    let text = file.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap();
    let digits: String = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).collect();
    (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn frame_of(message: &impl WireMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, message);
    bytes
}

/// A client that writes its own bytes.
struct Stranger<S> {
    socket: S,
    inbound: FrameDecoder,
}

impl<S: Read + Write> Stranger<S> {
    fn say(&mut self, bytes: &[u8]) {
        // The relay may have closed; what it said before is there to be read all the same.
        let _ = self.socket.write_all(bytes);
    }

    /// Template of the next message and the bytes behind its header; `None` at the end.
    fn hear(&mut self) -> Option<(u16, Vec<u8>)> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(message) = self.inbound.next_bytes().unwrap() {
                return Some((u16::from_le_bytes([message[2], message[3]]), message[24..].to_vec()));
            }
            match self.socket.read(&mut bytes).expect("the relay answers before our patience ends") {
                0 => return None,
                count => self.inbound.push(&bytes[..count]),
            }
        }
    }

    /// Reason of the farewell.
    fn hear_close(&mut self) -> Option<CloseReason> {
        loop {
            if let (3, body) = self.hear()? {
                return CloseReason::from_wire(u16::from_le_bytes([body[0], body[1]]));
            }
        }
    }
}

fn stranger_at(address: SocketAddr) -> Stranger<TcpStream> {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Stranger { socket, inbound: FrameDecoder::new() }
}

fn stranger_on(path: &Path) -> Stranger<UnixStream> {
    let socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Stranger { socket, inbound: FrameDecoder::new() }
}

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

/// Takes side messages of these templates until so many came.
async fn sides(scene: &Scene, feed: Feed, count: usize) -> Vec<(u16, u64)> {
    let (mut feed, mut taken, start) = (feed, Vec::new(), Instant::now());
    while taken.len() < count {
        assert!(start.elapsed() < PATIENCE, "{taken:?} of {count}; {:?}", scene.relay.stats());
        match feed.try_next().unwrap() {
            None => tokio::time::sleep(Duration::from_millis(1)).await,
            Some(frame) => {
                let header = *Message::decode(frame.message_bytes()).unwrap().header();
                if header.template_id.get() >= 48 {
                    taken.push((header.template_id.get(), header.sequence.get()));
                }
            }
        }
    }
    taken
}

#[tokio::test]
async fn what_a_publisher_hands_in_reaches_who_asked_for_it_with_the_relays_own_numbers() {
    let scene = Scene::new(|_, _| {}).await;
    let selection = Selection::everything().side(55);
    let options = SubscribeOptions { selection, ..with_key(scene.key("reader")) };
    let feed = scene.subscribe(options).await.unwrap();
    scene.wait_for("the join", |relay| relay.stats().joins == 1).await;
    let mut publisher = scene.publish(Some(scene.key("node"))).await.unwrap();
    let path = scene.relay.unix_path().unwrap().to_owned();
    blocking(move || {
        let mut local =
            Publisher::connect_unix(path, &PublishOptions { chain_id: CHAIN, key: None, tls: None }).unwrap();
        for _ in 0..10 {
            publisher.publish(&golden("Outcome")[8..]).unwrap();
            local.publish(&golden("Outcome")[8..]).unwrap();
        }
    })
    .await;
    let expected: Vec<(u16, u64)> = (1..=20).map(|number| (55, number)).collect();
    assert_eq!(sides(&scene, feed, 20).await, expected);
    assert_eq!((scene.relay.stats().sides, scene.relay.stats().publishers), (20, 2));
}

#[tokio::test]
async fn a_publisher_that_is_too_fast_waits_and_loses_nothing_of_its_own() {
    // A thousand at once, and a thousand a second behind them.
    const MESSAGES: u64 = 1_400;
    let scene = Scene::new(|_, _| {}).await;
    let path = scene.relay.unix_path().unwrap().to_owned();
    let start = Instant::now();
    let publisher = blocking(move || {
        let options = PublishOptions { chain_id: CHAIN, key: None, tls: None };
        let mut publisher = Publisher::connect_unix(path, &options).unwrap();
        (0..MESSAGES).for_each(|_| publisher.publish(&golden("Outcome")[8..]).unwrap());
        publisher
    })
    .await;
    let taken = |relay: &Relay| relay.stats().sides + relay.stats().side_dropped;
    scene.wait_for("the last message", |relay| taken(relay) == MESSAGES).await;
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert_eq!(scene.relay.subscribers()[0].published, MESSAGES);
    drop(publisher);
}

#[tokio::test]
async fn a_publisher_needs_the_role_and_the_chain_and_sends_nothing_else() {
    let scene = Scene::new(|_, _| {}).await;
    for key in [Some(scene.key("reader")), Some(scene.key("watch")), None] {
        let error = match scene.publish(key).await {
            Err(error) => error,
            Ok(mut publisher) => blocking(move || publisher.ending()).await,
        };
        assert!(is_unauthorized(&error), "{error}");
    }
    let path = scene.relay.unix_path().unwrap().to_owned();
    let answer = |said: Vec<u8>| {
        let path = path.clone();
        blocking(move || {
            let mut stranger = stranger_on(&path);
            stranger.say(&[frame_of(&Hello::new()), said].concat());
            stranger.hear_close()
        })
    };
    let publish = frame_of(&Publish::new(CHAIN));
    let mut long = golden("Opportunity")[8..].to_vec();
    long.resize(1_025, 0);
    long[..2].copy_from_slice(&1_025_u16.to_le_bytes());
    let mut long_frame = Vec::new();
    frame::write_bytes(&mut long_frame, &long);
    let mut damaged = golden("Outcome");
    damaged[100] ^= 1;
    for wrong in [frame_of(&Subscribe::new(None)), golden("Verdict"), golden("V2Reserves"), long_frame, damaged] {
        let said = [publish.clone(), golden("Outcome"), wrong].concat();
        assert_eq!(answer(said).await, Some(CloseReason::Malformed));
    }
    assert_eq!(answer(frame_of(&Publish::new(ChainId(1)))).await, Some(CloseReason::Chain));
    assert_eq!(
        answer([golden("Select"), publish].concat()).await,
        Some(CloseReason::Malformed),
        "rules are of who reads"
    );
    assert_eq!(answer(golden("Proof")).await, Some(CloseReason::Malformed), "nobody asked for it");
    assert_eq!(scene.relay.stats().sides, 5, "what came before was taken");
}

#[tokio::test]
async fn a_publisher_is_told_when_the_relay_ends() {
    let scene = Scene::new(|_, _| {}).await;
    let mut publisher = scene.publish(Some(scene.key("node"))).await.unwrap();
    scene.wait_for("the publisher", |relay| relay.stats().publishers == 1).await;
    let ending = tokio::task::spawn_blocking(move || publisher.ending());
    scene.relay.stop().await.unwrap();
    assert!(matches!(ending.await.unwrap(), FeedError::Closed(CloseReason::Shutdown)));
}

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

#[tokio::test]
async fn beyond_this_host_a_relay_needs_keys_and_tls() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config();
    let key = KeyGrant { name: "a".into(), file: "a.key".into(), roles: Roles::ALL };
    for (keys, tls, is_fine) in [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
    {
        config.listen_tcp = Some(SocketAddr::from(([0, 0, 0, 0], 0)));
        config.access = Access {
            keys: if keys { vec![key.clone()] } else { Vec::new() },
            users: Vec::new(),
            tls: tls.then(|| TlsFiles { certificate: "c".into(), key: "k".into() }),
        };
        assert_eq!(config.check().is_ok(), is_fine, "keys {keys}, TLS {tls}");
        config.listen_tcp = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        config.check().unwrap();
    }
    config.access.tls = None;
    for keys in [
        vec![key.clone(), key.clone()],
        vec![KeyGrant { name: "a b".into(), ..key.clone() }],
        vec![KeyGrant { roles: Roles::default(), ..key.clone() }],
    ] {
        config.access.keys = keys;
        assert!(matches!(config.check(), Err(RelayError::Config(_))), "{:?}", config.access);
    }
    // A key that others may read stops the start.
    let file = secret_file(folder.path().join("a.key"), &"11".repeat(32));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    config.access.keys = vec![KeyGrant { file, ..key }];
    let error = Relay::start_from(config, FakeChain::new()).await.unwrap_err();
    assert!(matches!(error, RelayError::Secret(SecretError::Open { .. })), "{error}");
}

/// What a client of another user is told at a unix socket; `None` where this process may not become another.
fn told_as(uid: u32, path: &Path) -> Option<Vec<u8>> {
    use std::os::unix::process::CommandExt;
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  s.sendall(bytes.fromhex(sys.argv[2]))\ns.shutdown(socket.SHUT_WR)\n\
                  sys.stdout.buffer.write(s.recv(1<<16))";
    let said: String = frame_of(&Hello::new()).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(path).arg(said).uid(uid).current_dir("/").stderr(Stdio::null());
    let output = command.output().ok()?;
    output.status.success().then_some(output.stdout)
}

#[tokio::test]
async fn another_user_of_this_host_needs_to_be_listed() {
    let reader = UserGrant { uid: 65_533, roles: Roles::of(&[Role::Subscribe]) };
    let scene = Scene::new(|_, config| config.access.users = vec![reader]).await;
    fs::set_permissions(scene.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = scene.relay.unix_path().unwrap().to_owned();
    let told = blocking(move || [told_as(65_533, &path), told_as(65_534, &path)]).await;
    let [Some(listed), Some(stranger)] = told else {
        eprintln!("ignored: this process cannot become another user, or there is no python3");
        return;
    };
    let first = |bytes: &[u8]| Message::decode(&bytes[8..]).map(|message| message.name().to_owned());
    assert_eq!(first(&listed).unwrap(), "Welcome");
    let Ok(Message::Close(close)) = Message::decode(&stranger[8..]) else { panic!("{stranger:02x?}") };
    assert_eq!(CloseReason::from_wire(close.reason.get()), Some(CloseReason::Unauthorized));
}
