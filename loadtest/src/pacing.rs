//! When operations start: by the clock alone. An answer, or its absence, moves nothing.
//!
//! During a ramp of S seconds the rate grows from 0 to R in a straight line, so operation k of it is meant for √(2·S·k/R) seconds
//! after the start; the operations of the ramp are started and not measured. After it, operation k is meant for k/R seconds after
//! the ramp's end. Both are computed from k, never added up, so no rounding gathers.

use tine::time::{Duration, Instant};

/// What ends the measured part.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Stop {
    /// After so many measured operations.
    Count(u64),
    /// So long after the end of the ramp.
    Duration(Duration),
}

/// One operation that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// When it was meant to start.
    pub intended: Instant,
    /// Its number, counted from 0, the ramp's included.
    pub number: u64,
    /// False for the operations of the ramp.
    pub measured: bool,
}

/// The plan of starts.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Operations a second, more than 0.
    rate: f64,
    ramp_s: f64,
    /// Operations of the ramp.
    ramp_count: u64,
    stop: Stop,
    begin: Instant,
    next: u64,
}

impl Pace {
    pub fn new(rate: f64, ramp_s: f64, stop: Stop, begin: Instant) -> Self {
        assert!(rate > 0.0 && ramp_s >= 0.0, "the command line was checked");
        Pace { rate, ramp_s, ramp_count: (rate * ramp_s / 2.0) as u64, stop, begin, next: 0 }
    }

    /// The end of the ramp, where measuring begins.
    pub fn measured_from(&self) -> Instant {
        self.begin + micros(self.ramp_s)
    }

    /// The planned end of the measured part.
    pub fn measured_to(&self) -> Instant {
        let length = match self.stop {
            Stop::Count(count) => micros(count as f64 / self.rate),
            Stop::Duration(length) => length,
        };
        self.measured_from() + length
    }

    /// The start that comes next; `None` once all are done, or would lie outside the measured part.
    pub fn next_start(&self) -> Option<Start> {
        let number = self.next;
        if number < self.ramp_count {
            let after = (2.0 * self.ramp_s * number as f64 / self.rate).sqrt();
            return Some(Start { intended: self.begin + micros(after), number, measured: false });
        }
        let measured = number - self.ramp_count;
        let after = micros(measured as f64 / self.rate);
        let is_within = match self.stop {
            Stop::Count(count) => measured < count,
            Stop::Duration(length) => after < length,
        };
        is_within.then(|| Start { intended: self.measured_from() + after, number, measured: true })
    }

    /// Takes the next start if it is due. With a duration, nothing starts after its end: what a generator that fell behind has not
    /// started by then, it has not attempted.
    pub fn pop_due(&mut self, now: Instant) -> Option<Start> {
        let start = self.next_start()?;
        if start.intended > now || self.is_over(now) {
            return None;
        }
        self.next += 1;
        Some(start)
    }

    /// Nothing will start any more.
    pub fn is_over(&self, now: Instant) -> bool {
        self.next_start().is_none() || (matches!(self.stop, Stop::Duration(_)) && now >= self.measured_to())
    }
}

fn micros(seconds: f64) -> Duration {
    Duration::from_micros((seconds * 1e6) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Instant = Instant::from_micros(1_000_000);

    fn all(mut pace: Pace, now: Instant) -> Vec<Start> {
        core::iter::from_fn(|| pace.pop_due(now)).collect()
    }

    #[test]
    fn starts_are_exact_at_any_rate() {
        for rate in [1.0, 3.0, 7.5, 1_000.0, 99_999.0, 100_000.0] {
            let mut pace = Pace::new(rate, 0.0, Stop::Count(300_000), BEGIN);
            let mut number = 0;
            while let Some(start) = pace.pop_due(Instant::NEVER) {
                let exact = number as f64 / rate * 1e6;
                let after = start.intended.since(BEGIN).as_micros() as f64;
                assert!((after - exact).abs() <= 1.0, "{rate}/s: start {number} at {after}, not {exact}");
                assert_eq!((start.number, start.measured), (number, true));
                number += 1;
            }
            assert_eq!(number, 300_000);
        }
    }

    #[test]
    fn nothing_starts_before_its_time_nor_after_the_end() {
        let mut pace = Pace::new(10.0, 0.0, Stop::Duration(Duration::from_secs(1)), BEGIN);
        assert_eq!(pace.pop_due(BEGIN).map(|start| start.number), Some(0));
        assert_eq!(pace.pop_due(BEGIN + Duration::from_micros(99_999)), None);
        assert_eq!(pace.pop_due(BEGIN + Duration::from_millis(100)).map(|start| start.number), Some(1));
        // Late, but before the end: what is due is started. At the end: no more.
        assert_eq!(pace.pop_due(BEGIN + Duration::from_millis(999)).map(|start| start.number), Some(2));
        assert_eq!(pace.pop_due(BEGIN + Duration::from_secs(1)), None);
        assert!(pace.is_over(BEGIN + Duration::from_secs(1)));
        assert!(!pace.is_over(BEGIN + Duration::from_millis(999)));
    }

    #[test]
    fn a_duration_holds_rate_times_duration_starts() {
        let pace = Pace::new(10.0, 0.0, Stop::Duration(Duration::from_secs(2)), BEGIN);
        assert_eq!(all(pace, BEGIN + Duration::from_micros(1_999_999)).len(), 20);
    }

    #[test]
    fn the_ramp_grows_in_a_straight_line_and_is_not_measured() {
        let pace = Pace::new(100.0, 10.0, Stop::Count(50), BEGIN);
        let from = pace.measured_from();
        assert_eq!(from, BEGIN + Duration::from_secs(10));
        let starts = all(pace, Instant::NEVER);
        let ramp: Vec<&Start> = starts.iter().filter(|start| !start.measured).collect();
        assert_eq!((ramp.len(), starts.len()), (500, 550));
        // In its first half a ramp starts a quarter of its operations.
        let half = BEGIN + Duration::from_secs(5);
        assert_eq!(ramp.iter().filter(|start| start.intended < half).count(), 125);
        assert!(starts.windows(2).all(|pair| pair[0].intended <= pair[1].intended));
        assert_eq!(starts[500].intended, from);
    }
}
