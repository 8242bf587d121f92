//! `alphapulse quote`: a file or a stream of queries, one answer a line in the same order.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::PathBuf;

use alphapulse_strategies::snapshot::{Query, Snapshot};
use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::market_file;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;

/// Longest line that is read as a query. A query has some 250 bytes; the rest is room for fields we ignore.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const EXAMPLES: &str = r#"Examples:
  alphapulse quote --snapshot market.json.gz --queries queries.ndjson
  echo '{"pool":"0x…","token_in":"0x…","token_out":"0x…","amount_in":"1000"}' | alphapulse quote --snapshot market.json --queries -

A query is one JSON object a line, with "amount_in" or "amount_out" in raw token units; blank lines are skipped.
An answer is {"amount_out":"…"}, {"amount_in":"…"} or {"error":"insufficient_liquidity"}, in the order of the queries:
what the pool contract itself would compute, to the unit. An input that the pool cannot use up is answered with what
it takes: {"amount_out":"…","partial_fill":true,"amount_in":"…"}.
Exit code 2 when a line could not be read; its answer is {"error":"malformed_query","line":…,"detail":"…"}."#;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct QuoteArguments {
    /// Market snapshot (alphapulse.snapshot/1, plain or gzip)
    #[arg(long, value_name = "FILE")]
    snapshot: PathBuf,

    /// Queries, one JSON object a line; - reads stdin and answers as lines arrive
    #[arg(long, value_name = "FILE|-")]
    queries: PathBuf,

    /// Accepted for uniformity: answers are JSON lines always
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &QuoteArguments) -> Outcome {
    let snapshot = market_file::load(&arguments.snapshot)?;
    let place = arguments.queries.display().to_string();
    let answered = if place == "-" {
        answer_all(&snapshot, &place, BufReader::new(io::stdin().lock()))
    } else {
        let file = File::open(&arguments.queries)
            .with_context(|| format!("cannot read queries {place}"))
            .map_err(|error| Failure::from(error).next("give a file of queries, or - to read them from stdin"))?;
        answer_all(&snapshot, &place, BufReader::with_capacity(1 << 16, file))
    };
    let malformed = answered?;
    if malformed > 0 {
        tracing::warn!("{malformed} lines of {place} could not be read as queries");
        return Ok(Exit::Usage);
    }
    Ok(Exit::Ok)
}

/// Answers every line; returns how many were no queries.
fn answer_all<R: Read>(snapshot: &Snapshot, place: &str, mut queries: BufReader<R>) -> Result<u64, Failure> {
    let mut output = Output::new();
    let mut line = Vec::new();
    let mut malformed = 0;
    for number in 1_u64.. {
        // The next read may wait for someone who waits for our answer.
        if !queries.buffer().contains(&b'\n') {
            output.flush()?;
        }
        line.clear();
        let read = read_line(&mut queries, &mut line).with_context(|| format!("cannot read queries {place}"));
        let read =
            read.map_err(|error| Failure::from(error).next("give a file of queries, or - to read them from stdin"))?;
        if !read {
            break;
        }
        // Some editors begin a file with a mark of its encoding.
        let line = if number == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line) } else { &line };
        if line.trim_ascii().is_empty() {
            continue;
        }
        match query(line) {
            Ok(query) => output.line(snapshot.quote(&query))?,
            Err(detail) => {
                malformed += 1;
                output.line(json!({"error": "malformed_query", "line": number, "detail": detail}))?;
            }
        }
    }
    output.finish()?;
    Ok(malformed)
}

fn query(line: &[u8]) -> Result<Query, String> {
    if line.len() as u64 > LINE_BYTES_MAX {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    Query::from_line(line).map_err(|error| error.to_string())
}

/// Reads to the end of the line; of an overlong one only the beginning is kept. `false` at the end of the input.
fn read_line(queries: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    queries.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', line)?;
    if line.len() as u64 > LINE_BYTES_MAX && !line.ends_with(b"\n") {
        queries.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}
