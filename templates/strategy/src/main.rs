//! The `alphapulse` command with one strategy more: `run`, `replay`, `demo` and `config` know it.

use std::process::ExitCode;

fn main() -> ExitCode {
    alphapulse::main_with(&[own_strategy::KIND])
}
