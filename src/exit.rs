//! How a command ends: its exit code, and on failure what went wrong and what to do next.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Exit codes of the command. Part of its interface: stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok,
    /// It did not work.
    Failure,
    /// The command line, or a line of input, could not be read.
    Usage,
    /// The configuration does not permit it.
    Config,
    /// Risk limits do not permit it.
    Refused,
    /// Stopped by a signal, tidily.
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::Config => 3,
            Exit::Refused => 4,
            Exit::Interrupted => 130,
        })
    }
}

/// What a command returns.
pub(crate) type Outcome = Result<Exit, Failure>;

/// A failed command.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// `None` when nobody is left to read: the reader of our stdout has gone.
    error: Option<anyhow::Error>,
    next: Option<String>,
}

impl Failure {
    /// Failure with an exit code.
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: Some(error.into()), next: None }
    }

    /// The command line asks for what cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, anyhow::Error::msg(message.into()))
    }

    /// Stdout cannot be written. A reader that has seen enough (`| head`) is no failure.
    pub(crate) fn stdout(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Ok, error: None, next: None };
        }
        Self::new(Exit::Failure, anyhow::Error::new(error).context("cannot write to stdout"))
    }

    /// The same failure with what to do about it.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// What failed, for who reads the output alone.
    pub(crate) fn words(&self) -> Option<String> {
        self.error.as_ref().map(|error| format!("{error:#}"))
    }

    /// Prints the failure with its causes, and gives the exit code.
    pub(crate) fn report(self) -> Exit {
        let Some(error) = self.error else { return self.exit };
        let mut text = format!("error: {error}\n");
        let mut said = error.to_string();
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Libraries often repeat their cause in their own text.
            if !said.contains(&cause) {
                writeln!(text, "  caused by: {cause}").expect("a String takes every write");
                said = cause;
            }
        }
        if let Some(next) = self.next {
            writeln!(text, "next: {next}").expect("a String takes every write");
        }
        // Nothing is left to tell when stderr is closed as well.
        drop(io::stderr().lock().write_all(text.as_bytes()));
        self.exit
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failure, error)
    }
}
