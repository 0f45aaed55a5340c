//! The text of `/metrics`: Prometheus exposition format 0.0.4.

use std::fmt::Write;

use super::process::Usage;
use crate::shard::counters::Counter;
use crate::shard::port::{Facts, State};

/// The content type of the format.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that is known, one line a sample. Shards that did not answer have no samples but `tine_shard_up`.
pub(super) fn text(node: &str, states: &[Option<State>], usage: Usage) -> String {
    let mut text = String::with_capacity(16_384);
    build_info(&mut text, node);
    process(&mut text, usage);
    head(&mut text, "tine_shard_up", "gauge", "1 when the shard answers.");
    for (shard, state) in states.iter().enumerate() {
        sample(&mut text, "tine_shard_up", "", shard, u64::from(state.is_some()));
    }
    counters(&mut text, states);
    gauges(&mut text, states);
    text
}

/// One gauge of the facts; neighbours of the same metric share its head.
struct Gauge {
    metric: &'static str,
    labels: &'static str,
    help: &'static str,
    value: fn(&Facts) -> u64,
}

const TRANSACTIONS: &str =
    "Transactions in the tables; those that linger have ended and answer retransmissions.";

#[rustfmt::skip]
const GAUGES: &[Gauge] = &[
    Gauge { metric: "tine_draining", labels: "", help: "1 once the node refuses new calls and registrations.", value: |f| u64::from(f.is_draining) },
    Gauge { metric: "tine_aors", labels: "", help: "Addresses-of-record with at least one binding.", value: |f| f.aors },
    Gauge { metric: "tine_bindings", labels: "", help: "Bindings of all addresses-of-record.", value: |f| f.bindings },
    Gauge { metric: "tine_response_contexts", labels: "", help: "Forwarded requests that wait for their final answers.", value: |f| f.contexts },
    Gauge { metric: "tine_transactions", labels: "kind=\"invite_server\"", help: TRANSACTIONS, value: |f| f.invite_servers },
    Gauge { metric: "tine_transactions", labels: "kind=\"invite_client\"", help: TRANSACTIONS, value: |f| f.invite_clients },
    Gauge { metric: "tine_transactions", labels: "kind=\"non_invite_server\"", help: TRANSACTIONS, value: |f| f.non_invite_servers },
    Gauge { metric: "tine_transactions", labels: "kind=\"non_invite_client\"", help: TRANSACTIONS, value: |f| f.non_invite_clients },
    Gauge { metric: "tine_transactions", labels: "kind=\"lingering\"", help: TRANSACTIONS, value: |f| f.lingering },
    Gauge { metric: "tine_connections", labels: "", help: "Open stream connections.", value: |f| f.connections },
];

fn build_info(text: &mut String, node: &str) {
    head(text, "tine_build_info", "gauge", "Always 1; the labels say what runs here.");
    let node = node.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let version = env!("CARGO_PKG_VERSION");
    writeln!(text, "tine_build_info{{version=\"{version}\",node=\"{node}\"}} 1")
        .expect("a String takes everything");
}

fn process(text: &mut String, usage: Usage) {
    if let Some(ns) = usage.cpu_ns {
        head(text, "process_cpu_seconds_total", "counter", "CPU time of all threads.");
        let (seconds, rest) = (ns / 1_000_000_000, ns % 1_000_000_000);
        writeln!(text, "process_cpu_seconds_total {seconds}.{rest:09}").expect("a String takes everything");
    }
    if let Some(bytes) = usage.resident_bytes {
        head(text, "process_resident_memory_bytes", "gauge", "Resident memory.");
        writeln!(text, "process_resident_memory_bytes {bytes}").expect("a String takes everything");
    }
}

/// All samples of a metric stand together, as the format demands, whatever the order of the counters.
fn counters(text: &mut String, states: &[Option<State>]) {
    for (index, &first) in Counter::ALL.iter().enumerate() {
        let metric = first.metric();
        if Counter::ALL[..index].iter().any(|earlier| earlier.metric() == metric) {
            continue;
        }
        let name = format!("tine_{metric}");
        head(text, &name, "counter", first.help());
        for &counter in Counter::ALL.iter().filter(|counter| counter.metric() == metric) {
            for (shard, state) in answered(states) {
                sample(text, &name, counter.labels(), shard, state.counters.value(counter));
            }
        }
    }
}

fn gauges(text: &mut String, states: &[Option<State>]) {
    let mut last = "";
    for gauge in GAUGES {
        if gauge.metric != last {
            head(text, gauge.metric, "gauge", gauge.help);
            last = gauge.metric;
        }
        for (shard, state) in answered(states) {
            sample(text, gauge.metric, gauge.labels, shard, (gauge.value)(&state.facts));
        }
    }
}

fn answered(states: &[Option<State>]) -> impl Iterator<Item = (usize, &State)> {
    states.iter().enumerate().filter_map(|(shard, state)| Some((shard, state.as_ref()?)))
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String takes everything");
}

fn sample(text: &mut String, name: &str, labels: &str, shard: usize, value: u64) {
    let comma = if labels.is_empty() { "" } else { "," };
    writeln!(text, "{name}{{{labels}{comma}shard=\"{shard}\"}} {value}").expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name of the metric of each sample line, in order.
    fn sample_names(text: &str) -> Vec<&str> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
            .collect()
    }

    fn state() -> State {
        let mut state = State::default();
        state.counters.add(Counter::ResponsesReceived);
        state.facts = Facts { bindings: 7, lingering: 9, ..Facts::default() };
        state
    }

    #[test]
    fn samples_carry_their_shard() {
        let usage = Usage { cpu_ns: Some(1_002_000_000), resident_bytes: Some(4_096) };
        let text = text("a\"b", &[Some(State::default()), Some(state()), None], usage);
        for line in [
            "tine_messages_received_total{kind=\"response\",shard=\"0\"} 0",
            "tine_messages_received_total{kind=\"response\",shard=\"1\"} 1",
            "tine_bindings{shard=\"1\"} 7",
            "tine_transactions{kind=\"lingering\",shard=\"1\"} 9",
            "tine_shard_up{shard=\"1\"} 1",
            "tine_shard_up{shard=\"2\"} 0",
            "process_cpu_seconds_total 1.002000000",
            "process_resident_memory_bytes 4096",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.contains("node=\"a\\\"b\""), "{text}");
        assert!(!text.contains("tine_bindings{shard=\"2\"}"), "{text}");
    }

    #[test]
    fn a_metric_has_one_head_and_its_samples_together() {
        let text =
            text("tine", &[Some(state()), Some(state())], Usage { cpu_ns: None, resident_bytes: None });
        let mut names = sample_names(&text);
        let samples = names.len();
        assert!(samples > Counter::ALL.len());
        names.dedup();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{names:?}");
        let heads = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(heads, names.len());
    }
}
