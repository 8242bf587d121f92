//! How a peer's word is checked: a key by challenge on TCP, the system's word on a unix socket.

use core::fmt;

use alphapulse_protocol::message::{Proof, Role};
use alphapulse_protocol::{ChainId, Epoch};
use hmac::{Hmac, Mac};
use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::Sha256;

use crate::access::{Access, Key, Roles, UserGrant};
use crate::error::{RelayError, SecretError};

/// What a proof begins with, so that no other use of a key gives the same.
const DOMAIN: &[u8] = b"AlphaPulse relay proof";

/// Random bytes of one side of a connection.
pub(crate) type Nonce = [u8; 32];

/// New random bytes of the system.
pub(crate) fn nonce() -> Nonce {
    let mut bytes = [0; 32];
    // Without randomness every proof could be a replay.
    OsRng.try_fill_bytes(&mut bytes).expect("the system has randomness");
    bytes
}

/// What a proof is bound to, beside what the client says in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// As the relay's answer to the greeting states them.
    pub(crate) version: u16,
    pub(crate) chain_id: ChainId,
    pub(crate) epoch: Epoch,
    /// The relay's nonce.
    pub(crate) challenge: Nonce,
}

impl Session {
    /// What proves that the owner of `key` wants to be `name` in `role`, now and here.
    fn mac(&self, key: &Key, role: Role, name: &str, nonce: &Nonce) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.bytes()).expect("a key of any length is taken");
        mac.update(DOMAIN);
        mac.update(&self.version.to_le_bytes());
        mac.update(&self.chain_id.0.to_le_bytes());
        mac.update(&self.epoch.0.to_le_bytes());
        mac.update(&self.challenge);
        mac.update(nonce);
        mac.update(&(role as u16).to_le_bytes());
        mac.update(&[u8::try_from(name.len()).unwrap_or(u8::MAX)]);
        mac.update(name.as_bytes());
        mac
    }

    /// The client's answer, or `None` when `name` is no name of a key.
    pub(crate) fn prove(&self, name: &str, key: &Key, role: Role) -> Option<Proof> {
        let nonce = nonce();
        let mac = self.mac(key, role, name, &nonce).finalize().into_bytes().into();
        Proof::new(role, name, nonce, mac)
    }
}

/// The keys of a relay's clients.
pub(crate) struct KeyRing {
    keys: Vec<(String, Key, Roles)>,
    /// Tried for names that are not known, so that the time tells nothing of them.
    decoy: Key,
}

impl KeyRing {
    fn read(access: &Access) -> Result<Self, SecretError> {
        let keys = access.keys.iter().map(|grant| Ok((grant.name.clone(), Key::read(&grant.file)?, grant.roles)));
        Ok(Self { keys: keys.collect::<Result<_, SecretError>>()?, decoy: Key::new(nonce()) })
    }

    /// The role that `proof` gives, if it holds and its key has that role.
    pub(crate) fn verify(&self, session: &Session, proof: &Proof) -> Option<Role> {
        let role = proof.role()?;
        let known = self.keys.iter().find(|(name, ..)| name == proof.name());
        let key = known.map_or(&self.decoy, |(_, key, _)| key);
        // In constant time.
        let is_proven = session.mac(key, role, proof.name(), &proof.nonce).verify_slice(&proof.mac).is_ok();
        known.filter(|(.., roles)| is_proven && roles.has(role)).map(|_| role)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(name, ..)| name)).finish()
    }
}

/// How one listener learns who comes.
#[derive(Debug)]
pub(crate) enum Gate {
    /// It does not: whoever reaches it may have the stream.
    Open,
    /// The system says which user it is.
    Users { own: u32, others: Vec<UserGrant> },
    /// By a key.
    Keys(KeyRing),
}

impl Gate {
    /// That of TCP: open where there is no key. The configuration was checked: that is on loopback.
    pub(crate) fn of_tcp(access: &Access) -> Result<Self, RelayError> {
        if access.keys.is_empty() {
            return Ok(Self::Open);
        }
        KeyRing::read(access).map(Self::Keys).map_err(RelayError::Secret)
    }

    /// What a peer may do before it says anything: `None` when it must prove a key.
    pub(crate) fn roles_unproven(&self, uid: Option<u32>) -> Option<Roles> {
        match self {
            Self::Open => Some(Roles::of(&[Role::Subscribe])),
            Self::Users { own, .. } if uid == Some(*own) => Some(Roles::ALL),
            Self::Users { others, .. } => {
                let granted = others.iter().find(|grant| uid == Some(grant.uid));
                Some(granted.map_or_else(Roles::default, |grant| grant.roles))
            }
            Self::Keys(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn session() -> Session {
        let challenge = core::array::from_fn(|at| 0x41 + u8::try_from(at).unwrap());
        Session { version: 3, chain_id: ChainId(31_337), epoch: Epoch(0x0a0b_0c0d_0102_0304), challenge }
    }

    fn key() -> Key {
        Key::new(core::array::from_fn(|at| u8::try_from(at).unwrap()))
    }

    fn ring(roles: Roles) -> KeyRing {
        KeyRing { keys: vec![("trader-1".into(), key(), roles)], decoy: Key::new([0; 32]) }
    }

    /// Made by another implementation, from the page.
    fn golden() -> Proof {
        let text = include_str!("../../protocol/tests/golden/v3/Proof.hex");
        let digits: String = text.lines().filter_map(|line| line.split('#').next()).map(str::trim).collect();
        let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
        let bytes: Vec<u8> = (8..digits.len() / 2).map(byte).collect();
        match alphapulse_protocol::message::Message::decode(&bytes).unwrap() {
            alphapulse_protocol::message::Message::Proof(proof) => *proof,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_golden_proof_holds_for_its_role_and_for_nothing_else() {
        let (ring, proof) = (ring(Roles::ALL), golden());
        assert_eq!(ring.verify(&session(), &proof), Some(Role::Publish));
        for session in [
            Session { version: 4, ..session() },
            Session { chain_id: ChainId(1), ..session() },
            Session { epoch: Epoch(1), ..session() },
            Session { challenge: [0; 32], ..session() },
        ] {
            assert_eq!(ring.verify(&session, &proof), None, "{session:?}");
        }
        let other_role = Proof { role: 1.into(), ..proof };
        let other_nonce = Proof { nonce: [0; 32], ..proof };
        let mut other_mac = proof;
        other_mac.mac[31] ^= 1;
        let mut other_name = proof;
        other_name.name[7] = b'2';
        for proof in [other_role, other_nonce, other_mac, other_name] {
            assert_eq!(ring.verify(&session(), &proof), None, "{proof:?}");
        }
    }

    #[test]
    fn a_key_gives_only_the_roles_that_it_has() {
        let proof = |role| session().prove("trader-1", &key(), role).unwrap();
        let ring = ring(Roles::of(&[Role::Subscribe]));
        assert_eq!(ring.verify(&session(), &proof(Role::Subscribe)), Some(Role::Subscribe));
        assert_eq!(ring.verify(&session(), &proof(Role::Publish)), None);
        let stranger = session().prove("trader-2", &Key::new([0; 32]), Role::Subscribe).unwrap();
        assert_eq!(ring.verify(&session(), &stranger), None, "the decoy is nobody's key");
        assert!(!format!("{ring:?}").contains("000102"));
    }

    #[test]
    fn users_have_the_roles_that_they_were_given() {
        let others = vec![UserGrant { uid: 7, roles: Roles::of(&[Role::Admin]) }];
        let gate = Gate::Users { own: 1000, others };
        assert_eq!(gate.roles_unproven(Some(1000)), Some(Roles::ALL));
        assert_eq!(gate.roles_unproven(Some(7)), Some(Roles::of(&[Role::Admin])));
        for stranger in [Some(0), Some(8), None] {
            assert_eq!(gate.roles_unproven(stranger), Some(Roles::default()));
        }
        assert_eq!(Gate::Open.roles_unproven(None), Some(Roles::of(&[Role::Subscribe])));
    }
}
