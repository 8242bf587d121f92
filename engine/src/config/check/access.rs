//! Who may do what at a relay's doors, and what is shown at another's.

use std::path::PathBuf;

use alphapulse_protocol::message::{Proof, Role};
use alphapulse_relay::{Access, ClientFiles, KeyGrant, Roles, TlsFiles, UserGrant};

use super::Checker;
use crate::config::raw::{RawRelay, RawRelayKey, RawRelayUser};

impl Checker<'_> {
    pub(super) fn relay_access(&mut self, raw: &RawRelay) -> Access {
        let certificate = self.optional_path("relay.tls_certificate", raw.tls_certificate.as_ref());
        let key = self.optional_path("relay.tls_key", raw.tls_key.as_ref());
        if raw.tls_certificate.is_some() != raw.tls_key.is_some() {
            self.problem("relay.tls_key", "TLS needs tls_certificate and tls_key", "write both or neither");
        }
        let tls = certificate.zip(key).map(|(certificate, key)| TlsFiles { certificate, key });
        let keys = raw.keys.as_deref().unwrap_or_default().iter().enumerate();
        let keys: Vec<KeyGrant> = keys.filter_map(|(index, raw)| self.relay_key(index, raw)).collect();
        for (at, grant) in keys.iter().enumerate() {
            if keys[..at].iter().any(|other| other.name == grant.name) {
                self.problem("relay.keys", format!("the key `{}` is listed twice", grant.name), "remove one entry");
            }
        }
        let users = raw.users.as_deref().unwrap_or_default().iter().enumerate();
        let users: Vec<UserGrant> = users.filter_map(|(index, raw)| self.relay_user(index, raw)).collect();
        for (at, grant) in users.iter().enumerate() {
            if users[..at].iter().any(|other| other.uid == grant.uid) {
                self.problem("relay.users", format!("the user {} is listed twice", grant.uid), "remove one entry");
            }
        }
        Access { keys, users, tls }
    }

    fn relay_key(&mut self, index: usize, raw: &RawRelayKey) -> Option<KeyGrant> {
        let key = |name: &str| format!("relay.keys[{index}].{name}");
        let name = self.required(&key("name"), raw.name.as_ref(), "\"trader-1\"");
        let name = name.and_then(|name| self.key_name(&key("name"), &name));
        self.required(&key("file"), raw.file.as_ref(), "\"trader-1.key\"");
        let file = self.optional_path(&key("file"), raw.file.as_ref());
        let roles = self.roles(&key("roles"), raw.roles.as_ref());
        Some(KeyGrant { name: name?, file: file?, roles: roles? })
    }

    fn relay_user(&mut self, index: usize, raw: &RawRelayUser) -> Option<UserGrant> {
        let key = |name: &str| format!("relay.users[{index}].{name}");
        let uid = self.required(&key("uid"), raw.uid.as_ref(), "1000");
        let uid = uid.and_then(|uid| self.within(&key("uid"), uid, (0, u32::MAX.into())));
        let roles = self.roles(&key("roles"), raw.roles.as_ref());
        Some(UserGrant { uid: u32::try_from(uid?).ok()?, roles: roles? })
    }

    fn key_name(&mut self, key: &str, name: &str) -> Option<String> {
        let is_name = |name: &str| Proof::new(Role::Subscribe, name, [0; 32], [0; 32]).is_some();
        let how = "1 to 32 letters, digits, `-`, `_` and `.`";
        let name = self.parse(key, name, how, |name| is_name(name).then(|| name.to_owned()))?;
        Some(self.set(key, name.clone(), &name))
    }

    fn roles(&mut self, key: &str, written: Option<&Vec<String>>) -> Option<Roles> {
        let how = "some of \"subscribe\", \"publish\" and \"admin\"";
        let written = self.required(key, written, "[\"subscribe\"]")?;
        let role = |name: &String| match name.as_str() {
            "subscribe" => Some(Role::Subscribe),
            "publish" => Some(Role::Publish),
            "admin" => Some(Role::Admin),
            _ => None,
        };
        let roles: Option<Vec<Role>> = written.iter().map(role).collect();
        let Some(roles) = roles.filter(|roles| !roles.is_empty()) else {
            self.problem(key, format!("found {written:?}, expected {how}"), "correct the value");
            return None;
        };
        Some(self.set(key, Roles::of(&roles), written.join(", ")))
    }

    /// What is shown to the relay at `tcp`: only paths and names; the files are read at the start.
    pub(super) fn relay_client(&mut self, raw: &RawRelay) -> ClientFiles {
        let key = self.pair("relay.key_file", (raw.key_file.as_ref(), raw.key_name.as_ref()), "relay.key_name");
        let key = key.and_then(|(file, name)| Some((self.key_name("relay.key_name", &name)?, file)));
        let authority =
            self.pair("relay.ca_file", (raw.ca_file.as_ref(), raw.server_name.as_ref()), "relay.server_name");
        let authority = authority.map(|(file, name)| (file, self.set("relay.server_name", name.clone(), &name)));
        if raw.tcp.is_none() {
            self.unwanted("relay.key_file", raw.key_file.as_ref(), "a key is proved at a relay on TCP only");
            self.unwanted("relay.ca_file", raw.ca_file.as_ref(), "TLS is for a relay on TCP only");
        }
        ClientFiles { key, authority }
    }

    /// A file and the name that belongs to it.
    fn pair(
        &mut self,
        key: &str,
        (file, name): (Option<&String>, Option<&String>),
        name_key: &str,
    ) -> Option<(PathBuf, String)> {
        if file.is_some() != name.is_some() {
            self.problem(key, format!("{key} and {name_key} belong together"), "write both or neither");
        }
        self.optional_path(key, file).zip(name.cloned())
    }
}
