//! `cargo run -p alphapulse-new -- NAME [FOLDER]`, in a checkout of the sources.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The checkout that this program was built from.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
const USAGE: &str = "usage: cargo run -p alphapulse-new -- NAME [FOLDER]
Writes a crate with a strategy of one's own, NAME, into FOLDER (default: NAME beside this checkout).";

#[expect(clippy::print_stderr, clippy::print_stdout, reason = "a command speaks to its user")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, folder) = match arguments.as_slice() {
        [name] if !name.starts_with('-') => (name, Path::new(SOURCE).join("..").join(name)),
        [name, folder] if !name.starts_with('-') => (name, PathBuf::from(folder)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match alphapulse_new::make(name, &folder, Path::new(SOURCE), |_| false) {
        Ok(()) => {
            let folder = folder.canonicalize().unwrap_or(folder);
            println!(
                "wrote {0}\nnext: cd '{0}' && cargo test\nthen: cargo run -- demo --strategy {name}",
                folder.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}\nnext: {}", error.next());
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
