//! A relay that wants keys on TCP, and strangers at its doors.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alphapulse_protocol::ChainId;
use alphapulse_protocol::frame::{self, FrameDecoder};
use alphapulse_protocol::message::{CloseReason, Role, WireMessage};
use alphapulse_relay::{
    ClientKey, Feed, FeedError, Key, KeyGrant, PublishOptions, Publisher, Relay, RelayConfig, Roles, SubscribeOptions,
};
use tempfile::TempDir;

use super::fake_chain::FakeChain;
use super::fake_market::Change;
use super::subscriber::{Subscriber, config};

/// Far above what any answer takes, so that only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const CHAIN: ChainId = ChainId(31_337);
/// Key files by name: what each holds and gives.
pub(crate) const KEYS: [(&str, u8, Role); 3] =
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

    pub(crate) fn mine(&self, amount: u64) {
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
    pub(crate) async fn refusal(&self, options: SubscribeOptions) -> FeedError {
        match self.subscribe(options).await {
            Err(error) => error,
            Ok(feed) => Subscriber::new(feed).ending(&self.chain).await,
        }
    }

    pub(crate) async fn publish(&self, key: Option<ClientKey>) -> Result<Publisher, FeedError> {
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

pub(crate) fn frame_of(message: &impl WireMessage) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, message);
    bytes
}

/// A client that writes its own bytes.
pub(crate) struct Stranger<S> {
    pub(crate) socket: S,
    pub(crate) inbound: FrameDecoder,
}

impl<S: Read + Write> Stranger<S> {
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        // The relay may have closed; what it said before is there to be read all the same.
        let _ = self.socket.write_all(bytes);
    }

    /// Template of the next message and the bytes behind its header; `None` at the end.
    pub(crate) fn hear(&mut self) -> Option<(u16, Vec<u8>)> {
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
    pub(crate) fn hear_close(&mut self) -> Option<CloseReason> {
        loop {
            if let (3, body) = self.hear()? {
                return CloseReason::from_wire(u16::from_le_bytes([body[0], body[1]]));
            }
        }
    }
}

pub(crate) fn stranger_at(address: SocketAddr) -> Stranger<TcpStream> {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Stranger { socket, inbound: FrameDecoder::new() }
}

pub(crate) fn stranger_on(path: &Path) -> Stranger<UnixStream> {
    let socket = UnixStream::connect(path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    Stranger { socket, inbound: FrameDecoder::new() }
}
