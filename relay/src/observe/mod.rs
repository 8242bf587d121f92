//! Watching a relay: latencies by stage, one status for people and machines, and a page on this host that shows it.
//!
//! Nothing here slows the stream: stages are counted in atomics, and what only the writer knows it is asked for between
//! two events, by those who look.

mod exposition;
mod histogram;
mod http;
mod observer;
mod stages;
mod status;

pub use self::status::{HeadStatus, JournalStatus, OperatorCaution, RelayStatus, SourceStatus, StageStatus};

pub(crate) use self::http::{HttpDoor, HttpServer};
pub(crate) use self::observer::{Observer, Report, millis};
pub(crate) use self::stages::Stages;
