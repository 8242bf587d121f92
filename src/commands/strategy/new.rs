//! `alphapulse strategy new`: the template, under another name.

use std::path::PathBuf;

use alphapulse_new::make;
use clap::Args;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings;

pub(super) const EXAMPLES: &str = "\
Examples:
  alphapulse strategy new my_strategy
  alphapulse strategy new my_strategy --dir ~/strategies/mine --source ~/alphapulse

Then, in the new folder: `cargo test`, and `cargo run -- demo --strategy my_strategy` to see it trade. The README there
says what is where. docs/STRATEGIES.md has the contract that every strategy keeps.";

/// Sources that this program was built from.
const SOURCE: &str = env!("CARGO_MANIFEST_DIR");
#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Name of the crate and of the strategy's kind: small letters, digits and underscores
    #[arg(value_name = "NAME")]
    name: String,

    /// Folder to write, which must not exist (default: NAME)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Sources of AlphaPulse that it is built with (default: those of this program)
    #[arg(long, value_name = "DIR", default_value = SOURCE, hide_default_value = true)]
    source: PathBuf,
}

pub(super) fn run(arguments: &NewArguments) -> Outcome {
    let name = arguments.name.as_str();
    let folder = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(name));
    let is_taken = |name: &str| settings::registry().find(name).is_some();
    make(name, &folder, &arguments.source, is_taken).map_err(|error| {
        let next = error.next();
        let failure = if error.is_usage() {
            Failure::usage(error.to_string())
        } else {
            Failure::from(anyhow::Error::from(error))
        };
        failure.next(next)
    })?;
    let mut output = Output::new();
    output.line(format!("wrote {}", folder.display()))?;
    output.line(format!("next: cd '{}' && cargo test", folder.display()))?;
    output.line(format!("then: cargo run -- demo --strategy {name}"))?;
    output.finish()?;
    Ok(Exit::Ok)
}
