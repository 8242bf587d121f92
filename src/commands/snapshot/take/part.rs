//! What was read so far, kept beside the file that is being made.
//!
//! The first line says of which chain, block and pools it is; then there is a line for each pool, flushed before the next one. A
//! torn last line, as a kill leaves it, is cut.

mod claim;
mod entry;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, keccak256};
use alphapulse_protocol::ChainId;
use alphapulse_protocol::message::BlockContext;
use alphapulse_relay::source::read::PoolTarget;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use self::claim::Claim;
pub(super) use self::entry::Entry;
use super::super::put::beside;
use crate::exit::Failure;

const FORMAT: &str = "alphapulse.snapshot-part/2";

/// What the pools of a file were read of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    format: String,
    chain_id: u64,
    block_number: u64,
    block_hash: B256,
    /// Keccak-256 of the names of the pools that were asked for.
    pools: B256,
}

impl Header {
    pub(super) fn new(chain_id: ChainId, block: &BlockContext, targets: &[PoolTarget]) -> Self {
        let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
        Self {
            format: FORMAT.to_owned(),
            chain_id: chain_id.0,
            block_number: block.number.get(),
            block_hash: block.hash.into(),
            pools: keccak256(names.join("\n")),
        }
    }

    pub(super) const fn hash(&self) -> B256 {
        self.block_hash
    }

    /// The block, for people.
    pub(super) fn block(&self) -> String {
        format!("block {} ({}) of chain {}", self.block_number, self.block_hash, self.chain_id)
    }

    /// What sets another apart; `None` where they are the same.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let differences = [
            (self.chain_id != other.chain_id, "another chain"),
            (self.block_hash != other.block_hash, "another block"),
            (self.pools != other.pools, "another list of pools, or their fees"),
        ];
        differences.into_iter().find(|(is_so, _)| *is_so).map(|(_, difference)| difference)
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    pool: String,
    #[serde(flatten)]
    entry: Entry,
}

/// What a run that was stopped left.
pub(super) struct Earlier {
    pub(super) header: Header,
    entries: Vec<(String, Entry)>,
    /// Bytes of whole lines.
    bytes: u64,
}

pub(super) fn path_of(out: &Path) -> PathBuf {
    beside(out, ".part")
}

impl Earlier {
    fn parse(mut file: impl io::BufRead) -> anyhow::Result<Option<Self>> {
        let (mut line, mut bytes) = (String::new(), 0_u64);
        file.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Ok(None);
        }
        let header: Header = serde_json::from_str(&line).context("its first line is not one of this format")?;
        anyhow::ensure!(header.format == FORMAT, "its format is {:?}", header.format);
        bytes += line.len() as u64;
        let mut entries = Vec::new();
        loop {
            line.clear();
            file.read_line(&mut line)?;
            if !line.ends_with('\n') {
                return Ok(Some(Self { header, entries, bytes }));
            }
            let Line { pool, entry } = serde_json::from_str(&line).context("one of its lines is damaged")?;
            entries.push((pool, entry));
            bytes += line.len() as u64;
        }
    }
}

/// The file that is being written.
pub(super) struct Part {
    claim: Claim,
    entries: Vec<(String, Entry)>,
    places: HashMap<String, usize>,
}

impl Part {
    /// Takes the file for this run alone, with what an earlier one left in it.
    pub(super) fn claim(out: &Path) -> Result<(Claim, Option<Earlier>), Failure> {
        let claim = Claim::take(path_of(out))?;
        let earlier = Earlier::parse(BufReader::new(claim.file()))
            .with_context(|| format!("{} cannot be continued", claim.path().display()))
            .map_err(|error| Failure::from(error).next(format!("remove {} to begin anew", claim.path().display())))?;
        Ok((claim, earlier))
    }

    /// Goes on with what there is, or begins. What is of another chain, block or list of pools is refused.
    pub(super) fn open(claim: Claim, header: &Header, earlier: Option<Earlier>) -> Result<Self, Failure> {
        let place = claim.path().display().to_string();
        let is_new = earlier.is_none();
        let (entries, bytes) = match earlier {
            Some(earlier) => {
                if let Some(difference) = earlier.header.difference(header) {
                    return Err(Failure::usage(format!("{place} was begun with {difference}"))
                        .next(format!("remove {place} to begin anew, or run what it was begun with")));
                }
                (earlier.entries, earlier.bytes)
            }
            None => (Vec::new(), 0),
        };
        let begin = || -> io::Result<()> {
            let mut file = claim.file();
            // A line that was torn is written again.
            file.set_len(bytes)?;
            if is_new {
                serde_json::to_writer(&mut file, header)?;
                file.write_all(b"\n")?;
            }
            Ok(())
        };
        begin().with_context(|| format!("cannot write {place}"))?;
        let places = entries.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        Ok(Self { claim, entries, places })
    }

    pub(super) fn path(&self) -> &Path {
        self.claim.path()
    }

    pub(super) fn append(&mut self, pool: &str, entry: Entry) -> Result<(), Failure> {
        let line = Line { pool: pool.to_owned(), entry };
        let mut text = serde_json::to_string(&line).expect("text serialises");
        text.push('\n');
        let written = self.claim.file().write_all(text.as_bytes());
        written.with_context(|| format!("cannot write {}", self.path().display()))?;
        self.places.insert(line.pool.clone(), self.entries.len());
        self.entries.push((line.pool, line.entry));
        Ok(())
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Those that were not read yet.
    pub(super) fn missing(&self, targets: &[PoolTarget]) -> Vec<PoolTarget> {
        targets.iter().filter(|target| !self.places.contains_key(&target.to_string())).cloned().collect()
    }

    /// Base pools that are needed, each once, and are not among the pools under another name.
    pub(super) fn bases(&self) -> Vec<PoolTarget> {
        let is_known = |base: &Address| {
            let name = format!("{base:#x}");
            self.entries.iter().any(|(pool, _)| pool.starts_with(&name))
        };
        let mut bases: Vec<Address> = self.entries.iter().filter_map(|(_, entry)| entry.base()).collect();
        bases.sort_unstable();
        bases.dedup();
        bases.into_iter().filter(|base| !is_known(base)).map(PoolTarget::of).collect()
    }

    pub(super) fn entries(&self) -> Vec<(String, Entry)> {
        self.entries.clone()
    }

    pub(super) fn remove(self) -> Result<(), Failure> {
        fs::remove_file(self.path()).with_context(|| format!("cannot remove {}", self.path().display()))?;
        Ok(())
    }
}
