//! What was read so far, kept beside the file that is being made.
//!
//! The first line says of which chain, block and pools it is; then there is a line for each pool, flushed before the next one. A
//! torn last line, as a kill leaves it, is cut.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use alloy::hex;
use alloy::primitives::{Address, B256, keccak256};
use alphapulse_protocol::message::{BlockContext, Message, SnapshotBegin, SnapshotEnd, Token, WireMessage};
use alphapulse_protocol::replica::{Replica, describe_pool};
use alphapulse_protocol::{ChainId, DecodeError, Epoch, PoolId, Sequence, TokenId, UnixNanos, frame};
use alphapulse_relay::source::PoolImage;
use alphapulse_relay::source::read::{PoolRead, PoolTarget};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::beside;
use crate::exit::Failure;

const FORMAT: &str = "alphapulse.snapshot-part/1";
/// What is described here stands in no stream.
const PLACE: (Sequence, UnixNanos) = (Sequence(0), UnixNanos(0));

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
}

/// What became of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its tokens, description and state as frames of a snapshot of it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    frames: Option<String>,
    /// Pool whose share is its last token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Address>,
    /// Why it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    pool: String,
    #[serde(flatten)]
    entry: Entry,
}

impl Entry {
    pub(super) const fn refused(reason: String) -> Self {
        Self { frames: None, base: None, refused: Some(reason) }
    }

    pub(super) fn read(read: &PoolRead) -> Self {
        Self { frames: Some(hex::encode(frames(&read.image))), base: read.base, refused: None }
    }

    pub(super) fn refusal(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// What was read; `None` of a pool that is left out.
    pub(super) fn image(&self) -> Result<Option<PoolRead>, Failure> {
        let Some(frames) = &self.frames else { return Ok(None) };
        let image = image(frames).context("the .part file holds what this build did not write")?;
        Ok(Some(PoolRead { image, base: self.base }))
    }
}

/// A pool as a snapshot of it alone.
fn frames(image: &PoolImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut count = 0;
    let tokens = u32::try_from(image.tokens.len()).unwrap_or(u32::MAX);
    let nothing = BlockContext {
        number: 0.into(),
        hash: [0; 32],
        parent_hash: [0; 32],
        timestamp: 0.into(),
        base_fee: 0.into(),
        gas_used: 0.into(),
        gas_limit: 0.into(),
    };
    frame::write(&mut bytes, &SnapshotBegin::new(nothing, ChainId(0), Epoch(0), tokens, 1).stamped(PLACE.0, PLACE.1));
    for (token, id) in image.tokens.iter().zip(0..) {
        let token = Token::new(TokenId(id), token.address, &token.symbol, token.decimals);
        frame::write(&mut bytes, &token.stamped(PLACE.0, PLACE.1));
        count += 1;
    }
    let described = describe_pool(PoolId(0), &image.info, &image.state, PLACE, |message: Message<'_>| {
        frame::write_bytes(&mut bytes, message.as_bytes());
        count += 1;
        Ok::<(), DecodeError>(())
    });
    described.expect("writing to memory does not fail");
    frame::write(&mut bytes, &SnapshotEnd::new(count).stamped(PLACE.0, PLACE.1));
    bytes
}

fn image(text: &str) -> anyhow::Result<PoolImage> {
    let mut decoder = frame::FrameDecoder::new();
    decoder.push(&hex::decode(text)?);
    let mut replica = Replica::default();
    while let Some(message) = decoder.next_message()? {
        replica.apply(&message)?;
    }
    let info = *replica.pools().first().context("no pool")?;
    let state = replica.state(PoolId(0)).context("no state")?.clone();
    Ok(PoolImage { tokens: replica.tokens().to_vec(), info, state })
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
    /// What there is; nothing where not even the first line is whole.
    pub(super) fn read(out: &Path) -> Result<Option<Self>, Failure> {
        let path = path_of(out);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let error = anyhow::Error::new(error).context(format!("cannot read {}", path.display()));
                return Err(error.into());
            }
        };
        Self::parse(BufReader::new(file))
            .with_context(|| format!("{} cannot be continued", path.display()))
            .map_err(|error| Failure::from(error).next(format!("remove {} to begin anew", path.display())))
    }

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
    path: PathBuf,
    file: File,
    entries: Vec<(String, Entry)>,
    places: HashMap<String, usize>,
}

impl Part {
    /// Goes on with what there is, or begins. What is of another chain, block or list of pools is refused.
    pub(super) fn open(out: &Path, header: &Header, earlier: Option<Earlier>) -> Result<Self, Failure> {
        let path = path_of(out);
        let place = path.display();
        let is_new = earlier.is_none();
        let (entries, bytes) = match earlier {
            Some(earlier) if earlier.header == *header => (earlier.entries, earlier.bytes),
            Some(_) => {
                return Err(Failure::usage(format!("{place} is of another chain, block or list of pools"))
                    .next(format!("remove {place} to begin anew, or run what it was begun with")));
            }
            None => (Vec::new(), 0),
        };
        let open = || -> io::Result<File> {
            let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
            // A line that was torn is written again.
            file.set_len(bytes)?;
            if is_new {
                serde_json::to_writer(&mut file, header)?;
                file.write_all(b"\n")?;
            }
            Ok(file)
        };
        let file = open().with_context(|| format!("cannot write {place}"))?;
        let places = entries.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        Ok(Self { path, file, entries, places })
    }

    pub(super) fn append(&mut self, pool: &str, entry: Entry) -> Result<(), Failure> {
        let line = Line { pool: pool.to_owned(), entry };
        let mut text = serde_json::to_string(&line).expect("text serialises");
        text.push('\n');
        self.file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))?;
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
        let mut bases: Vec<Address> = self.entries.iter().filter_map(|(_, entry)| entry.base).collect();
        bases.sort_unstable();
        bases.dedup();
        bases.into_iter().filter(|base| !is_known(base)).map(PoolTarget::of).collect()
    }

    pub(super) fn entries(&self) -> Vec<(String, Entry)> {
        self.entries.clone()
    }

    pub(super) fn remove(self) -> Result<(), Failure> {
        fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))?;
        Ok(())
    }
}
