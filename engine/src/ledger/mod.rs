//! Books: journal records folded into trades and totals. The live node and an audit of its journal share this code, so
//! the two cannot disagree.

mod book;
mod run;
mod totals;

pub use self::book::{Ledger, Trade, TradeState};
pub use self::run::{JOURNAL_FOLDER, MANIFEST_FILE, Manifest, ManifestError};
pub use self::totals::Totals;
