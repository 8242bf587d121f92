//! `alphapulse config`: write an example, check a file, show what is in force.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use alphapulse_engine::config::{ConfigError, Problem, RawConfig, Setting};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings::{CONFIG_DEFAULT, ConfigArguments};

const EXAMPLES: &str = "\
Examples:
  alphapulse config init                       write alphapulse.toml with every key explained
  alphapulse config check                      say everything that is wrong with it
  alphapulse config show --origin              each value in force, and where it was set

A profile ([profile.NAME] in the file) is put over the file, variables such as ALPHAPULSE__RISK__FEE_MAX over both.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write an example with every key explained
    #[command(after_help = "Examples:\n  alphapulse config init\n  alphapulse config init - > node.toml")]
    Init(InitArguments),
    /// Check a configuration and name everything that is wrong
    #[command(
        after_help = "Examples:\n  alphapulse config check\n  alphapulse config check node.toml --profile cautious"
    )]
    Check(CheckArguments),
    /// Show every value in force
    #[command(after_help = "Examples:\n  alphapulse config show --origin\n  alphapulse config show node.toml --json")]
    Show(ShowArguments),
}

#[derive(Debug, Args)]
struct InitArguments {
    /// File to write, which must not exist; - writes to stdout
    #[arg(value_name = "FILE", default_value = CONFIG_DEFAULT)]
    file: PathBuf,
}

#[derive(Debug, Args)]
struct FileArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// Configuration file, as --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArguments {
    #[command(flatten)]
    source: FileArguments,

    /// The result as a JSON object, with each problem
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArguments {
    #[command(flatten)]
    source: FileArguments,

    /// Add where each value was set
    #[arg(long)]
    origin: bool,

    /// One JSON object a line: key, value, origin
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: ConfigCommand) -> Outcome {
    match command.verb {
        Verb::Init(arguments) => init(&arguments.file),
        Verb::Check(arguments) => check(arguments),
        Verb::Show(arguments) => show(arguments),
    }
}

fn init(file: &Path) -> Outcome {
    if file == Path::new("-") {
        let mut output = Output::new();
        output.line(RawConfig::example().trim_end())?;
        output.finish()?;
        return Ok(Exit::Ok);
    }
    write_new(file).map_err(|error| {
        let is_there = error.kind() == io::ErrorKind::AlreadyExists;
        let failure = Err::<(), _>(error).with_context(|| format!("cannot write {}", file.display()));
        let failure = Failure::from(failure.expect_err("it was an error a line ago"));
        failure.next(if is_there {
            "name another file, or move that one away: it is not overwritten"
        } else {
            "check that its folder is there and can be written to"
        })
    })?;
    let mut output = Output::new();
    output.line(format!("wrote {}", file.display()))?;
    output.finish()?;
    Ok(Exit::Ok)
}

fn write_new(file: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(RawConfig::example().as_bytes())
}

impl FileArguments {
    fn settings(self) -> ConfigArguments {
        match self.file {
            Some(config) => ConfigArguments { config, ..self.settings },
            None => self.settings,
        }
    }
}

fn check(arguments: CheckArguments) -> Outcome {
    let settings = arguments.source.settings();
    let checked = settings.read();
    if !arguments.json {
        let config = checked.map_err(|error| settings.failure(error))?;
        let mut output = Output::new();
        output.line(format!("{} is valid, config hash {}", settings.config.display(), config.config_hash()))?;
        output.finish()?;
        return Ok(Exit::Ok);
    }
    let mut output = Output::new();
    let exit = match &checked {
        Ok(config) => {
            output.line(json!({"ok": true, "config_hash": config.config_hash().to_string(), "problems": []}))?;
            Exit::Ok
        }
        Err(error) => {
            output.line(json!({"ok": false, "error": summary(error), "problems": problems(error.problems())}))?;
            Exit::Config
        }
    };
    output.finish()?;
    Ok(exit)
}

/// The first line: the others list the problems, which stand beside.
fn summary(error: &ConfigError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

fn problems(problems: &[Problem]) -> Vec<serde_json::Value> {
    let entry = |problem: &Problem| {
        json!({
            "key": problem.key, "origin": problem.origin.to_string(), "message": problem.message, "next": problem.next,
        })
    };
    problems.iter().map(entry).collect()
}

fn show(arguments: ShowArguments) -> Outcome {
    let config = arguments.source.settings().load()?;
    let width = config.settings().iter().map(|setting| setting.key.len()).max().unwrap_or(0);
    let mut output = Output::new();
    for Setting { key, value, origin } in config.settings() {
        if arguments.json {
            output.line(json!({"key": key, "value": value, "origin": origin.to_string()}))?;
        } else if arguments.origin {
            output.line(format!("{key:width$} = {value}  # {origin}"))?;
        } else {
            output.line(format!("{key:width$} = {value}"))?;
        }
    }
    output.finish()?;
    Ok(Exit::Ok)
}
