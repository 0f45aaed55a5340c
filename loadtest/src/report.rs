//! What a run came to: the JSON summary of the contract, and a table for the eye.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::cli::{Plan, Workload};
use crate::clock::rfc3339;
use crate::run::Outcome;
use crate::tally::{Cause, Specimen, Step};

/// The summary. Durations are microseconds unless the name says otherwise; what does not apply is left out.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Summary {
    pub workload: &'static str,
    pub target: String,
    pub transport: &'static str,
    pub started: String,
    pub duration_s: f64,
    pub rate_asked: f64,
    pub rate_reached: f64,
    pub attempted: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub failures: BTreeMap<String, u64>,
    pub retransmissions: Retransmissions,
    pub latency: BTreeMap<&'static str, Latency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forks: Option<Forks>,
    pub generator: Generator,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    #[serde(skip)]
    remarks: Vec<String>,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Retransmissions {
    pub sent: u64,
    pub received: u64,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Latency {
    pub count: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    pub mean: f64,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Forks {
    pub devices: u8,
    pub rang: u64,
    pub won: Vec<u64>,
    pub cancelled: u64,
    pub acked_487: u64,
    pub to_tags_seen_max: u32,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Generator {
    pub late_p50: u64,
    pub late_p99: u64,
    pub late_max: u64,
    pub cpu_per_op_us: f64,
    pub limited: bool,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Process {
    pub pid: u32,
    pub cpu_per_op_us: f64,
    pub rss_bytes_before: u64,
    pub rss_bytes_after: u64,
}

/// Below this share of the asked rate the generator was the limit.
const RATE_REACHED_MIN: f64 = 0.99;
/// A generator that starts later than this, in more than one of a hundred operations, measures itself.
const LATE_P99_MAX_MICROS: u64 = 10_000;

impl Summary {
    pub fn new(plan: &Plan, outcome: &Outcome) -> Summary {
        let tally = &outcome.tally;
        let duration_s = outcome.measured.as_micros() as f64 / 1e6;
        let per_second = |count: u64| if duration_s > 0.0 { count as f64 / duration_s } else { 0.0 };
        let cpu_per_op_us = |cpu_ns: u64| {
            if tally.attempted > 0 { cpu_ns as f64 / 1e3 / tally.attempted as f64 } else { 0.0 }
        };
        let mut summary = Summary {
            workload: plan.workload.name(),
            target: plan.target_text.clone(),
            transport: "udp",
            started: rfc3339(outcome.started),
            duration_s,
            rate_asked: plan.rate,
            rate_reached: per_second(tally.attempted),
            attempted: tally.attempted,
            succeeded: tally.succeeded,
            failed: tally.failed(),
            failures: tally.failures.iter().map(|(cause, &count)| (cause.to_string(), count)).collect(),
            retransmissions: Retransmissions {
                sent: tally.retransmissions_sent,
                received: tally.retransmissions_received,
            },
            latency: BTreeMap::new(),
            forks: None,
            generator: Generator {
                late_p50: tally.late.value_at_quantile(0.5),
                late_p99: tally.late.value_at_quantile(0.99),
                late_max: tally.late.max(),
                cpu_per_op_us: cpu_per_op_us(outcome.own_cpu_ns),
                limited: false,
            },
            process: None,
            remarks: Vec::new(),
        };
        for step in Step::ALL {
            let histogram = tally.latency(step);
            if !histogram.is_empty() {
                summary.latency.insert(step.name(), Latency::new(histogram));
            }
        }
        if let Workload::Fork(fork) = plan.workload {
            summary.forks = Some(Forks {
                devices: fork.devices,
                rang: tally.forks.rang,
                won: tally.forks.won.clone(),
                cancelled: tally.forks.cancelled,
                acked_487: tally.forks.acked_487,
                to_tags_seen_max: tally.forks.to_tags_max,
            });
        }
        if let (Some(pid), Some((before, after))) = (plan.pid, outcome.usage) {
            summary.process = Some(Process {
                pid,
                cpu_per_op_us: cpu_per_op_us(after.cpu_ns.saturating_sub(before.cpu_ns)),
                rss_bytes_before: before.resident_bytes,
                rss_bytes_after: after.resident_bytes,
            });
        }
        summary.judge_generator(outcome);
        summary.add_remarks(outcome);
        summary
    }

    /// Whether the generator, and not the system under test, was the limit.
    fn judge_generator(&mut self, outcome: &Outcome) {
        let mut reasons = Vec::new();
        if self.duration_s > 0.0 && self.rate_reached < RATE_REACHED_MIN * self.rate_asked {
            reasons.push(format!("{:.1}/s of {:.1}/s started", self.rate_reached, self.rate_asked));
        }
        if self.generator.late_p99 > LATE_P99_MAX_MICROS {
            reasons.push(format!("p99 of its own lateness is {}", millis(self.generator.late_p99)));
        }
        if outcome.drops > 0 {
            reasons.push(format!("{} datagrams were dropped at its sockets", outcome.drops));
        }
        if outcome.tally.failures.contains_key(&Cause::InFlightMax) {
            reasons.push("too many operations in flight".into());
        }
        self.generator.limited = !reasons.is_empty();
        if self.generator.limited {
            self.remarks.push(format!("the generator was the limit: {}", reasons.join(", ")));
        }
    }

    fn add_remarks(&mut self, outcome: &Outcome) {
        let tally = &outcome.tally;
        for (count, what) in [
            (u64::from(outcome.unregistered), "devices could not be registered"),
            (tally.unreachable, "datagrams could not be delivered"),
            (tally.malformed, "datagrams that are no SIP message came in"),
        ] {
            if count > 0 {
                self.remarks.push(format!("{count} {what}"));
            }
        }
        if tally.strays > 0 {
            let first = &tally.first_stray;
            self.remarks
                .push(format!("{} messages belong to nothing in flight, the first: {first}", tally.strays));
        }
    }

    /// True when the bound held: nothing failed.
    pub const fn has_held(&self) -> bool {
        self.failed == 0
    }
}

impl Latency {
    fn new(histogram: &Histogram<u64>) -> Self {
        Latency {
            count: histogram.len(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
            mean: (histogram.mean() * 10.0).round() / 10.0,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} to {} over {}, {:.1} s",
            self.workload, self.target, self.transport, self.duration_s
        )?;
        writeln!(f, "  attempted {}  succeeded {}  failed {}", self.attempted, self.succeeded, self.failed)?;
        writeln!(f, "  rate      {:.1}/s of {:.1}/s asked", self.rate_reached, self.rate_asked)?;
        for (cause, count) in &self.failures {
            writeln!(f, "  failed    {count} by {cause}")?;
        }
        let Retransmissions { sent, received } = self.retransmissions;
        writeln!(f, "  repeated  {sent} sent, {received} received")?;
        if let Some(forks) = &self.forks {
            writeln!(
                f,
                "  forks     {} devices: {} rang, won {:?}, {} cancelled, {} acknowledged their 487, To tags at most {}",
                forks.devices,
                forks.rang,
                forks.won,
                forks.cancelled,
                forks.acked_487,
                forks.to_tags_seen_max
            )?;
        }
        if !self.latency.is_empty() {
            let heads = ["count", "p50", "p90", "p99", "p99.9", "max", "mean"];
            let head = heads.iter().fold(format!("  {:<17}", "latency in ms"), |mut line, head| {
                write!(line, "{head:>10}").expect("a string takes all");
                line
            });
            writeln!(f, "{head}")?;
        }
        for (step, latency) in &self.latency {
            let Latency { count, p50, p90, p99, p999, max, mean } = latency;
            write!(f, "    {step:<15}{count:>10}")?;
            for micros in [p50, p90, p99, p999, max] {
                write!(f, "{:>10.3}", *micros as f64 / 1e3)?;
            }
            writeln!(f, "{:>10.3}", mean / 1e3)?;
        }
        let own = &self.generator;
        writeln!(
            f,
            "  generator late p50 {} p99 {} max {}, {:.1} µs of CPU an operation",
            millis(own.late_p50),
            millis(own.late_p99),
            millis(own.late_max),
            own.cpu_per_op_us
        )?;
        if let Some(process) = &self.process {
            writeln!(
                f,
                "  process   {}: {:.1} µs of CPU an operation, {:.1} MiB resident before, {:.1} after",
                process.pid,
                process.cpu_per_op_us,
                process.rss_bytes_before as f64 / 1_048_576.0,
                process.rss_bytes_after as f64 / 1_048_576.0
            )?;
        }
        self.remarks.iter().try_for_each(|remark| writeln!(f, "  remark    {remark}"))
    }
}

impl fmt::Display for Specimen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "failed by {} after {} ms: {}", self.cause, self.after.as_millis(), self.what)?;
        self.message.lines().try_for_each(|line| writeln!(f, "  | {line}"))
    }
}

fn millis(micros: u64) -> String {
    format!("{:.3} ms", micros as f64 / 1e3)
}
