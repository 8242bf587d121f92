//! Why a node gave no answer, told in the place of one.

use alloy::rpc::json_rpc::{ErrorPayload, PubSubItem, RpcError};
use alloy::transports::TransportError;
use serde_json::value::RawValue;

use super::ANSWER_TIMEOUT;
use crate::error::SourceError;

/// Why a request has no answer of the node's. Told in the place of one, by a code that no node gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no connection, or it ended.
    Unreached(String),
    /// What came is no answer.
    Refused { words: String, may_pass: bool },
    /// Nothing came in time.
    Silent,
}

/// Code of [`Fault::Unreached`] and of the others in the place of a node's.
const UNREACHED: i64 = i64::MIN;
const REFUSED: i64 = i64::MIN + 1;
const SILENT: i64 = i64::MIN + 2;

impl Fault {
    pub(super) const fn may_pass(&self) -> bool {
        match self {
            Self::Unreached(_) => true,
            Self::Refused { may_pass, .. } => *may_pass,
            // Whoever asked waits no longer.
            Self::Silent => false,
        }
    }

    pub(super) fn unreached(error: &std::io::Error) -> Self {
        Self::Unreached(format!("no connection: {error}"))
    }

    /// An error in the place of an answer.
    pub(super) fn in_place_of_answer(self, request: &RawValue) -> PubSubItem {
        let (code, words) = match self {
            Self::Unreached(words) => (UNREACHED, words),
            Self::Refused { words, .. } => (REFUSED, words),
            Self::Silent => (SILENT, "no answer".to_owned()),
        };
        let request: serde_json::Value = serde_json::from_str(request.get()).unwrap_or_default();
        let id = request.get("id").cloned().unwrap_or_default();
        let error = serde_json::json!({"code": code, "message": words});
        let item = serde_json::json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string();
        serde_json::from_str(&item).expect("an error response is one")
    }
}

/// What an error in the place of an answer stands for; `None` for a node's own.
pub(in crate::source) fn fault(method: &'static str, error: &TransportError) -> Option<SourceError> {
    let RpcError::ErrorResp(ErrorPayload { code, message, .. }) = error else { return None };
    let words = || message.clone().into_owned().into();
    match *code {
        UNREACHED => Some(SourceError::Connect(words())),
        REFUSED => Some(SourceError::Call { method, cause: words() }),
        SILENT => Some(SourceError::Timeout { method, after: ANSWER_TIMEOUT }),
        _ => None,
    }
}
