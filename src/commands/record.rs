//! `alphapulse record`: the relay's journal without its doors.

use std::path::PathBuf;

use clap::Args;

use super::relay;
use crate::exit::Outcome;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse record --config node.toml /var/lib/alphapulse/feed

When it is put on disk and how much of it is kept is said by `journal_sync`, `journal_bytes_max` and `journal_age_max` in `[relay]`.
A journal that is there is continued, in a new segment; a node's own, as a run makes, is refused. Ctrl-C syncs it and stops. `alphapulse journal` looks into it.";

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
    let mut relay_config = config.relay_config(Some(arguments.dir.clone()));
    (relay_config.listen_unix, relay_config.listen_tcp, relay_config.listen_http) = (None, None, None);
    super::block_on(relay::operate(relay_config, "recording"))
}
