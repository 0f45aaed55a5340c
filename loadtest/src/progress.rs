//! One line a second on standard error while a run lasts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::cli::Plan;
use crate::run::Watch;

/// How often the end of the run is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// Looks from one line to the next.
const LOOKS_A_LINE: u32 = 50;

/// Shows the progress until the run is over.
pub fn show(plan: &Plan, watch: &Watch, is_over: impl Fn() -> bool) {
    let mut looks = 0_u32;
    let mut last = 0;
    while !is_over() {
        std::thread::sleep(LOOK);
        looks += 1;
        if plan.quiet || !looks.is_multiple_of(LOOKS_A_LINE) {
            continue;
        }
        let second = looks / LOOKS_A_LINE;
        if !watch.has_begun.load(Ordering::Relaxed) {
            eprintln!("{second:>4} s  {} registered", read(&watch.registered));
            continue;
        }
        let attempted = read(&watch.attempted);
        let (succeeded, failed) = (read(&watch.succeeded), read(&watch.failed));
        eprintln!(
            "{second:>4} s  {:>7}/s  started {attempted}  succeeded {succeeded}  failed {failed}  in flight {}",
            attempted.saturating_sub(last),
            attempted.saturating_sub(succeeded + failed),
        );
        last = attempted;
    }
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
