//! `alphapulse record`: the relay's journal without its doors.

use std::path::PathBuf;

use clap::Args;

use super::{feed_folder, relay};
use crate::exit::Outcome;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse record --config node.toml /var/lib/alphapulse/feed

When it is put on disk and how much of it is kept is said by `journal_sync`, `journal_bytes_max` and `journal_age_max` in `[relay]`.
A feed that is there is continued, in a new segment. Refused are the folders of a run and of a running relay, a folder that holds other things, and a
feed of another chain: one of the blocks that it ends with must be on the node's chain, also where both chains have the same id. Ctrl-C
syncs it and stops. `alphapulse journal` looks into it.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// Folder of the journal
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(arguments: &RecordArguments) -> Outcome {
    let config = arguments.settings.load()?;
    feed_folder::check(&arguments.dir)?;
    let mut relay_config = config.relay_config(Some(arguments.dir.clone()));
    (relay_config.listen_unix, relay_config.listen_tcp, relay_config.listen_http) = (None, None, None);
    super::block_on(relay::operate(relay_config, "recording"))
}
