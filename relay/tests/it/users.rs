//! Who gets in beyond this process's own user, and beyond this host.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use alphapulse_protocol::message::{CloseReason, Hello, Message, Role};
use alphapulse_relay::{Access, KeyGrant, Relay, RelayError, Roles, SecretError, TlsFiles, UserGrant};

use super::fake_chain::FakeChain;
use super::scene::{Scene, blocking, frame_of, secret_file};
use super::subscriber::config;

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
