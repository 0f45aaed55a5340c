//! The command line of tine: arguments to config to shell.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tine::config::{self, Problem};

/// A SIP edge: forking registrar and proxy.
///
/// Without a subcommand, `tine` runs. Without a file it serves UDP and TCP on 127.0.0.1:5060 with an open registrar, and its
/// HTTP API on 127.0.0.1:8060.
#[derive(Parser)]
#[command(name = "tine", version, args_conflicts_with_subcommands = true, after_long_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Start, and serve until SIGTERM (the default).
    ///
    /// Once every socket is bound, one line on standard output says so: `tine ready udp 127.0.0.1:5060 …`. Logs go to standard
    /// error. SIGTERM refuses new calls and lets those in progress end; a second one ends at once.
    #[command(after_long_help = EXIT_CODES)]
    Run(RunArguments),
    /// Read a configuration file, and say what is wrong with it.
    ///
    /// Prints a summary and exits with 0, or every error as `file:line:column: key: what is wrong, what is allowed` on standard error
    /// and exits with 2.
    Check(CheckArguments),
}

#[derive(Args)]
struct RunArguments {
    /// Configuration file (TOML); without it, every key has its default.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
struct CheckArguments {
    /// Configuration file (TOML).
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Check(check)) => run_check(&check.config),
        Some(Command::Run(run)) => run_node(run.config.as_deref()),
        None => run_node(arguments.run.config.as_deref()),
    }
}

fn run_check(path: &Path) -> ExitCode {
    match config::load(Some(path)) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                eprintln!("warning: {warning}");
            }
            println!("{}: ok\n{}", path.display(), loaded.config.summary());
            ExitCode::SUCCESS
        }
        Err(problems) => refuse_config(&problems),
    }
}

fn run_node(path: Option<&Path>) -> ExitCode {
    match config::load(path) {
        Ok(_) => ExitCode::SUCCESS,
        Err(problems) => refuse_config(&problems),
    }
}

fn refuse_config(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    ExitCode::from(CONFIG_WRONG)
}

/// As in `EXIT_CODES`.
const CONFIG_WRONG: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0  ended as asked, or the file is right
  1  could not start or go on: a port is taken, io_uring is not to be had
  2  the arguments or the configuration are wrong";
