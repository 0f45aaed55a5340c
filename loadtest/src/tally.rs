//! What came out: operations, failures by cause, latencies by step. Only measured operations count.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use tine::sip::message::Message;
use tine::time::{Duration, Instant};

/// Why an operation failed. Each has one cause, the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Cause {
    /// No final answer, or still in flight when the grace was over.
    Timeout,
    /// A final answer that refuses.
    Status(u16),
    /// A final answer that neither refuses nor is the 200 that was asked for.
    UnexpectedStatus(u16),
    /// The 200 came without a provisional answer before it.
    NoProvisional,
    /// The 200 was never acknowledged.
    NoAck,
    /// A device that rang and lost was not cancelled.
    NoCancel,
    /// The 487 of a cancelled device was never acknowledged.
    NoAckOf487,
    /// The caller saw two final answers that differ.
    SecondFinal,
    /// Tags, Call-ID or Request-URI of another dialog.
    WrongDialog,
    /// A message of the operation without what it must have.
    Malformed,
    /// More operations in flight than the generator holds.
    InFlightMax,
    /// A user's registration was refused.
    Registration,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Cause::Timeout => "timeout",
            Cause::Status(status) => return write!(f, "status_{status}"),
            Cause::UnexpectedStatus(status) => return write!(f, "unexpected_status_{status}"),
            Cause::NoProvisional => "no_provisional",
            Cause::NoAck => "no_ack",
            Cause::NoCancel => "no_cancel",
            Cause::NoAckOf487 => "no_ack_of_487",
            Cause::SecondFinal => "second_final",
            Cause::WrongDialog => "wrong_dialog",
            Cause::Malformed => "malformed",
            Cause::InFlightMax => "in_flight_max",
            Cause::Registration => "registration",
        };
        f.write_str(text)
    }
}

/// The steps whose latency is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Register200,
    Invite100,
    Invite18x,
    Invite200,
    Bye200,
    Options200,
    CancelToLosers,
}

impl Step {
    pub const ALL: [Step; 7] = [
        Step::Register200,
        Step::Invite100,
        Step::Invite18x,
        Step::Invite200,
        Step::Bye200,
        Step::Options200,
        Step::CancelToLosers,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Step::Register200 => "register_200",
            Step::Invite100 => "invite_100",
            Step::Invite18x => "invite_18x",
            Step::Invite200 => "invite_200",
            Step::Bye200 => "bye_200",
            Step::Options200 => "options_200",
            Step::CancelToLosers => "cancel_to_losers",
        }
    }
}

/// What happened in forked calls.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forks {
    /// Devices that were called.
    pub rang: u64,
    /// Calls won, by device.
    pub won: Vec<u64>,
    pub cancelled: u64,
    pub acked_487: u64,
    /// The most To tags that one caller saw.
    pub to_tags_max: u32,
}

/// A failed operation, kept whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Specimen {
    pub cause: Cause,
    /// Since its intended start.
    pub after: Duration,
    /// Who and what.
    pub what: String,
    /// The message that decided, or the one that nobody answered.
    pub message: String,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Tally {
    pub attempted: u64,
    pub succeeded: u64,
    pub failures: BTreeMap<Cause, u64>,
    pub specimens: Vec<Specimen>,
    pub retransmissions_sent: u64,
    pub retransmissions_received: u64,
    pub forks: Forks,
    /// Datagrams that are no SIP message.
    pub malformed: u64,
    /// Messages that belong to nothing that is in flight.
    pub strays: u64,
    /// The start line of the first of them.
    pub first_stray: String,
    /// ICMP errors: what was sent could not be delivered.
    pub unreachable: u64,
    pub late: Histogram<u64>,
    latencies: [Histogram<u64>; Step::ALL.len()],
}

/// The longest latency that is told from longer ones.
const LATENCY_MAX: Duration = Duration::from_secs(3_600);

/// Failed operations that are kept whole.
const SPECIMENS_MAX: usize = 5;

impl Tally {
    pub fn new(devices: u8) -> Self {
        Tally {
            attempted: 0,
            succeeded: 0,
            failures: BTreeMap::new(),
            specimens: Vec::new(),
            retransmissions_sent: 0,
            retransmissions_received: 0,
            forks: Forks { won: vec![0; usize::from(devices)], ..Forks::default() },
            malformed: 0,
            strays: 0,
            first_stray: String::new(),
            unreachable: 0,
            late: histogram(),
            latencies: core::array::from_fn(|_| histogram()),
        }
    }

    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Measured operations that have not ended.
    pub fn in_flight(&self) -> u64 {
        self.attempted - self.succeeded - self.failed()
    }

    /// Records a latency that counts from `from`.
    pub fn record(&mut self, step: Step, from: Instant, now: Instant) {
        self.latencies[step as usize].saturating_record(now.since(from).as_micros());
    }

    pub fn latency(&self, step: Step) -> &Histogram<u64> {
        &self.latencies[step as usize]
    }

    /// Counts a message that belongs to nothing in flight.
    pub fn stray(&mut self, message: &Message<'_>) {
        self.strays += 1;
        if self.strays == 1 {
            let line = message.bytes().split(|&byte| byte == b'\r').next().unwrap_or_default();
            self.first_stray = String::from_utf8_lossy(line).into_owned();
        }
    }

    /// Counts a failure. True when it is one of the first few, which are to be kept whole in `specimens`.
    pub fn fail(&mut self, cause: Cause) -> bool {
        *self.failures.entry(cause).or_insert(0) += 1;
        self.specimens.len() < SPECIMENS_MAX
    }
}

/// Three significant digits, from a microsecond up.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX.as_micros(), 3).expect("the bounds are in order")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_counts_and_a_few_are_kept() {
        let mut tally = Tally::new(1);
        tally.attempted = 12;
        tally.succeeded = 1;
        for number in 0..10 {
            let cause = if number % 2 == 0 { Cause::Timeout } else { Cause::Status(503) };
            if tally.fail(cause) {
                let (what, message) = (number.to_string(), String::new());
                tally.specimens.push(Specimen { cause, after: Duration::ZERO, what, message });
            }
        }
        assert_eq!((tally.failed(), tally.in_flight()), (10, 1));
        assert_eq!(tally.failures[&Cause::Timeout], 5);
        assert_eq!(tally.specimens.iter().map(|kept| kept.what.as_str()).collect::<String>(), "01234");
    }

    #[test]
    fn latencies_count_from_the_intended_start_and_saturate() {
        let mut tally = Tally::new(1);
        let from = Instant::from_micros(1_000);
        tally.record(Step::Bye200, from, from + Duration::from_micros(250));
        tally.record(Step::Bye200, from, Instant::NEVER);
        let latency = tally.latency(Step::Bye200);
        assert_eq!((latency.len(), latency.min()), (2, 250));
        assert!(latency.max() >= LATENCY_MAX.as_micros());
        assert!(tally.latency(Step::Invite100).is_empty());
    }
}
