//! What is said before the stream: greeting, proof, rules, request.

use std::sync::Arc;

use alphapulse_protocol::Epoch;
use alphapulse_protocol::frame;
use alphapulse_protocol::header::SCHEMA_VERSION;
use alphapulse_protocol::message::{
    AdminRequest, Challenge, CloseReason, Hello, Message, Role, VERSION_ACCESS, VERSION_RESUME, VERSION_SELECT, Welcome,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::listen::Origin;
use super::peer::Peer;
use crate::access::Roles;
use crate::auth::{self, Gate, KeyRing, Session};
use crate::joiner::Joiner;
use crate::roster::Place;
use crate::selection::{RULES_MAX, Selection};
use crate::subscriber::Terms;

/// What was agreed on.
pub(super) enum Agreed {
    /// It gets the stream.
    Subscribe(Terms),
    /// It hands in side messages.
    Publish(Place),
    /// It asks for one act; the text says who it is.
    Administer(Box<AdminRequest>, String),
}

/// Why nothing was agreed on: the reason to state, if there is still somebody to state it to.
type Refusal = Option<CloseReason>;

/// A peer at the door.
pub(super) struct Handshake<'a, S> {
    pub(super) peer: &'a mut Peer<S>,
    pub(super) joiner: &'a Joiner,
    pub(super) gate: &'a Gate,
    pub(super) origin: &'a Origin,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Handshake<'_, S> {
    /// Learns who the peer is, what it speaks, what it wants and where it stands.
    pub(super) async fn run(mut self) -> Result<Agreed, Refusal> {
        let version = match self.peer.read_message().await? {
            Message::Hello(hello) => common_version(hello).ok_or(Some(CloseReason::Version))?,
            _ => return Err(Some(CloseReason::Malformed)),
        };
        match (self.gate, self.gate.roles_unproven(self.origin.uid())) {
            (_, Some(roles)) => self.admit_known(version, roles).await,
            (Gate::Keys(ring), None) if version >= VERSION_ACCESS => self.admit_proven(version, ring).await,
            _ => Err(Some(CloseReason::Unauthorized)),
        }
    }

    /// Goes on with a peer of which the door knows what it may do.
    async fn admit_known(&mut self, version: u16, roles: Roles) -> Result<Agreed, Refusal> {
        if roles == Roles::default() {
            return Err(Some(CloseReason::Unauthorized));
        }
        // It could not read the snapshot, and need not be welcomed to learn that.
        if version < self.joiner.facts.since_version() {
            return Err(Some(CloseReason::Version));
        }
        // It is told before it asks. Whether that is still so then is another question: only who is done takes a place.
        // An administrator needs none.
        if self.joiner.roster.is_full() && !roles.has(Role::Admin) {
            return Err(Some(CloseReason::Full));
        }
        // Here and not from its lane, which has to be empty for a snapshot of any size.
        let welcome = self.welcome(version);
        frame::write(&mut self.peer.out, &welcome);
        self.peer.write_out().await.map_err(|_| None)?;
        if version < VERSION_RESUME {
            let place = self.place(roles, Role::Subscribe, None)?;
            return self.agree(terms(version, place));
        }
        self.hear_request(version, roles, None).await
    }

    /// Goes on with a peer that must prove a key first.
    async fn admit_proven(&mut self, version: u16, ring: &KeyRing) -> Result<Agreed, Refusal> {
        let welcome = self.welcome(version);
        let epoch = Epoch(welcome.epoch.get());
        let session = Session { version, chain_id: self.joiner.chain_id, epoch, challenge: auth::nonce() };
        frame::write(&mut self.peer.out, &welcome);
        frame::write(&mut self.peer.out, &Challenge::new(session.challenge));
        self.peer.write_out().await.map_err(|_| None)?;
        let (role, name) = match self.peer.read_message().await? {
            Message::Proof(proof) => match ring.verify(&session, proof) {
                Some(role) => (role, proof.name().to_owned()),
                None => return Err(Some(CloseReason::Unauthorized)),
            },
            Message::Select(_) | Message::Subscribe(_) | Message::Publish(_) | Message::AdminRequest(_) => {
                return Err(Some(CloseReason::Unauthorized));
            }
            _ => return Err(Some(CloseReason::Malformed)),
        };
        self.hear_request(version, Roles::of(&[role]), Some(name)).await
    }

    fn welcome(&self, version: u16) -> Welcome {
        Welcome::new(self.joiner.chain_id, self.joiner.facts.epoch(), version)
    }

    /// Rules and a request, of a peer that may do what `roles` say.
    async fn hear_request(&mut self, version: u16, roles: Roles, client: Option<String>) -> Result<Agreed, Refusal> {
        let mut selection = Selection::everything();
        for rules in 0..=RULES_MAX {
            match self.peer.read_message().await? {
                Message::Select(rule) if version >= VERSION_SELECT => selection.add(rule),
                Message::Subscribe(subscribe) if selection.accepts_chain(self.joiner.chain_id) => {
                    let position = subscribe.position();
                    let place = self.place(roles, Role::Subscribe, client)?;
                    return self.agree(Terms { position, selection, ..terms(version, place) });
                }
                Message::Subscribe(_) => return Err(Some(CloseReason::Chain)),
                Message::Publish(publish) if version >= VERSION_ACCESS && rules == 0 => {
                    if publish.chain_id.get() != self.joiner.chain_id.0 {
                        return Err(Some(CloseReason::Chain));
                    }
                    return self.place(roles, Role::Publish, client).map(Agreed::Publish);
                }
                Message::AdminRequest(request) if version >= VERSION_ACCESS && rules == 0 => {
                    let request = Box::new(*request);
                    if !roles.has(Role::Admin) {
                        return Err(Some(CloseReason::Unauthorized));
                    }
                    return Ok(Agreed::Administer(request, self.name(client)));
                }
                _ => return Err(Some(CloseReason::Malformed)),
            }
        }
        Err(Some(CloseReason::Malformed))
    }

    /// A place for a peer that may have it.
    fn place(&self, roles: Roles, role: Role, client: Option<String>) -> Result<Place, Refusal> {
        if !roles.has(role) {
            return Err(Some(CloseReason::Unauthorized));
        }
        self.joiner.roster.reserve(&self.name(client), roles).map_err(|_| Some(CloseReason::Full))
    }

    /// Where the peer comes from, and who it proved to be.
    fn name(&self, client: Option<String>) -> String {
        let origin = &self.origin.name;
        client.map_or_else(|| origin.clone(), |client| format!("{origin} key {client}"))
    }

    /// A subscriber that is done says nothing more.
    fn agree(&self, terms: Terms) -> Result<Agreed, Refusal> {
        if self.peer.has_said_more() {
            return Err(Some(CloseReason::Malformed));
        }
        Ok(Agreed::Subscribe(terms))
    }
}

/// Terms of who asked for nothing more.
fn terms(version: u16, place: Place) -> Terms {
    Terms { version, position: None, selection: Selection::everything(), place: Arc::new(place) }
}

/// Highest version that both sides know.
fn common_version(hello: &Hello) -> Option<u16> {
    let (oldest, newest) = (hello.version_min.get().max(1), hello.version_max.get().min(SCHEMA_VERSION));
    (oldest <= newest).then_some(newest)
}
