//! A TCP connection that can be cut: between the engine and its node.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards connections to one port until cut; then ends those that there are and every new one.
pub(super) struct Proxy {
    port: u16,
    is_open: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of `target` on this machine.
    pub(super) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (is_open, seen) = watch::channel(true);
        let accepting = tokio::spawn(accept(listener, target, seen));
        Self { port, is_open, accepting }
    }

    /// Where the engine finds the node.
    pub(super) fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Ends every connection.
    pub(super) fn cut(&self) {
        self.is_open.send_replace(false);
    }

    /// Lets connections through again.
    pub(super) fn mend(&self) {
        self.is_open.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, target: u16, is_open: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        if *is_open.borrow() {
            tokio::spawn(forward(client, target, is_open.clone()));
        }
    }
}

async fn forward(mut client: TcpStream, target: u16, mut is_open: watch::Receiver<bool>) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, target));
    let Ok(mut node) = TcpStream::connect(address).await else { return };
    // How a connection ends is the engine's business, not the proxy's.
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut node) => {}
        _ = is_open.wait_for(|is_open| !is_open) => {}
    }
}
