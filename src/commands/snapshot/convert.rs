//! `alphapulse snapshot convert`: other people's files of pools as `alphapulse.snapshot/1`.

mod cow_auction;
mod document;
mod number;
mod tycho;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use alphapulse_protocol::message::{TICK_MAX, TICK_MIN};
use alphapulse_strategies::snapshot::{Snapshot, UNPACKED_BYTES_MAX};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use flate2::read::MultiGzDecoder;

use super::put::Destination;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  alphapulse snapshot convert --from cow-auction auction.json.gz --out market.json.gz
  alphapulse snapshot convert --from cow-auction auction.json --balancer-powers log_exp --out -
  zstd -dc recording.json.zst | alphapulse snapshot convert --from tycho - --out market.json
  zstd -dc recording.json.zst | alphapulse snapshot convert --from tycho - --block 24721175 --out market.json

The file may be plain or gzip-compressed; of other packings give the unpacked bytes on stdin. What the file does not say and
was decided here stands in the output as `assumptions`, and every pool that was left out as `left_out`, with the reason; both
are told on stderr as well. A pool that is written but will not be quoted, because its numbers contradict each other, is named there.";

/// First bytes of every gzip file (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// First bytes of every Zstandard frame (RFC 8878, 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConvertArguments {
    /// Who wrote the file
    #[arg(long, value_name = "FORMAT")]
    from: Source,

    /// File to convert; - reads stdin
    #[arg(value_name = "FILE|-")]
    file: PathBuf,

    /// Where the snapshot goes, gzip-compressed when the name ends in .gz; a file that is there is replaced; - writes to stdout
    #[arg(long, value_name = "FILE|-")]
    out: PathBuf,

    /// Block of the pools: of an auction, which does not say it, 0 unless given; of a recorded stream that of its first update
    #[arg(long, value_name = "NUMBER")]
    block: Option<u64>,

    /// How weighted pools raise to powers, where the file does not say it (cow-auction)
    #[arg(long, value_name = "VARIANT", default_value = "special_cases")]
    balancer_powers: Powers,

    /// How stable pools round their invariant, where the file does not say it (cow-auction)
    #[arg(long, value_name = "VARIANT", default_value = "down")]
    balancer_invariant: Invariant,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Source {
    /// An auction as CoW Protocol gives it to solvers
    CowAuction,
    /// A recorded stream of Tycho: the market of its first update, or at --block
    Tycho,
}

/// `pow_variant` of the format.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Powers {
    /// Every power by logarithm: pools of the first factories
    LogExp,
    /// Powers of 1, 2 and 4 by products: pools since
    SpecialCases,
}

impl Powers {
    const fn name(self) -> &'static str {
        match self {
            Self::LogExp => "log_exp",
            Self::SpecialCases => "special_cases",
        }
    }
}

/// `invariant` of the format.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Invariant {
    /// As the first stable and meta-stable pools
    Directed,
    /// As composable pools
    Down,
}

impl Invariant {
    const fn name(self) -> &'static str {
        match self {
            Self::Directed => "directed",
            Self::Down => "down",
        }
    }
}

pub(crate) fn run(arguments: &ConvertArguments) -> Outcome {
    let place = arguments.file.display();
    let out = (arguments.out != Path::new("-")).then(|| Destination::claim(&arguments.out)).transpose()?;
    let bytes = read(&arguments.file)?;
    let converted = match arguments.from {
        Source::CowAuction => cow_auction::convert(
            &bytes,
            arguments.block.unwrap_or_default(),
            arguments.balancer_powers,
            arguments.balancer_invariant,
        ),
        Source::Tycho => tycho::convert(&bytes, arguments.block),
    };
    let document = converted.with_context(|| format!("{place} is not converted")).map_err(|error| {
        Failure::from(error)
            .next("check --from and --block: the file must be whole, of the format that is named, and hold that block")
    })?;
    let written = document.to_bytes();
    let snapshot = Snapshot::from_bytes(&written).context("what was converted is no snapshot").map_err(|error| {
        Failure::from(error).next("correct the file there; a pool of these kinds is read whole or not at all")
    })?;
    document.report();
    for warning in snapshot.warnings() {
        tracing::warn!("written, but: {warning}");
    }
    let mut output = Output::new();
    if let Some(out) = out {
        out.put(&written)?;
        output.line(format!("wrote {}: {}", arguments.out.display(), document.summary()))?;
    } else {
        output.line(String::from_utf8_lossy(&written))?;
    }
    output.finish()?;
    Ok(Exit::Ok)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let place = path.display();
    let packed = if path == Path::new("-") { read_limited(io::stdin().lock()) } else { fs::read(path) };
    let packed = packed
        .with_context(|| format!("cannot read {place}"))
        .map_err(|error| Failure::from(error).next("give the file to convert, or - to read it from stdin"))?;
    unpack(packed, &place.to_string())
}

fn unpack(packed: Vec<u8>, place: &str) -> Result<Vec<u8>, Failure> {
    let refused = |reason: &str| Failure::new(Exit::Failure, anyhow::anyhow!("cannot read {place}: {reason}"));
    if packed.starts_with(&ZSTD_MAGIC) {
        return Err(refused("it is packed by zstd, which is not read here")
            .next("unpack it first: `zstd -dc FILE | alphapulse snapshot convert --from … - --out …`"));
    }
    let bytes = if packed.starts_with(&GZIP_MAGIC) {
        let unpacked = read_limited(MultiGzDecoder::new(packed.as_slice()));
        unpacked.with_context(|| format!("cannot read {place}: the gzip data is damaged or cut short")).map_err(
            |error| Failure::from(error).next("fetch the file again (`gzip -t` tells whether a copy is whole)"),
        )?
    } else {
        packed
    };
    if bytes.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(refused(&format!("it has more than {UNPACKED_BYTES_MAX} bytes"))
            .next("check that it is the file that was meant, and convert a smaller one"));
    }
    Ok(bytes)
}

/// One byte more than is allowed, to see that there is more.
fn read_limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
