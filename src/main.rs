//! The command line of tine: arguments to config to shell.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tine::config::options::Start;
use tine::config::{self, Config, Key, Loaded, Problem, log};
use tine::flow::Endpoint;
use tine::ids::ShardId;
use tine::scan::{Backend, Scanner};
use tine::services::{self, Bound};
use tine::shard::Shard;
use tine::shell::clock::Clock;
use tine::shell::{self, BoundListener, Observer, port};

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
    /// error. SIGTERM refuses new calls and lets those in progress end; a second one ends at once. SIGHUP reads the file again.
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

/// Why a node does not run, as one line, and the exit code that it means.
struct Failure {
    text: String,
    exit_code: u8,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Check(check)) => run_check(&check.config),
        Some(Command::Run(run)) => run_node(run.config),
        None => run_node(arguments.run.config),
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

fn run_node(path: Option<PathBuf>) -> ExitCode {
    let loaded = match config::load(path.as_deref()) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse_config(&problems),
    };
    let filter = log::start(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match serve(loaded, path, filter) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tracing::error!("{}", failure.text);
            ExitCode::from(failure.exit_code)
        }
    }
}

/// Binds the API, starts the services and the shards, and returns when the node has drained.
fn serve(loaded: Loaded, path: Option<PathBuf>, filter: log::Filter) -> Result<(), Failure> {
    let Loaded { config, key, .. } = loaded;
    let drawn = Drawn::new(key).map_err(|error| Failure::system("no randomness can be drawn", &error))?;
    let scanner = choose_scanner()?;
    let options = config.shell_options();
    let shards = shell::shard_count(&options);

    let mut ends = Vec::new();
    let mut api = None;
    if let Some(address) = config.api.address {
        let bound = services::bind(address).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => Failure::new(format!("api {address} is taken by another process")),
            _ => Failure::system(&format!("api {address} can not be bound"), &error),
        })?;
        let bound_at = bound.address().map_err(|error| Failure::system("api", &error))?;
        ends = start_services(bound, &config, shards).map_err(|error| Failure::system("services", &error))?;
        api = Some(bound_at);
    }

    let shard_config = config.clone();
    let shards = u8::try_from(shards).expect("SHARDS_MAX fits in u8");
    let clock = Clock::start();
    let make_shard = move |shard: ShardId, endpoints: &[Endpoint]| {
        let Drawn { key, epoch, seed } = &drawn;
        let start = Start { shards, key, epoch: *epoch, seed: *seed, scanner };
        Shard::new(shard_config.shard_options(shard, endpoints, &start), clock.now())
    };
    let mut owner = Owner { api, path, config, filter };
    shell::run(&options, ends, make_shard, &mut owner).map_err(|error| {
        let exit_code = error.exit_code();
        Failure { text: error.to_string(), exit_code }
    })
}

/// What each start has of its own.
struct Drawn {
    /// That of the key file, where there is one.
    key: Key,
    epoch: u32,
    seed: u64,
}

impl Drawn {
    fn new(key: Option<Key>) -> io::Result<Self> {
        let key = match key {
            Some(key) => key,
            None => Key(config::draw()?),
        };
        Ok(Drawn {
            key,
            epoch: u32::from_le_bytes(config::draw()?),
            seed: u64::from_le_bytes(config::draw()?),
        })
    }
}

/// The fastest scanner that the processor has, or for tests the one that the environment names.
fn choose_scanner() -> Result<Scanner, Failure> {
    #[expect(clippy::disallowed_methods, reason = "the environment is read here only")]
    let Ok(name) = std::env::var(SCANNER_VARIABLE) else { return Ok(Scanner::detect()) };
    let scanner = Backend::from_name(&name).and_then(Scanner::with);
    scanner
        .ok_or_else(|| Failure::new(format!("{SCANNER_VARIABLE}={name}: this processor has no such scanner")))
}

/// Starts the services' thread, and gives the shards' ends of its rings.
fn start_services(bound: Bound, config: &Config, shards: usize) -> io::Result<Vec<port::ShardEnd>> {
    let (mut service_ends, mut shard_ends) = (Vec::new(), Vec::new());
    for _ in 0..shards {
        let (service_end, shard_end) = port::pair()?;
        service_ends.push(service_end);
        shard_ends.push(shard_end);
    }
    bound.serve(config.services_options(), service_ends)?;
    Ok(shard_ends)
}

/// What the node's thread does when it is ready, and at SIGHUP.
struct Owner {
    api: Option<std::net::SocketAddr>,
    path: Option<PathBuf>,
    config: Config,
    filter: log::Filter,
}

impl Observer for Owner {
    fn on_ready(&mut self, listeners: &[BoundListener]) {
        let mut line = "tine ready".to_owned();
        for listener in listeners {
            line.push(' ');
            line.push_str(&String::from_utf8_lossy(listener.transport.uri_name()));
            line.push_str(&format!(" {}", listener.address));
        }
        if let Some(api) = self.api {
            line.push_str(&format!(" api {api}"));
        }
        tracing::info!(node = self.config.node.name, version = env!("CARGO_PKG_VERSION"), "ready");
        let mut output = io::stdout().lock();
        // Whoever started tine may have closed its end; that is no reason to end.
        let _ = writeln!(output, "{line}").and_then(|()| output.flush());
    }

    /// What can change while the node runs is the log level; the rest of a changed file waits for the next start.
    fn on_reload(&mut self) {
        let Some(path) = &self.path else {
            tracing::warn!("there is no configuration file to reload");
            return;
        };
        match config::load(Some(path)) {
            Ok(loaded) => {
                self.filter.set_level(loaded.config.log.level);
                self.config.log.level = loaded.config.log.level;
                if loaded.config == self.config {
                    tracing::info!("the configuration file is reloaded");
                } else {
                    tracing::warn!(
                        "the configuration file is reloaded: log.level holds now, the rest of its changes from the next start"
                    );
                }
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!("{problem}");
                }
                tracing::error!("the configuration file is wrong, nothing changes");
            }
        }
    }
}

impl Failure {
    fn new(text: String) -> Self {
        Failure { text, exit_code: CAN_NOT_START }
    }

    fn system(what: &str, error: &io::Error) -> Self {
        Failure::new(format!("{what}: {error}"))
    }
}

fn refuse_config(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    ExitCode::from(CONFIG_WRONG)
}

const SCANNER_VARIABLE: &str = "TINE_SCAN";

/// As in `EXIT_CODES`.
const CAN_NOT_START: u8 = 1;
const CONFIG_WRONG: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0   ended as asked, or the file is right
  1   can not start: a port is taken, io_uring is not to be had
  2   the arguments or the configuration are wrong
  70  ended by faults of its own; the log has them";
