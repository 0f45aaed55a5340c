//! tine-load: a load generator for SIP. Operations start by the clock, users are the model, both ends of every call are here.
//!
//! `cli` says what is asked, `run` does it on a thread of its own, `report` says what came of it. Below `run`: `rooms` (what reaches what), `pacing` (when to start),
//! `request` and `call` (what an operation is), `user` (who does it), `names`, `template` and `texts` (what is written), `reading` (what
//! is read), `timers`, `sockets`, `tally` (what is counted), `process` (the system under test).

mod call;
mod cli;
mod clock;
mod context;
mod names;
mod pacing;
mod process;
mod progress;
mod reading;
mod report;
mod request;
mod rooms;
mod run;
mod sockets;
mod tally;
mod template;
mod texts;
mod timers;
mod user;

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;

use crate::cli::{Cli, Plan};
use crate::report::Summary;
use crate::run::{Outcome, Watch};

/// The bound did not hold.
const EXIT_FAILED: u8 = 1;
/// The command line or the environment is wrong.
const EXIT_WRONG: u8 = 2;

fn main() -> ExitCode {
    match Cli::parse().plan().and_then(|plan| perform(&plan)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILED),
        Err(text) => {
            eprintln!("tine-load: {text}");
            ExitCode::from(EXIT_WRONG)
        }
    }
}

/// Runs a plan and reports it. True when the bound held.
fn perform(plan: &Plan) -> Result<bool, String> {
    let json = plan.json.as_ref().map(|path| {
        File::create(path)
            .map_err(|error| format!("--json {}: {error}", path.display()))
            .map(|file| (path, file))
    });
    let json = json.transpose()?;
    if let Some(pid) = plan.pid {
        process::usage_of(pid)
            .ok_or_else(|| format!("--pid {pid}: no such process, or not to be looked at"))?;
    }
    let stop = stop_on_interrupt()?;
    let outcome = run_watched(plan, &stop)?;
    let summary = Summary::new(plan, &outcome);
    for specimen in &outcome.tally.specimens {
        eprint!("{specimen}");
    }
    // A reader that has gone away takes nothing from what the run came to.
    let _ = write!(std::io::stdout(), "{summary}");
    if let Some((path, mut file)) = json {
        let written = serde_json::to_writer_pretty(&mut file, &summary).map_err(std::io::Error::from);
        written
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|error| format!("--json {}: {error}", path.display()))?;
    }
    Ok(summary.has_held())
}

/// Runs on a thread of its own, which may be pinned, while this one shows the progress.
fn run_watched(plan: &Plan, stop: &AtomicBool) -> Result<Outcome, String> {
    let watch = Watch::default();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| run::run(plan, &watch, stop));
        progress::show(plan, &watch, || run.is_finished());
        run.join().map_err(|_| "the run has ended by a fault of tine-load".to_owned())?
    })
}

/// The first interrupt ends the run as if its duration were over; the second ends it at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, String> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, i32::from(EXIT_FAILED), Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| format!("signals: {error}"))?;
    }
    Ok(stop)
}
