//! A door: takes up connections at a measured pace, and serves each until it ends.

use core::time::Duration;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use alphapulse_protocol::message::CloseReason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::HANDSHAKE;
use super::connection::Rehome;
use super::doors::Attendance;
use super::greeting::{Greeting, Greetings};
use super::handshake::{Agreed, Handshake};
use super::listen::{Accept, Origin};
use super::peer::Peer;
use crate::auth::Gate;
use crate::control::Control;
use crate::joiner::Joiner;
use crate::lane::Wake;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::side::SidePublisher;

/// Pause after a failed accept, which is mostly the process being out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that are taken up in a second, and at once after a rest. Others wait in the system's queue: a flood costs whoever
/// makes it, and not us. At once, so that all clients of a relay that restarts are back at once; and no more in a second, because
/// at a thousand the system's own work for them is seen in the stream's latency.
const ACCEPTED: (u32, u32) = (250, 256);
/// Those of them who are not let in. Clients who are come and go as above; a crowd of others, at as many, is still seen in the
/// stream's slowest percent where all share two cores.
const STRANGERS: (u32, u32) = (64, 256);

/// What a connection needs of the relay.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) joiner: Joiner,
    pub(super) metrics: Arc<Metrics>,
    pub(super) control: Arc<Control>,
    pub(super) sides: SidePublisher,
    pub(super) greetings: Arc<Greetings>,
    pub(super) connections: Arc<Semaphore>,
    pub(super) gate: Arc<Gate>,
    pub(super) tls: Option<TlsAcceptor>,
    /// Clients that were let in since the door last looked: no strangers.
    pub(super) admitted: Arc<AtomicU32>,
    /// Where the stream runs, and whoever is let in is served.
    pub(super) inside: Handle,
}

impl Door {
    /// Accepts for ever, and holds `_attendance` meanwhile. Connections end with this future: their tasks are held in it.
    pub(super) async fn accept<L: Accept>(self, listener: L, _attendance: Attendance) {
        let listener = match listener.moved() {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "a door cannot be opened: nobody is let in by it"),
        };
        let mut connections = JoinSet::new();
        let mut pace = Pace::new(ACCEPTED.0, ACCEPTED.1);
        let mut strangers = Pace::new(STRANGERS.0, STRANGERS.1);
        loop {
            pace.take().await;
            strangers.give_back(self.admitted.swap(0, Ordering::Relaxed));
            strangers.take().await;
            match listener.accept().await {
                Ok((stream, origin)) => {
                    let deadline = Instant::now() + HANDSHAKE;
                    let (greeting, displaced) = self.greetings.admit(origin.address).await;
                    self.metrics.displaced.add(displaced);
                    drop(connections.spawn(self.clone().serve(stream, origin, greeting, deadline)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn serve<S>(self, stream: S, origin: Origin, greeting: Greeting, deadline: Instant)
    where
        S: AsyncRead + AsyncWrite + Rehome + Unpin + Send + 'static,
    {
        // Hardly waited for: those who greet and those who are served have as many.
        let Ok(_connection) = self.connections.acquire().await else { return };
        let Some(acceptor) = &self.tls else {
            return self.talk(Peer::new(stream), &origin, greeting, deadline).await;
        };
        let accepted = tokio::select! {
            accepted = timeout_at(deadline, acceptor.accept(stream)) => accepted,
            () = greeting.displaced() => return,
        };
        match accepted {
            Ok(Ok(stream)) => self.talk(Peer::new(stream), &origin, greeting, deadline).await,
            // Not somebody who could read a farewell.
            Ok(Err(_)) | Err(_) => self.metrics.handshake_failures.add(1),
        }
    }

    async fn talk<S>(&self, mut peer: Peer<S>, origin: &Origin, greeting: Greeting, deadline: Instant)
    where
        S: AsyncRead + AsyncWrite + Rehome + Unpin + Send + 'static,
    {
        let refused = tokio::select! {
            biased;
            () = greeting.displaced() => None,
            agreed = self.shake_hands(&mut peer, origin, deadline) => Some(agreed),
        };
        match refused {
            None => peer.be_gone(CloseReason::Full),
            Some(Ok(agreed)) => {
                drop(greeting);
                self.admitted.fetch_add(1, Ordering::Relaxed);
                self.let_in(peer, agreed).await;
            }
            Some(Err(None)) => self.metrics.handshake_failures.add(1),
            Some(Err(Some(reason))) => {
                self.count_refusal(reason);
                tokio::select! {
                    () = greeting.displaced() => {}
                    () = peer.take_leave(reason) => {}
                }
            }
        }
    }

    async fn shake_hands<S>(
        &self,
        peer: &mut Peer<S>,
        origin: &Origin,
        deadline: Instant,
    ) -> Result<Agreed, Option<CloseReason>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = Handshake { peer, joiner: &self.joiner, gate: &self.gate, origin };
        timeout_at(deadline, handshake.run()).await.unwrap_or(Err(Some(CloseReason::HandshakeTimeout)))
    }

    fn count_refusal(&self, reason: CloseReason) {
        match reason {
            CloseReason::Full => self.metrics.refused.add(1),
            CloseReason::Unauthorized => self.metrics.unauthorized.add(1),
            _ => self.metrics.handshake_failures.add(1),
        }
    }

    /// Serves a peer on the stream's threads, until it ends or nobody waits for that any more.
    async fn let_in<S>(&self, mut peer: Peer<S>, agreed: Agreed)
    where
        S: AsyncRead + AsyncWrite + Rehome + Unpin + Send + 'static,
    {
        let door = self.clone();
        let serve = async move {
            match peer.rehome() {
                Ok(()) => door.serve_agreed(peer, agreed).await,
                Err(error) => tracing::warn!(%error, "a peer that was let in cannot be served"),
            }
        };
        let mut served = JoinSet::new();
        served.spawn_on(serve, &self.inside);
        served.join_next().await;
    }

    async fn serve_agreed<S>(&self, mut peer: Peer<S>, agreed: Agreed)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // The place is held until the peer is gone, farewell included: connections are bounded by places.
        let (reason, _place) = match agreed {
            Agreed::Subscribe(terms) => {
                let place = Arc::clone(&terms.place);
                let reason = match self.joiner.open_lane(Wake::Task(Arc::new(Notify::new())), terms) {
                    Ok(lane) => tokio::select! {
                        reason = peer.stream_lane(lane, &self.metrics) => reason,
                        () = place.entry().dismissed() => Some(CloseReason::Disconnected),
                    },
                    Err(_) => Some(CloseReason::Shutdown),
                };
                (reason, place)
            }
            Agreed::Administer(request, by) => {
                let replies = self.control.administer(&request, &by).await;
                return peer.answer(&replies).await;
            }
            Agreed::Publish(place) => {
                self.metrics.publishers.add(1);
                let reason = tokio::select! {
                    reason = peer.take_sides(&self.sides, place.entry()) => reason,
                    () = self.joiner.commands.closed() => Some(CloseReason::Shutdown),
                    () = place.entry().dismissed() => Some(CloseReason::Disconnected),
                };
                (reason, Arc::new(place))
            }
        };
        if let Some(reason) = reason {
            peer.take_leave(reason).await;
        }
    }
}
