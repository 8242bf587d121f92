//! `alphapulse relay status`: how a running relay is doing, asked of its page.

mod truth;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use alphapulse_relay::RelayStatus;
use anyhow::{Context as _, bail};
use clap::Args;

use super::foreign;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::screen;
use crate::settings::ConfigArguments;

const EXAMPLES: &str = "\
Examples:
  alphapulse relay status --config node.toml
  alphapulse relay status --http 127.0.0.1:7101 --json

The relay answers where `[relay] listen_http = …` says. A relay that has a problem answers as well: `problem` names it.";

/// Time to connect, and for each piece of the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Far above the answer of a relay with its most subscribers.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArguments {
    #[command(flatten)]
    settings: ConfigArguments,

    /// Address of the relay's page, in place of the configuration's `relay.listen_http`
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["config", "profile"])]
    http: Option<SocketAddr>,

    /// Print the relay's answer as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &StatusArguments) -> Outcome {
    let address = address(arguments)?;
    let answer = ask(address).map_err(|error| {
        let next = "check that the relay runs and that its `relay.listen_http` is this address";
        Failure::new(Exit::Failure, error).next(next)
    })?;
    let mut output = Output::new();
    let status = serde_json::from_str::<RelayStatus>(&answer).map_err(|error| {
        let error = anyhow::Error::new(error).context(format!("{address} does not answer as a relay of this version"));
        Failure::new(Exit::Failure, error).next("ask with the program that runs the relay")
    })?;
    if arguments.json {
        output.line(answer.trim_end())?
    } else {
        show(&status, &mut output)?
    }
    output.finish()?;
    Ok(Exit::Ok)
}

fn address(arguments: &StatusArguments) -> Result<SocketAddr, Failure> {
    if let Some(address) = arguments.http {
        return Ok(address);
    }
    let config = arguments.settings.load()?;
    config.relay.listen_http.ok_or_else(|| {
        let error = anyhow::anyhow!("{} gives the relay no page", arguments.settings.config.display());
        Failure::new(Exit::Config, error).next("set `relay.listen_http` and restart the relay, or name it with --http")
    })
}

/// Asks for `/status`. One request and one bounded answer need no library.
fn ask(address: SocketAddr) -> anyhow::Result<String> {
    let unreachable = || format!("no relay answers at {address}");
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE).with_context(unreachable)?;
    socket.set_read_timeout(Some(PATIENCE)).and_then(|()| socket.set_write_timeout(Some(PATIENCE)))?;
    let request = format!("GET /status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).with_context(unreachable)?;
    let mut answer = Vec::new();
    socket.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).with_context(unreachable)?;
    let answer = String::from_utf8(answer).with_context(|| format!("{address} does not answer in text"))?;
    let Some((head, body)) = answer.split_once("\r\n\r\n").filter(|(head, _)| head.starts_with("HTTP/1.")) else {
        bail!("{address} does not answer in HTTP");
    };
    match head.split_whitespace().nth(1) {
        Some("200") => Ok(body.to_owned()),
        code => bail!("{address} refuses with {}: {}", screen::plain(code.unwrap_or("?")), foreign(body)),
    }
}

fn show(status: &RelayStatus, output: &mut Output) -> Result<(), Failure> {
    let up = millis(status.uptime_ms);
    output.line(format_args!("relay {} on chain {}, up {up}", foreign(&status.version), status.chain_id))?;
    output.line(format_args!("problem   {}", status.problem.as_deref().map_or("none".to_owned(), foreign)))?;
    let told_as = status.caution.as_deref().map_or("none".to_owned(), foreign);
    match &status.operator_caution {
        Some(said) => {
            let at = said.at.as_deref().map_or_else(String::new, |at| format!(" at {}", foreign(at)));
            let by = foreign(&said.by);
            output.line(format_args!("caution   an operator's: {by}{at}; subscribers are told {told_as}"))?;
        }
        None => output.line(format_args!("caution   {told_as}"))?,
    }
    if let Some(head) = &status.head {
        let age = millis(head.age_ms);
        output.line(format_args!("head      {} {}, {age} ago", head.number, foreign(&head.hash)))?;
    }
    output.line(format_args!("stream    epoch {}, sequence {}", status.epoch, status.sequence))?;
    for source in &status.sources {
        let is_connected = if source.is_connected { "connected" } else { "NOT CONNECTED" };
        let name = foreign(&source.name);
        output.line(format_args!("source    {name}, {is_connected}, {} reconnects", source.reconnects))?;
    }
    beside(status, output)?;
    if let Some(journal) = &status.journal {
        let (segment, bytes, synced) = (journal.segment, journal.segment_bytes, millis(journal.synced_ms_ago));
        output.line(format_args!(
            "journal   segment {segment}, {bytes} bytes, all written, last synced to disk {synced} ago"
        ))?;
    }
    let stats = &status.stats;
    output.line(format_args!(
        "counted   {} blocks, {} reorgs, {} messages, {} new snapshots, {} lapped, {} gaps repaired, {} refused",
        stats.blocks,
        stats.reorgs,
        stats.messages,
        stats.resnapshots,
        stats.lapped,
        stats.gaps_replayed + stats.gaps_snapshot,
        stats.refused,
    ))?;
    let refused = stats.pools_unwanted + stats.pools_over_max + stats.pools_unreadable;
    if stats.pools_discovered + refused > 0 {
        let (now, found, gone) = (stats.pools_discovered_now, stats.pools_discovered, stats.pools_forgotten);
        let text = format_args!("new pools {now} followed, {found} found, {gone} taken back, {refused} refused");
        output.line(text)?;
    }
    truth::show(status, output)?;
    stages(status, output)?;
    subscribers(status, output)
}

/// What stands beside the stream, and why something of it does not.
fn beside(status: &RelayStatus, output: &mut Output) -> Result<(), Failure> {
    for source in &status.side_sources {
        let name = foreign(&source.name);
        let state = format!("{:?}", source.state).to_lowercase();
        output.line(format_args!(
            "beside    {name}, {state}, {} published, {} dropped, {} refused, {} stale, {} missed, {} reconnects",
            source.published, source.dropped, source.refused, source.stale, source.missed, source.reconnects
        ))?;
        if source.renumbered > 0 {
            let (count, times) = (source.renumbered, if source.renumbered == 1 { "time" } else { "times" });
            output.line(format_args!("          its numbers began anew {count} {times}"))?;
        }
        for (what, why) in [("last lost", &source.last_error), ("last refused", &source.last_refusal)] {
            if let Some(why) = why {
                output.line(format_args!("          {what}: {}", foreign(why)))?;
            }
        }
    }
    Ok(())
}

fn stages(status: &RelayStatus, output: &mut Output) -> Result<(), Failure> {
    output.line(format_args!(
        "\n{:<18} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "stage", "count", "p50", "p90", "p99", "p99.9", "max"
    ))?;
    for stage in &status.stages {
        let [p50, p90, p99, p999, max] =
            [stage.p50_ns, stage.p90_ns, stage.p99_ns, stage.p999_ns, stage.max_ns].map(screen::nanos);
        let name = foreign(&stage.name);
        output.line(format_args!("{name:<18} {:>10} {p50:>9} {p90:>9} {p99:>9} {p999:>9} {max:>9}", stage.count))?;
    }
    Ok(())
}

fn subscribers(status: &RelayStatus, output: &mut Output) -> Result<(), Failure> {
    output.line(format_args!(
        "\n{:<6} {:>10} {:>12} {:>12} {:>7} {:>6}  peer",
        "reader", "lag", "waiting B", "sent B", "lapped", "gaps"
    ))?;
    for one in &status.subscribers {
        let lag = one.lag_messages.map_or_else(|| "-".to_owned(), |lag| lag.to_string());
        output.line(format_args!(
            "{:<6} {lag:>10} {:>12} {:>12} {:>7} {:>6}  {}",
            one.id,
            one.waiting_bytes,
            one.sent_bytes,
            one.lapped,
            one.gaps,
            foreign(&one.peer)
        ))?;
    }
    Ok(())
}

fn millis(millis: u64) -> String {
    screen::nanos(millis.saturating_mul(1_000_000))
}
