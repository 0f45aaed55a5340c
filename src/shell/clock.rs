//! The only reader of the system's clocks.

use crate::time::{Duration, Instant};

/// Tells the time: microseconds that began at Unix time when the process started, and go on monotonically, whatever happens to the system's date.
/// A copy tells the same time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    unix: Instant,
}

impl Clock {
    /// Reads the date. Made once in a process.
    #[expect(clippy::disallowed_methods, reason = "this is where the clocks are read")]
    pub fn start() -> Self {
        let since_unix =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Clock { start: std::time::Instant::now(), unix: Instant::from_micros(since_unix.as_micros() as u64) }
    }

    pub fn now(&self) -> Instant {
        self.unix + Duration::from_micros(self.start.elapsed().as_micros() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_starts_at_unix_time_and_never_steps_back() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(first.unix_s() > 1_700_000_000);
        let times: Vec<Instant> = (0..1000).map(|_| clock.now()).collect();
        assert!(times.is_sorted() && times[0] >= first);
    }
}
