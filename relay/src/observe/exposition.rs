//! The status in the text format 0.0.4 of Prometheus.
//!
//! Written by hand: a registry wants to own the metrics, and ours are counted by those who have other things to do.

use core::fmt::{Display, Write as _};

use super::histogram::Reading;
use super::status::RelayStatus;
use crate::metrics::RelayStats;
use crate::source::race::SourceState;

/// Every name begins so.
const PREFIX: &str = "alphapulse_relay_";
/// Those counters that may fall.
const GAUGES: [&str; 5] =
    ["head_number", "reorg_depth_max_seen", "pools_discovered_now", "pools_quarantined_now", "subscribers"];
/// Histograms end at these powers of two of nanoseconds, from 1 us to 17 s: all that lies between an embedded lane and a
/// node that hangs.
const POWERS: core::ops::RangeInclusive<u32> = 10..=34;

/// Writes what is shown at `/metrics`.
pub(super) fn render(status: &RelayStatus, stages: &[(&'static str, Reading)]) -> String {
    let mut page = Page::default();
    page.counters(&status.stats);
    page.stream(status);
    page.sources(status);
    page.side_sources(status);
    page.journal(status);
    page.subscribers(status);
    page.stages(stages);
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n"));
    }

    /// A sample; `labels` are whole, braces included, or nothing.
    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        self.put(format_args!("{PREFIX}{name}{labels} {value}\n"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn put(&mut self, text: core::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes every write");
    }

    fn counters(&mut self, stats: &RelayStats) {
        for (name, help, value) in stats.each() {
            let help = help.trim();
            if GAUGES.contains(&name) {
                self.gauge(name, help, value);
            } else {
                let name = format!("{name}_total");
                self.family(&name, "counter", help);
                self.sample(&name, "", value);
            }
        }
    }

    fn stream(&mut self, status: &RelayStatus) {
        self.family("info", "gauge", "Version of the program and chain; always 1.");
        let labels = labels(&[("version", &status.version), ("chain_id", &status.chain_id.to_string())]);
        self.sample("info", &labels, 1);
        self.gauge("uptime_seconds", "Time since the start.", seconds_of_millis(status.uptime_ms));
        // A double holds whole nanoseconds only up to a quarter of a year.
        let epoch = seconds_of_nanos(status.epoch);
        self.gauge(
            "epoch_start_timestamp_seconds",
            "When the stream began: it is another one when this changes.",
            epoch,
        );
        self.gauge("sequence", "Number of the stream's last message.", status.sequence);
        self.gauge(
            "healthy",
            "Whether the state is whole, a node connected, and no caution told.",
            u8::from(status.problem.is_none()),
        );
        self.gauge("whole", "Whether the state is that of a whole block.", u8::from(status.is_whole));
        let is_careful = u8::from(status.caution.is_some());
        self.gauge("caution", "Whether subscribers are told not to trade.", is_careful);
        let is_said = u8::from(status.operator_caution.is_some());
        self.gauge("caution_by_operator", "Whether an operator's caution is set.", is_said);
        self.gauge(
            "truth_sample_pools",
            "Pools held against the chain in each block; while it is 0 nothing is compared, and every truth counter stays 0.",
            status.truth.sample_pools,
        );
        self.family(
            "head_age_seconds",
            "gauge",
            "Time since the newest block came; absent while the state is not whole.",
        );
        if let Some(head) = &status.head {
            self.sample("head_age_seconds", "", seconds_of_millis(head.age_ms));
        }
    }

    fn sources(&mut self, status: &RelayStatus) {
        self.family("source_connected", "gauge", "Whether the node is connected and answered since.");
        for source in &status.sources {
            let labels = labels(&[("source", &source.name)]);
            self.sample("source_connected", &labels, u8::from(source.is_connected));
        }
        self.family("source_reconnects_total", "counter", "Connections to the node made after the first.");
        for source in &status.sources {
            self.sample("source_reconnects_total", &labels(&[("source", &source.name)]), source.reconnects);
        }
    }

    fn side_sources(&mut self, status: &RelayStatus) {
        let sources: Vec<_> = status.side_sources.iter().map(|one| (labels(&[("source", &one.name)]), one)).collect();
        self.family("side_source_ready", "gauge", "Whether the source of side messages is connected.");
        for (labels, one) in &sources {
            self.sample("side_source_ready", labels, u8::from(one.state == SourceState::Ready));
        }
        let counters = [
            ("side_source_published_total", "Side messages that the source handed in."),
            ("side_source_dropped_total", "Side messages of the source for which the relay had no room."),
            ("side_source_refused_total", "What came to the source and could not be relayed."),
            ("side_source_stale_total", "What came to the source and was older than what had come before."),
            ("side_source_missed_total", "What the source is known to have missed because it came too fast."),
            ("side_source_renumbered_total", "Times that the source's numbers began anew and were taken so."),
            ("side_source_reconnects_total", "Connections of the source made after the first."),
        ];
        for (place, (name, help)) in counters.into_iter().enumerate() {
            self.family(name, "counter", help);
            for (labels, one) in &sources {
                let values =
                    [one.published, one.dropped, one.refused, one.stale, one.missed, one.renumbered, one.reconnects];
                self.sample(name, labels, values[place]);
            }
        }
    }

    fn journal(&mut self, status: &RelayStatus) {
        let Some(journal) = &status.journal else { return };
        self.gauge("journal_segment", "Number of the journal's segment that is written.", journal.segment);
        self.gauge("journal_segment_bytes", "Bytes of that segment.", journal.segment_bytes);
        let age = seconds_of_millis(journal.synced_ms_ago);
        self.gauge("journal_sync_age_seconds", "Time since the journal was last put on disk.", age);
    }

    fn subscribers(&mut self, status: &RelayStatus) {
        let subscribers: Vec<_> = status
            .subscribers
            .iter()
            .map(|one| (labels(&[("subscriber", &one.id.to_string()), ("peer", &one.peer)]), one))
            .collect();
        self.family(
            "subscriber_lag_messages",
            "gauge",
            "Messages of the stream that the subscriber has not taken; absent before its snapshot.",
        );
        for (labels, one) in &subscribers {
            if let Some(lag) = one.lag_messages {
                self.sample("subscriber_lag_messages", labels, lag);
            }
        }
        self.family("subscriber_waiting_bytes", "gauge", "Bytes that wait for the subscriber.");
        for (labels, one) in &subscribers {
            self.sample("subscriber_waiting_bytes", labels, one.waiting_bytes);
        }
        let counters = [
            ("subscriber_sent_bytes_total", "Bytes given to the subscriber."),
            ("subscriber_sent_messages_total", "Messages of the stream given to the subscriber."),
            ("subscriber_skipped_messages_total", "Messages that the subscriber did not ask for."),
            ("subscriber_lapped_total", "Times the subscriber's lane was full and it missed messages."),
            ("subscriber_gaps_total", "Gaps that the subscriber was told of."),
            ("subscriber_side_dropped_total", "Side messages dropped because the subscriber read too slowly."),
        ];
        for (place, (name, help)) in counters.into_iter().enumerate() {
            self.family(name, "counter", help);
            for (labels, one) in &subscribers {
                let values =
                    [one.sent_bytes, one.sent_messages, one.skipped_messages, one.lapped, one.gaps, one.side_dropped];
                self.sample(name, labels, values[place]);
            }
        }
    }

    fn stages(&mut self, stages: &[(&'static str, Reading)]) {
        self.family("stage_seconds", "histogram", "Latency by stage of an event's way through the relay.");
        for (stage, read) in stages {
            for power in POWERS {
                let limit = 1 << power;
                let labels = labels(&[("stage", stage), ("le", &seconds_of_nanos(limit))]);
                self.sample("stage_seconds_bucket", &labels, read.at_most(limit));
            }
            self.sample("stage_seconds_bucket", &labels(&[("stage", stage), ("le", "+Inf")]), read.count);
            let labels = labels(&[("stage", stage)]);
            self.sample("stage_seconds_sum", &labels, seconds_of_nanos(read.sum_ns));
            self.sample("stage_seconds_count", &labels, read.count);
        }
    }
}

/// Labels in braces. A peer names itself: what it says may not end its own label.
fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

fn seconds_of_nanos(nanos: u64) -> String {
    format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000)
}

fn seconds_of_millis(millis: u64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_end_its_label() {
        assert_eq!(labels(&[("peer", "a\"} 1\nb\\")]), r#"{peer="a\"} 1\nb\\"}"#);
    }

    #[test]
    fn times_are_in_seconds() {
        assert_eq!(seconds_of_nanos(17_179_869_184), "17.179869184");
        assert_eq!(seconds_of_nanos(1_024), "0.000001024");
        assert_eq!(seconds_of_millis(61_002), "61.002");
    }
}
