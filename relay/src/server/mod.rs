//! The doors to other processes: a unix socket and TCP, the same bytes on both.
//!
//! A peer may send one greeting, a proof where it is asked for one, its rules and one request, or an administrator's one act, and
//! then, unless it publishes, nothing. It is given a second for them and little of our memory, and a bounded lane after it; whatever it does, the relay's
//! writer never waits for it.

mod connection;
mod door;
mod doors;
mod greeting;
mod handshake;
mod listen;
mod peer;

use core::time::Duration;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::OptionFuture;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use self::door::Door;
use self::doors::{Attendance, Doors};
use self::greeting::Greetings;
use self::listen::SocketFile;
use crate::auth::Gate;
use crate::control::Control;
use crate::error::RelayError;
use crate::joiner::Joiner;
use crate::side::SidePublisher;

pub(crate) use self::doors::DoorWatch;
pub(crate) use self::greeting::GREETINGS_MAX;
pub(crate) use self::listen::Listeners;
pub(crate) use self::peer::WRITE_BYTES;

/// Time for all that comes before the stream, and for a farewell.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// The running doors.
#[derive(Debug)]
pub(crate) struct Server {
    /// Closed with the server, and every connection with them.
    doors: Doors,
    unix: Option<SocketFile>,
    tcp: Option<SocketAddr>,
    watches: Vec<DoorWatch>,
    connections: Arc<Semaphore>,
    connections_max: usize,
}

impl Server {
    /// Opens the doors, of which the runtime of the caller serves whoever is let in. `tls` is for TCP.
    pub(crate) fn start(
        listeners: Listeners,
        tls: Option<TlsAcceptor>,
        joiner: &Joiner,
        sides: &SidePublisher,
        control: &Arc<Control>,
    ) -> Result<Self, RelayError> {
        let connections_max = joiner.roster.places_max().saturating_add(GREETINGS_MAX).min(Semaphore::MAX_PERMITS);
        let connections = Arc::new(Semaphore::new(connections_max));
        let greetings = Greetings::new();
        let door = |gate: Gate, tls| Door {
            joiner: joiner.clone(),
            metrics: Arc::clone(&control.metrics),
            control: Arc::clone(control),
            sides: sides.clone(),
            greetings: Arc::clone(&greetings),
            connections: Arc::clone(&connections),
            gate: Arc::new(gate),
            tls,
            admitted: Arc::default(),
            inside: Handle::current(),
        };
        let mut watches = Vec::new();
        let mut attend = |name: &str| -> Attendance {
            let (attendance, watch) = DoorWatch::new(name);
            watches.push(watch);
            attendance
        };
        let by_unix = listeners.unix.map(|(listener, file, gate)| {
            let attendance = attend(&format!("unix socket {}", file.path().display()));
            (door(gate, None).accept(listener, attendance), file)
        });
        let by_tcp = listeners.tcp.map(|(listener, address, gate)| {
            let attendance = attend(&format!("TCP {address}"));
            (door(gate, tls).accept(listener, attendance), address)
        });
        let ((by_unix, unix), (by_tcp, tcp)) = (by_unix.unzip(), by_tcp.unzip());
        let doors = Doors::open(async {
            tokio::join!(OptionFuture::from(by_unix), OptionFuture::from(by_tcp));
        });
        let doors = doors.map_err(RelayError::Doors)?;
        Ok(Self { doors, unix, tcp, watches, connections, connections_max })
    }

    pub(crate) fn unix_path(&self) -> Option<&Path> {
        self.unix.as_ref().map(SocketFile::path)
    }

    pub(crate) const fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp
    }

    /// Whether each door is attended to, now and later.
    pub(crate) fn watches(&self) -> Vec<DoorWatch> {
        self.watches.clone()
    }

    /// Waits, within bounds, until every peer was told of the end.
    pub(crate) async fn finish(self) {
        let Ok(all) = u32::try_from(self.connections_max) else { return };
        // All free again means that no connection is left. Peers that do not read are not waited for.
        let _ = timeout(HANDSHAKE, self.connections.acquire_many(all)).await;
        self.doors.close().await;
    }
}
