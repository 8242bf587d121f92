//! `alphapulse wallet`: keystores of signing accounts, in the format of Foundry and geth.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use alphapulse_engine::execution::keystore::{self, Cost, Entry, KeystoreError, PrivateKey};
use alphapulse_engine::secret::{Secret, SecretError};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::prompt;

const EXAMPLES: &str = "\
Examples:
  alphapulse wallet new --name trader --password-file ~/secrets/trader
  alphapulse wallet import --name trader < key.txt
  alphapulse wallet list --json

Keystores are version 3 files as Foundry and geth make them, readable by `cast wallet`. Passwords and keys come from a
file, a file descriptor or a hidden prompt, never from an argument, which every user of the machine could read.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WalletArguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a new account
    #[command(after_help = NEW_EXAMPLES)]
    New(NewArguments),
    /// Keep the key of an existing account
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArguments),
    /// Keystores of a folder
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArguments),
}

const NEW_EXAMPLES: &str = "\
Examples:
  alphapulse wallet new                                    asks for a password, names the file after the account
  alphapulse wallet new --name trader --password-file pw";

const IMPORT_EXAMPLES: &str = "\
Examples:
  alphapulse wallet import --name trader                   asks for key and password
  alphapulse wallet import --key-file key.txt --password-file pw
  pass show trader | alphapulse wallet import --password-file pw";

const LIST_EXAMPLES: &str = "\
Examples:
  alphapulse wallet list
  alphapulse wallet list --dir ./keystores --json";

/// `0x` and 40 digits.
const ADDRESS_CHARS: usize = 42;

#[derive(Debug, Args)]
struct FolderArgument {
    /// Folder of keystores (default: Foundry's, ~/.foundry/keystores)
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SealArguments {
    #[command(flatten)]
    folder: FolderArgument,

    /// Name of the file (default: the account's address)
    #[arg(long)]
    name: Option<String>,

    #[command(flatten)]
    password: PasswordArguments,

    /// Cheap encryption, for keys of test networks only
    #[arg(long)]
    light: bool,

    /// The result as a JSON object
    #[arg(long)]
    json: bool,
}

/// Where the password of a keystore comes from.
#[derive(Debug, Args)]
pub(crate) struct PasswordArguments {
    /// File whose first line is the password
    #[arg(long, value_name = "FILE", conflicts_with = "password_fd")]
    password_file: Option<PathBuf>,

    /// Open file descriptor whose first line is the password
    #[arg(long, value_name = "N")]
    password_fd: Option<u32>,
}

#[derive(Debug, Args)]
struct NewArguments {
    #[command(flatten)]
    seal: SealArguments,
}

#[derive(Debug, Args)]
struct ImportArguments {
    #[command(flatten)]
    seal: SealArguments,

    /// File whose first line is the private key, 64 hexadecimal digits (default: stdin, hidden on a terminal)
    #[arg(long, value_name = "FILE", conflicts_with = "key_fd")]
    key_file: Option<PathBuf>,

    /// Open file descriptor whose first line is the private key
    #[arg(long, value_name = "N")]
    key_fd: Option<u32>,
}

#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    folder: FolderArgument,

    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &WalletArguments) -> Outcome {
    match &arguments.verb {
        Verb::New(new) => {
            let password = new.seal.password.new_password()?;
            seal(&new.seal, &PrivateKey::generate().map_err(keystore_failure)?, &password)
        }
        Verb::Import(import) => {
            import.check_sources()?;
            let key = PrivateKey::from_hex(&import.key()?).map_err(keystore_failure)?;
            seal(&import.seal, &key, &import.seal.password.new_password()?)
        }
        Verb::List(list) => print_list(list),
    }
}

fn seal(arguments: &SealArguments, key: &PrivateKey, password: &Secret) -> Outcome {
    let folder = arguments.folder.path()?;
    let cost = if arguments.light { Cost::Light } else { Cost::Standard };
    let path = keystore::create(&folder, arguments.name.as_deref(), key, password, cost).map_err(keystore_failure)?;
    let mut output = Output::new();
    let (address, path) = (key.address().to_string(), path.display().to_string());
    if arguments.json {
        output.line(json!({"address": address, "path": path}))?;
    } else {
        output.line(format!("{address}  {path}"))?;
    }
    output.finish()?;
    Ok(Exit::Ok)
}

fn print_list(arguments: &ListArguments) -> Outcome {
    let folder = arguments.folder.path()?;
    let entries = keystore::list(&folder).map_err(keystore_failure)?;
    let mut output = Output::new();
    for Entry { path, address } in entries {
        let address = address.map(|address| address.to_string());
        if arguments.json {
            output.line(json!({"address": address, "path": path.display().to_string()}))?;
        } else {
            let address = address.as_deref().unwrap_or("(not stated in the file)");
            output.line(format!("{address:ADDRESS_CHARS$}  {}", path.display()))?;
        }
    }
    output.finish()?;
    Ok(Exit::Ok)
}

impl FolderArgument {
    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        let home = std::env::home_dir().ok_or_else(|| {
            Failure::usage("there is no home folder to look for keystores in").next("name the folder with --dir")
        })?;
        Ok(home.join(".foundry/keystores"))
    }
}

impl PasswordArguments {
    /// The password of a keystore that is to be made; asked for twice, since a slip would lock the account away.
    fn new_password(&self) -> Result<Secret, Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        let first = prompt::hidden("New password")?;
        if first.expose().is_empty() {
            return Err(Failure::usage("an empty password protects nothing").next("type one, or give --password-file"));
        }
        let second = prompt::hidden("The same again")?;
        if first.expose() != second.expose() {
            return Err(Failure::usage("the two passwords differ; nothing was written").next("try again"));
        }
        Ok(first)
    }

    /// The password from a file or descriptor, or `None` when somebody can be asked.
    fn given(&self) -> Result<Option<Secret>, Failure> {
        let secret = match (&self.password_file, self.password_fd) {
            (Some(path), _) => Secret::from_file(path),
            (None, Some(descriptor)) => Secret::from_fd(descriptor),
            (None, None) if prompt::is_possible() => return Ok(None),
            (None, None) => {
                return Err(Failure::usage("no password: there is no terminal to ask on")
                    .next("give --password-file FILE or --password-fd N"));
            }
        };
        secret.map(Some).map_err(secret_failure)
    }
}

impl ImportArguments {
    /// One stream gives one secret: a second reader would take what is left for a password.
    fn check_sources(&self) -> Result<(), Failure> {
        let key = match (&self.key_file, self.key_fd) {
            (None, None) => Some(0),
            (_, descriptor) => descriptor,
        };
        if key.is_some() && key == self.seal.password.password_fd {
            return Err(Failure::usage("key and password cannot both come from one descriptor")
                .next("give one of them by a file, or by a descriptor of its own"));
        }
        Ok(())
    }

    fn key(&self) -> Result<Secret, Failure> {
        let secret = match (&self.key_file, self.key_fd) {
            (Some(path), _) => Secret::from_file(path),
            (None, Some(descriptor)) => Secret::from_fd(descriptor),
            (None, None) if io::stdin().is_terminal() => return prompt::hidden("Private key (64 hex digits)"),
            (None, None) => Secret::from_reader(io::stdin().lock(), "stdin"),
        };
        secret.map_err(secret_failure)
    }
}

fn secret_failure(error: SecretError) -> Failure {
    let exit = if matches!(error, SecretError::Output { .. }) { Exit::Usage } else { Exit::Failure };
    Failure::new(exit, error)
}

fn keystore_failure(error: KeystoreError) -> Failure {
    let next = match &error {
        KeystoreError::Io { .. } => Some("check the folder and its permissions, or give another with --dir"),
        KeystoreError::NotAKey => Some("give the key as 64 hexadecimal digits, with or without 0x, on the first line"),
        _ => None,
    };
    let failure = Failure::new(Exit::Failure, error);
    match next {
        Some(next) => failure.next(next),
        None => failure,
    }
}
