//! Faults of our own: an assert that fires inside of a shard costs what it was working on, not the service.
//!
//! What panicked is caught, counted, and kept with the message that was being taken in until it has been printed; one line a second at most. A process
//! that has too many of them in a minute is worth less than a fresh one and ends.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::time::{Duration, Instant};

/// Past this many in a minute the process ends.
const FAULTS_PER_MINUTE_MAX: usize = 10;

/// Faults that wait for their line in the log; the oldest goes when there are more.
const REPORTS_MAX: usize = 8;

/// Of a message, this much is printed.
const REPORT_BYTES_MAX: usize = 4_096;

const MINUTE: Duration = Duration::from_secs(60);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
    static PANIC_TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The faults of one shard.
#[derive(Debug, Default)]
pub(super) struct Faults {
    recent: VecDeque<Instant>,
    reports: VecDeque<String>,
    next_report: Instant,
}

/// Calls `call`. `Err` with the panic's text and place when it panicked.
pub(super) fn guard(call: impl FnOnce()) -> Result<(), String> {
    IS_GUARDED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(call));
    IS_GUARDED.set(false);
    result.map_err(|_| PANIC_TEXT.with_borrow_mut(std::mem::take))
}

/// Panics that `guard` will catch keep their text for the report instead of printing it; all others print as ever.
pub(super) fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_GUARDED.get() {
                PANIC_TEXT.with_borrow_mut(|text| {
                    text.clear();
                    let _ = write!(text, "{info}");
                });
            } else {
                earlier(info);
            }
        }));
    });
}

impl Faults {
    /// Keeps a fault, with the message that was being taken in. False when there were too many of them.
    pub(super) fn record(&mut self, now: Instant, text: &str, message: Option<&[u8]>) -> bool {
        while self.recent.front().is_some_and(|&first| now.since(first) >= MINUTE) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        if self.reports.len() == REPORTS_MAX {
            self.reports.pop_front();
        }
        self.reports.push_back(describe(text, message));
        self.recent.len() <= FAULTS_PER_MINUTE_MAX
    }

    /// The next line for the log, when one is due.
    pub(super) fn next_report(&mut self, now: Instant) -> Option<String> {
        if now < self.next_report {
            return None;
        }
        let report = self.reports.pop_front()?;
        self.next_report = now + REPORT_INTERVAL;
        Some(report)
    }

    /// When the next line is due.
    pub(super) fn next_report_at(&self) -> Option<Instant> {
        (!self.reports.is_empty()).then_some(self.next_report)
    }
}

fn describe(text: &str, message: Option<&[u8]>) -> String {
    let mut report = text.replace('\n', " ");
    if let Some(bytes) = message {
        let _ = write!(report, "; {} bytes: ", bytes.len());
        for byte in &bytes[..bytes.len().min(REPORT_BYTES_MAX)] {
            let _ = write!(report, "{byte:02x}");
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> Instant {
        Instant::from_micros(0) + Duration::from_secs(1_000 + s)
    }

    #[test]
    fn a_panic_is_caught_with_its_text_and_place() {
        install_panic_hook();
        assert_eq!(guard(|| {}), Ok(()));
        let text = guard(|| panic!("the table is {}", "upside down")).unwrap_err();
        assert!(text.contains("the table is upside down") && text.contains("fault.rs"), "{text}");
    }

    #[test]
    fn the_eleventh_fault_within_a_minute_is_one_too_many() {
        let mut faults = Faults::default();
        for s in 0..10 {
            assert!(faults.record(at(s), "x", None));
        }
        assert!(faults.record(at(60), "x", None), "the first has left the minute");
        assert!(!faults.record(at(60), "x", None));
    }

    #[test]
    fn reports_are_one_a_second_in_order_and_bounded() {
        let mut faults = Faults::default();
        for n in 0..REPORTS_MAX + 2 {
            faults.record(at(0), &format!("fault {n}\nsecond line"), Some(&[0x53, 0x00, n as u8]));
        }
        assert_eq!(faults.next_report(at(0)).as_deref(), Some("fault 2 second line; 3 bytes: 530002"));
        assert_eq!(faults.next_report(at(0)), None);
        assert_eq!(faults.next_report_at(), Some(at(1)));
        let rest = (1..20).filter(|&s| faults.next_report(at(s)).is_some()).count();
        assert_eq!(rest, REPORTS_MAX - 1);
        assert_eq!(faults.next_report_at(), None);
    }

    #[test]
    fn a_long_message_is_cut() {
        let report = describe("x", Some(&[0; 65_535]));
        assert!(report.starts_with("x; 65535 bytes: 0000") && report.len() < 2 * REPORT_BYTES_MAX + 64);
    }
}
