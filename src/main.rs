//! The `alphapulse` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    alphapulse::main_with(&[])
}
