//! The wire as others rely on it: the page that describes it, the golden bytes, hostile bytes, and the state a stream describes.

mod ahead;
mod domains;
mod fields;
mod frames;
mod golden;
mod hostile;
mod kinds_errors;
mod kinds_model;
mod kinds_session;
mod layout;
mod page;
mod replica_errors;
mod replica_model;
mod replica_snapshot;
mod session;
mod standing;
mod stream;
