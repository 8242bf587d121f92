//! `alphapulse kill`: stops a node's trading by its kill file.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse kill --config node.toml
  alphapulse kill --file /run/alphapulse/KILL --reason drill

A node that finds its kill file approves and signs nothing more until it is restarted without the file. What it has
submitted may still be included.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct KillArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// The kill file itself, when the configuration cannot be read
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,

    /// Why, written into the file
    #[arg(long, value_name = "TEXT", default_value = "operator")]
    reason: String,
}

pub(crate) fn run(arguments: &KillArguments) -> Outcome {
    let path = match &arguments.file {
        Some(path) => path.clone(),
        None => {
            let path = configured(&arguments.settings)?;
            make_folder(&path)?;
            path
        }
    };
    write(&path, &arguments.reason)
        .with_context(|| format!("cannot write kill file {}", path.display()))
        .map_err(|error| Failure::from(error).next("create the file by other means, or stop the node's process"))?;
    let mut output = Output::new();
    output.line(format!("kill file {} is in place; remove it before the node is started again", path.display()))?;
    output.finish()?;
    Ok(Exit::Ok)
}

fn configured(settings: &ConfigArguments) -> Result<PathBuf, Failure> {
    let by_hand = "give the node's kill file itself: alphapulse kill --file FILE; or stop its process";
    settings.load().map_err(|failure| failure.next(by_hand))?.kill_file.ok_or_else(|| {
        let error = anyhow::anyhow!(
            "{} names no kill file: a node that runs with it cannot be stopped so",
            settings.config.display()
        );
        Failure::new(Exit::Config, error).next("stop the node's process; set `risk.kill_file` for the next start")
    })
}

/// A configured file may lie in a folder that nothing has made yet. One that is named by hand may not: a misspelt folder
/// would be made, and the node would trade on.
fn make_folder(path: &Path) -> Result<(), Failure> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    Ok(fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?)
}

/// Existence is what counts; it must hold over a crash of the machine.
fn write(path: &Path, reason: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    writeln!(file, "{reason}")?;
    file.sync_all()
}
